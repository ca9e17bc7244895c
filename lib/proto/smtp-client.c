#include "lib/proto/smtp-client.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/dot.h"
#include "lib/proto/reply.h"

enum {
	FLIGHT_MAX = 100,	/* commands sent ahead of their replies */
	OUT_MAX = 64 << 10,	/* pump stops above it */
	PIECE = 16 << 10,	/* of a body, for each hook read */
	CHUNK_MAX = 64 << 10,	/* of a BDAT */
	EARLY_MAX = 16 << 10,	/* bodies sent before the envelope is answered */
	BODIES_MAX = 64 << 10,	/* behind one that is not answered, when one more begins */
};

enum phase { GREETING, EHLO, HELO, STARTTLS, HANDSHAKE, AUTH, IDLE, TALK, QUIT };

enum body { BODY_NOT_YET, BODY_MOVING, BODY_SENT };

/* What a transaction says is counted through: RSET (where one is needed), MAIL, each
 * RCPT, and then DATA and the dot, or the chunks.  sent and due are places in that
 * row: the next to be said, the next to be answered. */
enum { AT_RSET, AT_MAIL, AT_RCPT };

/* A message under way.  Several are where what comes behind the content of one is sent before
 * it is answered: the last of them is the one that is being said, the first the one that is
 * being answered. */
struct talk {
	struct talk *next;
	void *ctx;		/* of its hooks */
	const struct envelope *env;
	struct str mail;	/* the whole MAIL command */
	uint64_t size;
	bool by_chunks;
	size_t sent, due;
	size_t accepted;	/* recipients */
	bool *taken;		/* which of them */
	size_t told;		/* LMTP: the one whose reply behind the body comes next */
	struct err refusal;	/* of MAIL, DATA or a chunk: ends the transaction */
	struct str words;	/* the reply it came with */

	enum body body;
	struct dot_out dot;
	bool cr;		/* the last chunk ended in CR */
};

struct smtp_client_work {
	const struct smtp_client_hooks *hooks;
	void *ctx;
	struct str helo;
	enum phase phase;
	struct reply reply;
	bool open;		/* the last transaction was left open: RSET comes first */
	struct str mechs;	/* what AUTH is offered by */
	const struct smtp_mech *mech;
	unsigned step;		/* things said to it */
	struct talk *first, *last;
	struct str piece;
};

static size_t
at_body(const struct talk *talk)
{
	return AT_RCPT + talk->env->rcpts;
}

static bool
all_answered(const struct talk *talk)
{
	return talk->due >= at_body(talk);
}

/* Nobody is left to send it to. */
static bool
in_vain(const struct talk *talk)
{
	return talk->refusal.kind != ERR_NONE || (all_answered(talk) && talk->accepted == 0);
}

static void
talk_free(struct talk *talk)
{
	str_free(&talk->mail);
	str_free(&talk->words);
	free(talk->taken);
	free(talk);
}

static void
talk_leaves(struct smtp_client_work *work, const struct talk *talk)
{
	struct talk **at = &work->first, *before = NULL;

	for (; *at != talk; at = &(*at)->next)
		before = *at;
	*at = talk->next;
	if (work->last == talk)
		work->last = before;
}

/* What stands in out from there on is said; of a login only its first words can be shown. */
static void
show_said(const struct smtp_client *client, size_t from, size_t words)
{
	struct span line = span_from(str_span(&client->out), from);

	shown_masked(&client->shown, true, span_to(line, line.len - 2), words);
}

__attribute__((format(printf, 2, 3)))
static void
say(struct smtp_client *client, const char *format, ...)
{
	size_t from = client->out.len;
	va_list args;

	va_start(args, format);
	str_vprintf(&client->out, format, args);
	va_end(args);
	str_add_text(&client->out, "\r\n");
	show_said(client, from, SHOWN_ALL);
}

static void
finish(struct smtp_client *client, struct talk *talk, const struct err *err, const char *reply)
{
	struct smtp_client_work *work = client->work;

	talk_leaves(work, talk);
	if (work->first == NULL) {
		work->phase = IDLE;
		client->ready = !client->failed;
	}
	work->hooks->done(talk->ctx, err, reply);
	talk_free(talk);
}

/* The session is of no more use; the messages under way, if any, may be tried
 * again (or not, when err says so). */
