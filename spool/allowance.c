#include "spool/allowance.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/number.h"
#include "spool/budget.h"

void
allowance_open(struct allowance *allowance, const struct spool *spool, const struct site_settings *site)
{
	*allowance = (struct allowance){ .site = site };
	allowance->counts = site->user_month_bytes > 0 || site->user_month_time > 0 || site->user_month_money > 0;
	if (allowance->counts)
		usage_read(spool, &allowance->usage);
}

/* As spool/usage.c names them. */
static void
user_of(const struct entry *entry, struct str *who)
{
	if (span_is(str_span(&entry->info.from), "smtp")) {
		str_add_char(who, '<');
		str_add_span(who, str_span(&entry->env.from));
		str_add_char(who, '>');
	} else if (entry->info.peer.len == 0) {
		str_set_span(who, str_span(&entry->info.client));
	}
}

/* Microseconds of the site's calls that so many bytes of what they moved took. */
static int64_t
time_of(const struct usage_row *calls, uint64_t bytes)
{
	uint64_t moved = calls == NULL ? 0 : calls->out + calls->in;

	if (moved == 0)
		return 0;
	return (int64_t)number_share(calls->micros, bytes < moved ? bytes : moved, moved, false);
}

static const char *
spent_of_month(const struct allowance *allowance, const char *who)
{
	const struct site_settings *site = allowance->site;
	const struct tariff tariff = { site->money_per_megabyte, site->money_per_minute };
	const struct usage_row *used = allowance->counts ? usage_of(&allowance->usage.user, who) : NULL;

	if (used == NULL)
		return NULL;
	int64_t micros = time_of(usage_of(&allowance->usage.site, site->name), used->in);
	if (site->user_month_bytes > 0 && used->in > site->user_month_bytes)
		return "user-month-bytes";
	if (site->user_month_time > 0 && micros / CLOCK_SECOND > site->user_month_time)
		return "user-month-time";
	if (site->user_month_money > 0 && budget_cost(&tariff, used->in, micros) > site->user_month_money)
		return "user-month-money";
	return NULL;
}

bool
allowance_spent(struct allowance *allowance, const struct entry *entry)
{
	const struct site_settings *site = allowance->site;
	struct str who = {0};
	const char *why = NULL;

	if (!allowance->counts && site->user_largest == 0)
		return false;
	user_of(entry, &who);
	if (who.len > 0)
		why = site->user_largest > 0 && entry->body_len > site->user_largest ? "user-largest" :
		    spent_of_month(allowance, str_c(&who));
	if (why != NULL && !span_same(str_span(&who), str_span(&allowance->told))) {
		log_info("%.*s: event=waits site=%s user=\"%s\" why=%s", (int)entry->info.id.len, entry->info.id.p, site->name, str_c(&who), why);
		str_set_span(&allowance->told, str_span(&who));
	}
	str_free(&who);
	return why != NULL;
}

void
allowance_free(struct allowance *allowance)
{
	if (allowance->counts)
		usage_free(&allowance->usage);
	str_free(&allowance->told);
	*allowance = (struct allowance){0};
}
