/*
 * transport-smtp - to the next hop by SMTP or LMTP, by the client engine
 * (lib/proto/smtp-client.h).
 *
 * One connection carries the messages of a lane one after the other, and is closed
 * when nothing more waits.  A next hop may close a connection that it has used (421,
 * or silently): then the message is tried once more on a fresh one.  One that breaks before
 * anything was sent means that the destination is unreachable, one that breaks under a
 * message perhaps only that (lane.h).
 *
 * Where the next hop has PIPELINING, and the first message got through, several are under way in
 * the connection, each on a lane of its own beside ours: [hop] in-flight of them by BDAT, of which
 * the next ones leave when all are answered, as a server that takes them together answers them
 * together; two by DATA.  When it breaks under them only the first one can be to blame: the others
 * go back to the queue, and the next connection has one at a time until CAREFUL of them got
 * through, so that what is sent twice, since nobody knows of it (RFC 1047), is not sent twice again.
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
#include "spool/recoded.h"

enum { CAREFUL = 20 };

/* A message that the engine has. */
struct load {
	struct hop *hop;
	struct lane *lane;
	struct envelope env;	/* of the recipients that wait */
	size_t *rcpt;		/* and which of the message's they are */
	bool *refused;
	int text, scratch;	/* where the body stands; -1, or a file of ours that is closed */
	off_t at;
	uint64_t len;
	uint64_t read;		/* bytes of it given to the engine */
	bool ended;		/* the engine gave it back: look at it when that has returned */
	bool vanished;		/* somebody moved the message away before the last byte */
	bool unreadable;	/* its file: our trouble, not the next hop's */
	bool unknown;		/* what became of it */
	struct err result;
	struct str reply;
};

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
	bool careful;		/* one broke under several: one at a time */
	bool filling;		/* the flight grows */
	size_t carried;		/* messages over this connection */
	struct load *load[SMTP_CLIENT_FLIGHT];	/* as they were given */
	size_t loads;
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

static const struct hop_settings *
settings_of(const struct hop *hop)
{
	return settings_hop(&hop->lane->relay->setup->settings, hop->lane->transport->name, hop->lane->rest);
}

/* the message */

static void
load_free(struct load *load)
{
	if (load->scratch >= 0)
		close(load->scratch);
	envelope_free(&load->env);
	free(load->rcpt);
	free(load->refused);
	str_free(&load->reply);
	free(load);
}

/* It waits, and this try has not come to it yet. */
static bool
is_untold(const struct lane *lane, size_t rcpt)
{
	return lane_waiting(lane, rcpt) && lane->message.fresh[rcpt].at == 0;
}

static bool
any_untold(const struct lane *lane)
{
	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
		if (is_untold(lane, i))
			return true;
	return false;
}

static struct load *
load_new(struct hop *hop, struct lane *lane)
{
	const struct envelope *whole = &lane->message.entry.env;
	const struct entry_info *info = &lane->message.entry.info;
	const uint64_t most = hop->client.max_rcpts;	/* RFC 9422 */
	struct load *load = mem_get(sizeof *load);
	struct str args = {0};

	*load = (struct load){ .hop = hop, .lane = lane, .text = lane->message.fd, .scratch = -1,
	    .at = lane->message.entry.body_at, .len = lane->message.entry.body_len };
	wish_hand_on(str_span(&whole->args), info->grade, info->time, clock_now(), &args);
	envelope_from(&load->env, str_span(&whole->from), str_span(&args));
	str_free(&args);
	load->rcpt = mem_get(whole->rcpts * sizeof *load->rcpt);
	load->refused = mem_get(whole->rcpts * sizeof *load->refused);
	for (size_t i = 0; i < whole->rcpts && (most == 0 || load->env.rcpts < most); i++) {
		if (!is_untold(lane, i))
			continue;
		load->rcpt[load->env.rcpts] = i;
		envelope_add(&load->env, str_span(&whole->rcpt[i].to), str_span(&whole->rcpt[i].args));
	}
	return load;
}

