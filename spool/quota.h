/*
 * quota - how much may wait, in all and for a site.
 *
 * Whoever offers mail is told at the door, while it is still his.  What a call brings is
 * a batch, and for whom it is shows when it is unpacked: what is for a site that has too
 * much waits in the job that brought it, and what is for others does not wait with it.  So that
 * no site fills the disk that way, its quota holds for its jobs, too.
 *
 * What waits is counted by walking the spool, at most once a minute (every few seconds
 * while there is too much, so that mail is taken again soon) and by one process for
 * all: the count lies in tmp/.quota.  Without a quota nothing is counted.  So
 * what comes within a minute may exceed it; min-free is what holds hard.
 */
#ifndef SPOOL_QUOTA_H
#define SPOOL_QUOTA_H

#include "spool/spool.h"

/* 0, or ERR_TEMP 4.3.1 when more waits than [spool] quota. */
int quota_spool(const struct spool *spool, struct err *err);

/* The same for the site that this recipient's mail would wait for, and its quota. */
int quota_rcpt(const struct spool *spool, struct span rcpt, struct err *err);

/* The same for what the site has sent us and was not unpacked yet. */
int quota_jobs(const struct spool *spool, const struct site_settings *site, struct err *err);

#endif
