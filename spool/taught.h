/*
 * taught - a model of mix (lib/mail/mix-keep.h) that was taught a ring's history, kept for the next call.
 *
 * To teach one takes longer than all the rest of a short call, at both ends; so `bsmtp teach SITE`, which runs
 * behind a call, does it for the next, and the call only teaches what came since.  It is
 * spool/ring/SITE/from-CLASS~model and to-CLASS~model: a line,
 *
 *	mochila-model=1 mix=6.2.8l k=812 link=9a01... length=3997696 dictionary=0 taught=2031616 past=SHA-256
 *
 * and the model.  Both ends make theirs from the same history, and by past they see whether they have the same.
 * It is a cache, and less than that: whatever is wrong with it, the model is taught as without it.
 */
#ifndef SPOOL_TAUGHT_H
#define SPOOL_TAUGHT_H

#include "spool/ring.h"

enum {
	TAUGHT_PAST = 3904 << 10,	/* bytes of history and dictionary that it is made from, at most; */
	TAUGHT_BYTES = 1984 << 10,	/* and of these, taught */
	TAUGHT_MOST_LOG = 17,		/* of the bytes that may come */
	TAUGHT_GROWN = 64 << 10,	/* bytes of history that came since: then it is made anew */
	TAUGHT_LEAST = 64 << 10,	/* for less history it is not worth it */
};

struct taught {
	struct ring_mark mark;		/* the history up to this commit: */
	uint64_t length;		/* the last so many bytes of it, */
	uint64_t dictionary;		/* behind the text of that version; 0: none */
	uint64_t bytes;			/* the last so many of both it was taught */
	unsigned char past[DIGEST_SIZE];	/* of both */
	struct span model;		/* until taught_close() */
	const char *map;
	size_t mapped;
};

/* 1; 0: there is none, or nothing that is understood; -1 with ERR_CONFIG: of a newer version. */
int taught_open(struct taught *t, const struct spool *spool, const char *site, enum ring_way way, const char *class,
    struct err *err);
void taught_close(struct taught *t);

/* Bytes of history behind the one that it knows; -1: the ring does not know that any more. */
int64_t taught_grown(const struct ring *r, const struct taught *t);
/* May a model that was made from so many bytes, and taught so many, go on with so many more? */
bool taught_may_grow(size_t past, size_t bytes, uint64_t grown);

/* Puts one in place of what is there, unless the ring has lost what it was made from meanwhile, or there is no room
 * for it in spool.history-budget. */
int taught_write(struct ring *r, const struct taught *t, struct err *err);
void taught_drop(const struct ring *r);
/* Of what is only made from another file, as much goes as is needed, in this order. */
void taught_budget(const struct spool *spool, struct ring_files *files, uint64_t budget);

#endif
