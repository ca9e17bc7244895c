/*
 * service-smtp - mail taken by SMTP: the engine (lib/proto/smtp-server.h) asks, this
 * file decides and writes an arrival into the spool.
 */
#include "relay/service.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/complete.h"
#include "lib/mail/dsn.h"
#include "lib/mail/header.h"
#include "lib/mail/received.h"
#include "lib/mail/wish.h"
#include "lib/proto/smtp-server.h"
#include "relay/asked.h"
#include "relay/auth.h"
#include "relay/binary.h"
#include "relay/filters.h"
#include "relay/gate.h"
#include "relay/pass.h"
#include "relay/refit.h"
#include "relay/session.h"
#include "relay/window.h"
#include "spool/alias.h"
#include "spool/masquerade.h"
#include "spool/quota.h"
#include "spool/route.h"

enum {
	HEADER_MAX = 256 << 10,	/* DATA-05 */
	JUNK_MAX = 50,		/* SMTP-16: NOOP, RSET, VRFY ... without mail between */
	LOOKS_MAX = 100,	/* questions to programs of tables, for a recipient or a header */
};

enum paused { PAUSED_NOT, PAUSED_RCPT, PAUSED_HEADER };	/* for an answer of a table's program */

struct smtp {
	struct session *session;
	struct smtp_server server;
	struct auth auth;
	struct gate gate;
	struct str reader;		/* who has read his mail from there (POP before SMTP) */
	struct arrival arrival;
	struct binary binary;		/* what came for it, where that is no lines */
	struct waiter waiter;		/* for the sync that makes it durable */
	struct filters_asking asking;	/* while filters have it */
	struct pass pass;
	bool passing;			/* it is to go on before it is answered for */
	struct header_gather header;
	struct asked_question question;
	enum paused paused;
	unsigned looks;
	struct rcpt rcpt;		/* that waits */
	struct str composed, held;	/* the header that does, and what came behind it */
	bool end_held;			/* all of it did */
	struct err failure;		/* of what waited: it is told at the end */
	struct str id;			/* of the message under way */
	bool counted;			/* its hops were */
	bool accepted;			/* a message was, since the last look */
	bool greeted;			/* or the greeting still waits */
	bool busy, writes;		/* as the relay counts it */
	size_t messages, refused;
	uint64_t body, body_before;	/* bytes of it so far; and when the deadline was set */
	char *host;
};

static void follow(struct smtp *smtp);

static const struct relay_settings *
limits_of(const struct smtp *smtp)
{
	return smtp->session->instance->settings;
}

static const struct settings *
settings_of(const struct smtp *smtp)
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

/* the decisions */

/* May he send anywhere, and have us do as he likes? */
static bool
is_ours(const struct smtp *smtp)
{
	const struct session *session = smtp->session;

	return session->known || smtp->server.authenticated ||
	    access_trusts(&session->instance->access, &session->ip);
}

static void
log_refusal(struct smtp *smtp, const struct envelope *env, struct span to, const struct err *err)
{
	struct str reply = {0};

	err_reply(err, &reply);
	log_info("-: event=refused relay=%s client=%s helo=%.*s from=<%.*s> to=<%.*s> reply=\"%s\"",
	    limits_of(smtp)->name, str_c(&smtp->session->where),
	    (int)smtp->server.helo.len, smtp->server.helo.p != NULL ? smtp->server.helo.p : "",
	    (int)env->from.len, env->from.p != NULL ? env->from.p : "",
	    (int)to.len, to.p != NULL ? to.p : "", str_c(&reply));
	str_free(&reply);
	smtp->refused++;
	smtp->session->relay->meters.refused_total++;
}

/* RFC 6710 4.1: who may not go first is told so. */
static int
answer_priority(const struct smtp *smtp, const struct envelope *env, struct err *err)
{
	struct str kept = {0};
	bool lowered = wish_keep(str_span(&env->args), is_ours(smtp), clock_now(), &kept);

	str_free(&kept);
	if (!lowered)
		return 0;
	err_set(err, ERR_NONE, "sender ok, with priority 0");
	err_as_reply(err, 250, "2.3.6");
	return 0;
}

/* Only for clients that cannot log in: where they must, having read mail is not enough. */
static void
find_reader(struct smtp *smtp)
{
	const struct relay_settings *limits = limits_of(smtp);

	str_clear(&smtp->reader);
	if (limits->pop_before_smtp > 0 && !limits->login_required && !smtp->server.authenticated)
		window_is_open(settings_of(smtp), &smtp->session->ip, limits->pop_before_smtp, &smtp->reader);
}

