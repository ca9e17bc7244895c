/*
 * lock - one call with a site at a time: run/call.SITE.
 *
 * The file says who holds it: "PID calling", "PID caller" once it has heard the far end, or
 * "PID called", and when that process began.  A site that calls again while a process of ours still answers its last call
 * has thereby proved that one dead, so the newcomer ends it and takes over, at once.  Where
 * it calls while we call it, the call of the lesser name lives, and ours only counts once it has
 * heard the far end.
 * Where several hosts share the spool it is lock/call.SITE, and the dead one is fenced.
 */
#ifndef UUCICO_SSH_LOCK_H
#define UUCICO_SSH_LOCK_H

#include "spool/lock.h"

/* Held by another: ERR_TEMP with errno EWOULDBLOCK. */
int lock_call(struct spool_lock *lock, const struct spool *spool, const char *site, bool caller,
    struct err *err);
void lock_met(const struct spool_lock *lock, const struct spool *spool);	/* a call of ours has heard
			   the far end: it lives, also when the site calls us now */
void lock_over(struct spool_lock *lock);
int lock_jobs(struct spool_lock *lock, const struct spool *spool, const char *site, struct err *err);

#endif
