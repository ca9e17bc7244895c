/* What follows DATA and BDAT.  A body that is refused is read to its true end all
 * the same, because only behind it are commands again. */
#include <stdint.h>

#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-verb.h"

bool
smtp_is_binary(const struct smtp_server *server)
{
	struct span value;

	return envelope_arg(str_span(&server->env.args), "BODY", &value) && span_is_case(value, "BINARYMIME");
}

void
smtp_body_abort(struct smtp_server *server)
{
	if (!server->work->begun)
		return;
	server->work->begun = false;
	server->hooks->abort(server->ctx);
}

static bool
is_refused(const struct smtp_server *server)
{
	return server->work->err.kind != ERR_NONE;
}

static void
fresh(struct smtp_server *server)
{
	struct smtp_server_work *work = server->work;

	work->dot = (struct dot_in){ .lax = server->options.batch, .crlf = work->crlf };
	work->err = (struct err){0};
	work->size = 0;
	work->close = work->unasked = false;
	work->chunk_cr = false;
}

/* The transaction is over, with an end or without. */
static void
done(struct smtp_server *server)
{
	server->mode = SMTP_COMMANDS;
	smtp_forget(server);
}

/* What we take we take for all; in LMTP each of them hears it. */
static void
reply_to_body(struct smtp_server *server, size_t rcpts, const struct err *err)
{
	size_t replies = server->options.lmtp && rcpts > 0 ? rcpts : 1;

	while (replies-- > 0)
		smtp_reply_err(server, err);
}

/* last: all of it has come, and is not only one chunk too much. */
static void
refused(struct smtp_server *server, bool last)
{
	struct smtp_server_work *work = server->work;
	size_t rcpts = last ? server->env.rcpts : 0;

	done(server);
	reply_to_body(server, rcpts, &work->err);
	work->spoilt = SMTP_SPOILT_MAX;
	if (work->close)
		smtp_server_eof(server);
}

static void
end_answered(struct smtp_server *server, int result, const struct err *err)
{
	size_t rcpts = server->env.rcpts;

	done(server);
	if (result < 0) {
		reply_to_body(server, rcpts, err);
		return;
	}
	server->work->junk = 0;
	struct err good = *err;
	if (good.text[0] == '\0')
		err_set(&good, ERR_NONE, "message taken");
	reply_to_body(server, rcpts, &good);
}

static void
whole(struct smtp_server *server)
{
	struct err err = {0};

	server->work->begun = false;
	server->mode = SMTP_COMMANDS;
	smtp_ask(server, server->hooks->end(server->ctx, &err), &err, end_answered);
}

/* A body as long as it is by now and will be when what is announced has come.
 * DATA-04: twice the limit shows that nobody there reads SIZE. */
static void
check_size(struct smtp_server *server, uint64_t more)
{
	struct smtp_server_work *work = server->work;
	uint64_t most = server->options.max_size;
	uint64_t size = more > UINT64_MAX - work->size ? UINT64_MAX : work->size + more;

	if (most == 0 || size <= most)
		return;
	if (size / 2 >= most)
		work->err.kind = ERR_NONE;	/* this reason comes before any other */
	if (!is_refused(server)) {
		err_set(&work->err, ERR_PERM, "more than the %ju bytes taken here", (uintmax_t)most);
		err_as_reply(&work->err, 552, "5.3.4");
	}
	if (size / 2 >= most)
		smtp_die_err(server, &work->err);
}

/* A piece of the body, to the hook unless it is refused by now. */
static void
piece(struct smtp_server *server, struct span bytes)
{
	struct smtp_server_work *work = server->work;

	if (bytes.len == 0)
		return;
	work->size += bytes.len;
	check_size(server, 0);
	if (is_refused(server) || server->mode == SMTP_DEAD)
		return;
	if (server->hooks->body(server->ctx, bytes.p, bytes.len, &work->err) < 0)
		smtp_err_is_no(&work->err);
}

static void
data_answered(struct smtp_server *server, int result, const struct err *err)
{
	if (result < 0) {
		server->work->begun = false;
		smtp_forget(server);
		smtp_reply_err(server, err);
		return;
	}
	if (smtp_too_early(server))
		return;
	server->mode = SMTP_DATA;
	smtp_reply(server, "354 go on, and end with a line that is only a dot");
}

void
smtp_body_data(struct smtp_server *server)
{
	struct err err = {0};

	fresh(server);
	server->work->begun = true;
	smtp_ask(server, server->hooks->begin(server->ctx, &server->env, &err), &err, data_answered);
}