/* RFC 6409 4.3 and 6.1 */
static int
check_login(const struct smtp *smtp, const struct envelope *env, struct err *err)
{
	const struct relay_settings *limits = limits_of(smtp);
	struct span user = str_span(smtp->server.authenticated ? &smtp->auth.user : &smtp->reader), from = str_span(&env->from), domain = envelope_domain(from);

	if (limits->login_required && !smtp->server.authenticated) {
		err_set(err, ERR_PERM, "log in first");
		return err_as_reply(err, 530, "5.7.0");
	}
	if (!limits->login_sender || user.len == 0 || from.len == 0)
		return 0;
	if (memchr(user.p, '@', user.len) == NULL && domain.len > 0)
		from.len -= domain.len + 1;
	if (from.len == user.len && strncasecmp(from.p, user.p, user.len) == 0)
		return 0;
	err_set(err, ERR_PERM, "that is not the address of %.*s", (int)user.len, user.p);
	return err_as_reply(err, 553, "5.7.1");
}

static int
on_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err)
{
	struct smtp *smtp = ctx;

	gate_forget(&smtp->gate);
	find_reader(smtp);
	/* Twice: while it is settled a message lies in in/ and in out/. */
	if (smtp->session->relay->ending)
		err_set(err, ERR_TEMP, "shutting down, please come back");
	else if (check_login(smtp, env, err) == 0 && spool_room(&smtp->session->relay->spool, 2 * size, err) == 0 &&
	    quota_spool(&smtp->session->relay->spool, err) == 0)
		return answer_priority(smtp, env, err);
	log_refusal(smtp, env, (struct span){ "", 0 }, err);
	return -1;
}

/* Of a password that was stolen not much can be made in an hour. */
static int
check_user_rate(const struct smtp *smtp, struct err *err)
{
	uint64_t most = limits_of(smtp)->user_rate;
	struct str name = {0};

	if (most == 0 || !smtp->server.authenticated)
		return 0;
	str_add_lower(&name, str_span(&smtp->auth.user));
	uint64_t count = rate_name(&smtp->session->relay->user_rate, str_span(&name), 3600, 1, clock_mono());
	str_free(&name);
	if (count <= most)
		return 0;
	err_set(err, ERR_TEMP, "more than %llu recipients in an hour", (unsigned long long)most);
	return err_as_reply(err, 450, "4.7.1");
}

/* Such a report goes to whom he names as the sender: he is not to send many people mail by us. */
static int
check_report_rate(const struct smtp *smtp, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	uint64_t most = limits_of(smtp)->report_rate;
	const struct ip host = ip_host(&smtp->session->ip);
	struct str name = {0};

	if (most == 0 || is_ours(smtp) || env->from.len == 0 || !dsn_wanted(str_span(&rcpt->args), DSN_DELIVERED))
		return 0;
	str_add_text(&name, "reports for ");
	ip_show(&host, &name);
	uint64_t count = rate_name(&smtp->session->relay->user_rate, str_span(&name), 3600, 1, clock_mono());
	str_free(&name);
	if (count <= most)
		return 0;
	err_set(err, ERR_TEMP, "more than %llu reports of success asked for in an hour", (unsigned long long)most);
	return err_as_reply(err, 450, "4.7.1");
}

/* What counts is the address that he has here. */
static int
check_rcpt(const struct smtp *smtp, struct span rcpt, struct str *here, struct err *err)
{
	const bool ours = is_ours(smtp);
	int masked = ours ? 0 : masquerade_address(settings_of(smtp), MASQUERADE_IN, rcpt, here, err);

	if (masked < 0) {
		log_error("-: event=not-decided why=\"%s\"", err->text);
		err_set(err, ERR_TEMP, "whose address this is cannot be found out now");
		return err_as_reply(err, 451, "4.3.0");
	}
	if (masked == 0)
		str_set_span(here, rcpt);
	int result = access_rcpt(settings_of(smtp), ours || smtp->reader.len > 0, str_span(here), err);
	return result == 0 ? quota_rcpt(&smtp->session->relay->spool, str_span(here), err) : result;
}

/* Whoever is near, known or welcome is not looked up. */
static bool
is_free(const struct smtp *smtp)
{
	const struct session *session = smtp->session;

	return is_ours(smtp) || smtp->reader.len > 0 || access_is_local(&session->ip) ||
	    access_trusts(&session->instance->welcome, &session->ip);
}

static int
ask_gate(struct smtp *smtp, const struct envelope *env, struct span to, struct err *err)
{
	const bool in = smtp->server.authenticated;
	const struct gate_about about = { .free = is_free(smtp), .helo = str_span(&smtp->server.helo),
		.from = str_span(&env->from), .to = to, .user = in ? str_span(&smtp->auth.user) : SPAN(""),
		.mechanism = span_of(in ? smtp->auth.how : "none") };

	return gate_ask(&smtp->gate, &about, err);
}

static void
on_gate(struct gate *gate, int result, const struct err *err)
{
	struct smtp *smtp = (struct smtp *)((char *)gate - offsetof(struct smtp, gate));

	if (result < 0)
		log_refusal(smtp, &smtp->server.env, str_span(&gate->to), err);
	if (result < 0 && err->reply == GATE_CLOSES)
		smtp_server_close(&smtp->server, "421 4.7.0 not now");
	else
		smtp_server_answer(&smtp->server, result, err);
	follow(smtp);
}

/* All that is asked of tables about a recipient, now and when his message begins; the answers
 * do not matter yet. */
