/*
 * budget - what a call with a site may still move, last and cost.
 *
 *	struct budget left;
 *	budget_left(spool, site, &left);
 *	... in the call, now and then ...
 *	if ((which = budget_over(&left, bytes both ways, microseconds)) != NULL)
 *		...stop in good order: [site] which is used up...
 *
 * It is the least of what [site NAME] says of one call (call-bytes, call-time) and of what
 * remains of the month's (month-bytes, month-time, month-money), of which the history tells
 * what was used (spool/usage.h).  Whatever nothing is said of has no end: UINT64_MAX,
 * INT64_MAX.  A month begins at 00:00 UTC.
 */
#ifndef SPOOL_BUDGET_H
#define SPOOL_BUDGET_H

#include "spool/spool.h"

struct tariff {			/* millionths of whatever the money is */
	uint64_t megabyte;	/* of 1,000,000 bytes */
	uint64_t minute;
};

struct budget_limit {
	uint64_t left;		/* UINT64_MAX: without end */
	const char *by;		/* the key that says so, or NULL */
};

struct budget {
	struct budget_limit bytes, micros, money;	/* of the wire, both ways; microseconds; millionths */
	uint64_t largest;	/* bytes of the largest message that is moved, UINT64_MAX: any */
	struct tariff tariff;
};

void budget_left(const struct spool *spool, const struct site_settings *site, struct budget *left);
/* The key of what is used up after so much, or NULL. */
const char *budget_over(const struct budget *left, uint64_t bytes, int64_t micros);
/* The most bytes, and microseconds, that may still be used, money counted too: for a peer to
 * be told. */
uint64_t budget_bytes(const struct budget *left, uint64_t bytes, int64_t micros);
int64_t budget_micros(const struct budget *left, uint64_t bytes, int64_t micros);

uint64_t budget_cost(const struct tariff *tariff, uint64_t bytes, int64_t micros);	/* rounded up */

#endif