static void
fail(struct smtp_client *client, const struct err *err, const char *reply)
{
	if (client->failed)
		return;
	client->err = *err;
	client->failed = client->closing = true;
	client->ready = false;
	while (client->work->first != NULL)
		finish(client, client->work->first, err, reply);
}

static void
fail_with_reply(struct smtp_client *client)
{
	struct err err = {0};
	struct str text = {0};

	reply_err(&client->work->reply, &err);
	err.kind = ERR_TEMP;	/* what it says of the session it does not say of the mail */
	reply_text(&client->work->reply, &text);
	fail(client, &err, str_c(&text));
	str_free(&text);
}

static void
fail_insecure(struct smtp_client *client)
{
	struct err err = {0};

	err_set(&err, ERR_TEMP, "the server does not offer STARTTLS, and no mail goes there without");
	err_as(&err, 0, "4.7.4");
	fail(client, &err, "");
}

static void
fail_protocol(struct smtp_client *client, const char *what)
{
	struct err err = {0};

	err_set(&err, ERR_TEMP, "%s", what);
	err_as(&err, 0, "4.5.0");
	fail(client, &err, "");
}

/* The body: from hook read to out. */

/* Reads a piece behind what is in work->piece.  1: something came, 0: the end. */
static int
read_piece(struct smtp_client *client, struct err *err)
{
	struct smtp_client_work *work = client->work;
	size_t got = 0;

	if (work->hooks->read(work->last->ctx, str_room(&work->piece, PIECE), PIECE, &got, err) < 0)
		return -1;
	work->piece.len += got;
	return got > 0;
}

static int
commit(struct smtp_client *client, struct err *err)
{
	const struct smtp_client_work *work = client->work;

	return work->hooks->commit != NULL ? work->hooks->commit(work->last->ctx, err) : 0;
}

static int
bare(struct err *err)
{
	err_set(err, ERR_PERM, "a CR or LF stands alone in the message");
	return err_as_reply(err, 554, "5.6.0");
}

/* The last words of DATA; without recipients nothing is committed. */
static int
end_data(struct smtp_client *client, struct err *err)
{
	struct talk *talk = client->work->last;

	if (talk->dot.state == DOT_CR)
		return bare(err);
	if (!in_vain(talk) && commit(client, err) < 0)
		return -1;
	dot_finish(&talk->dot, &client->out);
	shown_text(&client->shown, true, "(the message) .");
	talk->body = BODY_SENT;
	talk->sent++;
	return 0;
}

static int
move_data(struct smtp_client *client, struct err *err)
{
	struct smtp_client_work *work = client->work;

	str_clear(&work->piece);
	int got = in_vain(work->last) ? 0 : read_piece(client, err);
	if (got < 0)
		return -1;
	if (got == 0)
		return end_data(client, err);
	if (dot_stuff(&work->last->dot, str_span(&work->piece), &client->out) < 0)
		return bare(err);
	return 0;
}

static int
move_chunk(struct smtp_client *client, struct err *err)
{
	struct smtp_client_work *work = client->work;
	struct talk *talk = work->last;
	int got = 1;

	str_clear(&work->piece);
	while (got > 0 && work->piece.len + PIECE <= CHUNK_MAX)
		got = read_piece(client, err);
	if (got < 0)
		return -1;
	bool last = got == 0;
	if (!dot_lines_ok(str_span(&work->piece), &talk->cr) || (last && talk->cr))
		return bare(err);
	if (last && commit(client, err) < 0)
		return -1;
	say(client, "BDAT %zu%s", work->piece.len, last ? " LAST" : "");
	str_add_span(&client->out, str_span(&work->piece));
	talk->sent++;
	if (last)
		talk->body = BODY_SENT;
	return 0;
}

/* Is the body to be moved on now?  In vain there are no more chunks, but what 354
 * was said to has to end. */
static bool
moving(const struct smtp_client *client)
{
	const struct talk *talk = client->work->last;

	return !client->failed && talk != NULL && talk->body == BODY_MOVING &&
	    (!talk->by_chunks || !in_vain(talk)) && client->out.len < OUT_MAX;
}