static void
look_up(const struct smtp *smtp, struct span to)
{
	const struct settings *settings = settings_of(smtp);
	const struct envelope *env = &smtp->server.env;
	const bool ours = is_ours(smtp);
	struct str here = {0}, as = {0};
	struct aliases list = {0};
	struct err ignored;

	if (ours || masquerade_address(settings, MASQUERADE_IN, to, &here, &ignored) <= 0)
		str_set_span(&here, to);
	route_find(settings, to);
	route_find(settings, str_span(&here));
	if (alias_has(settings, str_span(&here), &ignored) > 0 && ours && masquerade_set(settings, MASQUERADE_OUT) &&
	    alias_expand(settings, str_span(&here), &list, &ignored) >= 0)
		for (size_t i = 0; i < list.count; i++)
			route_find(settings, span_of(list.address[i]));
	aliases_free(&list);
	if (ours && env->from.len > 0)
		masquerade_address(settings, MASQUERADE_OUT, str_span(&env->from), &as, &ignored);
	if (limits_of(smtp)->verify_senders[0] != '\0')
		route_find(settings, str_span(&env->from));
	str_free(&here);
	str_free(&as);
}

static void on_table(struct asked_question *question);

/* After a look: 0 nothing is missing; SMTP_LATER, on_table is told; -1. */
static int
await(struct smtp *smtp, enum paused paused, struct err *err)
{
	smtp->question.answer = on_table;
	int missing = asked_misses(&smtp->session->relay->asked, &smtp->question, err);

	if (missing > 0 && smtp->looks++ >= LOOKS_MAX) {
		asked_leave(&smtp->question);
		missing = err_set(err, ERR_TEMP, "too many questions to tables");
	}
	smtp->paused = missing > 0 ? paused : PAUSED_NOT;
	return missing > 0 ? SMTP_LATER : missing;
}

static int
decide_rcpt(struct smtp *smtp, struct err *err)
{
	const struct envelope *env = &smtp->server.env;
	struct span to = str_span(&smtp->rcpt.to);
	struct str here = {0};
	int result = 0;

	if (asked_needed(settings_of(smtp))) {
		asked_look(&smtp->session->relay->asked);
		look_up(smtp, to);
		result = await(smtp, PAUSED_RCPT, err);
	}
	if (result == 0)
		result = check_rcpt(smtp, to, &here, err);
	if (result == 0)
		result = check_report_rate(smtp, env, &smtp->rcpt, err);
	if (result == 0)
		result = ask_gate(smtp, env, str_span(&here), err);
	if (result < 0)
		log_refusal(smtp, env, to, err);
	str_free(&here);
	return result == GATE_LATER ? SMTP_LATER : result;
}

static int
on_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	struct smtp *smtp = ctx;

	str_set_span(&smtp->rcpt.to, str_span(&rcpt->to));
	str_set_span(&smtp->rcpt.args, str_span(&rcpt->args));
	smtp->looks = 0;
	if (check_user_rate(smtp, err) == 0)
		return decide_rcpt(smtp, err);
	log_refusal(smtp, env, str_span(&rcpt->to), err);
	return -1;
}

/* the message */

/* RFC 3848 */
static struct span
protocol(const struct smtp *smtp)
{
	if (smtp->session->lmtp)
		return smtp->server.secured ? SPAN("LMTPS") : SPAN("LMTP");
	if (smtp->server.authenticated)
		return smtp->server.secured ? SPAN("ESMTPSA") : SPAN("ESMTPA");
	if (smtp->server.secured)
		return SPAN("ESMTPS");
	return smtp->server.esmtp ? SPAN("ESMTP") : SPAN("SMTP");
}

static int
add_received(struct smtp *smtp, struct err *err)
{
	struct str field = {0};
	const struct received received = {
		.helo = str_span(&smtp->server.helo),
		.client = str_span(&smtp->session->client),
		.user = limits_of(smtp)->trace_user && smtp->server.authenticated ? str_span(&smtp->auth.shown) :
		    (struct span){0},
		.by = span_of(smtp->host),
		.with = protocol(smtp),
		.id = str_span(&smtp->id),
		.when = clock_now(),
	};

	received_field(&received, &field);
	int result = arrival_body(&smtp->arrival, field.p, field.len, err);
	str_free(&field);
	return result;
}

