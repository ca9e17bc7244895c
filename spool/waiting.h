/*
 * waiting - how many messages wait for each destination, counted by names alone.
 *
 *	waiting_read(&w, spool, begin, also, ctx, err)
 *	... w.site[i].name, .messages, .first; sorted by name ...
 *	waiting_free(&w)
 *
 * There may be a million of them for 10,000 destinations, so what was counted is remembered
 * in tmp/.waiting, each folder with the time at which the system says that it changed last.
 * A folder that has changed since, by whoever's hand, has another time and is read again.
 * One that had just changed when it was read could change once more within the same time:
 * nothing is remembered of it.  The file may be removed at any time.
 */
#ifndef SPOOL_WAITING_H
#define SPOOL_WAITING_H

#include "spool/spool.h"

struct waiting_stamp {		/* of a folder */
	uint64_t inode;
	int64_t changed;	/* nanoseconds; 0: never the same */
};

struct waiting_site {
	char *name;		/* below out/ */
	size_t messages;
	bool rests;		/* there is a hint of spool/retry.h */
	char *first;		/* the oldest, BUCKET/ID; NULL: none */
	struct waiting_stamp stamp;
	struct waiting_bucket {
		char *name, *first;	/* first: ID, or NULL */
		size_t messages;
		struct waiting_stamp stamp;
	} *bucket;
	size_t buckets;
};

struct waiting {
	struct waiting_site *site;
	size_t sites;
};

/* Either may be NULL.  begin: called for each, by name, before any is counted; also: for each
 * when it was counted, for many at once. */
typedef void waiting_begin(void *ctx, const char *name);
typedef void waiting_also(void *ctx, struct waiting_site *site);
int waiting_read(struct waiting *w, const struct spool *spool, waiting_begin *begin, waiting_also *also,
    void *ctx, struct err *err);
void waiting_free(struct waiting *w);

#endif
