/*
 * settler - when the spool is settled.
 *
 * At once when there is but one session, and it is not in the middle of a message, nor was another
 * settled a moment ago; when all were quiet for a moment; within a second otherwise, or, with
 * several sessions, within a quarter of one where the disk is quick and four where it is slow, so
 * that a busy relay settles in large gulps, or as soon as the journal is full or 256 MB, or 32,768
 * messages, were accepted; when run/bell is rung; and each minute, whatever was missed.  Nothing is
 * accepted meanwhile: who sends faster than we settle waits, and in/ stays small.
 *
 * But when it is much, mochila-settle does it, a process of its own, and we go on accepting.
 * What it has not come to when in/ holds too much is settled here, all the same: each file by
 * who locks it first.  A shared spool, where each process has its own lease, is settled here.
 */
#ifndef RELAY_SETTLER_H
#define RELAY_SETTLER_H

#include "relay/asked.h"

enum {
	UNSETTLED_MAX = 256 << 20,	/* bytes in in/ */
	UNSETTLED_MANY = 32 << 10,	/* messages there: what takes time is to make files of them */
	UNSETTLED_MUCH = 128 << 10,	/* and as many messages as there are KB */
};

struct settler {
	struct relay *relay;
	int bell;		/* -1: none */
	struct watch watch;
	struct timer soon, minute;
	int64_t first, last;	/* accepted since it settled (0: nothing), and heard of any session; */
	int64_t settled;	/* and the last time; by clock_mono() */
	uint64_t bytes, messages;	/* accepted since it settled well */
	struct pool pool;	/* of one */
	struct pool_question question;
	struct asked_question table;	/* whose program did not answer at once */
	uint64_t asked_bytes, asked_messages;	/* of those, what it was asked to settle */
	int64_t asked;		/* when; 0: it has nothing to do */
	int64_t shunned;	/* until then we do it all */
	bool again, sure;	/* once more when it has answered; what runner_look is to be told */
	bool stream;		/* the first came so soon after the one before that more will */
};

void settler_start(struct settler *settler, struct relay *relay);
void settler_count(struct settler *settler, uint64_t bytes);	/* so much was accepted */
void settler_wake(struct settler *settler, bool busy);	/* something was */
void settler_stir(struct settler *settler);	/* a session goes on: more will be */
void settler_reload(struct settler *settler);	/* the settings are new */
void settler_close(struct settler *settler);

#endif