static void
bare_line_end(struct smtp_server *server)
{
	struct smtp_server_work *work = server->work;

	err_set(&work->err, ERR_PERM, "a CR or LF stands alone in the message");
	err_as_reply(&work->err, 550, "5.5.2");
	work->close = true;
}

static void
bare_in_chunk(struct smtp_server *server)
{
	err_set(&server->work->err, ERR_PERM, "lines end with CR LF, and only lines do");
	err_as_reply(&server->work->err, 554, "5.6.0");
}

bool
smtp_body_take_data(struct smtp_server *server)
{
	struct smtp_server_work *work = server->work;
	struct span in = smtp_unread(server);

	str_clear(&work->unstuffed);
	smtp_read(server, dot_unstuff(&work->dot, in, &work->unstuffed));
	if (work->dot.bare && !work->close)
		bare_line_end(server);
	piece(server, str_span(&work->unstuffed));
	if (work->dot.state != DOT_END || server->mode == SMTP_DEAD)
		return true;
	shown_text(&server->options.shown, false, "(%ju bytes of a message) .", (uintmax_t)work->size);
	if (is_refused(server))
		refused(server, true);
	else
		whole(server);
	return true;
}

/* A chunk out of order is behind us. */
static void
unasked(struct smtp_server *server)
{
	done(server);
	smtp_refuse_order(server, &server->work->err);
}

static void
chunk_done(struct smtp_server *server)
{
	struct smtp_server_work *work = server->work;

	server->mode = SMTP_COMMANDS;
	if (work->chunk_last && work->chunk_cr && work->begun)
		bare_in_chunk(server);
	if (work->unasked)
		unasked(server);
	else if (is_refused(server))
		refused(server, work->chunk_last);
	else if (work->chunk_last)
		whole(server);
	else
		smtp_reply(server, "250 2.0.0 chunk taken");
}

static void
take_bytes(struct smtp_server *server, struct span in)
{
	struct smtp_server_work *work = server->work;

	work->chunk_left -= in.len;
	/* Whatever else refuses it: the reply must not depend on how the bytes came. */
	if (!server->options.batch && !smtp_is_binary(server) && work->begun && !dot_lines_ok(in, &work->chunk_cr))
		bare_in_chunk(server);
	piece(server, in);
	if (work->chunk_left == 0 && server->mode != SMTP_DEAD)
		chunk_done(server);
}

bool
smtp_body_take_chunk(struct smtp_server *server)
{
	struct span in = smtp_unread(server);

	if (in.len > server->work->chunk_left)
		in = span_to(in, (size_t)server->work->chunk_left);
	smtp_read(server, in.len);
	take_bytes(server, in);
	return true;
}

bool
smtp_body_all_chunk(struct smtp_server *server, struct span bytes)
{
	if (server->mode != SMTP_CHUNK || smtp_unread(server).len > 0 || bytes.len > server->work->chunk_left)
		return false;
	if (bytes.len > 0)
		take_bytes(server, bytes);
	return true;
}

uint64_t
smtp_server_chunk(const struct smtp_server *server)
{
	return server->mode == SMTP_CHUNK ? server->work->chunk_left : 0;
}

static void
chunk_begins(struct smtp_server *server)
{
	server->mode = SMTP_CHUNK;
	check_size(server, server->work->chunk_left);
	if (server->work->chunk_left == 0 && server->mode != SMTP_DEAD)
		chunk_done(server);
}

static void
chunk_answered(struct smtp_server *server, int result, const struct err *err)
{
	if (result < 0) {
		server->work->begun = false;
		server->work->err = *err;
	}
	chunk_begins(server);
}

void
smtp_body_chunk(struct smtp_server *server, uint64_t size, bool last)
{
	struct smtp_server_work *work = server->work;
	struct err err = {0};

	/* RFC 3030 allows them; they bring a message no nearer to its end. */
	if (size == 0 && !last && smtp_is_junk_too_many(server)) {
		smtp_die(server, "421 4.7.0 too many chunks without a byte");
		return;
	}
	work->chunk_left = size;
	work->chunk_last = last;
	if (server->state == SMTP_CHUNKS) {
		chunk_begins(server);
		return;
	}
	fresh(server);
	work->unasked = server->state != SMTP_TO;
	if (work->unasked) {
		smtp_out_of_order(server, &work->err);
		chunk_begins(server);
		return;
	}
	server->state = SMTP_CHUNKS;
	work->begun = true;
	smtp_ask(server, server->hooks->begin(server->ctx, &server->env, &err), &err, chunk_answered);
}
