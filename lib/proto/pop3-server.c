#include "lib/proto/pop3-server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/proto/sasl-line.h"

enum {
	IN_MAX = 64 << 10,	/* input kept while something else goes on */
	PIECE = 16 << 10,
	REPLY_MAX = 400,	/* RFC 2449 section 4: 512 with all that belongs to it */
	USER_MAX = 320,
};

enum state { AUTHORIZATION = 1, TRANSACTION = 2, DEAD = 4 };

enum asked { ASKED_NOTHING, ASKED_LOGIN, ASKED_SASL, ASKED_OPEN };

struct pop3_server_work {
	enum state state;
	struct str in;
	size_t at;		/* so much of it was read */
	bool swallow;		/* a line that is too long, to its end */
	struct str user;	/* of USER, when PASS may follow */
	unsigned junk;
	enum asked asked;	/* what a hook will say later */
	bool exchange;		/* the next line answers a challenge */
	size_t count;
	bool *marked;
	/* a message on its way */
	bool sending;
	bool body;		/* TOP: the blank line was met */
	size_t line_len;	/* of the line that is under way, as far as it was sent */
	uint64_t lines;		/* TOP: of the body, still to come */
	bool top;
};

/* --- input --- */

static struct span
unread(const struct pop3_server *server)
{
	return span_from(str_span(&server->work->in), server->work->at);
}

/* Passwords were in it. */
static void
forget_input(struct pop3_server_work *work)
{
	if (work->in.p != NULL)
		explicit_bzero(work->in.p, work->in.size);
	str_clear(&work->in);
	work->at = 0;
}

/* --- replies --- */

static void
say(struct pop3_server *server, const char *format, ...)
{
	size_t from = server->out.len;
	va_list args;

	va_start(args, format);
	str_vprintf(&server->out, format, args);
	va_end(args);
	str_add_text(&server->out, "\r\n");
	shown_lines(&server->options.shown, true, span_from(str_span(&server->out), from));
}

static void
die(struct pop3_server *server)
{
	server->work->state = DEAD;
	server->closing = true;
	server->waiting = false;
	forget_input(server->work);
}

static void
wrong(struct pop3_server *server, const char *why)
{
	say(server, "-ERR %s", why);
	if (++server->errors <= server->options.max_errors || server->options.max_errors == 0)
		return;
	say(server, "-ERR too many errors");
	die(server);
}

/* The kind of failure as a response code (RFC 3206). */
static void
say_err(struct pop3_server *server, const struct err *err)
{
	const char *code = err->kind == ERR_TEMP ? "[SYS/TEMP] " : err->kind == ERR_CONFIG ? "[SYS/PERM] " : "";

	say(server, "-ERR %s%.*s", code, REPLY_MAX, err->kind == ERR_NONE ? "not now" : err->text);
}

/* --- messages --- */

static bool
message_number(const struct pop3_server *server, struct span word, size_t *message)
{
	uint64_t number;

	if (span_number(word, UINT32_MAX, &number) < 0 || number == 0 || number > server->work->count ||
	    server->work->marked[number - 1])
		return false;
	*message = (size_t)number - 1;
	return true;
}

/* The message that args name, and nothing else; -1 when it has been answered. */
static int
the_message(struct pop3_server *server, struct span args, size_t *message)
{
	struct span word = span_word(&args);

	if (word.len == 0 || span_trim(args).len > 0) {
		wrong(server, "one message number belongs behind it");
		return -1;
	}
	if (message_number(server, word, message))
		return 0;
	wrong(server, "no such message");
	return -1;
}

static void
sum(const struct pop3_server *server, size_t *count, uint64_t *octets)
{
	*count = 0;
	*octets = 0;
	for (size_t i = 0; i < server->work->count; i++) {
		if (server->work->marked[i])
			continue;
		(*count)++;
		*octets += server->hooks->size(server->ctx, i);
	}
}

static void
put_size(struct pop3_server *server, const char *before, size_t message)
{
	say(server, "%s%zu %llu", before, message + 1,
	    (unsigned long long)server->hooks->size(server->ctx, message));
}

