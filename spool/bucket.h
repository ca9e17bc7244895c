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
 * `ls out/SITE` gives grade, then age; claiming reads one bucket, not the queue.  What is made as a
 * bucket elsewhere, durably, becomes one by one rename: placer_put_bucket().
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
int placer_put_bucket(struct placer *p, int dir, const char *name, const char *site, const char *bucket,
    struct err *err);		/* dir/NAME becomes out/SITE/BUCKET, or a bucket of another such name */
int placer_sync(struct placer *p, struct err *err);
void placer_free(struct placer *p);
void bucket_new_name(const struct spool *spool, char grade, struct str *out);	/* GRADE-TIME-HOST */

#endif