/* May one more chunk leave before the last one is answered? */
static bool
in_step(const struct smtp_client *client)
{
	return (client->offers & OFFER_PIPELINING) != 0 || client->work->last->due == client->work->last->sent;
}

/* A message can be taken back between chunks, but not out of DATA; then no other is under way. */
static void
take_back(struct smtp_client *client, struct err *err)
{
	if (err->kind == ERR_NONE)	/* a hook that forgot why: never "accepted" */
		err_set(err, ERR_TEMP, "the message could not be read");
	if (client->work->last->by_chunks)
		client->work->last->refusal = *err;
	else
		fail(client, err, "");
}

static void
move(struct smtp_client *client)
{
	struct err err = {0};
	bool by_chunks = client->work->last->by_chunks;

	while (moving(client) && (!by_chunks || in_step(client))) {
		if ((by_chunks ? move_chunk(client, &err) : move_data(client, &err)) < 0)
			take_back(client, &err);
	}
}

/* The envelope: commands as far as the server lets us go ahead. */

static void
say_rcpt(struct smtp_client *client, const struct rcpt *rcpt)
{
	struct span words = str_span(&rcpt->args), word, key;
	size_t from = client->out.len;
	const struct smtp_ext *ext;

	str_add_text(&client->out, "RCPT TO:<");
	str_add_span(&client->out, str_span(&rcpt->to));
	str_add_char(&client->out, '>');
	while ((word = span_word(&words)).len > 0) {
		struct span value = word;
		span_cut(&value, '=', &key);
		if (smtp_param_find(true, key, ~client->offers, &ext) == NULL)
			continue;
		str_add_char(&client->out, ' ');
		str_add_span(&client->out, word);
	}
	str_add_text(&client->out, "\r\n");
	show_said(client, from, SHOWN_ALL);
}

static void
say_command(struct smtp_client *client, size_t at)
{
	struct talk *talk = client->work->last;

	if (at == AT_RSET)
		say(client, "RSET");
	else if (at == AT_MAIL)
		say(client, "%s", str_c(&talk->mail));
	else if (at < at_body(talk))
		say_rcpt(client, &talk->env->rcpt[at - AT_RCPT]);
	else
		say(client, "DATA");
}

/* May the command at this place leave, with the one at due being answered next? */
static bool
may_go(const struct smtp_client *client)
{
	const struct talk *talk = client->work->last;
	size_t end = at_body(talk) + !talk->by_chunks;

	if (talk->sent >= end || in_vain(talk))
		return false;
	if (talk->sent == talk->due)
		return true;
	return (client->offers & OFFER_PIPELINING) != 0 && talk->sent - talk->due < FLIGHT_MAX;
}

/* Chunks need no 354: a small body may leave behind its envelope. */
static bool
chunks_may_begin(const struct smtp_client *client)
{
	const struct talk *talk = client->work->last;
	bool early = (client->offers & OFFER_PIPELINING) != 0 && talk->size > 0 &&
	    talk->size <= EARLY_MAX;

	return talk->by_chunks && talk->body == BODY_NOT_YET && talk->sent == at_body(talk) &&
	    !in_vain(talk) && (early || all_answered(talk));
}

static void
push(struct smtp_client *client)
{
	struct talk *talk = client->work->last;

	if (client->failed || talk == NULL)
		return;
	while (may_go(client))
		say_command(client, talk->sent++);
	if (chunks_may_begin(client))
		talk->body = BODY_MOVING;
	move(client);
}

/* Nothing more of it is under way, and no reply will end it. */
static bool
is_over(const struct talk *talk)
{
	return in_vain(talk) && talk->due >= talk->sent && (talk->body != BODY_MOVING || talk->by_chunks);
}

static void
settle(struct smtp_client *client)
{
	struct talk *talk;

	while (!client->failed && (talk = client->work->first) != NULL && is_over(talk)) {
		client->work->open = true;
		finish(client, talk, &talk->refusal, str_c(&talk->words));
	}
}

void
smtp_client_pump(struct smtp_client *client)
{
	push(client);
	settle(client);
}

/* RFC 2920 3.1: behind the content the next transaction may begin, up to its DATA; behind the last
 * chunk (RFC 3030) all of it. */