static void
put_uid(struct pop3_server *server, const char *before, size_t message)
{
	struct str uid = {0};

	server->hooks->uid(server->ctx, message, &uid);
	say(server, "%s%zu %s", before, message + 1, str_c(&uid));
	str_free(&uid);
}

/* LIST and UIDL are alike. */
static void
list(struct pop3_server *server, struct span args,
    void (*put)(struct pop3_server *, const char *, size_t))
{
	size_t message;

	if (args.len > 0) {
		if (the_message(server, args, &message) == 0)
			put(server, "+OK ", message);
		return;
	}
	say(server, "+OK");
	for (size_t i = 0; i < server->work->count; i++)
		if (!server->work->marked[i])
			put(server, "", i);
	say(server, ".");
}

static void
verb_stat(struct pop3_server *server, struct span args)
{
	size_t count;
	uint64_t octets;

	(void)args;
	sum(server, &count, &octets);
	say(server, "+OK %zu %llu", count, (unsigned long long)octets);
}

static void
verb_list(struct pop3_server *server, struct span args)
{
	list(server, args, put_size);
}

static void
verb_uidl(struct pop3_server *server, struct span args)
{
	list(server, args, put_uid);
}

static void
verb_dele(struct pop3_server *server, struct span args)
{
	size_t message;

	if (the_message(server, args, &message) < 0)
		return;
	server->work->marked[message] = true;
	say(server, "+OK it goes when you QUIT");
}

static void
verb_rset(struct pop3_server *server, struct span args)
{
	(void)args;
	for (size_t i = 0; i < server->work->count; i++)
		server->work->marked[i] = false;
	say(server, "+OK nothing is marked");
}

static void
verb_noop(struct pop3_server *server, struct span args)
{
	(void)args;
	say(server, "+OK");
}

static void
begin_message(struct pop3_server *server, size_t message, bool top, uint64_t lines)
{
	struct pop3_server_work *work = server->work;
	struct err err = {0};

	if (server->hooks->begin(server->ctx, message, &err) < 0) {
		say_err(server, &err);
		return;
	}
	say(server, "+OK %llu octets", (unsigned long long)server->hooks->size(server->ctx, message));
	work->sending = true;
	work->line_len = 0;
	work->body = false;
	work->top = top;
	work->lines = lines;
	server->waiting = true;
	server->sent += !top;
}

static void
verb_retr(struct pop3_server *server, struct span args)
{
	size_t message;

	if (the_message(server, args, &message) == 0)
		begin_message(server, message, false, 0);
}

static void
verb_top(struct pop3_server *server, struct span args)
{
	struct span word = span_word(&args), lines = span_word(&args);
	uint64_t number;
	size_t message;

	if (span_trim(args).len > 0 || span_number(lines, UINT32_MAX, &number) < 0)
		wrong(server, "a message number and a number of lines belong behind it");
	else if (!message_number(server, word, &message))
		wrong(server, "no such message");
	else
		begin_message(server, message, true, number);
}

static void
message_ended(struct pop3_server *server)
{
	server->work->sending = false;
	server->waiting = false;
	server->hooks->end(server->ctx);
}

/* One line, or a part of one; false: that was the last one wanted (TOP). */
static bool
put_line(struct pop3_server *server, struct span part, bool whole)
{
	struct pop3_server_work *work = server->work;

	if (work->top && work->body && work->line_len == 0 && work->lines == 0)
		return false;
	if (work->line_len == 0 && part.p[0] == '.')
		str_add_char(&server->out, '.');
	str_add_span(&server->out, part);
	work->line_len += part.len;
	if (!whole)
		return true;
	if (work->body && work->lines > 0)
		work->lines--;
	work->body |= work->line_len == 2;
	work->line_len = 0;
	return true;
}

