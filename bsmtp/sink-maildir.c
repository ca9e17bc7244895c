/*
 * sink maildir: each message a file in a Maildir.  It is named by the id it has at the
 * peer, where there is one: a batch that comes again after a crash then finds it there.
 */
#include "bsmtp/sink.h"

#include "spool/maildir.h"

extern const struct sink sink_maildir;

struct to_maildir {
	const struct settings *settings;
	const char *peer, *where;
};

static int
check_maildir(const char *where, struct err *err)
{
	return where[0] != '\0' ? 0 : err_set(err, ERR_CONFIG, "maildir: which folder?");
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
write_body(struct maildir *box, const struct entry *entry, int fd, struct err *err)
{
	char piece[16384];
	off_t at = entry->body_at, end = at + (off_t)entry->body_len;

	while (at < end) {
		ssize_t got = fs_pread(fd, piece, end - at < (off_t)sizeof piece ? (size_t)(end - at) :
		    sizeof piece, at, err);
		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_TEMP, "the batch became shorter");
		if (maildir_body(box, piece, (size_t)got, err) < 0)
			return -1;
		at += got;
	}
	return 0;
}

static int
deliver(const struct to_maildir *to, const struct entry *entry, int fd, struct span rcpt,
    struct err *err)
{
	struct maildir box;
	struct str folder = {0}, id = {0};

	str_add_span(&id, str_span(&entry->info.peer_id));
	if (to->peer == NULL || !spool_id_ok(str_c(&id)))
		str_set_span(&id, str_span(&entry->info.id));
	int result = maildir_folder(to->settings, to->where, rcpt, &folder, err);
	if (result == 0 && (result = maildir_open(&box, str_c(&folder), str_c(&id), err)) == 0) {
		if (write_fields(&box, entry, rcpt, err) < 0 || write_body(&box, entry, fd, err) < 0 ||
		    maildir_commit(&box, err) < 0)
			result = -1;
		maildir_close(&box);
	}
	str_free(&folder);
	str_free(&id);
	return result < 0 ? -1 : 0;
}

static int
one(void *ctx, const struct entry *entry, int fd, struct outcome *outcome, struct err *err)
{
	for (size_t i = 0; i < entry->env.rcpts; i++) {
		if (deliver(ctx, entry, fd, str_span(&entry->env.rcpt[i].to), err) == 0)
			continue;
		outcome[i].kind = err->kind;
		err_reply(err, &outcome[i].reply);
	}
	return 0;
}

static int
to_maildir(struct delivery *d, const char *where, struct err *err)
{
	struct to_maildir to = { d->settings, d->peer, where };

	return sink_each(d, one, &to, err);
}

const struct sink sink_maildir = { "maildir", check_maildir, to_maildir };