/* RFC 6152 3: who takes no 8 bits gets none. */
static int
fit(struct load *load, struct err *err)
{
	if ((load->hop->client.offers & OFFER_8BITMIME) != 0)
		return 0;
	int got = recoded_seven(&load->lane->relay->spool, load->text, load->at, load->len, &load->scratch, &load->len, err);
	if (got > 0) {
		load->text = load->scratch;
		load->at = 0;
	}
	return got < 0 ? -1 : 0;
}

/* RFC 5321 4.5.3.1.10: more than it takes at a time says nothing of a recipient, who goes
 * with the next transaction.  Where none was taken it is no such thing. */
static bool
is_one_too_many(const struct load *load, size_t rcpt, const char *reply)
{
	size_t taken = rcpt;

	for (size_t i = 0; i < rcpt; i++)
		taken -= load->refused[i];
	bool code = strncmp(reply, "452", 3) == 0 || strncmp(reply, "552", 3) == 0;
	bool other = code && strlen(reply) > 4 && (reply[4] == '4' || reply[4] == '5') && reply[5] == '.' &&
	    strncmp(reply + 5, ".5.3", 4) != 0;
	return code && !other && taken > 0 && !load->hop->client.lmtp;
}

static void
on_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct load *load = ctx;
	bool again = is_one_too_many(load, rcpt, reply);

	load->refused[rcpt] = true;
	if (again)
		return;
	lane_rcpt(load->lane, load->rcpt[rcpt], err->kind == ERR_PERM ? RCPT_FAILED : RCPT_DEFERRED, reply);
}

static int
on_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct load *load = ctx;
	uint64_t left = load->len - load->read;

	*got = left < room ? (size_t)left : room;
	if (*got == 0)
		return 0;
	ssize_t n = fs_pread(load->text, bytes, *got, load->at + (off_t)load->read, err);
	if (n >= 0 && (size_t)n < *got)
		err_set(err, ERR_TEMP, "the message is shorter than its head says");
	load->unreadable = n < (ssize_t)*got;
	load->read += *got;
	return load->unreadable ? -1 : 0;
}

static int
on_commit(void *ctx, struct err *err)
{
	struct load *load = ctx;

	if (message_still_there(&load->lane->message))
		return 0;
	load->vanished = true;
	return err_set(err, ERR_TEMP, "the message was moved away");
}

static void
on_done(void *ctx, const struct err *err, const char *reply)
{
	struct load *load = ctx;

	load->ended = true;
	load->result = *err;
	str_set(&load->reply, reply);
}

static const struct smtp_client_hooks client_hooks = { on_rcpt, on_read, on_commit, on_done };

/* the connection */

