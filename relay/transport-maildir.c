/* transport-maildir - into a Maildir of ours (spool/maildir.h). */
#include "relay/transport.h"

#include <stdlib.h>

#include "lib/mail/envelope.h"
#include "relay/lane.h"
#include "relay/relay.h"
#include "spool/maildir.h"

enum { PIECE = 64 << 10 };

/* The folder of each recipient that waits; NULL for the others, and for those that
 * have none, who are told of it here. */
static char **
find_folders(struct lane *lane)
{
	const struct envelope *env = &lane->message.entry.env;
	char **folder = mem_get(env->rcpts * sizeof *folder);

	for (size_t i = 0; i < env->rcpts; i++) {
		struct str path = {0};
		struct err err;
		if (!lane_waiting(lane, i))
			continue;
		if (maildir_folder(&lane->relay->setup->settings, lane->rest, str_span(&env->rcpt[i].to),
		    &path, &err) == 0)
			folder[i] = mem_text(str_c(&path));
		else
			lane_rcpt_err(lane, i, &err);
		str_free(&path);
	}
	return folder;
}

static bool
same(const char *a, const char *b)
{
	return a != NULL && b != NULL && span_is(span_of(a), b);
}

static int
write_fields(struct lane *lane, char *const *folder, size_t first, struct maildir *box,
    struct err *err)
{
	const struct envelope *env = &lane->message.entry.env;
	struct str path = {0};

	str_printf(&path, "<%.*s>", (int)env->from.len, env->from.p != NULL ? env->from.p : "");
	int result = maildir_field(box, "Return-Path", str_span(&path), err);
	for (size_t i = first; i < env->rcpts && result == 0; i++)
		if (same(folder[i], folder[first]))
			result = maildir_field(box, "Delivered-To", str_span(&env->rcpt[i].to), err);
	str_free(&path);
	return result;
}

static int
write_body(const struct message *message, struct maildir *box, struct err *err)
{
	uint64_t left = message->entry.body_len;
	off_t at = message->entry.body_at;
	char *piece = mem_get(PIECE);
	int result = 0;

	while (left > 0 && result == 0) {
		ssize_t got = fs_pread(message->fd, piece, left < PIECE ? (size_t)left : PIECE, at, err);
		if (got == 0)
			err_set(err, ERR_TEMP, "the message is shorter than its head says");
		result = got <= 0 ? -1 : maildir_body(box, piece, (size_t)got, err);
		left -= got > 0 ? (uint64_t)got : 0;
		at += got;
	}
	free(piece);
	return result;
}

/* One file for all the recipients that share the folder of the first. */
static int
deliver(struct lane *lane, char *const *folder, size_t first, struct err *err)
{
	struct maildir box;
	int result = maildir_open(&box, folder[first], str_c(&lane->message.id), err);

	if (result != 0)
		return result > 0 ? 0 : -1;
	result = write_fields(lane, folder, first, &box, err);
	if (result == 0)
		result = write_body(&lane->message, &box, err);
	if (result == 0)
		result = maildir_commit(&box, err);
	maildir_close(&box);
	return result;
}

static void
tell(struct lane *lane, char **folder, size_t first, const struct err *err)
{
	size_t rcpts = lane->message.entry.env.rcpts;

	for (size_t i = rcpts; i-- > first;) {
		if (!same(folder[i], folder[first]))
			continue;
		if (err != NULL)
			lane_rcpt_err(lane, i, err);
		else
			lane_rcpt_done(lane, i, "250 2.0.0 delivered", dsn_of_success(DSN_BY_MAILBOX));
		if (i == first)
			break;
		free(folder[i]);
		folder[i] = NULL;
	}
}

/* A folder of ours that cannot be written to is our trouble, never the sender's. */
static void
maildir_send(struct lane *lane)
{
	size_t rcpts = lane->message.entry.env.rcpts;
	char **folder = find_folders(lane);

	for (size_t i = 0; i < rcpts; i++) {
		struct err err = {0};
		if (folder[i] == NULL)
			continue;
		bool delivered = deliver(lane, folder, i, &err) == 0;
		if (!delivered && err.kind == ERR_PERM)
			err.kind = ERR_TEMP;
		tell(lane, folder, i, delivered ? NULL : &err);
	}
	for (size_t i = 0; i < rcpts; i++)
		free(folder[i]);
	free(folder);
	lane_done(lane, NULL);
}

const struct transport transport_maildir = {
	.name = "maildir",
	.kind = ROUTE_MAILDIR,
	.send = maildir_send,
};
