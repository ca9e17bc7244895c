/*
 * m-offered - which objects of ours a peer may have a part of, or all, without our knowing it.
 *
 * out/SITE/.offered has a line for each that was opened in a call and of which nothing was heard:
 *
 *	3f0c...16 bytes in hex... N-20261121T184502-host/20261121T184502.123456-7f3a9c02d41be066-1
 *
 * It is not synced: what a power cut takes of it costs bytes and nothing else, as the peer knows
 * the names, and the ids, of what it has.  Whoever holds the lock of the site writes it.
 */
#ifndef UUCICO_SSH_M_OFFERED_H
#define UUCICO_SSH_M_OFFERED_H

#include "lib/base/err.h"
#include "uucico-ssh/m.h"

struct offered_item {
	unsigned char name[M_NAME];
	char *where;		/* "BUCKET/ID", or "=" and the name of a job */
	bool old;		/* of an earlier call */
	bool over;		/* it is known what became of it */
};

struct offered {
	int dir;		/* out/SITE, borrowed */
	int fd;			/* -1: not open */
	struct offered_item *item;
	size_t count, room, lines, olds;
};

void offered_load(struct offered *o, int dir);
bool offered_before(const struct offered *o, const unsigned char name[M_NAME]);	/* in an earlier call */
void offered_add(struct offered *o, const unsigned char name[M_NAME], const char *where);
/* By the first 8 bytes of its name; NULL: none that is not over. */
struct offered_item *offered_find(struct offered *o, const unsigned char *name);
void offered_over(struct offered *o, const unsigned char name[M_NAME]);
void offered_close(struct offered *o);		/* what is not over is there for the next call */

#endif