static void
hang_up(struct hop *hop)
{
	if (!hop->up)
		return;
	hop->up = hop->filling = false;
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
tell_recipients(struct load *load)
{
	static const enum rcpt_state states[] = {
		[ERR_TEMP] = RCPT_DEFERRED, [ERR_PERM] = RCPT_FAILED, [ERR_CONFIG] = RCPT_DEFERRED,
	};
	struct lane *lane = load->lane;
	/* In LMTP one that was taken has no words of its own where the last of them was refused. */
	const char *said = load->reply.len > 0 ? str_c(&load->reply) : "250 2.0.0 taken";

	enum dsn_kind kind = dsn_of_success(load->hop->client.offers & OFFER_DSN ? DSN_BY_HOP : DSN_BY_PLAIN_HOP);
	for (size_t i = 0; i < load->env.rcpts; i++) {
		if (load->refused[i])
			continue;
		if (load->result.kind == ERR_NONE)
			lane_rcpt_done(lane, load->rcpt[i], said, kind);
		else if (load->reply.len == 0)	/* it was not even asked */
			lane_rcpt_err(lane, load->rcpt[i], &load->result);
		else
			lane_rcpt(lane, load->rcpt[i], states[load->result.kind], said);
	}
}

/* The connection broke and nobody knows of the message: it is not the message's fault. */
static bool
is_unanswered(const struct load *load)
{
	return !load->vanished && load->hop->client.failed && load->result.kind == ERR_TEMP && !load->unreadable;
}

static void
note_load(struct load *load)
{
	struct lane *lane = load->lane;

	load->hop->carried++;
	load->hop->careful = load->hop->careful && load->hop->carried < CAREFUL;
	if (load->vanished)
		log_info("%s: event=moved-away by=%s:%s", str_c(&lane->message.id), lane->transport->name, lane->rest);
	else
		tell_recipients(load);
}

/* Those that the engine has given back, in their order, and how many of them nobody knows of. */
static size_t
take_ended(struct hop *hop, struct load **ended, size_t *unknown)
{
	size_t count = 0, left = 0;

	*unknown = 0;
	for (size_t i = 0; i < hop->loads; i++) {
		struct load *load = hop->load[i];
		if (!load->ended) {
			hop->load[left++] = load;
			continue;
		}
		load->unknown = is_unanswered(load);
		*unknown += load->unknown;
		if (!load->unknown)
			note_load(load);
		ended[count++] = load;
	}
	hop->loads = left;
	return count;
}

/* The lane is done with it, or has another turn with the rest of its recipients. */
static void
leave_known(struct load *load)
{
	struct lane *lane = load->lane;
	bool more = !load->vanished && any_untold(lane);

	load_free(load);
	if (!more)
		lane_done(lane, NULL);
}

/* If the connection was used, the first of them is tried once more on a fresh one. */
static void
leave_unknown(struct load *load, bool first, bool used, const struct err *why)
{
	struct lane *lane = load->lane;

	load_free(load);
	if (!first)
		lane_back(lane);
	else if (!used)
		lane_broken(lane, why);
}

static bool
by_chunks(const struct hop *hop)
{
	return (hop->client.offers & OFFER_CHUNKING) != 0;
}

/* The engine has given messages back.  Whoever hears that a lane is done with its message may have
 * it rest, but does not free it. */
static void
loads_ended(struct hop *hop)
{
	struct load *ended[SMTP_CLIENT_FLIGHT];
	const struct err why = hop->client.err;
	size_t unknown, count = take_ended(hop, ended, &unknown);
	bool used = hop->carried > 0, first = true;

	hop->filling = hop->filling && !by_chunks(hop);
	hop->careful = hop->careful || unknown > 1;
	if (hop->client.failed || hop->client.closing)
		hang_up(hop);
	else if (hop->loads > 0)
		stream_deadline(&hop->stream, patience(hop));
	for (size_t i = 0; i < count; i++) {
		bool is_unknown = ended[i]->unknown;
		if (is_unknown)
			leave_unknown(ended[i], first, used, &why);
		else
			leave_known(ended[i]);
		first = first && !is_unknown;
	}
}

static bool
has_ended(const struct hop *hop)
{
	for (size_t i = 0; i < hop->loads; i++)
		if (hop->load[i]->ended)
			return true;
	return false;
}

static bool
is_loaded(const struct hop *hop, const struct lane *lane)
{
	for (size_t i = 0; i < hop->loads; i++)
		if (hop->load[i]->lane == lane)
			return true;
	return false;
}

/* Of those beside us, and us, one whose message is not with the engine; NULL: none. */
static struct lane *
next_waiting(const struct hop *hop)
{
	if (hop->lane->busy && !is_loaded(hop, hop->lane))
		return hop->lane;
	for (size_t i = 0; i < hop->lane->riders; i++)
		if (hop->lane->rider[i]->busy && !is_loaded(hop, hop->lane->rider[i]))
			return hop->lane->rider[i];
	return NULL;
}

/* The destination cannot be reached: that is told once. */
static void
give_up(struct hop *hop, const struct err *why)
{
	struct lane *first = next_waiting(hop), *lane;

	if (first == NULL)
		return;		/* nobody waits for it yet */
	while ((lane = next_waiting(hop)) != NULL && lane != first)
		lane_back(lane);
	lane_done(first, why);
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
	if (next_waiting(hop) == NULL)
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
	give_up(hop, &why);
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
	if (next_waiting(hop) != NULL)
		hop_send(hop);
}

static bool
reached(uint64_t most, size_t count)
{
	return most > 0 && count >= most;
}

/* May one more go over this connection? */
static bool
may_carry(const struct hop *hop)
{
	size_t count = hop->carried + hop->loads;

	return hop->secrets.setup == hop->lane->relay->setup && !reached(hop->secrets.max_messages, count) &&
	    !reached(hop->client.max_mails, count);
}

/* And before those are answered that are under way in it? */
static bool
may_join(const struct hop *hop)
{
	return hop->filling && !hop->careful && hop->carried > 0 && hop->loads < settings_of(hop)->in_flight &&
	    hop->loads < SMTP_CLIENT_FLIGHT && may_carry(hop) && smtp_client_more(&hop->client);
}

/* The next lane whose message the engine can have; NULL: none now. */
static struct lane *
next_lane(struct hop *hop)
{
	if (hop->client.ready)
		return next_waiting(hop);
	if (!may_join(hop))
		return NULL;
	struct lane *lane = next_waiting(hop);
	return lane != NULL ? lane : lane_more(hop->lane);
}

/* False: there is none, or it came back at once. */
static bool
give_message(struct hop *hop)
{
	struct lane *lane = hop->client.failed ? NULL : next_lane(hop);

	if (lane == NULL)
		return false;
	struct load *load = load_new(hop, lane);
	hop->filling = hop->filling || hop->loads == 0;
	hop->load[hop->loads++] = load;
	if (fit(load, &load->result) < 0)
		load->ended = true;	/* the engine has never seen it */
	else
		smtp_client_send_for(&hop->client, &load->env, load->len, load);
	hop->filling = hop->filling && !load->ended;
	return !load->ended;
}

/* All that can be said now: more of the last message, and the next ones. */
static void
speak(struct hop *hop)
{
	bool more = true;

	while (more && !has_ended(hop) && !hop->client.failed &&
	    stream_backlog(&hop->stream) + hop->client.out.len < STREAM_LITTLE) {
		size_t before = hop->client.out.len;
		more = give_message(hop);
		if (hop->loads > 0)
			smtp_client_pump(&hop->client);
		more = more || hop->client.out.len != before;
	}
	if (hop->client.out.len > 0)
		stream_deadline(&hop->stream, patience(hop));
	stream_send_str(&hop->stream, &hop->client.out);
	if (hop->client.handshake && !hop->shaking) {
		hop->shaking = true;
		shake_hands(hop);
	}
}

/* After the engine ran, until there is nothing to do but wait. */
static void
follow(struct hop *hop)
{
	if (!has_ended(hop))
		speak(hop);
	while (has_ended(hop)) {
		loads_ended(hop);
		if (next_waiting(hop) != NULL) {
			hop_send(hop);	/* again, or with the rest of its recipients */
			return;
		}
		if (!hop->up)
			return;
		speak(hop);
	}
	if (hop->client.failed || hop->client.closing)
		session_failed(hop, &hop->client.err);
}

/* Behind a dot the next envelope, but not its content: there one more follows each answer. */
static void
look_on(struct hop *hop)
{
	hop->filling = hop->filling || !by_chunks(hop);
	follow(hop);
}

static void
on_input(void *ctx, const void *bytes, size_t len)
{
	struct hop *hop = ctx;

	if (!hop->begun)
		return;
	smtp_client_feed(&hop->client, bytes, len);
	look_on(hop);
}

static void
on_sent(void *ctx)
{
	struct hop *hop = ctx;

	if (!hop->begun)
		return;
	if (hop->loads > 0)
		stream_deadline(&hop->stream, patience(hop));
	look_on(hop);
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
	if (hop->loads == 0 && hop->client.ready) {
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

static void
refuse_recipients(struct lane *lane, const struct err *err)
{
	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
		if (lane_waiting(lane, i))
			lane_rcpt_err(lane, i, err);
	lane_done(lane, NULL);
}

/* Neither its host nor our settings are to be had now. */
static void
not_reached(struct hop *hop, const struct err *err)
{
	struct lane *lane;

	if (err->kind != ERR_PERM)
		give_up(hop, err);
	else
		while ((lane = next_waiting(hop)) != NULL)
			refuse_recipients(lane, err);
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

static void
hop_send(struct hop *hop)
{
	if (hop->up && hop->loads == 0 && (hop->client.failed || hop->client.closing))
		hang_up(hop);
	/* The settings changed, or it has carried enough. */
	if (hop->up && hop->loads == 0 && !may_carry(hop))
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
	hop->plain = hop->careful = false;
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
	while (hop->loads > 0)
		load_free(hop->load[--hop->loads]);
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
