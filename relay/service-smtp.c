#include "relay/service-smtp.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"

enum { JUNK_MAX = 50 };	/* SMTP-16: NOOP, RSET, VRFY ... without mail between */

const struct relay_settings *
smtp_limits(const struct smtp *smtp)
{
	return smtp->session->instance->settings;
}

const struct settings *
smtp_settings(const struct smtp *smtp)
{
	return &smtp->session->setup->settings;
}

static bool
in_body(const struct smtp *smtp)
{
	return smtp->arrival.spool != NULL || smtp->server.mode == SMTP_DATA ||
	    smtp->server.mode == SMTP_CHUNK;
}

static bool
in_transaction(const struct smtp *smtp)
{
	return smtp->server.env.begun || in_body(smtp);
}

/* Where it stands, for the others: thousands may be connected, and nobody walks them all. */
static void
count_in(struct smtp *smtp, bool busy, bool writes)
{
	struct relay *relay = smtp->session->relay;

	relay->busy += (size_t)busy - (size_t)smtp->busy;
	relay->writers += (size_t)writes - (size_t)smtp->writes;
	smtp->busy = busy;
	smtp->writes = writes;
}

/* Is anybody else in the middle of a message? */
bool
smtp_others_busy(const struct smtp *smtp)
{
	return smtp->session->relay->busy > (smtp->busy ? 1 : 0);
}

/* Is anybody else about to post a message? */
bool
smtp_others_write(const struct smtp *smtp)
{
	return smtp->session->relay->writers > (smtp->writes ? 1 : 0);
}

/* who it is */

static void
logged_in(struct smtp *smtp)
{
	log_info("-: event=login service=smtp relay=%s client=%s user=%s", smtp_limits(smtp)->name,
	    str_c(&smtp->session->client), str_c(&smtp->auth.shown));
	smtp->server.options.max_hold = (uint64_t)smtp_limits(smtp)->max_hold;
	uint64_t most = smtp_limits(smtp)->user_max_size;
	if (most > 0 && (smtp->server.options.max_size == 0 || most < smtp->server.options.max_size))
		smtp->server.options.max_size = most;
}

static void
on_known(struct auth *auth, int result, const struct err *err)
{
	struct smtp *smtp = (struct smtp *)((char *)auth - offsetof(struct smtp, auth));

	if (result == 0)
		logged_in(smtp);
	smtp_answer(smtp, result, err);
}

static int
on_auth(void *ctx, const char *mechanism, struct span response, struct str *challenge, struct err *err)
{
	struct smtp *smtp = ctx;
	int result = auth_step(&smtp->auth, mechanism, response, challenge, err);

	if (result == 0)
		logged_in(smtp);
	return result;
}

static void
on_auth_end(void *ctx)
{
	auth_cancel(&((struct smtp *)ctx)->auth);
}

static void
offer_logins(struct smtp *smtp)
{
	smtp->server.options.mechanisms = str_c(&smtp->auth.mechanisms);
	smtp->server.options.clear_mechanisms = str_c(&smtp->auth.clear_mechanisms);
}

/* Who may speak for others, and who he is for whom he speaks now. */
static int
on_xclient(void *ctx, const char *addr, const char *port, struct err *err)
{
	struct smtp *smtp = ctx;

	if (session_is(smtp->session, addr, port, err) < 0)
		return -1;
	/* Whoever proved something, it was not he. */
	smtp->server.authenticated = false;
	auth_close(&smtp->auth);
	auth_open(&smtp->auth, smtp->session, "smtp", on_known);
	gate_client(&smtp->gate);
	offer_logins(smtp);
	smtp->session->spoken_for = true;
	smtp->server.options.max_hold = smtp_is_ours(smtp) ? (uint64_t)smtp_limits(smtp)->max_hold : 0;
	return 0;
}

static const struct smtp_server_hooks hooks = {
	.mail = smtp_on_mail, .rcpt = smtp_on_rcpt, .begin = smtp_on_begin, .body = smtp_on_body, .end = smtp_on_end,
	.abort = smtp_on_abort, .xclient = on_xclient, .auth = on_auth, .auth_end = on_auth_end,
};

/* the session */

/* The deadline counts from each reply of ours; SMTP-14: per command, not per read. */
static void
set_deadline(struct smtp *smtp)
{
	smtp->body_before = smtp->body;
	stream_deadline(&smtp->session->stream, smtp_limits(smtp)->timeout);
}

