/*
 * stay - when a caller that stays calls again: mail has come for the site, a failure's rest is
 * over, or it was not asked for so long.
 *
 *	struct stay stay = { .spool = spool, .site = "hub", .every = 900 * CLOCK_SECOND };
 *	do {
 *		stay_begin(&stay);
 *		... a call ...
 *		stay_end(&stay, it failed);
 *	} while (stay_wait(&stay, err) == 0);		-1: told to stop
 *
 * In a call of protocol m that stands (m_stands()) stay_news() is asked instead, by both ends:
 * has something come for the peer since it was asked last?  When such a call drops it is made
 * again at once, then behind 2, 4, 8 ... seconds, until the site's rest is longer than that.
 *
 * It looks at the times of the folders once a second: the bell (spool/spool.h) wakes one
 * process only, and that is the daemon's.  Where there is no daemon what lies in in/ is
 * settled here.  In a call that stands a second is long, and stay_ear() is a descriptor that is
 * readable when it is worth a look (inotify; -1 where there is none).
 */
#ifndef UUCICO_SSH_STAY_H
#define UUCICO_SSH_STAY_H

#include "spool/spool.h"

struct stay {
	const struct spool *spool;
	const char *site;
	int64_t every;		/* microseconds; 0: only for mail */
	int64_t called, again;	/* clock_mono(): when the last call ended, and not before when */
	uint64_t seen, arrivals;	/* how the folders looked */
	bool failed;
	int ear;		/* 0: not opened yet */
	bool stands;		/* the peer takes calls that stay: it is to be called again, mail or not */
};

void stay_begin(struct stay *stay);
void stay_end(struct stay *stay, bool failed);
int stay_wait(struct stay *stay, struct err *err);
bool stay_news(struct stay *stay);
int stay_ear(struct stay *stay);
bool stay_heard(struct stay *stay);	/* something happened in the folders since it was asked last */
void stay_over(struct stay *stay);	/* {0} is fine */
bool stay_is_due(struct stay *stay, int64_t now, int64_t mono);	/* the clocks handed in */

#endif
