/*
 * listen - a socket that takes connections.
 *
 * Binding and taking are two steps: a program binds (port 25 needs the right to),
 * gives its rights away, and then starts.  With port 0 the system chooses; where has
 * the real one.  Out of descriptors, taking pauses for a second: it does not spin.
 */
#ifndef LIB_NET_LISTEN_H
#define LIB_NET_LISTEN_H

#include <sys/socket.h>

#include "lib/net/loop.h"

struct listener {
	int fd;			/* -1: not bound */
	struct str where;	/* "127.0.0.1:2525", as bound */
	char *path;		/* of a socket of ours, removed with it; or NULL */
	struct loop *loop;
	struct watch watch;
	struct timer pause;
	void (*taken)(void *ctx, int fd, const struct sockaddr *peer);	/* owns fd */
	void *ctx;
};

int listener_bind(struct listener *listener, const char *where, struct err *err);
		/* HOST:PORT, of a name with several addresses the first; or unix:/PATH, which is
		 * made 0660, in place of one that nobody listens on */
int listener_adopt(struct listener *listener, int fd, const char *where, struct err *err);
		/* a socket that somebody bound for us */
void listener_start(struct listener *listener, struct loop *loop,
    void (*taken)(void *ctx, int fd, const struct sockaddr *peer), void *ctx);
void listener_close(struct listener *listener);

#endif
