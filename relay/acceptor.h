/*
 * acceptor - messages accepted in the same turn of the loop share one sync.
 *
 * Small messages of sessions that are busy side by side go into one journal
 * (spool/journal.h).  A session whose message was posted waits; at the end of the
 * turn the journal is synced, and all who wait are answered: accepted, or with the same trouble.
 * Where others are about to post that is a quarter of a sync's time later, unless the disk is too
 * fast for a loop to wait so little.
 *
 * Where others have something to say meanwhile, or messages are on their way onwards, a thread
 * waits for the disk, and those who post until it is back share the next sync.
 */
#ifndef RELAY_ACCEPTOR_H
#define RELAY_ACCEPTOR_H

#include "lib/base/syncer.h"
#include "lib/net/loop.h"
#include "spool/journal.h"

struct waiter {			/* embedded in who waits */
	struct waiter *next, **at;	/* at NULL: waits for nothing */
	void (*answer)(struct waiter *waiter, const struct err *err);	/* err NULL: accepted */
};

struct acceptor {
	struct journal journal;
	struct timer turn;
	struct waiter *waiting, *syncing;	/* those whose message is not yet written, and is */
	struct syncer syncer;
	struct watch synced;
	bool beside, under_way;	/* the next sync is for the thread; it is at one */
	int64_t patience;	/* of the next one */
	int64_t begun, took;	/* microseconds of the last sync */
};

void acceptor_start(struct acceptor *acceptor, struct loop *loop, const struct spool *spool);
/* After arrival_post said 1.  more: somebody else is about to; beside: the loop has something to do. */
void acceptor_wait(struct acceptor *acceptor, struct waiter *waiter, bool more, bool beside);
int acceptor_at_once(struct acceptor *acceptor, struct err *err);	/* instead, for who is alone: 0 accepted, -1; or
			   1: others wait, and so is he to */
void acceptor_leave(struct waiter *waiter);	/* who waits is gone; his message stays */
int acceptor_hand_over(struct acceptor *acceptor, struct err *err);	/* what was accepted to settle */
void acceptor_close(struct acceptor *acceptor);

#endif
