#include "relay/service-smtp.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/log.h"
#include "relay/refit.h"
#include "spool/route.h"

bool
smtp_forwards(const struct smtp *smtp, const char *when)
{
	return strcmp(smtp_limits(smtp)->forward, when) == 0;
}

static bool
keeps_nothing(const struct smtp *smtp)
{
	return strcmp(smtp_limits(smtp)->forward_down, "refuse") == 0;
}

/* In LMTP each recipient is answered for, and what is kept for later is kept here. */
bool
smtp_may_pass(struct smtp *smtp, const struct envelope *env)
{
	struct span ignored;

	return (smtp_forwards(smtp, "at-once") || smtp_forwards(smtp, "connect")) && !smtp->session->lmtp &&
	    !envelope_arg(str_span(&env->args), "HOLDUNTIL", &ignored) && pass_may(&smtp->pass, env, keeps_nothing(smtp));
}

static void
log_accepted(struct smtp *smtp)
{
	struct envelope *env = &smtp->server.env;

	relay_gather(smtp->session->relay);
	spool_event(&smtp->session->relay->spool, str_c(&smtp->id),
	    "event=accepted from=<%s> rcpts=%zu size=%llu client=%s relay=%s%s%s", str_c(&env->from), env->rcpts,
	    (unsigned long long)smtp->arrival.body_len, str_c(&smtp->session->where),
	    smtp_limits(smtp)->name, smtp->server.authenticated ? " user=" : smtp->reader.len > 0 ? " reader=" : "",
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
	smtp_forget_message(smtp);
}

static void
not_accepted(struct smtp *smtp, const struct err *err)
{
	smtp_log_refusal(smtp, &smtp->server.env, (struct span){ "", 0 }, err);
	smtp_forget_message(smtp);
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
	smtp_answer(smtp, trouble == NULL ? 0 : -1, &err);
}

/* What the arrival has is the spool's.  Who is alone waits for the disk here; of many that came in
 * one piece the others, between which there may be somebody else, wait for the loop. */
static int
post(struct smtp *smtp, struct err *err)
{
	struct relay *relay = smtp->session->relay;
	bool more = smtp_others_write(smtp), beside = relay->runner.busy > 0, first = !smtp->posted;
	int result = arrival_post(&smtp->arrival, err);

	smtp->posted = true;
	if (result > 0 && first && !more && !beside)
		result = acceptor_at_once(&relay->acceptor, err);
	if (result <= 0)
		return result;
	smtp->waiter.answer = on_synced;
	acceptor_wait(&relay->acceptor, &smtp->waiter, more, beside);
	return SMTP_LATER;
}

/* Onwards first, where it is to; filters may have changed who it is for. */
static int
send_on(struct smtp *smtp, struct err *err)
{
	if (!smtp->passing || smtp->arrival.fd < 0 || !smtp_may_pass(smtp, &smtp->arrival.env))
		return post(smtp, err);
	return pass_send(&smtp->pass, &smtp->arrival, err) < 0 ? -1 : SMTP_LATER;
}

static int
keep_as_it_is(struct smtp *smtp, struct err *err)
{
	if (arrival_end(&smtp->arrival, err) < 0)
		return -1;
	if (smtp_limits(smtp)->from_filter)
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
		left = refit_arrival(&smtp->arrival, &relay->spool, !smtp->passing && (smtp_others_busy(smtp) ||
		    smtp->messages > 0) ? &relay->acceptor.journal : NULL, filtered->fd, smtp_limits(smtp)->from_filter, err);
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

int
smtp_ended(struct smtp *smtp, int result, struct err *err)
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
	    (unsigned long long)smtp->arrival.body_len, str_c(&smtp->session->where), smtp_limits(smtp)->name);
	smtp->session->relay->meters.messages_passed_total++;
	smtp->messages++;
	smtp_forget_message(smtp);
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
		return smtp_ended(smtp, -1, err);
	}
	*err = (struct err){0};
	return smtp_ended(smtp, post(smtp, err), err);
}

void
smtp_on_passed(struct pass *pass, enum passed how, const struct err *said)
{
	struct smtp *smtp = (struct smtp *)((char *)pass - offsetof(struct smtp, pass));
	struct err err = *said;
	int result = after_pass(smtp, how, &err);

	smtp_answer(smtp, result, &err);
}

static void
on_filtered(struct filters_asking *asking, struct filtered *filtered)
{
	struct smtp *smtp = (struct smtp *)((char *)asking - offsetof(struct smtp, asking));
	struct err err = {0};
	int result = smtp_ended(smtp, take_filtered(smtp, filtered, &err), &err);

	smtp_answer(smtp, result, &err);
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
		struct route_match match = route_find(smtp_settings(smtp), str_span(&env->rcpt[i].to));
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

	if (chain_take(job, smtp_settings(smtp), smtp_limits(smtp)->filters, NULL, err) < 0 ||
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
int
smtp_take_whole(struct smtp *smtp, struct err *err)
{
	int result = 0;

	if (smtp->binary.fd >= 0)
		result = binary_end(&smtp->binary, &smtp->arrival, err);
	if (result == 0)
		result = smtp_limits(smtp)->filters[0] != '\0' ? filter_it(smtp, err) : keep_as_it_is(smtp, err);
	return smtp_ended(smtp, result, err);
}
