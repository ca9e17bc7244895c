#include "relay/mailbox.h"

#include <stdlib.h>

#include "lib/mail/header.h"
#include "relay/lane.h"
#include "relay/relay.h"
#include "spool/alias.h"
#include "spool/maildir.h"

enum { HEADER_MAX = 256 << 10 };

/* Behind a mark of [addresses] extension there is only a remark: it is the same mailbox. */
static int
folder_of(struct lane *lane, struct span rcpt, struct str *path, struct err *err)
{
	const struct settings *settings = &lane->relay->setup->settings;
	struct str base = {0};

	if (!alias_base(settings, rcpt, &base))
		str_set_span(&base, rcpt);
	int result = maildir_folder(settings, lane->rest, str_span(&base), path, err);
	str_free(&base);
	return result;
}

void
mailboxes_find(struct lane *lane, struct mailboxes *boxes)
{
	const struct envelope *env = &lane->message.entry.env;

	*boxes = (struct mailboxes){ .path = mem_get(env->rcpts * sizeof *boxes->path), .count = env->rcpts };
	for (size_t i = 0; i < env->rcpts; i++) {
		struct str path = {0};
		struct err err;
		if (!lane_waiting(lane, i))
			continue;
		int result = mailbox_loops(lane, i) ? mailbox_loop(&err) :
		    folder_of(lane, str_span(&env->rcpt[i].to), &path, &err);
		if (result == 0)
			boxes->path[i] = mem_text(str_c(&path));
		else
			lane_rcpt_err(lane, i, &err);
		str_free(&path);
	}
}

bool
mailboxes_same(const struct mailboxes *boxes, size_t a, size_t b)
{
	return boxes->path[a] != NULL && boxes->path[b] != NULL && span_is(span_of(boxes->path[a]), boxes->path[b]);
}

void
mailboxes_told(struct lane *lane, struct mailboxes *boxes, size_t first, const struct err *err)
{
	for (size_t i = boxes->count; i-- > first;) {
		if (!mailboxes_same(boxes, i, first))
			continue;
		if (err != NULL)
			lane_rcpt_err(lane, i, err);
		else
			lane_rcpt_done(lane, i, "250 2.0.0 delivered", dsn_of_success(DSN_BY_MAILBOX));
		if (i == first)
			break;
		free(boxes->path[i]);
		boxes->path[i] = NULL;
	}
}

void
mailboxes_free(struct mailboxes *boxes)
{
	for (size_t i = 0; i < boxes->count; i++)
		free(boxes->path[i]);
	free(boxes->path);
	*boxes = (struct mailboxes){0};
}

/* loops */

static bool
header_names(struct span header, struct span rcpt)
{
	struct header_field field;
	char *address = mem_text_n(rcpt.p, rcpt.len);
	bool found = false;

	while (!found && header_next(&header, &field))
		found = span_is_case(field.name, "Delivered-To") && span_is_case(field.value, address);
	free(address);
	return found;
}

bool
mailbox_loops(struct lane *lane, size_t rcpt)
{
	const struct message *message = &lane->message;
	struct str header = {0};
	struct err ignored;
	size_t want = message->entry.body_len < HEADER_MAX ? (size_t)message->entry.body_len : HEADER_MAX;
	ssize_t got = fs_pread(message->fd, str_room(&header, want), want, message->entry.body_at, &ignored);

	header.len = got > 0 ? (size_t)got : 0;
	bool loops = header_names(str_span(&header), str_span(&message->entry.env.rcpt[rcpt].to));
	str_free(&header);
	return loops;
}

int
mailbox_loop(struct err *err)
{
	err_set(err, ERR_PERM, "a mail loop: it was delivered to this address before");
	return err_as(err, 0, "5.4.6");
}

/* the message */

static int
write_fields(struct lane *lane, const struct mailboxes *boxes, size_t first,
    const struct mailbox_writer *writer, void *box, struct err *err)
{
	const struct envelope *env = &lane->message.entry.env;
	struct str path = {0};

	str_printf(&path, "<%.*s>", (int)env->from.len, env->from.p != NULL ? env->from.p : "");
	int result = writer->field(box, "Return-Path", str_span(&path), err);
	for (size_t i = first; i < env->rcpts && result == 0; i++)
		if (boxes == NULL ? i == first : mailboxes_same(boxes, i, first))
			result = writer->field(box, "Delivered-To", str_span(&env->rcpt[i].to), err);
	str_free(&path);
	return result;
}

int
mailbox_write(struct lane *lane, const struct mailboxes *boxes, size_t first,
    const struct mailbox_writer *writer, void *box, struct err *err)
{
	const struct message *message = &lane->message;

	return write_fields(lane, boxes, first, writer, box, err) < 0 ? -1 :
	    body_pieces(message->fd, message->entry.body_at, message->entry.body_len, writer->body, box, err);
}
