/*
 * transport-smtp - to the next hop by SMTP or LMTP, by the client engine
 * (lib/proto/smtp-client.h).
 *
 * One connection carries the messages of a lane one after the other, and is closed
 * when nothing more waits.  A next hop may close a connection that it has used (421,
 * or silently): then the message is tried once more on a fresh one.  One that breaks before
 * anything was sent means that the destination is unreachable, one that breaks under a
 * message perhaps only that (lane.h).
 */
#include "relay/transport.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/closed.h"
#include "lib/base/log.h"
#include "lib/mail/wish.h"
#include "lib/net/stream.h"
#include "lib/proto/smtp-client.h"
#include "relay/hop-secrets.h"
#include "relay/lane.h"
#include "relay/reach.h"
#include "relay/relay.h"

struct hop {
	struct lane *lane;
	struct reach reach;
	struct hop_secrets secrets;
	struct token_wait asking;
	struct str token;	/* empty: none is wanted */
	bool fresh;		/* and it was made for this try */
	struct smtp_login login;
	bool plain;		/* its TLS does not work, and need not */
	struct stream stream;
	struct smtp_client client;
	char *host;		/* what we call ourselves */
	struct str shown;	/* before each line that is shown */
	bool dialling;
	bool up;		/* the stream is in use */
	bool begun;		/* and so is the client: with implicit TLS it comes later */
	bool shaking;		/* hands, for TLS */
	bool sending;		/* the engine has the message */
	bool ended;		/* and gave it back: look at it when it has returned */
	size_t carried;		/* messages over this connection */
	struct envelope env;	/* of the recipients that wait */
	size_t *rcpt;		/* and which of the message's they are */
	bool *refused;
	uint64_t read;		/* bytes of the body given to the engine */
	bool vanished;		/* somebody moved the message away before the last byte */
	bool unreadable;	/* its file: our trouble, not the next hop's */
	struct err result;
	struct str reply;
};

static void hop_send(struct hop *hop);
static void begin_session(struct hop *hop, bool secured);
static void shake_hands(struct hop *hop);
static void follow(struct hop *hop);

static int64_t
patience(const struct hop *hop)
{
	/* The first [relay] speaks for the process where there are several. */
	return hop->lane->relay->setup->settings.relay[0].timeout;
}

/* the message */

static void
forget_message(struct hop *hop)
{
	envelope_clear(&hop->env);
	free(hop->rcpt);
	free(hop->refused);
	hop->rcpt = NULL;
	hop->refused = NULL;
	hop->sending = hop->ended = hop->vanished = hop->unreadable = false;
}

/* It waits, and this try has not come to it yet. */
static bool
is_untold(const struct hop *hop, size_t rcpt)
{
	return lane_waiting(hop->lane, rcpt) && hop->lane->message.fresh[rcpt].at == 0;
}

static bool
any_untold(const struct hop *hop)
{
	for (size_t i = 0; i < hop->lane->message.entry.env.rcpts; i++)
		if (is_untold(hop, i))
			return true;
	return false;
}

static void
copy_envelope(struct hop *hop)
{
	const struct envelope *whole = &hop->lane->message.entry.env;
	const struct entry_info *info = &hop->lane->message.entry.info;
	const uint64_t most = hop->client.max_rcpts;	/* RFC 9422 */
	struct str args = {0};

	forget_message(hop);
	wish_hand_on(str_span(&whole->args), info->grade, info->time, clock_now(), &args);
	envelope_from(&hop->env, str_span(&whole->from), str_span(&args));
	str_free(&args);
	hop->rcpt = mem_get(whole->rcpts * sizeof *hop->rcpt);
	hop->refused = mem_get(whole->rcpts * sizeof *hop->refused);
	for (size_t i = 0; i < whole->rcpts && (most == 0 || hop->env.rcpts < most); i++) {
		if (!is_untold(hop, i))
			continue;
		hop->rcpt[hop->env.rcpts] = i;
		envelope_add(&hop->env, str_span(&whole->rcpt[i].to), str_span(&whole->rcpt[i].args));
	}
}

/* RFC 5321 4.5.3.1.10: more than it takes at a time says nothing of a recipient, who goes
 * with the next transaction.  Where none was taken it is no such thing. */
