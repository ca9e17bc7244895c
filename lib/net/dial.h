/*
 * dial - a connection to HOST:PORT, whichever of the host's addresses answers first.
 *
 * The addresses are tried side by side (RFC 8305): one after the other is begun, a
 * quarter of a second apart or as soon as one fails, the two families by turns, and the
 * first that connects is taken.  So one that swallows everything costs a quarter of a
 * second, and on a host whose IPv6 leads nowhere nobody notices.  The answer is a
 * connection, or the last failure.
 *
 * A struct dial_how, where there is one, says the rest: a proxy that is asked for the
 * connection (lib/net/socks.h), and what the socket is to be like.
 */
#ifndef LIB_NET_DIAL_H
#define LIB_NET_DIAL_H

#include "lib/base/clock.h"
#include "lib/net/resolve.h"
#include "lib/net/socks.h"

enum { DIAL_ADDRESSES = 32, DIAL_OTHERS = 16 };	/* of a host, and besides; more are not tried */
#define DIAL_PATIENCE (5 * CLOCK_SECOND)	/* a host at the other end of two satellites answers in 1.5 */

struct dial_how {
	const struct socks_proxy *proxy;	/* NULL: none */
	const char *others;	/* more places, ADDRESS:PORT apart by blanks, tried behind those of the
				 * host and side by side with them; NULL: none, and so with a proxy */
	const char *worse;	/* and more, which are begun only when all of these have failed, or have not
				 * answered for so long */
	int64_t patience;	/* 0: DIAL_PATIENCE */
	bool quick;		/* what is written goes out at once (TCP_NODELAY) */
	bool speaks;		/* we speak first, and soon: no packet of its own says that we are connected */
	int64_t silence;	/* seconds without an ack until it is dead; 0: the system's */
	bool lossy;		/* bbr where the kernel has it: loss is no sign of a full line */
};

struct dial {
	struct loop *loop;
	char *where;		/* of the host, and of what we connect to ourselves */
	const char *next_hop;
	const struct dial_how *how;
	struct resolve resolve;
	struct addrinfo *list, *other[DIAL_OTHERS];
	size_t others;
	struct dial_try {
		struct dial *dial;
		const struct addrinfo *address;
		int fd;		/* -1: not begun, or failed */
		struct watch watch;
	} *tries;
	size_t count, begun, open;
	size_t worse;		/* the first of those that are */
	int64_t wait;		/* until then */
	struct timer timer, limit;	/* when the next is begun; when all is given up */
	struct socks socks;
	int fd;			/* connected; the proxy is asked on it */
	struct watch watch;
	struct err err;		/* why the last address failed */
	int number;		/* its errno, or 0; stays when all is over */
	void (*done)(void *ctx, int fd, const struct err *err);
	void *ctx;
};

/* done is called from the loop, never from here: fd is its to close, or -1 with err. */
void dial_start(struct dial *dial, struct loop *loop, const char *where, int64_t seconds,
    void (*done)(void *ctx, int fd, const struct err *err), void *ctx);
/* The same; how lives as long as the dial. */
void dial_start_how(struct dial *dial, struct loop *loop, const char *where, const struct dial_how *how,
    int64_t seconds, void (*done)(void *ctx, int fd, const struct err *err), void *ctx);
void dial_cancel(struct dial *dial);	/* {0} and a finished one are fine */

#endif
