/*
 * lock - one call with a site at a time: run/call.SITE.
 *
 * The file says who holds it: "PID caller" or "PID called".  A site that calls again
 * while a process of ours still answers its last call has thereby proved that one
 * dead, so the newcomer ends it and takes over; a call of our own is left alone.
 * Where several hosts share the spool it is lock/call.SITE, and the dead one is fenced.
 */
#ifndef UUCICO_SSH_LOCK_H
#define UUCICO_SSH_LOCK_H

#include "spool/lock.h"

/* Held by another: ERR_TEMP with errno EWOULDBLOCK. */
int lock_call(struct spool_lock *lock, const struct spool *spool, const char *site, bool caller,
    struct err *err);
int lock_jobs(struct spool_lock *lock, const struct spool *spool, const char *site, struct err *err);

#endif
