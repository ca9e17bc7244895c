/*
 * acceptor - messages accepted in the same turn of the loop share one sync.
 *
 * Small messages of sessions that are busy side by side go into one journal
 * (spool/journal.h).  A session whose message was posted waits; at the end of the
 * turn, or a quarter of a sync's time later where others are about to post, the journal
 * is synced, and all who wait are answered: accepted, or with the same trouble.
 */
#ifndef RELAY_ACCEPTOR_H
#define RELAY_ACCEPTOR_H

#include "lib/net/loop.h"
#include "spool/journal.h"

struct waiter {			/* embedded in who waits */
	struct waiter *next, **at;	/* at NULL: waits for nothing */
	void (*answer)(struct waiter *waiter, const struct err *err);	/* err NULL: accepted */
};

struct acceptor {
	struct journal journal;
	struct timer turn;
	struct waiter *waiting;
	int64_t took;		/* microseconds of the last sync */
};

void acceptor_start(struct acceptor *acceptor, struct loop *loop, const struct spool *spool);
void acceptor_wait(struct acceptor *acceptor, struct waiter *waiter, bool more);	/* after arrival_post
			   said 1; more: somebody else is about to */
void acceptor_leave(struct waiter *waiter);	/* who waits is gone; his message stays */
int acceptor_hand_over(struct acceptor *acceptor, struct err *err);	/* what was accepted to settle */
void acceptor_close(struct acceptor *acceptor);

#endif
