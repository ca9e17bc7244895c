#include "lib/proto/smtp-server.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "lib/mail/utf8.h"
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-verb.h"

enum {
	OVERLONG_MAX = 64 << 10,	/* SMTP-03: a line without end */
	WAITING_MAX = 256 << 10,	/* input kept while a hook thinks */
	REPLY_MAX = 510,		/* RFC 5321 4.5.3.1.5, without CRLF */
};

struct span
smtp_unread(const struct smtp_server *server)
{
	return span_from(str_span(&server->in), server->work->at);
}

void
smtp_read(struct smtp_server *server, size_t len)
{
	server->work->at += len;
}

/* Gives back the room of what was read, in large pieces: a client that sends
 * ahead while hooks think must not cost a copy of it all for each command. */
static void
compact(struct smtp_server *server)
{
	struct smtp_server_work *work = server->work;

	if (work->at == server->in.len || work->at > WAITING_MAX / 4) {
		str_cut(&server->in, work->at);
		work->at = 0;
	}
}

void
smtp_show(const struct smtp_server *server, size_t from)
{
	shown_lines(&server->options.shown, true, span_from(str_span(&server->out), from));
}

void
smtp_reply(struct smtp_server *server, const char *format, ...)
{
	size_t from = server->out.len;
	va_list args;

	va_start(args, format);
	str_vprintf(&server->out, format, args);
	va_end(args);
	snprintf(server->last_reply, sizeof server->last_reply, "%s", str_c(&server->out) + from);
	str_add_text(&server->out, "\r\n");
	smtp_show(server, from);
}

void
smtp_die(struct smtp_server *server, const char *reply)
{
	if (server->mode == SMTP_DEAD)
		return;
	smtp_body_abort(server);
	smtp_reply(server, "%s", reply);
	server->mode = SMTP_DEAD;
	server->waiting = false;
	server->closing = true;
}

static struct str
text_of(const struct err *err)
{
	struct str reply = {0};

	err_reply(err, &reply);
	if (reply.len > REPLY_MAX)
		reply.len = REPLY_MAX;
	return reply;
}

void
smtp_reply_err(struct smtp_server *server, const struct err *err)
{
	struct str reply = text_of(err);

	smtp_reply(server, "%s", str_c(&reply));
	str_free(&reply);
}

void
smtp_die_err(struct smtp_server *server, const struct err *err)
{
	struct str reply = text_of(err);

	smtp_die(server, str_c(&reply));
	str_free(&reply);
}

static void
count_error(struct smtp_server *server)
{
	unsigned most = server->options.max_errors;

	if (++server->errors > most && most > 0)
		smtp_die(server, "421 4.7.0 too many errors");
}

void
smtp_error(struct smtp_server *server, const char *reply)
{
	smtp_reply(server, "%s", reply);
	count_error(server);
}

void
smtp_error_err(struct smtp_server *server, const struct err *err)
{
	smtp_reply_err(server, err);
	count_error(server);
}

void
smtp_out_of_order(const struct smtp_server *server, struct err *err)
{
	static const struct { unsigned state; const char *text; } wants[] = {
		{ SMTP_FRESH, "not now: say EHLO first" },
		{ SMTP_READY, "not now: MAIL comes first" },
		{ SMTP_FROM, "not now: no valid recipients yet" },
		{ SMTP_TO, "not now: a message is under way" },
		{ SMTP_CHUNKS, "not now: the last chunk is yet to come" },
	};

	for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
		if (wants[i].state == server->state)
			err_set(err, ERR_PERM, "%s", wants[i].text);
	}
	err_as_reply(err, 503, "5.5.1");
}

void
smtp_refuse_order(struct smtp_server *server, const struct err *err)
{
	smtp_reply_err(server, err);
	if (server->work->spoilt > 0)
		server->work->spoilt--;
	else
		count_error(server);
}

static void
out_of_order(struct smtp_server *server)
{
	struct err err = {0};

	smtp_out_of_order(server, &err);
	smtp_refuse_order(server, &err);
}

void
smtp_err_is_no(struct err *err)
{
	if (err->kind == ERR_NONE)
		err_set(err, ERR_TEMP, "not now");
}

static void
go_on(struct smtp_server *server, smtp_step *step, int result, const struct err *err)
{
	struct err why = *err;

	if (result < 0)
		smtp_err_is_no(&why);
	else
		why.kind = ERR_NONE;
	step(server, result, &why);
}

