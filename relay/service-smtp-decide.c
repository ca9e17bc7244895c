#include "relay/service-smtp.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/dsn.h"
#include "lib/mail/wish.h"
#include "relay/window.h"
#include "spool/alias.h"
#include "spool/masquerade.h"
#include "spool/quota.h"
#include "spool/route.h"

enum { LOOKS_MAX = 100 };	/* questions to programs of tables, for a recipient or a header */

/* May he send anywhere, and have us do as he likes? */
bool
smtp_is_ours(const struct smtp *smtp)
{
	const struct session *session = smtp->session;

	return session->known || smtp->server.authenticated ||
	    access_trusts(&session->instance->access, &session->ip);
}

void
smtp_log_refusal(struct smtp *smtp, const struct envelope *env, struct span to, const struct err *err)
{
	struct str reply = {0};

	err_reply(err, &reply);
	log_info("-: event=refused relay=%s client=%s helo=%.*s from=<%.*s> to=<%.*s> reply=\"%s\"",
	    smtp_limits(smtp)->name, str_c(&smtp->session->where),
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
	bool lowered = wish_keep(str_span(&env->args), smtp_is_ours(smtp), clock_now(), &kept);

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
	const struct relay_settings *limits = smtp_limits(smtp);

	str_clear(&smtp->reader);
	if (limits->pop_before_smtp > 0 && !limits->login_required && !smtp->server.authenticated)
		window_is_open(smtp_settings(smtp), &smtp->session->ip, limits->pop_before_smtp, &smtp->reader);
}

/* RFC 6409 4.3 and 6.1 */
static int
check_login(const struct smtp *smtp, const struct envelope *env, struct err *err)
{
	const struct relay_settings *limits = smtp_limits(smtp);
	struct span user = str_span(smtp->server.authenticated ? &smtp->auth.user : &smtp->reader);
	struct span from = str_span(&env->from), domain = envelope_domain(from);

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

int
smtp_on_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err)
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
	smtp_log_refusal(smtp, env, (struct span){ "", 0 }, err);
	return -1;
}

/* One more of name's in this hour. */
static int
count_hourly(const struct smtp *smtp, const struct str *name, uint64_t most, const char *what, struct err *err)
{
	if (rate_name(&smtp->session->relay->user_rate, str_span(name), 3600, 1, clock_mono()) <= most)
		return 0;
	err_set(err, ERR_TEMP, "more than %llu %s in an hour", (unsigned long long)most, what);
	return err_as_reply(err, 450, "4.7.1");
}

/* Of a password that was stolen not much can be made in an hour. */
static int
check_user_rate(const struct smtp *smtp, struct err *err)
{
	uint64_t most = smtp_limits(smtp)->user_rate;
	struct str name = {0};

	if (most == 0 || !smtp->server.authenticated)
		return 0;
	str_add_lower(&name, str_span(&smtp->auth.user));
	int result = count_hourly(smtp, &name, most, "recipients", err);
	str_free(&name);
	return result;
}

/* Such a report goes to whom he names as the sender: he is not to send many people mail by us. */
static int
check_report_rate(const struct smtp *smtp, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	uint64_t most = smtp_limits(smtp)->report_rate;
	const struct ip host = ip_host(&smtp->session->ip);
	struct str name = {0};

	if (most == 0 || smtp_is_ours(smtp) || env->from.len == 0 || !dsn_wanted(str_span(&rcpt->args), DSN_DELIVERED))
		return 0;
	str_add_text(&name, "reports for ");
	ip_show(&host, &name);
	int result = count_hourly(smtp, &name, most, "reports of success asked for", err);
	str_free(&name);
	return result;
}

/* What counts is the address that he has here. */
static int
check_rcpt(const struct smtp *smtp, struct span rcpt, struct str *here, struct err *err)
{
	const bool ours = smtp_is_ours(smtp);
	int masked = ours ? 0 : masquerade_address(smtp_settings(smtp), MASQUERADE_IN, rcpt, here, err);

	if (masked < 0) {
		log_error("-: event=not-decided why=\"%s\"", err->text);
		err_set(err, ERR_TEMP, "whose address this is cannot be found out now");
		return err_as_reply(err, 451, "4.3.0");
	}
	if (masked == 0)
		str_set_span(here, rcpt);
	int result = access_rcpt(smtp_settings(smtp), ours || smtp->reader.len > 0, str_span(here), err);
	return result == 0 ? quota_rcpt(&smtp->session->relay->spool, str_span(here), err) : result;
}

/* Whoever is near, known or welcome is not looked up. */
static bool
is_free(const struct smtp *smtp)
{
	const struct session *session = smtp->session;

	return smtp_is_ours(smtp) || smtp->reader.len > 0 || access_is_local(&session->ip) ||
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

void
smtp_on_gate(struct gate *gate, int result, const struct err *err)
{
	struct smtp *smtp = (struct smtp *)((char *)gate - offsetof(struct smtp, gate));

	if (result < 0)
		smtp_log_refusal(smtp, &smtp->server.env, str_span(&gate->to), err);
	if (result < 0 && err->reply == GATE_CLOSES)
		smtp_server_close(&smtp->server, "421 4.7.0 not now");
	else
		smtp_server_answer(&smtp->server, result, err);
	smtp_follow(smtp);
}

/* All that is asked of tables about a recipient, now and when his message begins; the answers
 * do not matter yet. */
static void
look_up(const struct smtp *smtp, struct span to)
{
	const struct settings *settings = smtp_settings(smtp);
	const struct envelope *env = &smtp->server.env;
	const bool ours = smtp_is_ours(smtp);
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
	if (smtp_limits(smtp)->verify_senders[0] != '\0')
		route_find(settings, str_span(&env->from));
	str_free(&here);
	str_free(&as);
}

static void on_table(struct asked_question *question);

int
smtp_await(struct smtp *smtp, enum paused paused, struct err *err)
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

	if (asked_needed(smtp_settings(smtp))) {
		asked_look(&smtp->session->relay->asked);
		look_up(smtp, to);
		result = smtp_await(smtp, PAUSED_RCPT, err);
	}
	if (result == 0)
		result = check_rcpt(smtp, to, &here, err);
	if (result == 0)
		result = check_report_rate(smtp, env, &smtp->rcpt, err);
	if (result == 0)
		result = ask_gate(smtp, env, str_span(&here), err);
	if (result < 0)
		smtp_log_refusal(smtp, env, to, err);
	str_free(&here);
	return result == GATE_LATER ? SMTP_LATER : result;
}

int
smtp_on_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	struct smtp *smtp = ctx;

	str_set_span(&smtp->rcpt.to, str_span(&rcpt->to));
	str_set_span(&smtp->rcpt.args, str_span(&rcpt->args));
	smtp->looks = 0;
	if (check_user_rate(smtp, err) == 0)
		return decide_rcpt(smtp, err);
	smtp_log_refusal(smtp, env, str_span(&rcpt->to), err);
	return -1;
}

static void
on_table(struct asked_question *question)
{
	struct smtp *smtp = (struct smtp *)((char *)question - offsetof(struct smtp, question));
	enum paused paused = smtp->paused;
	struct err err = {0};

	smtp->paused = PAUSED_NOT;
	if (paused == PAUSED_HEADER) {
		smtp_go_on(smtp);
		return;
	}
	int result = decide_rcpt(smtp, &err);
	smtp_answer(smtp, result, &err);
}
