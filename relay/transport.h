/*
 * transport - how mail reaches a destination: rows of a table.
 *
 * A lane (lane.h) hands over one message at a time with send().  The transport notes
 * with lane_rcpt() what became of each recipient that was waiting, and ends with
 * lane_done(), from inside send() or later from the loop.  One that can have several under
 * way asks with lane_more(), when it has one.
 */
#ifndef RELAY_TRANSPORT_H
#define RELAY_TRANSPORT_H

#include "spool/route.h"

struct lane;

struct transport {
	const char *name;
	enum route_kind kind;
	bool many;		/* several lanes at a time, as [hop] says (road.h) */
	void (*open)(struct lane *lane);	/* once, may set lane->work; may be NULL */
	void (*early)(struct lane *lane);	/* a connection, before there is a message; may be NULL */
	void (*send)(struct lane *lane);	/* lane->message */
	void (*rest)(struct lane *lane);	/* nothing more for now; may be NULL */
	void (*close)(struct lane *lane);	/* at once, even in the middle; may be NULL */
};

extern const struct transport transport_command, transport_filter, transport_lmtp, transport_maildir, transport_mbox,
    transport_mx, transport_release, transport_smtp, transport_smtps;

extern const struct transport *const transports[];	/* NULL-ended */

const struct transport *transport_of(enum route_kind kind);	/* NULL: calls and batches see to it */

#endif