/* After the engine ran: what it says goes out, and the session may be over. */
void
smtp_follow(struct smtp *smtp)
{
	struct session *session = smtp->session;
	const bool inside = in_transaction(smtp);

	count_in(smtp, inside, (inside || smtp->messages > 0) && smtp->waiter.at == NULL);
	if (smtp->accepted && !smtp_forwards(smtp, "disconnect")) {
		smtp->accepted = false;
		settler_wake(&session->relay->settler, session->relay->busy > 0);
	}
	if (session->relay->ending && !inside)
		smtp_server_close(&smtp->server, "421 4.3.2 shutting down, please come back");
	if (smtp->server.out.len > 0)
		set_deadline(smtp);
	/* Who has sent all at once waits for the last reply: they go together, in one packet. */
	if (!smtp->server.waiting)
		stream_send_str(&session->stream, &smtp->server.out);
	stream_pause(&session->stream, smtp->server.waiting || smtp->paused != PAUSED_NOT);
	if (smtp->server.closing)
		session_end(session);
	else if (smtp->server.handshake && session->stream.tls == NULL)
		session_secure(session);
}

void
smtp_answer(struct smtp *smtp, int result, const struct err *err)
{
	if (result == SMTP_LATER)
		return;
	smtp_server_answer(&smtp->server, result, err);
	smtp_follow(smtp);
}

static const char *
smtp_listen(const struct relay_settings *settings)
{
	return settings->listen;
}

static void
greet(struct smtp *smtp)
{
	struct session *session = smtp->session;
	const struct settings *settings = &session->setup->settings;
	const struct relay_settings *limits = session->instance->settings;
	const struct smtp_server_options options = {
		.host = smtp->host,
		.shown = session_shown(session),
		.mechanisms = str_c(&smtp->auth.mechanisms),
		.clear_mechanisms = str_c(&smtp->auth.clear_mechanisms),
		.max_size = settings->spool.max_size,
		.max_recipients = (size_t)settings->spool.max_recipients,
		.max_errors = (unsigned)limits->max_errors,
		.max_junk = JUNK_MAX,
		.lmtp = session->lmtp,
		.xclient = access_trusts(&session->instance->spokesmen, &session->ip),
		.binary = true,
		.max_hold = smtp_is_ours(smtp) ? (uint64_t)limits->max_hold : 0,
		.tls = session->instance->tls != NULL,
		.must_tls = strcmp(limits->tls, "require") == 0,
		.max_refused = (unsigned)limits->max_errors,
	};

	smtp->greeted = true;
	if (smtp_forwards(smtp, "connect"))
		pass_ready(&smtp->pass);
	smtp_server_start(&smtp->server, &options, &hooks, smtp);
	if (session->stream.tls != NULL)
		smtp_server_secured(&smtp->server);
	smtp_follow(smtp);
}

/* The smallest network that says something of him counts. */
static bool
is_denied(const struct session *session)
{
	const struct instance *instance = session->instance;
	int bits = access_nearest(&instance->denied, &session->ip);

	return bits >= 0 && !session->known && bits > access_nearest(&instance->welcome, &session->ip) &&
	    bits > access_nearest(&instance->access, &session->ip);
}

static void
turn_away(struct smtp *smtp)
{
	static const char reply[] = "554 5.7.1 no mail is taken from you here\r\n";

	log_info("-: event=denied relay=%s client=%s", smtp_limits(smtp)->name, str_c(&smtp->session->where));
	smtp->session->relay->meters.turned_away_total++;
	stream_send(&smtp->session->stream, reply, sizeof reply - 1);
	session_end(smtp->session);
}

static void
smtp_open(struct session *session)
{
	const struct relay_settings *limits = session->instance->settings;
	struct smtp *smtp = mem_get(sizeof *smtp);

	session->work = smtp;
	*smtp = (struct smtp){ .session = session, .arrival.fd = -1, .binary.fd = -1,
	    .header.max = SMTP_HEADER_MAX, .host = mem_text(session->setup->settings.spool.host) };
	auth_open(&smtp->auth, session, "smtp", on_known);
	gate_open(&smtp->gate, session, smtp_on_gate);
	pass_open(&smtp->pass, session->relay, smtp_on_passed);
	log_info("-: event=connect relay=%s client=%s", limits->name, str_c(&session->where));
	if (is_denied(session))
		turn_away(smtp);
	else if (limits->greeting_delay > 0 && !session->known)
		stream_deadline(&session->stream, limits->greeting_delay);
	else
		greet(smtp);
}

