/*
 * settler - when the spool is settled.
 *
 * At once when there is but one session, and it is not in the middle of a message, nor was
 * another settled a moment ago; when all were quiet for a moment; within a second otherwise,
 * so that a busy relay settles in large gulps, or as soon as the journal is full or 64 MB
 * were accepted; when run/bell is rung; and each minute, whatever was missed.  Nothing is
 * accepted meanwhile: who sends faster than we settle waits, and in/ stays small.
 */
#ifndef RELAY_SETTLER_H
#define RELAY_SETTLER_H

#include "lib/net/loop.h"

struct relay;

enum { UNSETTLED_MAX = 64 << 20 };	/* bytes in in/ */

struct settler {
	struct relay *relay;
	int bell;		/* -1: none */
	struct watch watch;
	struct timer soon, minute;
	int64_t first, last;	/* accepted since it settled (0: nothing), and heard of any session; */
	int64_t settled;	/* and the last time; by clock_mono() */
	uint64_t bytes;		/* accepted since it settled well */
	bool stream;		/* the first came so soon after the one before that more will */
};

void settler_start(struct settler *settler, struct relay *relay);
void settler_count(struct settler *settler, uint64_t bytes);	/* so much was accepted */
void settler_wake(struct settler *settler, bool busy);	/* something was */
void settler_stir(struct settler *settler);	/* a session goes on: more will be */
void settler_close(struct settler *settler);

#endif
