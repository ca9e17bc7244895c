/*
 * clock - what time it is, replaceable in tests.
 *
 * Times are signed microseconds since 1970-01-01 UTC; clock_mono() counts
 * microseconds that never run back and is for measuring, not for telling.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>

#include "lib/base/str.h"

#define CLOCK_SECOND INT64_C(1000000)

int64_t clock_now(void);
int64_t clock_mono(void);
void clock_set(int64_t now);		/* tests: freeze at now; 0 thaws */
void clock_shift(int64_t by);		/* tests: both run on, ahead by so much */

void clock_utc(int64_t when, struct str *out);	/* appends 2026-11-21T18:45:02Z */
int clock_parse_utc(struct span text, int64_t *when);	/* the same, strictly; 0 or -1 */

#endif
