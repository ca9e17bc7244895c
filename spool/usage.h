/*
 * usage - how many bytes this month: of calls, by site; of mail taken, by who sent it.
 *
 * It is read off the history, whose lines say both.  What has been counted, and how far,
 * lies in tmp/.usage, so that only what is new is read; without it all is counted anew.
 * Where several hosts share the spool, each has a history, and it is the sum of all.
 * What has been turned out of the history uncounted is not in it.
 */
#ifndef SPOOL_USAGE_H
#define SPOOL_USAGE_H

#include "spool/spool.h"

struct usage_row {
	char *name;		/* a site; a sender's address, or the user of this host */
	uint64_t out, in;	/* bytes sent to it and received from it; a user's are in */
	uint64_t count;		/* calls, or messages */
	uint64_t micros, cost;	/* calls: how long they were, and what for, in millionths */
};

struct usage_table {
	struct usage_row *row;
	size_t rows;
	size_t *slot, slots;	/* by the hash of their names: row + 1; 0 is free */
};

struct usage {
	char month[8];		/* 2026-11, UTC */
	struct usage_table site, user;
	struct str file;	/* the file of the history that was counted last: its beginning's sum */
	uint64_t at;		/* and up to where */
};

void usage_read(const struct spool *spool, struct usage *usage);
const struct usage_row *usage_of(const struct usage_table *table, const char *name);	/* or NULL */
void usage_sort(struct usage_table *table);	/* who had most first; usage_of is over then */
void usage_free(struct usage *usage);

#endif
