/*
 * whole - the originals of mail that went over a thin link as a view (relay/filter-thin.c).
 *
 * One lies in hold/ as an entry whose "from" is "whole", with the reason
 *
 *	whole for SITE until TIME, of ID
 *
 * and a line that says it was filtered, so that it goes as it is when it is released.  Its id is
 * made of that of the message: to keep it twice is to keep it once.  Behind TIME it is removed.
 */
#ifndef SPOOL_WHOLE_H
#define SPOOL_WHOLE_H

#include "spool/spool.h"

#define WHOLE_FROM "whole"

void whole_id(struct span id, struct str *out);		/* of the original of that message */
void whole_reason(struct span site, int64_t until, struct span id, struct str *out);
bool whole_reason_read(struct span reason, struct span *site, int64_t *until);	/* false: it is none */

/* hold/ID: 1, with its entry, and open; 0: it is not there, or no original; -1. */
int whole_open(const struct spool *spool, const char *id, int *fd, struct entry *entry, struct err *err);
int whole_release(const struct spool *spool, const char *id, struct err *err);	/* to in/ */
/* Of it, a message of its header and so many bytes more, to in/; it stays. */
int whole_first(const struct spool *spool, const char *id, uint64_t bytes, struct err *err);
size_t whole_expire(const struct spool *spool, int64_t now);	/* removes those whose time is over */

#endif
