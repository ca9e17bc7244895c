/*
 * lock - one call with a site at a time: run/call.SITE.
 *
 * The file says who holds it: "PID caller" or "PID called".  A site that calls again
 * while a process of ours still answers its last call has thereby proved that one
 * dead, so the newcomer ends it and takes over; a call of our own is left alone.
 */
#ifndef UUCICO_SSH_LOCK_H
#define UUCICO_SSH_LOCK_H

#include "spool/settings.h"

/* A descriptor to hold, or -1: held by another is ERR_TEMP with errno EWOULDBLOCK. */
int lock_call(const struct settings *settings, const char *site, bool caller, struct err *err);
int lock_jobs(const struct settings *settings, const char *site, struct err *err);	/* uuxqt */

#endif
