/*
 * dial - a connection to HOST:PORT, tried over all the addresses the host has.
 *
 * Each address gets its share of the time that is left, so that one which swallows
 * everything leaves some for the next.  The answer is the first that connects, or the
 * last failure.
 */
#ifndef LIB_NET_DIAL_H
#define LIB_NET_DIAL_H

#include "lib/net/resolve.h"

struct dial {
	struct loop *loop;
	char *where;
	struct resolve resolve;
	struct addrinfo *list, *next;
	int fd;
	struct watch watch;
	struct timer timer;
	int64_t until;		/* of clock_mono() */
	struct err err;		/* why the last address failed */
	void (*done)(void *ctx, int fd, const struct err *err);
	void *ctx;
};

/* done is called from the loop, never from here: fd is its to close, or -1 with err. */
void dial_start(struct dial *dial, struct loop *loop, const char *where, int64_t seconds,
    void (*done)(void *ctx, int fd, const struct err *err), void *ctx);
void dial_cancel(struct dial *dial);	/* {0} and a finished one are fine */

#endif
