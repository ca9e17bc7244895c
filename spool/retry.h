/*
 * retry - when a destination is tried again: out/SITE/.retry, a hint, lost without harm.
 *
 * A destination that cannot be reached rests as a whole, longer each time (retry_pause),
 * and is then probed by the first message that waits, over one connection; that one
 * success brings all of it back.  How long it rests is said for the best grade that waits.
 *
 * Whoever knows that trying is worth while again says so: a person (retry_now), or a
 * network that has come up (retry_link_up).  Then what was deferred recipient by recipient
 * before that time is due as well.
 */
#ifndef SPOOL_RETRY_H
#define SPOOL_RETRY_H

#include "spool/spool.h"

struct retry {
	int64_t next;		/* not before; 0: now */
	unsigned failures;	/* in a row */
	int64_t asked;		/* when somebody asked for it; 0: nobody has since it was empty */
	struct str why;		/* of the last failure */
};

int retry_load(const struct spool *spool, const char *site, struct retry *retry, struct err *err);
int retry_failed(const struct spool *spool, const char *site, const char *why, struct err *err);
void retry_clear(const struct spool *spool, const char *site);
int retry_came_back(const struct spool *spool, const char *site, int64_t asked, struct err *err);
			/* it was reached: no failures any more; cleared unless somebody asked
			   since that time */
int retry_now(const struct spool *spool, const char *site, struct err *err);	/* a person says so:
			   it is due, its failures are forgotten */

/* Its network came up: 1, it is due; 0, that was said within RETRY_LINK_SECONDS already.  The
 * failures still count, so that a network that comes and goes is no way round the pauses. */
enum { RETRY_LINK_SECONDS = 60 };
int retry_link_up(const struct spool *spool, const char *site, struct err *err);

/* The rest after so many failures, in microseconds: retry-after, doubled with each up to
 * retry-max, and up to a fifth more by chance, so that not all that failed together is
 * tried together.  chance is any number. */
int64_t retry_pause(const struct patience *patience, unsigned failures, uint32_t chance);

#endif