void
smtp_ask(struct smtp_server *server, int result, const struct err *err, smtp_step *step)
{
	if (result != SMTP_LATER) {
		go_on(server, step, result, err);
		return;
	}
	server->work->step = step;
	server->waiting = true;
}

void
smtp_forget(struct smtp_server *server)
{
	bool greeted = server->helo.len > 0 || server->options.batch;

	smtp_body_abort(server);
	envelope_clear(&server->env);
	server->state = greeted ? SMTP_READY : SMTP_FRESH;
}

bool
smtp_too_early(struct smtp_server *server)
{
	if (server->options.any_pace || server->options.batch || smtp_unread(server).len == 0)
		return false;
	smtp_die(server, "554 5.5.1 wait for the reply before you go on");
	return true;
}

static bool
has_controls(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7F)
			return true;
	}
	return false;
}

bool
smtp_is_junk_too_many(struct smtp_server *server)
{
	unsigned most = server->options.max_junk;

	return ++server->work->junk > most && most > 0;
}

static bool
is_too_plain(const struct smtp_server *server, const struct smtp_verb *verb)
{
	return server->options.must_tls && !server->secured && (verb->flags & VERB_PLAIN) == 0;
}

static void
command(struct smtp_server *server, struct span line)
{
	bool batch = server->options.batch;
	struct span name = span_word(&line), args = span_trim(line);
	bool offered;
	const struct smtp_verb *verb = smtp_verb_find(server, name, &offered);

	if (verb != NULL && !offered && (verb->flags & VERB_BODY) != 0)
		smtp_die(server, "502 5.5.1 that is not offered here");	/* SMTP-10 */
	else if (verb == NULL)
		smtp_error(server, "500 5.5.2 no such command");
	else if (!offered)
		smtp_error(server, "502 5.5.1 that is not offered here");
	else if (is_too_plain(server, verb) && (verb->flags & VERB_BODY) != 0)
		smtp_die(server, "530 5.7.0 say STARTTLS first");
	else if (is_too_plain(server, verb))
		smtp_error(server, "530 5.7.0 say STARTTLS first");
	else if ((verb->flags & VERB_UTF8) == 0 && !batch && !utf8_is_ascii(args))
		smtp_error(server, "501 5.5.2 ASCII, please");
	else if ((verb->states & server->state) == 0)
		out_of_order(server);
	else if ((verb->flags & VERB_JUNK) != 0 && smtp_is_junk_too_many(server))
		smtp_die(server, "421 4.7.0 too many commands without mail");
	else if ((verb->flags & VERB_PACED) == 0 || !smtp_too_early(server))
		verb->run(server, args);
}

/* What is no command may be a password: of a client that goes on with its login, whatever we say to
 * it, or of a person who takes us for something else. */
static void
show_line(const struct smtp_server *server, struct span line)
{
	struct span args = line, name = span_word(&args);
	bool offered, known = !server->work->exchange && smtp_verb_find(server, name, &offered) != NULL;

	shown_masked(&server->options.shown, false, line, !known ? 0 : span_is_case(name, "AUTH") ? 2 : SHOWN_ALL);
}

static void
line_came(struct smtp_server *server, struct span line)
{
	if (server->options.shown.line != NULL)
		show_line(server, line);
	if (line.len == 0 && server->options.batch)
		return;
	if (server->work->exchange)
		smtp_auth_line(server, line);
	else if (has_controls(line))		/* SMTP-04 */
		smtp_error(server, "501 5.5.2 control characters do not belong here");
	else
		command(server, line);
}

/* A LF without CR: in a batch it ends a line; elsewhere somebody between the
 * client and us has another idea of lines than we do (DATA-01), or it is a person
 * with a simple tool, who should know. */
static bool
is_line_end(struct smtp_server *server, char before)
{
	if (before == '\r' || server->options.batch)
		return true;
	smtp_die(server, "500 5.5.2 lines end with CR LF");
	return false;
}

static bool
take_line(struct smtp_server *server)
{
	struct span in = smtp_unread(server);
	size_t most = server->work->exchange ? SMTP_AUTH_MAX : SMTP_LINE_MAX;
	const char *lf = memchr(in.p, '\n', span_to(in, most).len);

	if (lf == NULL && in.len < most)
		return false;
	if (lf == NULL) {
		smtp_auth_too_long(server);
		server->mode = SMTP_SWALLOW;
		server->work->overlong = 0;
		return true;
	}
	struct span line = span_to(in, (size_t)(lf - in.p));
	smtp_read(server, line.len + 1);
	char before = line.len > 0 ? line.p[line.len - 1] : '\0';
	server->work->crlf = before == '\r';
	if (before == '\r')
		line.len--;
	if (is_line_end(server, before))
		line_came(server, line);
	return true;
}