static bool
is_one_too_many(const struct hop *hop, size_t rcpt, const char *reply)
{
	size_t taken = rcpt;

	for (size_t i = 0; i < rcpt; i++)
		taken -= hop->refused[i];
	bool code = strncmp(reply, "452", 3) == 0 || strncmp(reply, "552", 3) == 0;
	bool other = code && strlen(reply) > 4 && (reply[4] == '4' || reply[4] == '5') && reply[5] == '.' &&
	    strncmp(reply + 5, ".5.3", 4) != 0;
	return code && !other && taken > 0 && !hop->client.lmtp;
}

static void
on_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct hop *hop = ctx;
	bool again = is_one_too_many(hop, rcpt, reply);

	hop->refused[rcpt] = true;
	if (again)
		return;
	lane_rcpt(hop->lane, hop->rcpt[rcpt], err->kind == ERR_PERM ? RCPT_FAILED : RCPT_DEFERRED, reply);
}

static int
on_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct hop *hop = ctx;
	const struct message *message = &hop->lane->message;
	uint64_t left = message->entry.body_len - hop->read;

	*got = left < room ? (size_t)left : room;
	if (*got == 0)
		return 0;
	ssize_t n = fs_pread(message->fd, bytes, *got, message->entry.body_at + (off_t)hop->read, err);
	if (n >= 0 && (size_t)n < *got)
		err_set(err, ERR_TEMP, "the message is shorter than its head says");
	hop->unreadable = n < (ssize_t)*got;
	hop->read += *got;
	return hop->unreadable ? -1 : 0;
}

static int
on_commit(void *ctx, struct err *err)
{
	struct hop *hop = ctx;

	if (message_still_there(&hop->lane->message))
		return 0;
	hop->vanished = true;
	return err_set(err, ERR_TEMP, "the message was moved away");
}

static void
on_done(void *ctx, const struct err *err, const char *reply)
{
	struct hop *hop = ctx;

	if (!hop->up)
		return;		/* we hung up ourselves */
	hop->ended = true;
	hop->result = *err;
	str_set(&hop->reply, reply);
}

static const struct smtp_client_hooks client_hooks = { on_rcpt, on_read, on_commit, on_done };

/* the connection */

static void
hang_up(struct hop *hop)
{
	if (!hop->up)
		return;
	hop->up = false;	/* first, for on_done */
	if (hop->begun)
		smtp_client_free(&hop->client);
	hop->begun = false;
	stream_free(&hop->stream);
	hop->carried = 0;
}

/* QUIT, and no waiting for what is said to it. */
static void
say_goodbye(struct hop *hop)
{
	if (!hop->up)
		return;
	if (!hop->begun) {
		hang_up(hop);
		return;
	}
	smtp_client_quit(&hop->client);
	stream_send_str(&hop->stream, &hop->client.out);
	stream_finish(&hop->stream);
	hang_up(hop);
}

/* What the whole message was told goes to each recipient not told of by itself. */
static void
tell_recipients(struct hop *hop)
{
	static const enum rcpt_state states[] = {
		[ERR_TEMP] = RCPT_DEFERRED, [ERR_PERM] = RCPT_FAILED, [ERR_CONFIG] = RCPT_DEFERRED,
	};
	/* In LMTP one that was taken has no words of its own where the last of them was refused. */
	const char *said = hop->reply.len > 0 ? str_c(&hop->reply) : "250 2.0.0 taken";

	enum dsn_kind kind = dsn_of_success(hop->client.offers & OFFER_DSN ? DSN_BY_HOP : DSN_BY_PLAIN_HOP);
	for (size_t i = 0; i < hop->env.rcpts; i++) {
		if (hop->refused[i])
			continue;
		if (hop->result.kind == ERR_NONE)
			lane_rcpt_done(hop->lane, hop->rcpt[i], said, kind);
		else if (hop->reply.len == 0)	/* it was not even asked */
			lane_rcpt_err(hop->lane, hop->rcpt[i], &hop->result);
		else
			lane_rcpt(hop->lane, hop->rcpt[i], states[hop->result.kind], said);
	}
}

/* The connection broke and nobody knows of the message: it is not the message's fault. */
static bool
is_unanswered(const struct hop *hop)
{
	return hop->client.failed && hop->result.kind == ERR_TEMP && !hop->unreadable;
}

