/*
 * errand - a program under way, watched from the loop, and what it printed.
 *
 *	errand.most = 400; errand.seconds = 300; errand.done = on_done; errand.ctx = x
 *	errand_start(&errand, &loop, &child, &err)	done will be called, from the loop
 *	errand_stop(&errand)				it is killed, and done is not called
 *
 * It runs in a session of its own, all of which is killed when it has ended, or was too late.
 */
#ifndef RELAY_ERRAND_H
#define RELAY_ERRAND_H

#include "lib/base/child.h"
#include "lib/net/loop.h"

struct errand {
	size_t most;		/* of its words are kept */
	int64_t seconds;
	bool errors_too;	/* what it says on standard error is among the words */
	/* The words are in errand->words.  err: it was too late, or could not be waited for. */
	void (*done)(void *ctx, int status, const struct err *err);
	void *ctx;

	struct str words;
	pid_t pid;		/* 0: none runs */
	int ended, out;		/* pidfd; what it prints */
	struct watch end, said;
	struct timer late;
	bool too_late;
};

/* in, words, environment, folder are the child's; session, out and errors are ours. */
int errand_start(struct errand *errand, struct loop *loop, const struct child *child, struct err *err);
void errand_stop(struct errand *errand);	/* {0} is fine; words are freed */

#endif