/* SMTP-03: reads a line that is too long to its end, so that we stay in step. */
static bool
take_overlong(struct smtp_server *server)
{
	struct smtp_server_work *work = server->work;
	struct span in = smtp_unread(server);
	const char *lf = memchr(in.p, '\n', in.len);
	size_t len = lf != NULL ? (size_t)(lf - in.p) + 1 : in.len;
	char before = len > 1 ? in.p[len - 2] : work->last;

	work->last = in.p[len - 1];
	work->overlong += len;
	smtp_read(server, len);
	if (work->overlong > OVERLONG_MAX) {
		smtp_die(server, "421 4.7.0 a line without end");
	} else if (lf != NULL && is_line_end(server, before)) {
		server->mode = SMTP_COMMANDS;
		smtp_error(server, "500 5.5.2 line too long");
	}
	return true;
}

static bool
take_nothing(struct smtp_server *server)
{
	smtp_read(server, smtp_unread(server).len);
	return true;
}

static void
run(struct smtp_server *server)
{
	static bool (*const modes[])(struct smtp_server *) = {
		[SMTP_COMMANDS] = take_line,
		[SMTP_DATA] = smtp_body_take_data,
		[SMTP_CHUNK] = smtp_body_take_chunk,
		[SMTP_SWALLOW] = take_overlong,
		[SMTP_DEAD] = take_nothing,
	};

	while (!server->waiting && smtp_unread(server).len > 0 && modes[server->mode](server))
		;
	compact(server);
}

void
smtp_greet(struct smtp_server *server)
{
	smtp_reply(server, "220 %s %s ready", server->options.host, server->options.lmtp ? "LMTP" : "ESMTP");
}

void
smtp_server_start(struct smtp_server *server, const struct smtp_server_options *options,
    const struct smtp_server_hooks *hooks, void *ctx)
{
	*server = (struct smtp_server){
		.options = *options, .hooks = hooks, .ctx = ctx,
		.state = options->batch ? SMTP_READY : SMTP_FRESH,
		.work = mem_get(sizeof *server->work),
	};
	smtp_greet(server);
}

void
smtp_server_feed(struct smtp_server *server, const void *bytes, size_t len)
{
	if (server->waiting && smtp_unread(server).len + len > WAITING_MAX) {
		smtp_die(server, "421 4.7.0 too much at once");
		return;
	}
	if (server->mode == SMTP_DEAD)
		return;
	if (server->handshake && len > 0) {	/* TLS-01 */
		smtp_die(server, "501 5.5.4 nothing may stand behind STARTTLS");
		return;
	}
	if (!server->waiting && smtp_body_all_chunk(server, (struct span){ bytes, len }))
		return;
	str_add(&server->in, bytes, len);
	run(server);
}

void
smtp_server_answer(struct smtp_server *server, int result, const struct err *err)
{
	static const struct err none;
	smtp_step *step = server->work->step;

	if (!server->waiting || result == SMTP_LATER)
		return;		/* closed meanwhile */
	server->waiting = false;
	go_on(server, step, result, err != NULL ? err : &none);
	run(server);
}

void
smtp_server_secured(struct smtp_server *server)
{
	server->handshake = false;
	server->secured = true;
	server->authenticated = false;
	str_clear(&server->helo);
	server->esmtp = false;
	server->work->spoilt = 0;
	smtp_forget(server);
}

void
smtp_server_eof(struct smtp_server *server)
{
	smtp_body_abort(server);
	server->mode = SMTP_DEAD;
	server->waiting = false;
	server->closing = true;
}

void
smtp_server_close(struct smtp_server *server, const char *reply)
{
	smtp_die(server, reply);
}

void
smtp_server_free(struct smtp_server *server)
{
	if (server->work != NULL) {
		str_free(&server->work->rcpt.to);
		str_free(&server->work->rcpt.args);
		str_free(&server->work->unstuffed);
	}
	free(server->work);
	str_free(&server->out);
	str_free(&server->in);
	str_free(&server->helo);
	envelope_free(&server->env);
	*server = (struct smtp_server){0};
}
