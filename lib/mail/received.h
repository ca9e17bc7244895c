/*
 * received - our own trace field, and the count of those of others.
 *
 *	Received: from mail.example.org ([192.0.2.7])
 *		by home.example with ESMTP id 20261121T184502-1;
 *		Sat, 21 Nov 2026 18:45:02 +0000
 *
 * Names in it come from peers.  Each is encoded for its place: what is no letter,
 * digit or one of "-._:[]+=@" becomes '?', so nobody can end the line, open a
 * comment or begin a field of his own (hostile-inputs HDR-01).
 */
#ifndef LIB_MAIL_RECEIVED_H
#define LIB_MAIL_RECEIVED_H

#include <stdint.h>

#include "lib/base/str.h"

enum { RECEIVED_HOPS_MAX = 50 };	/* DATA-06: more is a loop */

struct received {
	struct span helo;	/* what the client called itself; empty: no "from" */
	struct span client;	/* its address, or the user or peer; empty: left out */
	struct span by;		/* our name */
	struct span with;	/* "ESMTP", "SMTP", "BSMTP", "UUCP"; empty: left out */
	struct span id;		/* ours; empty: left out */
	int64_t when;		/* microseconds, as clock_now() */
	struct span user;	/* who has proven that it is he; empty: left out */
};

void received_field(const struct received *received, struct str *out);	/* with CRLFs */

#endif
