/*
 * bucket - where a message waits: out/SITE/GRADE-TIME-HOST/, at most 1,000 names.
 *
 * A placer moves messages into buckets and makes all of it durable at once:
 *
 *	struct placer p = { .spool = spool };
 *	placer_put(&p, dir, name, "home", id, 'N', err)		renames
 *	placer_sync(&p, err)					then it is promised
 *	placer_free(&p)
 *
 * `ls out/SITE` gives grade, then age; claiming reads one bucket, not the queue.
 */
#ifndef SPOOL_BUCKET_H
#define SPOOL_BUCKET_H

#include "spool/spool.h"

enum { BUCKET_NAMES = 1000 };

struct placer {
	const struct spool *spool;
	struct place *place;	/* buckets used in this run */
	size_t places;
};

int placer_put(struct placer *p, int dir, const char *name, const char *site, const char *id,
    char grade, struct err *err);
int placer_sync(struct placer *p, struct err *err);
void placer_free(struct placer *p);

#endif