static void
forget(struct smtp *smtp)
{
	filters_leave(&smtp->asking);	/* it has the arrival's file */
	if (smtp->paused == PAUSED_HEADER)
		asked_leave(&smtp->question);
	smtp->paused = PAUSED_NOT;
	str_free(&smtp->composed);
	str_free(&smtp->held);
	smtp->end_held = false;
	smtp->failure = (struct err){0};
	arrival_close(&smtp->arrival);
	smtp->arrival = (struct arrival){ .fd = -1 };
	binary_close(&smtp->binary);
	str_clear(&smtp->header.text);
	smtp->header = (struct header_gather){ .text = smtp->header.text, .max = HEADER_MAX };
	smtp->counted = smtp->passing = false;
	smtp->body = smtp->body_before = 0;
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
static bool
others_busy(const struct smtp *smtp)
{
	return smtp->session->relay->busy > (smtp->busy ? 1 : 0);
}

/* Is anybody else about to post a message? */
static bool
others_write(const struct smtp *smtp)
{
	return smtp->session->relay->writers > (smtp->writes ? 1 : 0);
}

/* A file of its own is quickest for one; many share a sync, and what comes one after the
 * other shares the settling. */
static int
open_arrival(struct smtp *smtp, struct err *err)
{
	struct relay *relay = smtp->session->relay;

	if (smtp->passing)
		return arrival_open(&smtp->arrival, &relay->spool, str_c(&smtp->id), err);
	if (!others_busy(smtp) && smtp->messages == 0)
		return arrival_open(&smtp->arrival, &relay->spool, NULL, err);
	arrival_join(&smtp->arrival, &relay->acceptor.journal);
	return 0;
}

/* As the spool keeps it: times instead of seconds from now, lines instead of bytes. */
static void
envelope_to_keep(const struct smtp *smtp, const struct envelope *env, struct envelope *kept, bool *binary)
{
	struct str args = {0};
	struct span rest, word;

	*binary = false;
	envelope_copy(kept, env);
	wish_keep(str_span(&env->args), is_ours(smtp), clock_now(), &args);
	str_clear(&kept->args);
	for (rest = str_span(&args); (word = span_word(&rest)).len > 0;) {
		bool this = span_is_case(word, "BODY=BINARYMIME");
		*binary = *binary || this;
		if (kept->args.len > 0)
			str_add_char(&kept->args, ' ');
		str_add_span(&kept->args, this ? SPAN("BODY=8BITMIME") : word);
	}
	str_free(&args);
}

static bool
forwards(const struct smtp *smtp, const char *when)
{
	return strcmp(limits_of(smtp)->forward, when) == 0;
}

static bool
keeps_nothing(const struct smtp *smtp)
{
	return strcmp(limits_of(smtp)->forward_down, "refuse") == 0;
}

/* In LMTP each recipient is answered for, and what is kept for later is kept here. */
static bool
may_pass(struct smtp *smtp, const struct envelope *env)
{
	struct span ignored;

	return (forwards(smtp, "at-once") || forwards(smtp, "connect")) && !smtp->session->lmtp &&
	    !envelope_arg(str_span(&env->args), "HOLDUNTIL", &ignored) && pass_may(&smtp->pass, env, keeps_nothing(smtp));
}

static int
begin_arrival(struct smtp *smtp, const struct envelope *env, struct err *err)
{
	struct entry_info info = {0};
	struct envelope kept = {0};
	struct mask mask;
	bool binary;

	envelope_to_keep(smtp, env, &kept, &binary);
	info.grade = wish_grade(str_span(&kept.args));
	str_set_span(&info.id, str_span(&smtp->id));
	str_set(&info.from, "smtp");
	str_set_span(&info.client, str_span(&smtp->session->client));
	/* Ours that leaves, and what comes from elsewhere, may be called otherwise. */
	int result = mask_envelope(settings_of(smtp), is_ours(smtp) ? MASQUERADE_OUT : MASQUERADE_IN, &kept, &mask, err);
	smtp->passing = result == 0 && may_pass(smtp, &kept);
	if (result == 0)
		result = open_arrival(smtp, err);
	if (result == 0 && binary)
		result = binary_open(&smtp->binary, &smtp->session->relay->spool, err);
	if (result == 0)
		result = arrival_begin(&smtp->arrival, &info, &kept, err);
	if (result == 0) {
		arrival_mask(&smtp->arrival, mask);
		result = add_received(smtp, err);
	}
	entry_info_free(&info);
	envelope_free(&kept);
	return result;
}

static int
on_begin(void *ctx, const struct envelope *env, struct err *err)
{
	struct smtp *smtp = ctx;

	forget(smtp);
	str_clear(&smtp->id);
	spool_new_id(&smtp->id);
	int result = begin_arrival(smtp, env, err);
	if (result < 0) {
		log_refusal(smtp, env, (struct span){ "", 0 }, err);
		forget(smtp);
	}
	return result;
}

/* Once, when the header is whole: a message that has been through too many hands is
 * going in circles. */
static int
check_header(struct smtp *smtp, struct err *err)
{
	uint64_t most = settings_of(smtp)->spool.max_hops;

	if (smtp->counted)
		return 0;
	smtp->counted = true;
	if (smtp->header.over) {
		err_set(err, ERR_PERM, "the header is longer than the %d bytes taken here", HEADER_MAX);
		return err_as(err, 0, "5.3.4");
	}
	if (header_count(str_span(&smtp->header.text), "Received") <= most)
		return 0;
	err_set(err, ERR_PERM, "a mail loop: more than %llu hops", (unsigned long long)most);
	return err_as(err, 0, "5.4.6");
}

static int
put(struct smtp *smtp, const char *bytes, size_t len, struct err *err)
{
	return smtp->binary.fd >= 0 ? binary_body(&smtp->binary, bytes, len, err) :
	    arrival_body(&smtp->arrival, bytes, len, err);
}

/* Whose mail has no From gets the address he sent it by. */
static void
sender_of(const struct smtp *smtp, struct str *from)
{
	const struct envelope *env = &smtp->server.env;

	str_add_span(from, env->from.len > 0 ? str_span(&env->from) : str_span(&smtp->auth.user));
	if (from->len > 0 && envelope_domain(str_span(from)).len == 0)
		str_printf(from, "@%s", smtp->host);
}

/* The header waited until it was whole; what of the body came with it goes along. */
static void
compose_header(struct smtp *smtp, struct str *header)
{
	const struct relay_settings *limits = limits_of(smtp);
	const bool submitted = smtp->server.authenticated;
	struct span text = str_span(&smtp->header.text);
	struct str from = {0};

	sender_of(smtp, &from);
	const struct completing completing = { .host = smtp->host, .from = str_c(&from), .results = smtp->host,
		.add_missing = submitted && limits->add_missing, .strip_bcc = submitted && limits->remove_bcc,
		.now = clock_now() };
	gate_results(&smtp->gate, header);
	complete_header(&completing, &text, header);
	if (header->len > 0 && !span_begins(text, "\r\n") && completing.add_missing)
		str_add_text(header, "\r\n");	/* a text without a header has one now */
	str_add_span(header, text);
	str_free(&from);
}

/* 0 it is written, SMTP_LATER what its addresses are called is asked first, -1. */
static int
put_composed(struct smtp *smtp, struct err *err)
{
	const struct mask *mask = &smtp->arrival.mask;
	struct str ignored_text = {0};
	struct err ignored;
	int result = 0;

	if (mask->on && asked_needed(settings_of(smtp))) {
		asked_look(&smtp->session->relay->asked);
		masquerade_header(settings_of(smtp), mask->way, str_span(&smtp->composed), &ignored_text, &ignored);
		result = await(smtp, PAUSED_HEADER, err);
		str_free(&ignored_text);
	}
	if (result == 0)
		result = put(smtp, smtp->composed.p, smtp->composed.len, err);
	if (result <= 0)
		str_free(&smtp->composed);
	return result;
}

static int
put_header(struct smtp *smtp, struct err *err)
{
	smtp->looks = 0;
	str_clear(&smtp->composed);
	compose_header(smtp, &smtp->composed);
	return put_composed(smtp, err);
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct smtp *smtp = ctx;

	size_t before = smtp->header.text.len;

	if (smtp->failure.kind != ERR_NONE) {
		*err = smtp->failure;
		return -1;
	}
	if (smtp->paused == PAUSED_HEADER) {	/* no more than came with it: we read nothing meanwhile */
		str_add(&smtp->held, bytes, len);
		return 0;
	}
	if (smtp->header.done)
		return put(smtp, bytes, len, err);
	header_gather(&smtp->header, (struct span){ bytes, len });
	if (!smtp->header.done)
		return 0;
	int result = check_header(smtp, err) < 0 ? -1 : put_header(smtp, err);
	if (result < 0)
		return -1;
	/* Behind a header that is nearly too long not all of these bytes were gathered. */
	size_t gathered = smtp->header.text.len - before;
	if (gathered < len && result == SMTP_LATER)
		str_add(&smtp->held, bytes + gathered, len - gathered);
	return gathered < len && result == 0 ? put(smtp, bytes + gathered, len - gathered, err) : 0;
}

static void
log_accepted(struct smtp *smtp)
{
	struct envelope *env = &smtp->server.env;

	spool_event(&smtp->session->relay->spool, str_c(&smtp->id),
	    "event=accepted from=<%s> rcpts=%zu size=%llu client=%s relay=%s%s%s", str_c(&env->from), env->rcpts,
	    (unsigned long long)smtp->arrival.body_len, str_c(&smtp->session->where),
	    limits_of(smtp)->name, smtp->server.authenticated ? " user=" : smtp->reader.len > 0 ? " reader=" : "",
	    smtp->server.authenticated ? str_c(&smtp->auth.shown) : str_c(&smtp->reader));
}

static void
accepted(struct smtp *smtp, struct err *err)
{
	log_accepted(smtp);
	smtp->session->relay->meters.messages_accepted_total++;
	smtp->session->relay->meters.bytes_accepted_total += smtp->arrival.body_len;
	settler_count(&smtp->session->relay->settler, smtp->arrival.body_len);
	smtp->messages++;
	smtp->accepted = true;
	err_set(err, ERR_NONE, "%s accepted", str_c(&smtp->id));
	forget(smtp);
}

static void
not_accepted(struct smtp *smtp, const struct err *err)
{
	log_refusal(smtp, &smtp->server.env, (struct span){ "", 0 }, err);
	forget(smtp);
}

/* The sync that we waited for. */
static void
on_synced(struct waiter *waiter, const struct err *trouble)
{
	struct smtp *smtp = (struct smtp *)((char *)waiter - offsetof(struct smtp, waiter));
	struct err err = {0};

	if (trouble == NULL) {
		accepted(smtp, &err);
	} else {
		err = *trouble;
		not_accepted(smtp, &err);
	}
	smtp_server_answer(&smtp->server, trouble == NULL ? 0 : -1, &err);
	follow(smtp);
}

/* What the arrival has is the spool's. */
static int
post(struct smtp *smtp, struct err *err)
{
	int result = arrival_post(&smtp->arrival, err);

	if (result > 0) {
		smtp->waiter.answer = on_synced;
		acceptor_wait(&smtp->session->relay->acceptor, &smtp->waiter, others_write(smtp));
		return SMTP_LATER;
	}
	return result;
}

/* Onwards first, where it is to; filters may have changed who it is for. */
static int
send_on(struct smtp *smtp, struct err *err)
{
	if (!smtp->passing || smtp->arrival.fd < 0 || !may_pass(smtp, &smtp->arrival.env))
		return post(smtp, err);
	return pass_send(&smtp->pass, &smtp->arrival, err) < 0 ? -1 : SMTP_LATER;
}

static int
keep_as_it_is(struct smtp *smtp, struct err *err)
{
	if (arrival_end(&smtp->arrival, err) < 0)
		return -1;
	if (limits_of(smtp)->from_filter)
		refit_mark(&smtp->arrival);
	return send_on(smtp, err);
}

/* its filters */

static void
log_filtered(struct smtp *smtp, const struct filtered *filtered)
{
	struct span rest = str_span(&filtered->notes), line;

	while (span_cut(&rest, '\n', &line))
		if (line.len > 0)
			log_info("%s: %.*s", str_c(&smtp->id), (int)line.len, line.p);
}

/* A filter's own trouble is for the log: it names hosts and files that are nobody's business. */
static int
filter_fails(const struct smtp *smtp, const struct filtered *filtered, struct err *err)
{
	if (filtered->notes.len == 0)
		log_warn("%.*s: event=filter-trouble why=\"%s\"", (int)smtp->id.len, smtp->id.p, filtered->err.text);
	return err_set(err, ERR_TEMP, "the mail cannot be looked at now, please come back");
}

static int
keep_filtered(struct smtp *smtp, const struct filtered *filtered, struct err *err)
{
	struct relay *relay = smtp->session->relay;
	int left;

	switch (filtered->verdict) {
	case FILTERED_SAME:
		return keep_as_it_is(smtp, err);
	case FILTERED_CHANGED:
		left = refit_arrival(&smtp->arrival, &relay->spool, !smtp->passing && (others_busy(smtp) ||
		    smtp->messages > 0) ? &relay->acceptor.journal : NULL, filtered->fd, limits_of(smtp)->from_filter, err);
		return left > 0 ? send_on(smtp, err) : left;
	case FILTERED_GONE:
	case FILTERED_EACH:
		spool_event(&relay->spool, str_c(&smtp->id), "event=filtered-away from=<%s>", str_c(&smtp->server.env.from));
		return 0;
	case FILTERED_HELD:
		return refit_hold(&smtp->arrival, &relay->spool, filtered->err.text, err);
	case FILTERED_LATER:
		if (filtered->err.reply == 0)
			return filter_fails(smtp, filtered, err);
		break;
	case FILTERED_REFUSED:
		break;
	}
	*err = filtered->err;
	return -1;
}

/* 0, -1 or SMTP_LATER, as for the engine. */
static int
take_filtered(struct smtp *smtp, struct filtered *filtered, struct err *err)
{
	struct relay *relay = smtp->session->relay;

	log_filtered(smtp, filtered);
	int result = keep_filtered(smtp, filtered, err);
	if (filtered->rescan) {
		spool_ring(&relay->spool);
		runner_look(&relay->runner, true);
	}
	filtered_free(filtered);
	return result;
}

static int
ended(struct smtp *smtp, int result, struct err *err)
{
	if (result == 0)
		accepted(smtp, err);
	else if (result < 0)
		not_accepted(smtp, err);
	return result;
}

/* The next hop has it: we have nothing to do with it any more. */
static void
passed_on(struct smtp *smtp)
{
	const struct envelope *env = &smtp->server.env;

	spool_event(&smtp->session->relay->spool, str_c(&smtp->id), "event=passed from=<%.*s> rcpts=%zu size=%llu client=%s "
	    "relay=%s", (int)env->from.len, env->from.p != NULL ? env->from.p : "", env->rcpts,
	    (unsigned long long)smtp->arrival.body_len, str_c(&smtp->session->where), limits_of(smtp)->name);
	smtp->session->relay->meters.messages_passed_total++;
	smtp->messages++;
	forget(smtp);
}

static int
after_pass(struct smtp *smtp, enum passed how, struct err *err)
{
	if (how == PASS_TAKEN) {
		passed_on(smtp);
		return 0;
	}
	if (how == PASS_REFUSED || (how == PASS_NOT && keeps_nothing(smtp))) {
		if (how == PASS_NOT) {
			err_prefix(err, "the next hop cannot be reached");
			err->kind = ERR_TEMP;
			err_as_reply(err, 451, "4.4.1");
		}
		return ended(smtp, -1, err);
	}
	*err = (struct err){0};
	return ended(smtp, post(smtp, err), err);
}

static void
on_passed(struct pass *pass, enum passed how, const struct err *said)
{
	struct smtp *smtp = (struct smtp *)((char *)pass - offsetof(struct smtp, pass));
	struct err err = *said;
	int result = after_pass(smtp, how, &err);

	if (result == SMTP_LATER)
		return;
	smtp_server_answer(&smtp->server, result, &err);
	follow(smtp);
}

static void
on_filtered(struct filters_asking *asking, struct filtered *filtered)
{
	struct smtp *smtp = (struct smtp *)((char *)asking - offsetof(struct smtp, asking));
	struct err err = {0};
	int result = ended(smtp, take_filtered(smtp, filtered, &err), &err);

	if (result == SMTP_LATER)
		return;
	smtp_server_answer(&smtp->server, result, &err);
	follow(smtp);
}

static void
describe_session(struct smtp *smtp, struct filter_job *job)
{
	const struct envelope *env = &smtp->server.env;
	const char *port = strrchr(str_c(&smtp->session->where), ':');

	job->arrival = true;
	str_set_span(&job->helo, str_span(&smtp->server.helo));
	if (smtp->server.authenticated)
		str_set_span(&job->user, str_span(&smtp->auth.user));
	str_set(&job->port, port != NULL ? port + 1 : "");
	for (size_t i = 0; i < env->rcpts; i++) {
		struct route_match match = route_find(settings_of(smtp), str_span(&env->rcpt[i].to));
		if (match.kind == ROUTE_NONE || match.kind >= ROUTE_REJECT || route_leads_out(match.kind))
			continue;
		str_add_span(&job->locals, str_span(&env->rcpt[i].to));
		str_add_char(&job->locals, '\n');
	}
}

/* Bodies that are small are at hand; others are in the arrival's file. */
static int
ask_filters(struct smtp *smtp, struct filter_job *job, struct err *err)
{
	struct arrival *arrival = &smtp->arrival;
	struct filters_text text = { .len = arrival->body_len };
	struct filtered filtered;

	if (chain_take(job, settings_of(smtp), limits_of(smtp)->filters, NULL, err) < 0 ||
	    arrival_text(arrival, &text.text, &text.at, err) < 0)
		return -1;
	describe_session(smtp, job);
	if (filters_quick(job, &arrival->info, &arrival->env, text.text, &filtered))
		return take_filtered(smtp, &filtered, err);
	text.file = arrival->fd;
	smtp->asking.answer = on_filtered;
	return filters_ask(&smtp->session->relay->filters, job, &arrival->info, &arrival->env, &text, &smtp->asking,
	    err) < 0 ? -1 : SMTP_LATER;
}

static int
filter_it(struct smtp *smtp, struct err *err)
{
	struct filter_job job = {0};
	int result = ask_filters(smtp, &job, err);

	chain_free(&job);
	return result;
}

/* All of it is there. */
static int
take_whole(struct smtp *smtp, struct err *err)
{
	int result = 0;

	if (smtp->binary.fd >= 0)
		result = binary_end(&smtp->binary, &smtp->arrival, err);
	if (result == 0)
		result = limits_of(smtp)->filters[0] != '\0' ? filter_it(smtp, err) : keep_as_it_is(smtp, err);
	return ended(smtp, result, err);
}

static int
on_end(void *ctx, struct err *err)
{
	struct smtp *smtp = ctx;
	int result = check_header(smtp, err);

	if (smtp->failure.kind != ERR_NONE) {
		*err = smtp->failure;
		result = -1;
	}
	if (result == 0 && !smtp->header.done) {	/* all of it was header */
		smtp->header.done = true;
		result = put_header(smtp, err);
	}
	if (result < 0)
		return ended(smtp, result, err);
	smtp->end_held = smtp->paused == PAUSED_HEADER;
	return smtp->end_held ? SMTP_LATER : take_whole(smtp, err);
}

/* The header has waited: it goes on, and what came behind it. */
static void
go_on_with_header(struct smtp *smtp)
{
	struct err err = {0};
	int result = put_composed(smtp, &err);

	if (result == SMTP_LATER)
		return;
	if (result == 0)
		result = put(smtp, smtp->held.p, smtp->held.len, &err);
	str_free(&smtp->held);
	if (result < 0 && !smtp->end_held)
		smtp->failure = err;
	if (smtp->end_held) {
		smtp->end_held = false;
		result = result < 0 ? ended(smtp, result, &err) : take_whole(smtp, &err);
		if (result != SMTP_LATER)
			smtp_server_answer(&smtp->server, result, &err);
	}
	follow(smtp);
}

static void
on_table(struct asked_question *question)
{
	struct smtp *smtp = (struct smtp *)((char *)question - offsetof(struct smtp, question));
	enum paused paused = smtp->paused;
	struct err err = {0};

	smtp->paused = PAUSED_NOT;
	if (paused == PAUSED_HEADER) {
		go_on_with_header(smtp);
		return;
	}
	int result = decide_rcpt(smtp, &err);
	if (result == SMTP_LATER)
		return;
	smtp_server_answer(&smtp->server, result, &err);
	follow(smtp);
}

static void
on_abort(void *ctx)
{
	struct smtp *smtp = ctx;

	log_info("%s: event=not-accepted relay=%s client=%s bytes=%llu", str_c(&smtp->id),
	    limits_of(smtp)->name, str_c(&smtp->session->where), (unsigned long long)smtp->body);
	forget(smtp);
}

/* who it is */

static void
logged_in(struct smtp *smtp)
{
	log_info("-: event=login service=smtp relay=%s client=%s user=%s", limits_of(smtp)->name,
	    str_c(&smtp->session->client), str_c(&smtp->auth.shown));
	smtp->server.options.max_hold = (uint64_t)limits_of(smtp)->max_hold;
	uint64_t most = limits_of(smtp)->user_max_size;
	if (most > 0 && (smtp->server.options.max_size == 0 || most < smtp->server.options.max_size))
		smtp->server.options.max_size = most;
}

static void
on_known(struct auth *auth, int result, const struct err *err)
{
	struct smtp *smtp = (struct smtp *)((char *)auth - offsetof(struct smtp, auth));

	if (result == 0)
		logged_in(smtp);
	smtp_server_answer(&smtp->server, result, err);
	follow(smtp);
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
	smtp->server.options.max_hold = is_ours(smtp) ? (uint64_t)limits_of(smtp)->max_hold : 0;
	return 0;
}

static const struct smtp_server_hooks hooks = {
	.mail = on_mail, .rcpt = on_rcpt, .begin = on_begin, .body = on_body, .end = on_end,
	.abort = on_abort, .xclient = on_xclient, .auth = on_auth, .auth_end = on_auth_end,
};

/* the session */

/* The deadline counts from each reply of ours; SMTP-14: per command, not per read. */
static void
set_deadline(struct smtp *smtp)
{
	smtp->body_before = smtp->body;
	stream_deadline(&smtp->session->stream, limits_of(smtp)->timeout);
}

/* After the engine ran: what it says goes out, and the session may be over. */
static void
follow(struct smtp *smtp)
{
	struct session *session = smtp->session;
	const bool inside = in_transaction(smtp);

	count_in(smtp, inside, (inside || smtp->messages > 0) && smtp->waiter.at == NULL);
	if (smtp->accepted && !forwards(smtp, "disconnect")) {
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
		.max_hold = is_ours(smtp) ? (uint64_t)limits->max_hold : 0,
		.tls = session->instance->tls != NULL,
		.must_tls = strcmp(limits->tls, "require") == 0,
		.max_refused = (unsigned)limits->max_errors,
	};

	smtp->greeted = true;
	if (forwards(smtp, "connect"))
		pass_ready(&smtp->pass);
	smtp_server_start(&smtp->server, &options, &hooks, smtp);
	if (session->stream.tls != NULL)
		smtp_server_secured(&smtp->server);
	follow(smtp);
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

	log_info("-: event=denied relay=%s client=%s", limits_of(smtp)->name, str_c(&smtp->session->where));
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
	    .header.max = HEADER_MAX, .host = mem_text(session->setup->settings.spool.host) };
	auth_open(&smtp->auth, session, "smtp", on_known);
	gate_open(&smtp->gate, session, on_gate);
	pass_open(&smtp->pass, session->relay, on_passed);
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

	log_info("-: event=early-talker relay=%s client=%s", limits_of(smtp)->name, str_c(&smtp->session->where));
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
	if (is_ours(smtp))
		smtp->server.options.max_hold = (uint64_t)limits_of(smtp)->max_hold;
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
	smtp_server_feed(&smtp->server, bytes, len);
	follow(smtp);
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
	const struct relay_settings *limits = limits_of(smtp);

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
	/* Filters, next hops and tables have deadlines of their own. */
	if (smtp->asking.filters != NULL || pass_busy(&smtp->pass) || smtp->paused != PAUSED_NOT || comes_fast_enough(smtp)) {
		set_deadline(smtp);
		return;
	}
	smtp_server_close(&smtp->server, "421 4.4.2 you took too long");
	follow(smtp);
}

static void
smtp_stop(struct session *session)
{
	struct smtp *smtp = session->work;

	if (smtp->greeted)
		follow(smtp);
	else
		session_end(session);
}

static void
smtp_close(struct session *session)
{
	struct smtp *smtp = session->work;

	log_info("-: event=disconnect relay=%s client=%s messages=%zu refused=%zu", limits_of(smtp)->name,
	    str_c(&session->where), smtp->messages, smtp->refused);
	acceptor_leave(&smtp->waiter);
	pass_close(&smtp->pass);
	count_in(smtp, false, false);
	if (smtp->accepted)
		settler_wake(&session->relay->settler, session->relay->busy > 0);
	forget(smtp);
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
