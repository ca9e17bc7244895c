#include "spool/budget.h"

#include "lib/base/clock.h"
#include "lib/base/number.h"
#include "spool/usage.h"

#define MEGABYTE UINT64_C(1000000)
#define MINUTE (60 * (uint64_t)CLOCK_SECOND)

uint64_t
budget_cost(const struct tariff *tariff, uint64_t bytes, int64_t micros)
{
	return number_sum(number_share(tariff->megabyte, bytes, MEGABYTE, true),
	    number_share(tariff->minute, micros > 0 ? (uint64_t)micros : 0, MINUTE, true));
}

/* 0 of a setting means that it says nothing. */
static void
limit(struct budget_limit *to, const char *by, uint64_t said, uint64_t used)
{
	uint64_t left = said > used ? said - used : 0;

	if (said > 0 && (to->by == NULL || left < to->left))
		*to = (struct budget_limit){ left, by };
}

static void
limits_of_month(const struct spool *spool, const struct site_settings *site, struct budget *left)
{
	struct usage usage;

	if (site->month_bytes == 0 && site->month_time == 0 && site->month_money == 0)
		return;
	usage_read(spool, &usage);
	const struct usage_row *used = usage_of(&usage.site, site->name);
	static const struct usage_row nothing;
	if (used == NULL)
		used = &nothing;
	limit(&left->bytes, "month-bytes", site->month_bytes, number_sum(used->out, used->in));
	limit(&left->micros, "month-time", number_times((uint64_t)site->month_time, CLOCK_SECOND), used->micros);
	limit(&left->money, "month-money", site->month_money, used->cost);
	usage_free(&usage);
}

void
budget_left(const struct spool *spool, const struct site_settings *site, struct budget *left)
{
	static const struct budget_limit endless = { UINT64_MAX, NULL };

	*left = (struct budget){
		.bytes = endless, .micros = endless, .money = endless,
		.largest = site->call_largest > 0 ? site->call_largest : UINT64_MAX,
		.tariff = { site->money_per_megabyte, site->money_per_minute },
	};
	limit(&left->bytes, "call-bytes", site->call_bytes, 0);
	limit(&left->micros, "call-time", number_times((uint64_t)site->call_time, CLOCK_SECOND), 0);
	limits_of_month(spool, site, left);
}

static bool
is_over(const struct budget_limit *limit, uint64_t used)
{
	return limit->by != NULL && used >= limit->left;
}

const char *
budget_over(const struct budget *left, uint64_t bytes, int64_t micros)
{
	if (is_over(&left->bytes, bytes))
		return left->bytes.by;
	if (is_over(&left->micros, micros > 0 ? (uint64_t)micros : 0))
		return left->micros.by;
	return is_over(&left->money, budget_cost(&left->tariff, bytes, micros)) ? left->money.by : NULL;
}

/* What the money that is left buys, and no more than the other limit leaves. */
static uint64_t
still(const struct budget *left, const struct budget_limit *limit, uint64_t used, uint64_t cost, uint64_t price,
    uint64_t unit)
{
	uint64_t most = limit->by == NULL ? UINT64_MAX : limit->left > used ? limit->left - used : 0;

	if (left->money.by != NULL && price > 0) {
		uint64_t money = left->money.left > cost ? left->money.left - cost : 0;
		uint64_t bought = number_share(money, unit, price, false);
		most = bought < most ? bought : most;
	}
	return most;
}

uint64_t
budget_bytes(const struct budget *left, uint64_t bytes, int64_t micros)
{
	return still(left, &left->bytes, bytes, budget_cost(&left->tariff, bytes, micros), left->tariff.megabyte, MEGABYTE);
}

int64_t
budget_micros(const struct budget *left, uint64_t bytes, int64_t micros)
{
	uint64_t most = still(left, &left->micros, micros > 0 ? (uint64_t)micros : 0,
	    budget_cost(&left->tariff, bytes, micros), left->tariff.minute, MINUTE);

	return most > INT64_MAX ? INT64_MAX : (int64_t)most;
}