static void
message_unanswered(struct hop *hop)
{
	struct err why = hop->client.err;
	bool used = hop->carried > 0;

	hang_up(hop);
	forget_message(hop);
	if (used)
		hop_send(hop);
	else
		lane_broken(hop->lane, &why);
}

/* The engine has given the message back. */
static void
message_ended(struct hop *hop)
{
	struct lane *lane = hop->lane;

	if (!hop->vanished && is_unanswered(hop)) {
		message_unanswered(hop);
		return;
	}
	if (hop->vanished)
		log_info("%s: event=moved-away by=%s:%s", str_c(&lane->message.id), lane->transport->name,
		    lane->rest);
	else
		tell_recipients(hop);
	bool more = !hop->vanished && any_untold(hop);
	hop->carried++;
	if (hop->client.failed || hop->client.closing)
		hang_up(hop);
	forget_message(hop);
	if (more)
		hop_send(hop);	/* the rest of its recipients */
	else
		lane_done(lane, NULL);
}

static const struct hop_settings *
settings_of(const struct hop *hop)
{
	return settings_hop(&hop->lane->relay->setup->settings, hop->lane->transport->name, hop->lane->rest);
}

/* A token that was kept may be over, whatever was said of it: then there is to be another. */
static bool
wants_another_token(struct hop *hop)
{
	const char *command = settings_of(hop)->login_token;

	if (!hop->begun || !hop->client.refused || hop->token.len == 0 || command[0] == '\0')
		return false;
	token_refused(&hop->lane->relay->tokens, command + strlen("exec:"), str_c(&hop->token));
	return !hop->fresh;
}

/* The engine says that the session is useless, with no message of ours in it. */
static void
session_failed(struct hop *hop, const struct err *err)
{
	struct err why = *err;
	bool used = hop->carried > 0, again = wants_another_token(hop);

	hang_up(hop);
	if (!hop->lane->busy)
		return;
	if (again) {
		hop_send(hop);
		return;
	}
	if (used || reach_next(&hop->reach)) {
		log_info("-: event=place-failed by=%s:%s host=%s why=\"%s\"", hop->lane->transport->name, hop->lane->rest,
		    hop->reach.host, why.text);
		hop_send(hop);
		return;
	}
	reach_forget(&hop->reach);
	lane_done(hop->lane, &why);
}

/* Whoever need not have TLS goes on without it, where it does not work (RFC 7435). */
static void
handshake_failed(struct hop *hop, const struct err *err)
{
	if (hop->secrets.must || hop->lane->transport->kind == ROUTE_SMTPS || hop->plain) {
		session_failed(hop, err);
		return;
	}
	log_warn("-: event=tls-failed by=%s:%s host=%s why=\"%s\"", hop->lane->transport->name, hop->lane->rest,
	    hop->reach.host, err->text);
	hop->plain = true;
	hang_up(hop);
	if (hop->lane->busy)
		hop_send(hop);
}

static void
give_message(struct hop *hop)
{
	copy_envelope(hop);
	hop->read = 0;
	hop->sending = true;
	smtp_client_send(&hop->client, &hop->env, hop->lane->message.entry.body_len);
}

/* After the engine ran, until there is nothing to do but wait. */
static void
follow(struct hop *hop)
{
	if (hop->lane->busy && !hop->sending && hop->client.ready && !hop->client.failed)
		give_message(hop);
	while (hop->sending && !hop->ended && !hop->client.failed &&
	    stream_backlog(&hop->stream) + hop->client.out.len < STREAM_LITTLE) {
		size_t before = hop->client.out.len;
		smtp_client_pump(&hop->client);
		if (hop->client.out.len == before)
			break;
	}
	if (hop->client.out.len > 0)
		stream_deadline(&hop->stream, patience(hop));
	stream_send_str(&hop->stream, &hop->client.out);
	if (hop->client.handshake && !hop->shaking) {
		hop->shaking = true;
		shake_hands(hop);
	}
	if (hop->ended)
		message_ended(hop);
	else if (hop->client.failed || hop->client.closing)
		session_failed(hop, &hop->client.err);
}