static bool
put_lines(struct pop3_server *server, struct span bytes)
{
	while (bytes.len > 0) {
		const char *lf = memchr(bytes.p, '\n', bytes.len);
		struct span part = lf != NULL ? span_to(bytes, (size_t)(lf - bytes.p) + 1) : bytes;
		if (!put_line(server, part, lf != NULL))
			return false;
		bytes = span_from(bytes, part.len);
	}
	return true;
}

/* One piece of the message that is on its way. */
static void
send_piece(struct pop3_server *server)
{
	char piece[PIECE];
	struct err err = {0};
	ssize_t got = server->hooks->read(server->ctx, piece, sizeof piece, &err);

	if (got > 0 && put_lines(server, (struct span){ piece, (size_t)got }))
		return;
	message_ended(server);
	shown_text(&server->options.shown, true, "(the message)");
	if (got < 0) {
		die(server);	/* behind "+OK" there is no other way to say it */
		return;
	}
	if (server->work->line_len > 0)
		str_add_text(&server->out, "\r\n");
	say(server, ".");
}

/* --- who is there --- */

static bool
has_tls(const struct pop3_server *server)
{
	return server->options.tls;
}

static bool
may_say_password(const struct pop3_server *server)
{
	return has_tls(server) || server->options.clear;
}

static const char *
mechanisms(const struct pop3_server *server)
{
	return has_tls(server) ? server->options.mechanisms : server->options.clear_mechanisms;
}

static void
ask(struct pop3_server *server, enum asked what)
{
	server->work->asked = what;
	server->waiting = true;
}

static void
logged_in(struct pop3_server *server)
{
	struct pop3_server_work *work = server->work;
	struct err err = {0};
	size_t count;
	uint64_t octets;
	int result = server->hooks->open(server->ctx, &work->count, &err);

	if (result == POP3_LATER) {
		ask(server, ASKED_OPEN);
		return;
	}
	if (result == POP3_IN_USE) {
		say(server, "-ERR [IN-USE] another session reads this mail");
		return;
	}
	if (result < 0) {
		say_err(server, &err);
		return;
	}
	work->marked = mem_get((work->count + 1) * sizeof *work->marked);
	work->state = TRANSACTION;
	server->in = true;
	sum(server, &count, &octets);
	say(server, "+OK %zu messages, %llu octets", count, (unsigned long long)octets);
}

/* The same words whatever was wrong: nobody learns which users there are. */
static void
not_logged_in(struct pop3_server *server, const struct err *err)
{
	if (err->kind == ERR_TEMP || err->kind == ERR_CONFIG)
		say_err(server, err);
	else
		wrong(server, "[AUTH] no");
}

static void
login_answered(struct pop3_server *server, int result, const struct err *err)
{
	server->waiting = false;
	server->work->asked = ASKED_NOTHING;
	if (result == 0)
		logged_in(server);
	else
		not_logged_in(server, err);
}

static void
verb_user(struct pop3_server *server, struct span args)
{
	if (!may_say_password(server)) {
		wrong(server, "[SYS/PERM] not without TLS: say STLS first");
	} else if (args.len == 0 || args.len > USER_MAX) {
		wrong(server, "a name belongs behind it");
	} else {
		str_set_span(&server->work->user, args);
		say(server, "+OK and the password?");
	}
}

static void
verb_pass(struct pop3_server *server, struct span args)
{
	struct pop3_server_work *work = server->work;
	struct err err = {0};

	if (work->user.len == 0) {
		wrong(server, "say USER first");
		return;
	}
	int result = server->hooks->pass(server->ctx, str_span(&work->user), args, &err);
	str_clear(&work->user);
	if (result == POP3_LATER)
		ask(server, ASKED_LOGIN);
	else
		login_answered(server, result, &err);
}

static void
verb_apop(struct pop3_server *server, struct span args)
{
	struct span user = span_word(&args), digest = span_word(&args);
	struct err err = {0};

	if (server->options.stamp == NULL || server->hooks->apop == NULL) {
		wrong(server, "no such command");
		return;
	}
	if (digest.len != 32 || span_trim(args).len > 0 || user.len > USER_MAX) {
		wrong(server, "a name and 32 digits belong behind it");
		return;
	}
	int result = server->hooks->apop(server->ctx, user, digest, &err);
	if (result == POP3_LATER)
		ask(server, ASKED_LOGIN);
	else
		login_answered(server, result, &err);
}