bool
smtp_client_more(const struct smtp_client *client)
{
	const struct talk *last = client->work->last;
	uint64_t bodies = 0;
	size_t commands = 0, talks = 0;

	if (client->failed || last == NULL || (client->offers & OFFER_PIPELINING) == 0 || last->body != BODY_SENT)
		return false;
	for (const struct talk *talk = client->work->first; talk != NULL; talk = talk->next) {
		bodies += talks > 0 ? talk->size : 0;
		commands += talk->sent - talk->due;
		talks++;
	}
	if (!last->by_chunks)
		return talks == 1 && !in_vain(last);
	return talks < SMTP_CLIENT_FLIGHT && bodies < BODIES_MAX && commands < FLIGHT_MAX;
}

/* Replies. */

static bool
is_good(const struct smtp_client *client)
{
	return client->work->reply.code / 100 == 2;
}

static bool
is_refusal(const struct smtp_client_work *work)
{
	return work->reply.code >= 400;
}

/* The reply refuses the whole transaction; the first one that does counts. */
static void
refuse(struct smtp_client *client)
{
	struct talk *talk = client->work->first;

	if (talk->refusal.kind != ERR_NONE)
		return;
	reply_err(&client->work->reply, &talk->refusal);
	str_clear(&talk->words);
	reply_text(&client->work->reply, &talk->words);
}

static void
say_hello(struct smtp_client *client)
{
	client->work->phase = EHLO;
	say(client, "%s %s", client->lmtp ? "LHLO" : "EHLO", str_c(&client->work->helo));
}

static void
greeting_came(struct smtp_client *client)
{
	if (client->work->reply.code != 220) {
		fail_with_reply(client);
		return;
	}
	say_hello(client);
}

static void
read_offer(struct smtp_client *client, struct span line)
{
	struct span keyword = span_word(&line);

	if (span_is_case(keyword, "AUTH"))
		str_set_span(&client->work->mechs, line);
	for (const struct smtp_ext *const *ext = smtp_exts; *ext != NULL; ext++) {
		if (!span_is_case(keyword, (*ext)->keyword))
			continue;
		client->offers |= (*ext)->offer;
		if ((*ext)->offered != NULL)
			(*ext)->offered(client, line);
	}
}

static void
read_offers(struct smtp_client *client)
{
	struct span rest = str_span(&client->work->reply.lines), line;

	span_cut(&rest, '\n', &line);	/* the server's name and greeting */
	while (span_cut(&rest, '\n', &line))
		read_offer(client, line);
}

static void
be_ready(struct smtp_client *client)
{
	client->work->phase = IDLE;
	client->ready = true;
}

/* Who we are, where that is asked for. */
static void
log_in(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	struct err err = {0};

	if (client->login == NULL) {
		be_ready(client);
		return;
	}
	work->mech = smtp_auth_choose(client->login, str_span(&work->mechs), client->secured, &err);
	if (work->mech == NULL) {
		fail(client, &err, "");
		return;
	}
	work->phase = AUTH;
	size_t from = client->out.len;
	work->step = smtp_auth_begin(work->mech, client->login, &client->out);
	show_said(client, from, 2);
}

/* RFC 4954 4: 334 asks for more, 235 is done; anything else is no.  A server that will not
 * know us today may tomorrow: the mail waits, and the log says why. */
static void
auth_came(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	struct span lines = str_span(&work->reply.lines), line;
	size_t from = client->out.len;
	struct err err = {0};

	if (work->reply.code == 235) {
		be_ready(client);
	} else if (work->reply.code != 334) {
		client->refused = work->reply.code / 100 == 5;
		fail_with_reply(client);
		if (smtp_auth_tells(client->login, span_of(client->err.text)))
			err_set(&client->err, ERR_TEMP, "the server says %d, and our password again", work->reply.code);
		err_prefix(&client->err, "the login is refused");
	} else {
		span_cut(&lines, '\n', &line);
		if (smtp_auth_answer(work->mech, client->login, work->step++, span_trim(line), &client->out, &err) < 0)
			fail(client, &err, "");
		else
			show_said(client, from, 0);
	}
}

/* We know each other; now TLS, if there is to be any. */
static void
hello_done(struct smtp_client *client)
{
	bool offered = (client->offers & OFFER_STARTTLS) != 0;

	if (client->secured || !(client->tls || client->must_tls) || !(offered || client->must_tls)) {
		log_in(client);
	} else if (!offered) {
		fail_insecure(client);
	} else {
		client->work->phase = STARTTLS;
		say(client, "STARTTLS");
	}
}