static void
on_input(void *ctx, const void *bytes, size_t len)
{
	struct hop *hop = ctx;

	if (!hop->begun)
		return;
	smtp_client_feed(&hop->client, bytes, len);
	follow(hop);
}

static void
on_sent(void *ctx)
{
	struct hop *hop = ctx;

	if (!hop->begun)
		return;
	if (hop->sending)
		stream_deadline(&hop->stream, patience(hop));
	follow(hop);
}

static void
on_ended(void *ctx, const struct err *err)
{
	struct hop *hop = ctx;

	log_debug("-: event=hop-gone by=%s:%s why=\"%s\"", hop->lane->transport->name, hop->lane->rest, err->text);
	if (!hop->begun || hop->shaking) {
		struct err why = *err;
		if (why.kind == ERR_NONE)
			err_set(&why, ERR_TEMP, "the server closed the connection");
		handshake_failed(hop, &why);
		return;
	}
	smtp_client_eof(&hop->client);
	follow(hop);
}

static void
on_late(void *ctx)
{
	struct hop *hop = ctx;
	struct err why;

	if (!hop->begun || hop->shaking) {
		err_set(&why, ERR_TEMP, "no TLS in time");
		handshake_failed(hop, &why);
		return;
	}
	if (!hop->sending && hop->client.ready) {
		hang_up(hop);	/* idle: nothing is lost */
		return;
	}
	smtp_client_eof(&hop->client);
	if (hop->client.err.kind != ERR_NONE)
		err_set(&hop->client.err, ERR_TEMP, "no answer in time");
	follow(hop);
}

/* Hands are shaken, or there are none to shake. */
static void
on_secured(void *ctx)
{
	struct hop *hop = ctx;
	struct str about = {0};

	stream_tls_about(&hop->stream, &about);
	log_debug("-: event=secured by=%s:%s host=%s tls=\"%s\"", hop->lane->transport->name, hop->lane->rest,
	    hop->reach.host, str_c(&about));
	str_free(&about);
	hop->shaking = false;
	if (!hop->begun)
		begin_session(hop, true);
	else
		smtp_client_secured(&hop->client);
	follow(hop);
}

static const struct stream_hooks stream_hooks = {
	.input = on_input, .sent = on_sent, .ended = on_ended, .late = on_late, .secured = on_secured,
};

static void
shake_hands(struct hop *hop)
{
	const struct hop_secrets *secrets = &hop->secrets;

	stream_deadline(&hop->stream, patience(hop));
	stream_start_tls(&hop->stream, secrets->tls, secrets->policy, hop->reach.host, secrets->pins);
}

static void
begin_session(struct hop *hop, bool secured)
{
	const struct hop_secrets *secrets = &hop->secrets;

	hop->begun = true;
	smtp_client_start(&hop->client, hop->host, &client_hooks, hop);
	hop->client.chunks = true;	/* a round trip less */
	hop->client.lmtp = hop->lane->transport->kind == ROUTE_LMTP;
	hop->client.tls = secrets->tls != NULL && !secured && !hop->plain;
	hop->client.must_tls = !secured && secrets->must;
	hop->client.secured = secured;
	hop->login = secrets->login;
	if (secrets->by_token)
		hop->login.password = str_c(&hop->token);
	hop->client.login = hop->login.name != NULL ? &hop->login : NULL;
	if (!shown_is_wanted())
		return;
	str_clear(&hop->shown);
	str_printf(&hop->shown, "by=%s:%s host=%s", hop->lane->transport->name, hop->lane->rest, hop->reach.host);
	hop->client.shown = (struct shown){ shown_in_log, hop->shown.p };
}

/* Neither its host nor our settings are to be had now. */
static void
not_reached(struct hop *hop, const struct err *err)
{
	struct lane *lane = hop->lane;

	if (!lane->busy)
		return;		/* nobody waits for it yet */
	if (err->kind != ERR_PERM) {
		lane_done(lane, err);
		return;
	}
	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
		if (lane_waiting(lane, i))
			lane_rcpt_err(lane, i, err);
	lane_done(lane, NULL);
}

/* The settings may want one only since it was dialled. */
static bool
misses_token(const struct hop *hop, struct err *err)
{
	return hop->secrets.by_token && hop->token.len == 0 &&
	    err_set(err, ERR_TEMP, "the settings changed under the connection") < 0;
}

