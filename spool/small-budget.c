/* Budgets: of one call (call-bytes, call-time, call-largest), which no history need be read for; no month's, no money. */
#include "lib/base/clock.h"
#include "spool/allowance.h"
#include "spool/budget.h"

uint64_t
budget_cost(const struct tariff *tariff, uint64_t bytes, int64_t micros)
{
	(void)tariff;
	(void)bytes;
	(void)micros;
	return 0;
}

void
budget_left(const struct spool *spool, const struct site_settings *site, struct budget *left)
{
	(void)spool;
	*left = (struct budget){
		.bytes = { UINT64_MAX, NULL }, .micros = { UINT64_MAX, NULL }, .money = { UINT64_MAX, NULL },
		.largest = site->call_largest > 0 ? site->call_largest : UINT64_MAX,
	};
	if (site->call_bytes > 0)
		left->bytes = (struct budget_limit){ site->call_bytes, "call-bytes" };
	if (site->call_time > 0 && site->call_time < INT64_MAX / CLOCK_SECOND)
		left->micros = (struct budget_limit){ (uint64_t)site->call_time * CLOCK_SECOND, "call-time" };
}

static uint64_t
still(const struct budget_limit *limit, uint64_t used)
{
	return limit->by == NULL ? UINT64_MAX : limit->left > used ? limit->left - used : 0;
}

const char *
budget_over(const struct budget *left, uint64_t bytes, int64_t micros)
{
	return budget_bytes(left, bytes, micros) == 0 ? left->bytes.by :
	    budget_micros(left, bytes, micros) == 0 ? left->micros.by : NULL;
}

uint64_t
budget_bytes(const struct budget *left, uint64_t bytes, int64_t micros)
{
	(void)micros;
	return still(&left->bytes, bytes);
}

int64_t
budget_micros(const struct budget *left, uint64_t bytes, int64_t micros)
{
	uint64_t most = still(&left->micros, micros > 0 ? (uint64_t)micros : 0);

	(void)bytes;
	return most > INT64_MAX ? INT64_MAX : (int64_t)most;
}

/* What a user may have moved: all, but what is larger than one call takes of them is the settings' to refuse. */

void
allowance_open(struct allowance *allowance, const struct spool *spool, const struct site_settings *site)
{
	(void)spool;
	*allowance = (struct allowance){ .site = site };
}

bool
allowance_spent(struct allowance *allowance, const struct entry *entry)
{
	(void)allowance;
	(void)entry;
	return false;
}

void
allowance_free(struct allowance *allowance)
{
	(void)allowance;
}