/* --- SASL (RFC 5034) --- */

static void
sasl_answered(struct pop3_server *server, int result, struct span challenge, const struct err *err)
{
	struct pop3_server_work *work = server->work;

	if (result != POP3_MORE) {
		login_answered(server, result, err);
		return;
	}
	server->waiting = false;
	work->asked = ASKED_NOTHING;
	work->exchange = true;
	sasl_line_challenge(&server->out, "+ ", challenge);
	shown_text(&server->options.shown, true, "+ ****");
}

static void
sasl_step(struct pop3_server *server, const struct sasl_said *said)
{
	struct str challenge = {0};
	struct err err = {0};
	int result = server->hooks->sasl(server->ctx, sasl_said_mechanism(said), sasl_said(said), &challenge, &err);

	if (result == POP3_LATER)
		ask(server, ASKED_SASL);
	else
		sasl_answered(server, result, str_span(&challenge), &err);
	str_free(&challenge);
}

static void
sasl_heard(struct pop3_server *server, enum sasl_line line, struct sasl_said *said)
{
	if (line == SASL_LINE_SAID) {
		sasl_step(server, said);
	} else if (line == SASL_LINE_NO_MECHANISM) {
		wrong(server, "no such mechanism here");
	} else {
		if (server->hooks->sasl_end != NULL)
			server->hooks->sasl_end(server->ctx);
		wrong(server, line == SASL_LINE_CANCELLED ? "cancelled" : "that is no base64");
	}
	sasl_line_free(said);
}

static void
sasl_line(struct pop3_server *server, struct span line)
{
	struct sasl_said said;

	server->work->exchange = false;
	sasl_heard(server, sasl_line_next(line, &said), &said);
}

static void
list_mechanisms(struct pop3_server *server)
{
	struct span rest = span_of(mechanisms(server)), word;

	say(server, "+OK");
	while ((word = span_word(&rest)).len > 0)
		say(server, "%.*s", (int)word.len, word.p);
	say(server, ".");
}

static void
verb_auth(struct pop3_server *server, struct span args)
{
	struct sasl_said said;

	args = span_trim(args);
	if (args.len == 0)
		list_mechanisms(server);	/* what some old clients ask */
	else
		sasl_heard(server, sasl_line_first(mechanisms(server), args, &said), &said);
}

/* --- the rest --- */

