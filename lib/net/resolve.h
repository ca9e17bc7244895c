/*
 * resolve - a host's addresses, without stopping the loop.
 *
 * getaddrinfo(3) obeys what the host's administrator has set up (hosts file, DNS,
 * nsswitch) but may block for as long as a dead name server likes.  So a name is asked
 * for in a thread of its own; plain numbers are answered without one.
 */
#ifndef LIB_NET_RESOLVE_H
#define LIB_NET_RESOLVE_H

#include "lib/net/loop.h"

struct addrinfo;
struct question;

struct resolve {
	struct question *question;	/* shared with the thread */
	struct watch watch;
	struct timer now;	/* for an answer that needs no thread */
	void (*done)(void *ctx, struct addrinfo *list, const struct err *err);
	void *ctx;
};

/* done is called from the loop, never from here; the list is its to freeaddrinfo(),
 * or NULL with err. */
void resolve_start(struct resolve *resolve, struct loop *loop, const char *host, const char *port,
    void (*done)(void *ctx, struct addrinfo *list, const struct err *err), void *ctx);
void resolve_cancel(struct resolve *resolve);	/* {0} is fine */

#endif
