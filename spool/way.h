/*
 * way - how a site can be called just now: over its link, then over its alternates.
 *
 *	struct way way;
 *	for (size_t n = 0; way_nth(settings, site, n, &way); n++)
 *		if (way_open(&way, clock_now(), why))
 *			... call over way.site.link; when it does not connect, the next ...
 *
 * A way is the site's settings with what [way NAME] says in place of the site's own: its
 * link, windows, largest message, and what it costs.  Everything else, the month's
 * budget too, is of the site, whichever way it is called.
 */
#ifndef SPOOL_WAY_H
#define SPOOL_WAY_H

#include "spool/budget.h"

struct way {
	const char *name;		/* "" for the site's own link */
	struct site_settings site;	/* borrowed texts */
	struct budget left;		/* filled by way_open() */
	char grade;			/* likewise: the worst that may be moved now; 0: any */
};

bool way_nth(const struct settings *settings, const struct site_settings *site, size_t n, struct way *way);
/* May it be used now?  Else why says why not: outside its windows, or a budget that is used up. */
bool way_open(const struct spool *spool, struct way *way, int64_t now, struct str *why);

#endif