/* SMTP-11: a program that talks before it has heard our greeting listens to nobody. */
static void
talks_early(struct smtp *smtp)
{
	static const char reply[] = "554 5.5.1 wait for the greeting before you go on\r\n";

	log_info("-: event=early-talker relay=%s client=%s", smtp_limits(smtp)->name, str_c(&smtp->session->where));
	stream_send(&smtp->session->stream, reply, sizeof reply - 1);
	session_end(smtp->session);
}

static void
smtp_secured(struct session *session)
{
	struct smtp *smtp = session->work;

	smtp_server_secured(&smtp->server);
	auth_secured(&smtp->auth);
	offer_logins(smtp);
	if (smtp_is_ours(smtp))
		smtp->server.options.max_hold = (uint64_t)smtp_limits(smtp)->max_hold;
	set_deadline(smtp);
}

static void
smtp_input(struct session *session, const void *bytes, size_t len)
{
	struct smtp *smtp = session->work;

	if (!smtp->greeted) {
		talks_early(smtp);
		return;
	}
	settler_stir(&session->relay->settler);
	if (in_body(smtp))
		smtp->body += len;
	smtp->posted = false;
	smtp_server_feed(&smtp->server, bytes, len);
	smtp_follow(smtp);
}

static void
smtp_gone(struct session *session)
{
	struct smtp *smtp = session->work;

	if (smtp->greeted)
		smtp_server_eof(&smtp->server);
	session_end(session);
}

/* A body may take longer than a command, if it keeps coming. */
static bool
comes_fast_enough(const struct smtp *smtp)
{
	const struct relay_settings *limits = smtp_limits(smtp);

	return in_body(smtp) &&
	    smtp->body - smtp->body_before >= limits->min_data_rate * (uint64_t)limits->timeout;
}

static void
smtp_late(struct session *session)
{
	struct smtp *smtp = session->work;

	if (!smtp->greeted) {
		greet(smtp);
		return;
	}
	/* A disk has none; filters, next hops and tables have deadlines of their own. */
	if (smtp->asking.filters != NULL || smtp->waiter.at != NULL || pass_busy(&smtp->pass) || smtp->paused != PAUSED_NOT ||
	    comes_fast_enough(smtp)) {
		set_deadline(smtp);
		return;
	}
	smtp_server_close(&smtp->server, "421 4.4.2 you took too long");
	smtp_follow(smtp);
}

static void
smtp_stop(struct session *session)
{
	struct smtp *smtp = session->work;

	if (smtp->greeted)
		smtp_follow(smtp);
	else
		session_end(session);
}

static void
smtp_close(struct session *session)
{
	struct smtp *smtp = session->work;

	log_info("-: event=disconnect relay=%s client=%s messages=%zu refused=%zu", smtp_limits(smtp)->name,
	    str_c(&session->where), smtp->messages, smtp->refused);
	acceptor_leave(&smtp->waiter);
	pass_close(&smtp->pass);
	count_in(smtp, false, false);
	if (smtp->accepted)
		settler_wake(&session->relay->settler, session->relay->busy > 0);
	smtp_forget_message(smtp);
	str_free(&smtp->header.text);
	asked_leave(&smtp->question);
	str_free(&smtp->rcpt.to);
	str_free(&smtp->rcpt.args);
	auth_close(&smtp->auth);
	gate_close(&smtp->gate);
	str_free(&smtp->reader);
	smtp_server_free(&smtp->server);
	str_free(&smtp->id);
	free(smtp->host);
	free(smtp);
}

const struct service service_smtp = {
	.name = "smtp",
	.listen = smtp_listen,
	.open = smtp_open,
	.secured = smtp_secured,
	.input = smtp_input,
	.gone = smtp_gone,
	.late = smtp_late,
	.stop = smtp_stop,
	.close = smtp_close,
	.full = "421 4.3.2 too many connections, please come back later\r\n",
	.client_full = "421 4.7.0 too many connections from you\r\n",
};
