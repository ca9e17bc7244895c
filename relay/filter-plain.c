/*
 * filter-plain - the small ones: exit, sleep, msgid, split, mx.
 *
 *	exit:N		as if a program had ended with N (filter-exec.c)
 *	sleep:TIME	waits
 *	msgid:		adds a Message-ID where there is none
 *	split:		a message for each domain of its recipients
 *	mx:		goes to the mail exchangers of that domain, whatever [routes] say
 */
#include "relay/filter.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/mail/header.h"
#include "relay/filter-exit.h"
#include "spool/route.h"

/* exit */

static int
exit_check(const char *rest, struct err *err)
{
	uint64_t status;

	return span_number(span_of(rest), 105, &status) == 0 ? 0 : err_set(err, ERR_CONFIG, "exit: 0 to 105");
}

static int
exit_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	uint64_t status = 0;

	if (span_number(str_span(&spec->rest), 105, &status) < 0)
		return err_set(err, ERR_CONFIG, "exit: 0 to 105");
	int result = filter_exit_means(job, (int)status, (struct span){0}, err);
	letter->gone = result == 0;
	return result < 0 ? -1 : 0;
}

const struct filter filter_exit = { .scheme = "exit:", .quick = true, .check = exit_check, .run = exit_run,
	.form = "exit:STATUS" };

/* sleep */

static int
sleep_check(const char *rest, struct err *err)
{
	int64_t seconds;

	return conf_seconds.set(&seconds, rest) == 0 ? 0 : err_set(err, ERR_CONFIG, "sleep: want a time, as 5 or 2m");
}

static int
sleep_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str rest = spec->rest;
	int64_t seconds = 0;

	(void)letter;
	if (conf_seconds.set(&seconds, str_c(&rest)) < 0)
		return err_set(err, ERR_CONFIG, "sleep: want a time");
	int64_t until = clock_mono() + seconds * CLOCK_SECOND;
	for (int64_t now; (now = clock_mono()) < until;) {
		if (now >= job->deadline)
			return err_set(err, ERR_TEMP, "it sleeps longer than its timeout");
		int64_t left = ((until < job->deadline ? until : job->deadline) - now) / 1000 + 1;
		poll(NULL, 0, left > 60000 ? 60000 : (int)left);
	}
	return 0;
}

const struct filter filter_sleep = { .scheme = "sleep:", .check = sleep_check, .run = sleep_run, .form = "sleep:TIME" };

/* msgid */

static int
msgid_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct header_field field;
	struct str id = {0};

	(void)spec;
	(void)err;
	if (header_find(letter_text(letter), "Message-ID", &field))
		return 0;
	str_printf(&id, "<%.*s@%.*s>", (int)letter->info.id.len, letter->info.id.p, (int)job->host.len, job->host.p);
	letter_add_field(letter, "Message-ID", str_span(&id));
	str_free(&id);
	return 0;
}

static int
nothing_check(const char *rest, struct err *err)
{
	return rest[0] == '\0' ? 0 : err_set(err, ERR_CONFIG, "nothing stands behind that colon");
}

const struct filter filter_msgid = { .scheme = "msgid:", .quick = true, .check = nothing_check, .run = msgid_run,
	.form = "msgid:" };

/* split */

static bool
same_domain(const struct rcpt *a, const struct rcpt *b)
{
	struct span one = envelope_domain(str_span(&a->to)), other = envelope_domain(str_span(&b->to));

	return one.len == other.len && (one.len == 0 || strncasecmp(one.p, other.p, one.len) == 0);
}

/* Those of like's recipients that share the domain of its recipient first. */
static void
take_domain(struct letter *letter, const struct envelope *all, size_t first, struct span port)
{
	struct envelope env = {0};
	struct span domain = envelope_domain(str_span(&all->rcpt[first].to));

	envelope_from(&env, str_span(&all->from), str_span(&all->args));
	for (size_t i = first; i < all->rcpts; i++)
		if (same_domain(&all->rcpt[i], &all->rcpt[first]))
			envelope_add(&env, str_span(&all->rcpt[i].to), str_span(&all->rcpt[i].args));
	envelope_free(&letter->env);
	letter->env = env;
	str_clear(&letter->forward_to);
	str_add_span(&letter->forward_to, domain);
	if (port.len > 0 && domain.len > 0)
		str_printf(&letter->forward_to, ":%.*s", (int)port.len, port.p);
}

static bool
domain_was_before(const struct envelope *env, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_domain(&env->rcpt[i], &env->rcpt[at]))
			return true;
	return false;
}

static int
split_check(const char *rest, struct err *err)
{
	uint64_t port;

	return rest[0] == '\0' || span_number(span_of(rest), 65535, &port) == 0 ? 0 :
	    err_set(err, ERR_CONFIG, "split: may be followed by a port");
}

static int
split_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct envelope all = {0};
	struct letter *part = letter;
	size_t parts = 0;

	envelope_copy(&all, &letter->env);
	for (size_t i = 0; i < all.rcpts && job->letters <= FILTER_PARTS_MAX; i++) {
		if (domain_was_before(&all, i))
			continue;
		if (parts++ > 0) {
			part = filter_add(job, letter);
			str_clear(&part->info.id);
			filter_new_id(&part->info.id);
			part->changed = letter->changed = true;
		}
		take_domain(part, &all, i, str_span(&spec->rest));
	}
	envelope_free(&all);
	return job->letters > FILTER_PARTS_MAX ? err_set(err, ERR_TEMP, "more than %d domains", FILTER_PARTS_MAX) : 0;
}

const struct filter filter_split = { .scheme = "split:", .quick = true, .arrival_only = true, .check = split_check,
	.run = split_run, .form = "split:[PORT]" };

/* mx */

static int
mx_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str destination = {0}, to = letter->forward_to;

	(void)job;
	(void)spec;
	if (to.len == 0)
		return 0;
	/* A host's number is taken as it stands. */
	str_printf(&destination, "%s%s", to.p[0] == '[' ? "smtp:" : "mx:", str_c(&letter->forward_to));
	if (to.p[0] == '[' && to.p[to.len - 1] == ']')
		str_add_text(&destination, ":25");
	struct route_match match = route_destination(str_c(&destination));
	if (match.kind != ROUTE_NONE) {
		str_clear(&letter->info.to);
		route_folder(&match, &letter->info.to);
		letter->changed = true;
	} else {
		err_set(err, ERR_TEMP, "%.100s is no domain", str_c(&letter->forward_to));
	}
	str_free(&destination);
	return match.kind == ROUTE_NONE ? -1 : 0;
}

const struct filter filter_mx = { .scheme = "mx:", .quick = true, .arrival_only = true, .check = nothing_check,
	.run = mx_run, .form = "mx:" };
