/*
 * reach - a connection to the next hop of a lane: to one of its places, best first.
 *
 * Addresses are tried side by side (RFC 8305): those of one host, and of all hosts that MX records
 * name with one preference; worse ones when these fail, or say nothing for a while (lib/net/dial.h).
 * A place is a host and port, a socket of this host, or one of the addresses that the MX
 * records of a domain lead to (lib/net/mx.h).  What answers may still be no good; the owner
 * then says reach_next() and begins again with the place behind it, as long as there is one.
 *
 *	reach_start(&reach, &on_reached, hop)	from the loop: fd, or -1 and err
 *	... no good before it took a message: if (reach_next(&reach)) reach_start(...) again
 *	reach_forget(&reach)			from the beginning, next time
 *
 * err is ERR_PERM when the DNS says that there is no such hop, or that it takes no mail.
 */
#ifndef RELAY_REACH_H
#define RELAY_REACH_H

#include "lib/net/dial.h"
#include "lib/net/mx.h"

struct lane;

struct reach {
	struct lane *lane;
	struct dial dial;
	struct dial_how how;
	struct socks_proxy proxy;
	struct timer now;	/* for an answer that needs no waiting */
	struct mx mx;
	struct mx_places places;
	size_t at;		/* the place in hand */
	size_t last;		/* while it is dialled: the last of those that are tried with it */
	struct str others, worse;	/* and where these are */
	char *host;		/* its name; "" of a socket */
	struct err err;
	void (*done)(void *ctx, int fd, const struct err *err);
	void *ctx;
};

void reach_open(struct reach *reach, struct lane *lane);
void reach_start(struct reach *reach, void (*done)(void *ctx, int fd, const struct err *err), void *ctx);
bool reach_next(struct reach *reach);
void reach_forget(struct reach *reach);
void reach_close(struct reach *reach);

#endif
