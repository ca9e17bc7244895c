/*
 * hours - when something may be done: "Mon-Fri 19:00-07:00, Sat-Sun, grade<=C".
 *
 * Windows apart by commas.  Each says, in this order, days (Mon, Mon-Fri, Sat-Mon), times
 * (19:00-07:00: up to the second minute; past midnight they belong to the day on which they
 * began) and a grade (the worst that may be moved then), or some of these; what it leaves
 * out it does not mind.  At each moment the most generous of the windows that are open
 * counts.  An empty text: always, and all.
 *
 * The times are those of a clock on the wall in a named time zone ("Europe/Berlin"; empty: the
 * host's).  When that is set forward, an hour that does not exist opens nothing; when it is set
 * back, an hour that comes twice opens twice.
 */
#ifndef SPOOL_HOURS_H
#define SPOOL_HOURS_H

#include "lib/base/err.h"

struct hours {
	bool open;
	char grade;		/* the worst that may be moved; 0: any */
};

bool hours_valid(const char *text);
bool hours_zone_known(const char *zone);	/* on this host, too */
struct hours hours_at(const char *text, const char *zone, int64_t when);
/* The first minute from `when` on in which a grade (0: the best there is) may be moved; when there
 * is none in the next eight days, INT64_MAX. */
int64_t hours_next(const char *text, const char *zone, int64_t when, char grade);

#endif
