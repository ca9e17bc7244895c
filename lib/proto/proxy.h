/*
 * proxy - the header that a HAProxy puts in front of a connection (PROXY protocol 1 and 2).
 *
 * It says who is behind the proxy.  Only who is known to be one may say so; whoever calls
 * proxy_feed knows that.  At most PROXY_MAX bytes are read, and nothing behind the header.
 */
#ifndef LIB_PROTO_PROXY_H
#define LIB_PROTO_PROXY_H

#include "lib/base/err.h"

enum { PROXY_MAX = 16 + 536 };	/* version 2 with all that it may tell of a connection, and more */

struct proxy {
	struct str in;
	bool named;		/* false: a connection of the proxy's own, as to see whether we live */
	struct str ip, port;	/* as numbers */
};

int proxy_feed(struct proxy *proxy, struct span *in, struct err *err);	/* takes bytes off in.
			   1: the header is whole; 0: more is to come; -1: it is none */
void proxy_free(struct proxy *proxy);

#endif