static void
on_reached(void *ctx, int fd, const struct err *err)
{
	struct hop *hop = ctx;
	struct err why = *err;

	hop->dialling = false;
	if (fd >= 0 && (hop_secrets_load(&hop->secrets, hop->lane->relay->setup, hop->lane->transport->name,
	    hop->lane->rest, &why) < 0 || misses_token(hop, &why))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0) {
		not_reached(hop, &why);
		return;
	}
	hop->up = true;
	hop->begun = hop->shaking = false;
	hop->carried = 0;
	free(hop->host);
	hop->host = mem_text(hop->lane->relay->setup->settings.spool.host);
	stream_start(&hop->stream, &hop->lane->relay->loop, fd, &stream_hooks, hop);
	stream_deadline(&hop->stream, patience(hop));
	if (hop->lane->transport->kind == ROUTE_SMTPS)
		shake_hands(hop);
	else
		begin_session(hop, false);
}

static void dial(struct hop *hop);

static bool
reached(uint64_t most, size_t count)
{
	return most > 0 && count >= most;
}

static void
hop_send(struct hop *hop)
{
	if (hop->up && (hop->client.failed || hop->client.closing))
		hang_up(hop);
	if (hop->up && hop->secrets.setup != hop->lane->relay->setup)
		say_goodbye(hop);	/* the settings changed */
	if (hop->up && (reached(hop->secrets.max_messages, hop->carried) || reached(hop->client.max_mails, hop->carried)))
		say_goodbye(hop);
	if (hop->up)
		follow(hop);
	else if (!hop->dialling)
		dial(hop);
}

static void
on_token(void *ctx, const char *text, bool fresh, const struct err *err)
{
	struct hop *hop = ctx;

	if (text == NULL) {
		hop->dialling = false;
		not_reached(hop, err);
		return;
	}
	str_set(&hop->token, text);
	hop->fresh = fresh;
	reach_start(&hop->reach, on_reached, hop);
}

/* A server waits for no program: the token is there first. */
static void
dial(struct hop *hop)
{
	const char *command = settings_of(hop)->login_token;

	hop->dialling = true;
	closed_forget(&hop->token);
	if (command[0] != '\0')
		token_ask(&hop->lane->relay->tokens, command + strlen("exec:"), &hop->asking);
	else
		reach_start(&hop->reach, on_reached, hop);
}

/* the row */

static void
smtp_open(struct lane *lane)
{
	struct hop *hop = mem_get(sizeof *hop);

	hop->lane = lane;
	hop->asking = (struct token_wait){ .done = on_token, .ctx = hop };
	reach_open(&hop->reach, lane);
	lane->work = hop;
}

static void
smtp_early(struct lane *lane)
{
	struct hop *hop = lane->work;

	if (!hop->up && !hop->dialling)
		dial(hop);
}

static void
smtp_send(struct lane *lane)
{
	hop_send(lane->work);
}

static void
smtp_rest(struct lane *lane)
{
	struct hop *hop = lane->work;

	say_goodbye(hop);
	reach_forget(&hop->reach);	/* the DNS may tell otherwise by then */
	hop->plain = false;
}

static void
smtp_close(struct lane *lane)
{
	struct hop *hop = lane->work;

	hang_up(hop);
	token_leave(&hop->asking);
	closed_forget(&hop->token);
	reach_close(&hop->reach);
	hop_secrets_free(&hop->secrets);
	forget_message(hop);
	envelope_free(&hop->env);
	str_free(&hop->reply);
	str_free(&hop->shown);
	free(hop->host);
	free(hop);
	lane->work = NULL;
}

#define SPEAKS_SMTP(NAME, KIND) {						\
	.name = NAME, .kind = KIND, .many = true, .open = smtp_open,	\
	.early = smtp_early, .send = smtp_send, .rest = smtp_rest, .close = smtp_close,	\
}

const struct transport transport_smtp = SPEAKS_SMTP("smtp", ROUTE_SMTP);
const struct transport transport_smtps = SPEAKS_SMTP("smtps", ROUTE_SMTPS);
const struct transport transport_lmtp = SPEAKS_SMTP("lmtp", ROUTE_LMTP);
const struct transport transport_mx = SPEAKS_SMTP("mx", ROUTE_MX);
