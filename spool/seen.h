/*
 * seen - ids that a peer has delivered already, 16 bytes each, by day.
 *
 * seen/PEER/DAY.new is appended to; at the first note of a later day it is sorted
 * into seen/PEER/DAY, which is searched in place when it is large.  Days
 * older than seen-keep are removed.  An id is any text: SHA-256 makes it 16 bytes.
 *
 * In a spool that several hosts share nothing is appended to: each note is a sorted file of
 * its own, DAY=ID, and when a day has many, they become one.  A key leaves a file only
 * when another that has it is on disk, so no lock is needed, and a step that comes late
 * harms nothing.
 */
#ifndef SPOOL_SEEN_H
#define SPOOL_SEEN_H

#include "spool/spool.h"

/* Many, while nobody else notes any: whoever holds their lock.  {0} at first; a note of one's
 * own ends it. */
struct seen_look {
	char *peer;		/* NULL: nobody was looked at */
	int dir;		/* -1: nothing of it is known */
	struct seen_day *day;
	size_t days;
	bool listed;
};
int seen_look(struct seen_look *look, const struct spool *spool, const char *peer, struct span id,
    struct err *err);		/* as seen_has */
void seen_look_end(struct seen_look *look);

int seen_has(const struct spool *spool, const char *peer, struct span id, struct err *err);
				/* 1 yes, 0 no, -1 */
int seen_note(const struct spool *spool, const char *peer, const struct span *ids, size_t count,
    struct err *err);		/* durable when it returns 0 */

#endif
