/*
 * sink maildir: each message a file in a Maildir.  It is named by its id, so one that was
 * delivered and not yet noted when we were killed is found there.
 */
#include "bsmtp/sink.h"

#include <stdlib.h>

#include "spool/body.h"
#include "spool/maildir.h"

extern const struct sink sink_maildir;

struct to_maildir {
	const struct settings *settings;
	const char *where;
};

static int
check_maildir(const char *where, struct err *err)
{
	return where[0] != '\0' ? 0 : err_set(err, ERR_CONFIG, "maildir: which folder?");
}

static int
open_maildir(const struct settings *settings, const char *where, void **work, struct err *err)
{
	struct to_maildir *to = mem_get(sizeof *to);

	(void)err;
	*to = (struct to_maildir){ settings, where };
	*work = to;
	return 0;
}

static int
write_fields(struct maildir *box, const struct entry *entry, struct span rcpt, struct err *err)
{
	struct str sender = {0};

	str_add_char(&sender, '<');
	str_add_span(&sender, str_span(&entry->env.from));
	str_add_char(&sender, '>');
	int result = maildir_field(box, "Return-Path", str_span(&sender), err);
	str_free(&sender);
	return result < 0 ? -1 : maildir_field(box, "Delivered-To", rcpt, err);
}

static int
write_piece(void *box, const void *bytes, size_t len, struct err *err)
{
	return maildir_body(box, bytes, len, err);
}

/* 0: it is there, now or since an earlier try. */
static int
deliver(const struct to_maildir *to, struct message *m, struct span rcpt, struct err *err)
{
	struct maildir box;
	struct str folder = {0};

	int result = maildir_folder(to->settings, to->where, rcpt, &folder, err);
	if (result == 0 && (result = maildir_open(&box, str_c(&folder), str_c(&m->id), err)) == 0) {
		if (write_fields(&box, &m->entry, rcpt, err) < 0 || body_pieces(m->fd, m->entry.body_at, m->entry.body_len, write_piece, &box, err) < 0 ||
		    maildir_commit(&box, err) < 0)
			result = -1;
		maildir_close(&box);
	}
	str_free(&folder);
	return result < 0 ? -1 : 0;
}

static int
send_maildir(void *work, struct message *m, struct err *err)
{
	(void)err;
	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		struct err why = {0};
		if (m->entry.status[i].state >= RCPT_DONE)
			continue;
		if (deliver(work, m, str_span(&m->entry.env.rcpt[i].to), &why) < 0) {
			sink_failed(m, i, &why, NULL);
			continue;
		}
		message_rcpt(m, i, RCPT_DONE, "250 2.0.0 delivered");
		message_report(m, i, DSN_DELIVERED);
	}
	return 0;
}

const struct sink sink_maildir = {
	.name = "maildir", .form = "maildir:DIR", .check = check_maildir,
	.open = open_maildir, .send = send_maildir, .close = free,
};