static void
starttls_came(struct smtp_client *client)
{
	if (client->work->reply.code == 220) {
		client->work->phase = HANDSHAKE;
		client->handshake = true;
	} else if (client->must_tls) {
		fail_with_reply(client);
	} else {
		log_in(client);
	}
}

static void
hello_came(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	bool ehlo = work->phase == EHLO;

	if (is_good(client)) {
		if (ehlo)
			read_offers(client);
		hello_done(client);
	} else if (ehlo && work->reply.code >= 500 && !client->lmtp) {
		work->phase = HELO;
		say(client, "HELO %s", str_c(&work->helo));
	} else {
		fail_with_reply(client);
	}
}

static void
rcpt_came(struct smtp_client *client, size_t rcpt)
{
	struct smtp_client_work *work = client->work;
	struct talk *talk = work->first;
	struct err err = {0};
	struct str text = {0};

	if (is_good(client)) {
		talk->accepted++;
		talk->taken[rcpt] = true;
		return;
	}
	if (talk->refusal.kind != ERR_NONE)
		return;		/* the echo of a refused MAIL */
	reply_err(&work->reply, &err);
	if (work->reply.code == 552 && talk->accepted > 0)
		err.kind = ERR_TEMP;	/* RFC 5321 4.5.3.1.10: too many recipients */
	reply_text(&work->reply, &text);
	work->hooks->rcpt(talk->ctx, rcpt, &err, str_c(&text));
	str_free(&text);
}

/* DATA is answered: 354, or not. */
static void
data_came(struct smtp_client *client)
{
	struct talk *talk = client->work->first;

	if (client->work->reply.code == 354)
		talk->body = BODY_MOVING;	/* RFC 2920 3.1: an empty one, in vain */
	else if (talk->accepted > 0)
		refuse(client);
}

static void
end_came(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	struct err err = {0};
	struct str text = {0};

	if (in_vain(work->first))
		return;
	if (!is_good(client))
		reply_err(&work->reply, &err);
	reply_text(&work->reply, &text);
	finish(client, work->first, &err, str_c(&text));
	str_free(&text);
}

/* RFC 2033 4.2: one reply for each recipient accepted, in the order of RCPT.  True while more
 * are to come. */
static bool
answers_each(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	struct talk *talk = work->first;
	size_t rcpt = talk->told;

	while (rcpt < talk->env->rcpts && !talk->taken[rcpt])
		rcpt++;
	if (!is_good(client) && rcpt < talk->env->rcpts) {
		struct err err = {0};
		struct str text = {0};
		reply_err(&work->reply, &err);
		reply_text(&work->reply, &text);
		work->hooks->rcpt(talk->ctx, rcpt, &err, str_c(&text));
		str_free(&text);
	}
	for (talk->told = ++rcpt; rcpt < talk->env->rcpts; rcpt++)
		if (talk->taken[rcpt])
			return true;
	return false;
}

/* The reply to the last word of the body; in LMTP the last of them. */
static void
body_answered(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	struct err none = {0};
	struct str text = {0};

	if (!client->lmtp || in_vain(work->first)) {
		end_came(client);
		return;
	}
	if (answers_each(client)) {
		work->first->due--;
		return;
	}
	reply_text(&work->reply, &text);
	finish(client, work->first, &none, is_good(client) ? str_c(&text) : "");
	str_free(&text);
}

static void
chunk_came(struct smtp_client *client)
{
	if (!is_good(client) && client->work->first->accepted > 0)
		refuse(client);
}

/* 354 belongs to DATA, and no other good reply does. */
static bool
makes_sense(const struct smtp_client_work *work, bool data)
{
	if (work->reply.code / 100 == 3)
		return data && work->reply.code == 354;
	return !data || is_refusal(work);
}

