/*
 * lock - one process at a time, of this host or of all that share the spool.
 *
 *	struct spool_lock lock = SPOOL_UNLOCKED;
 *	spool_lock(&lock, spool, "out.home", dir, ".lock", true, err)
 *	spool_unlock(&lock)
 *
 * Where nothing is shared it is flock on dir/file, which dies with its holder.  Where the
 * spool is shared it is a folder lock/NAME/ with one file, which is called as its holder
 * (spool/lease.h) or "free": to take it is to rename that file, which one of several does.
 * A dead holder's is taken likewise, once it is fenced.  The folder is made with its file
 * in it, by one rename, and stays.
 */
#ifndef SPOOL_LOCK_H
#define SPOOL_LOCK_H

#include "spool/spool.h"

struct spool_lock {
	int fd;			/* of flock, or -1 */
	const struct spool *spool;	/* of a shared one, or NULL */
	char *path, *token;	/* lock/NAME, and who we were when we took it */
};
#define SPOOL_UNLOCKED ((struct spool_lock){ .fd = -1 })

int spool_lock(struct spool_lock *lock, const struct spool *spool, const char *name, int dir,
    const char *file, bool wait, struct err *err);	/* held by another: ERR_TEMP, errno EWOULDBLOCK */
bool spool_lock_ours(const struct spool_lock *lock);	/* still: nobody has fenced us */
bool spool_locked(const struct spool_lock *lock);	/* we took it, whatever came of it */
void spool_unlock(struct spool_lock *lock);		/* fine when not locked */
int spool_lock_holder(const struct spool *spool, const char *name, struct str *holder,
    struct err *err);		/* of a shared one: a token, or "" */

#endif