static void
verb_capa(struct pop3_server *server, struct span args)
{
	const char *listed = mechanisms(server);

	(void)args;
	say(server, "+OK");
	say(server, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8");
	if (may_say_password(server))
		say(server, "USER");
	if (listed != NULL && listed[0] != '\0' && server->hooks->sasl != NULL)
		say(server, "SASL %s", listed);
	if (server->options.stls && !has_tls(server))
		say(server, "STLS");
	say(server, ".");
}

/* Messages are always given as they are, which is what UTF8 asks for. */
static void
verb_utf8(struct pop3_server *server, struct span args)
{
	(void)args;
	say(server, "+OK");
}

/* What came in the same flight came in the clear, whoever wrote it (RFC 3207 section 6). */
static void
verb_stls(struct pop3_server *server, struct span args)
{
	(void)args;
	if (has_tls(server) || !server->options.stls) {
		wrong(server, "there is no STLS now");
		return;
	}
	if (unread(server).len > 0) {
		say(server, "-ERR nothing may follow STLS before TLS has begun");
		die(server);
		return;
	}
	say(server, "+OK begin TLS");
	str_clear(&server->work->user);
	server->start_tls = server->waiting = true;
}

static void
verb_quit(struct pop3_server *server, struct span args)
{
	struct pop3_server_work *work = server->work;
	struct err err = {0};
	size_t marked = 0;

	(void)args;
	for (size_t i = 0; i < work->count; i++)
		marked += work->marked[i];
	if (marked > 0 && server->hooks->remove(server->ctx, work->marked, work->count, &err) < 0) {
		say(server, "-ERR [SYS/TEMP] not all that was marked is gone: %.*s", REPLY_MAX, err.text);
	} else {
		server->removed = marked;
		say(server, "+OK goodbye");
	}
	die(server);
}

/* --- lines --- */

static const struct {
	const char *name;
	unsigned states;
	void (*run)(struct pop3_server *server, struct span args);
	size_t shown;		/* words of it that are no secret */
	bool junk;		/* before a login only so many */
} verbs[] = {
	{ "CAPA", AUTHORIZATION | TRANSACTION, verb_capa, SHOWN_ALL, true },
	{ "USER", AUTHORIZATION, verb_user, SHOWN_ALL, true },
	{ "PASS", AUTHORIZATION, verb_pass, 1, false },
	{ "APOP", AUTHORIZATION, verb_apop, 2, true },
	{ "AUTH", AUTHORIZATION, verb_auth, 2, true },
	{ "STLS", AUTHORIZATION, verb_stls, SHOWN_ALL, true },
	{ "UTF8", AUTHORIZATION, verb_utf8, SHOWN_ALL, true },
	{ "STAT", TRANSACTION, verb_stat, SHOWN_ALL, false },
	{ "LIST", TRANSACTION, verb_list, SHOWN_ALL, false },
	{ "UIDL", TRANSACTION, verb_uidl, SHOWN_ALL, false },
	{ "RETR", TRANSACTION, verb_retr, SHOWN_ALL, false },
	{ "TOP", TRANSACTION, verb_top, SHOWN_ALL, false },
	{ "DELE", TRANSACTION, verb_dele, SHOWN_ALL, false },
	{ "RSET", TRANSACTION, verb_rset, SHOWN_ALL, false },
	{ "NOOP", TRANSACTION, verb_noop, SHOWN_ALL, false },
	{ "QUIT", AUTHORIZATION | TRANSACTION, verb_quit, SHOWN_ALL, false },
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

/* VERBS: none of them. */
static size_t
find_verb(struct span name)
{
	size_t i = 0;

	while (i < VERBS && !span_is_case(name, verbs[i].name))
		i++;
	return i;
}

/* What is no command may be a password all the same. */
static void
show_line(const struct pop3_server *server, struct span line)
{
	struct span args = line, name = {0};

	span_cut(&args, ' ', &name);
	size_t i = server->work->exchange ? VERBS : find_verb(name);
	shown_masked(&server->options.shown, false, line, i == VERBS ? 0 : verbs[i].shown);
}

static bool
has_controls(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7F)
			return true;
	return false;
}

/* PASS comes behind USER, and what is not understood is counted as an error. */
static bool
is_junk_too_many(struct pop3_server *server)
{
	unsigned most = server->options.max_junk;

	return ++server->work->junk > most && most > 0;
}

/* The arguments of PASS are all that stands behind the one blank. */
static void
command(struct pop3_server *server, struct span line)
{
	struct span args = line, name;

	span_cut(&args, ' ', &name);
	size_t i = find_verb(name);
	if (i == VERBS) {
		wrong(server, "no such command");
	} else if ((verbs[i].states & server->work->state) == 0) {
		wrong(server, server->in ? "you are logged in already" : "log in first");
	} else if (!server->in && verbs[i].junk && is_junk_too_many(server)) {
		say(server, "-ERR too many commands without a login");
		die(server);
	} else {
		verbs[i].run(server, verbs[i].run == verb_pass ? args : span_trim(args));
	}
}

static void
line_came(struct pop3_server *server, struct span line)
{
	if (server->options.shown.line != NULL)
		show_line(server, line);
	if (server->work->exchange)
		sasl_line(server, line);
	else if (line.len > POP3_LINE_MAX && !span_begins_case(line, "AUTH "))
		wrong(server, "line too long");
	else if (has_controls(line))
		wrong(server, "control characters do not belong here");
	else
		command(server, line);
}

/* Takes one line off the input; false: there is none.  Lines end with LF, with CR before it
 * or not: nothing hangs on it here. */
static bool
take_line(struct pop3_server *server)
{
	struct pop3_server_work *work = server->work;
	struct span in = unread(server);
	const char *lf = in.len > 0 ? memchr(in.p, '\n', in.len) : NULL;
	struct str line = {0};

	if (lf == NULL && in.len > POP3_SASL_MAX) {
		work->swallow = true;
		forget_input(work);
	}
	if (lf == NULL)
		return false;
	size_t len = (size_t)(lf - in.p), cr = len > 0 && lf[-1] == '\r';
	str_add(&line, in.p, len - cr);
	work->at += len + 1;
	if (work->swallow || line.len > POP3_SASL_MAX)
		wrong(server, "line too long");
	else
		line_came(server, str_span(&line));
	work->swallow = false;
	if (line.p != NULL)
		explicit_bzero(line.p, line.size);
	str_free(&line);
	return true;
}

static void
run(struct pop3_server *server)
{
	struct pop3_server_work *work = server->work;

	while (work->state != DEAD && server->out.len < POP3_OUT_LOW) {
		if (work->sending)
			send_piece(server);
		else if (server->waiting || !take_line(server))
			break;
	}
	server->waiting |= work->state != DEAD && server->out.len >= POP3_OUT_LOW;
	if (work->at == work->in.len)
		forget_input(work);
}

/* --- for the caller --- */

void
pop3_server_start(struct pop3_server *server, const struct pop3_server_options *options,
    const struct pop3_server_hooks *hooks, void *ctx)
{
	*server = (struct pop3_server){ .options = *options, .hooks = hooks, .ctx = ctx,
		.work = mem_get(sizeof *server->work) };
	server->work->state = AUTHORIZATION;
	if (options->stamp != NULL)
		say(server, "+OK %s POP3 ready %s", options->host, options->stamp);
	else
		say(server, "+OK %s POP3 ready", options->host);
}

void
pop3_server_feed(struct pop3_server *server, const void *bytes, size_t len)
{
	struct pop3_server_work *work = server->work;

	if (work->state == DEAD || server->start_tls)
		return;		/* what comes between STLS and TLS is nobody's */
	if (unread(server).len + len > IN_MAX) {
		pop3_server_close(server, "too much at once");
		return;
	}
	str_cut(&work->in, work->at);
	work->at = 0;
	str_add(&work->in, bytes, len);
	run(server);
}

void
pop3_server_fill(struct pop3_server *server)
{
	if (server->work->asked == ASKED_NOTHING && !server->start_tls && !server->work->sending)
		server->waiting = false;
	run(server);
}

void
pop3_server_answer(struct pop3_server *server, int result, struct span challenge, const struct err *err)
{
	static const struct err none;
	enum asked asked = server->work->asked;

	if (asked == ASKED_NOTHING || result == POP3_LATER || server->work->state == DEAD)
		return;		/* closed meanwhile */
	if (asked == ASKED_LOGIN || asked == ASKED_OPEN)
		login_answered(server, result, err != NULL ? err : &none);
	else
		sasl_answered(server, result, challenge, err != NULL ? err : &none);
	run(server);
}

void
pop3_server_tls(struct pop3_server *server)
{
	server->options.tls = true;
	server->start_tls = server->waiting = false;
	forget_input(server->work);
}

void
pop3_server_close(struct pop3_server *server, const char *why)
{
	if (server->work->state == DEAD)
		return;
	if (server->work->sending)
		message_ended(server);	/* in the middle of a message nothing can be said */
	else
		say(server, "-ERR %s", why);
	die(server);
}

void
pop3_server_free(struct pop3_server *server)
{
	struct pop3_server_work *work = server->work;

	if (work != NULL) {
		if (work->sending)
			server->hooks->end(server->ctx);
		forget_input(work);
		str_free(&work->in);
		str_free(&work->user);
		free(work->marked);
	}
	free(work);
	str_free(&server->out);
	*server = (struct pop3_server){0};
}