static void
talk_came(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;
	struct talk *talk = work->first;
	size_t at = talk->due++;
	bool data = !talk->by_chunks && at == at_body(talk);

	if (!makes_sense(work, data))
		fail_protocol(client, "the server's reply makes no sense here");
	else if (at == AT_RSET && is_refusal(work))
		fail_with_reply(client);
	else if (at == AT_RSET)
		work->open = false;
	else if (at == AT_MAIL && is_refusal(work))
		refuse(client);
	else if (at >= AT_RCPT && at < at_body(talk))
		rcpt_came(client, at - AT_RCPT);
	else if (data)
		data_came(client);
	else if (talk->body == BODY_SENT && talk->due == talk->sent)
		body_answered(client);
	else if (at >= at_body(talk))
		chunk_came(client);
}

static void
quit_came(struct smtp_client *client)
{
	client->closing = true;
}

static void
nothing_came(struct smtp_client *client)
{
	fail_protocol(client, "the server answers what was not asked");
}

/* A challenge, and whatever is answered to a login, is between the two of them but for its number:
 * there are servers that say again what they were told. */
static void
show_reply(const struct smtp_client *client)
{
	const struct reply *reply = &client->work->reply;
	struct span rest = str_span(&reply->lines), line;

	if (client->work->phase == AUTH && reply->code != 235) {
		shown_text(&client->shown, false, "%03d ****", reply->code);
		return;
	}
	for (size_t left = reply->count; client->shown.line != NULL && left > 0; left--) {
		span_cut(&rest, '\n', &line);
		shown_text(&client->shown, false, "%03d%c%.*s", reply->code, left > 1 ? '-' : ' ', (int)line.len,
		    line.len > 0 ? line.p : "");
	}
}

static void
reply_came(struct smtp_client *client)
{
	static void (*const came[])(struct smtp_client *) = {
		[GREETING] = greeting_came,
		[EHLO] = hello_came,
		[HELO] = hello_came,
		[STARTTLS] = starttls_came,
		[HANDSHAKE] = nothing_came,
		[AUTH] = auth_came,
		[IDLE] = nothing_came,
		[TALK] = talk_came,
		[QUIT] = quit_came,
	};
	struct smtp_client_work *work = client->work;

	show_reply(client);
	if (work->reply.code == 421 && work->phase != QUIT)
		fail_with_reply(client);	/* RFC 5321 3.8: at any time */
	else if (work->phase == TALK && work->first->due == work->first->sent)
		nothing_came(client);
	else
		came[work->phase](client);
}

void
smtp_client_start(struct smtp_client *client, const char *helo,
    const struct smtp_client_hooks *hooks, void *ctx)
{
	*client = (struct smtp_client){ .work = mem_get(sizeof *client->work) };
	client->work->hooks = hooks;
	client->work->ctx = ctx;
	str_add_text(&client->work->helo, helo);
}

void
smtp_client_feed(struct smtp_client *client, const void *bytes, size_t len)
{
	struct span in = { bytes, len };
	struct err err = {0};
	int got = 0;

	while (!client->failed && !client->handshake &&
	    (got = reply_feed(&client->work->reply, &in, &err)) > 0) {
		reply_came(client);
		smtp_client_pump(client);
	}
	if (got < 0)
		fail(client, &err, "");
	else if (client->handshake && in.len > 0)
		fail_protocol(client, "the server goes on in plain text behind its answer to STARTTLS");
}

void
smtp_client_secured(struct smtp_client *client)
{
	if (client->failed)
		return;
	client->handshake = false;
	client->secured = true;
	client->offers = 0;
	client->max_size = client->max_rcpts = client->max_mails = 0;
	str_clear(&client->work->mechs);
	say_hello(client);
}

static bool
has_controls(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7F)
			return true;
	}
	return false;
}

/* The spool's envelopes were checked when they came; but what is a line of its own
 * must not depend on that. */
static int
check_envelope(const struct envelope *env, struct err *err)
{
	bool bad = has_controls(str_span(&env->from)) || has_controls(str_span(&env->args));

	for (size_t i = 0; i < env->rcpts; i++)
		bad = bad || has_controls(str_span(&env->rcpt[i].to)) ||
		    has_controls(str_span(&env->rcpt[i].args));
	if (!bad)
		return 0;
	err_set(err, ERR_PERM, "the envelope has control characters");
	return err_as_reply(err, 501, "5.1.7");
}

static int
check_size(const struct smtp_client *client, uint64_t size, struct err *err)
{
	if (client->max_size == 0 || size <= client->max_size)
		return 0;
	err_set(err, ERR_PERM, "%ju bytes is more than the %ju the next host takes",
	    (uintmax_t)size, (uintmax_t)client->max_size);
	return err_as_reply(err, 552, "5.3.4");
}

/* A parameter of MAIL as it goes on, or not; SIZE is told anew. */
static int
add_mail_word(const struct smtp_client *client, struct span word, struct str *mail, struct err *err)
{
	struct span value = word, key;
	const struct smtp_ext *ext;

	span_cut(&value, '=', &key);
	const struct smtp_way way = { .offers = client->offers, .verified = client->secured && client->verified };
	const struct smtp_param *param = smtp_param_find(false, key, 0, &ext);
	if (param == NULL)
		return 0;
	int goes = param->hand_on(ext, &way, value, err);
	if (goes > 0) {
		str_add_char(mail, ' ');
		str_add_span(mail, word);
	}
	return goes < 0 ? -1 : 0;
}

static int
compose_mail(const struct smtp_client *client, struct talk *talk, struct err *err)
{
	const struct envelope *env = talk->env;
	struct str *mail = &talk->mail;
	struct span words = str_span(&env->args), word;

	str_set(mail, "MAIL FROM:<");
	str_add_span(mail, str_span(&env->from));
	str_add_char(mail, '>');
	while ((word = span_word(&words)).len > 0) {
		if (add_mail_word(client, word, mail, err) < 0)
			return -1;
	}
	if ((client->offers & OFFER_SIZE) != 0 && talk->size > 0)
		str_printf(mail, " SIZE=%ju", (uintmax_t)talk->size);
	return 0;
}

/* A transaction before may be left open by what it is told yet: chunks of which nobody would
 * have heard, and the server would take the next envelope for more of the first one. */
static struct talk *
begin(struct smtp_client *client, const struct envelope *env, uint64_t size, void *ctx)
{
	struct smtp_client_work *work = client->work;
	struct talk *talk = mem_get(sizeof *talk);
	bool by_chunks = client->chunks && (client->offers & OFFER_CHUNKING) != 0;
	bool reset = work->open || (by_chunks && work->last != NULL);

	*talk = (struct talk){ .ctx = ctx, .env = env, .size = size, .by_chunks = by_chunks };
	talk->sent = talk->due = reset ? AT_RSET : AT_MAIL;
	talk->taken = mem_get((env->rcpts > 0 ? env->rcpts : 1) * sizeof *talk->taken);
	client->ready = false;
	work->phase = TALK;
	if (work->last != NULL)
		work->last->next = talk;
	else
		work->first = talk;
	work->last = talk;
	return talk;
}

void
smtp_client_send_for(struct smtp_client *client, const struct envelope *env, uint64_t size, void *ctx)
{
	struct talk *talk = begin(client, env, size, ctx);
	struct err err = {0};

	if (check_envelope(env, &err) < 0 || check_size(client, size, &err) < 0 ||
	    compose_mail(client, talk, &err) < 0)
		finish(client, talk, &err, "");
	else
		smtp_client_pump(client);
}

void
smtp_client_send(struct smtp_client *client, const struct envelope *env, uint64_t size)
{
	smtp_client_send_for(client, env, size, client->work->ctx);
}

void
smtp_client_quit(struct smtp_client *client)
{
	client->closing = !client->ready;
	if (client->closing)
		return;
	say(client, "QUIT");
	client->ready = false;
	client->work->phase = QUIT;
}

void
smtp_client_eof(struct smtp_client *client)
{
	struct err err = {0};

	if (client->work->phase == QUIT) {
		client->closing = true;
		return;
	}
	err_set(&err, ERR_TEMP, "the server closed the connection");
	err_as(&err, 0, "4.4.2");
	fail(client, &err, "");
}

void
smtp_client_free(struct smtp_client *client)
{
	struct smtp_client_work *work = client->work;

	if (work != NULL) {
		while (work->first != NULL) {
			struct talk *talk = work->first;
			talk_leaves(work, talk);
			talk_free(talk);
		}
		str_free(&work->helo);
		str_free(&work->mechs);
		str_free(&work->piece);
		reply_free(&work->reply);
	}
	free(work);
	str_free(&client->out);
	*client = (struct smtp_client){0};
}
