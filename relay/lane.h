/*
 * lane - one destination and what waits for it.
 *
 * A lane goes through its queue, grade then age, one message at a time, and gives way
 * to the loop between two.  Lanes know nothing of each other: one whose destination is
 * dead or slow stops nobody.
 *
 * Two kinds of pause.  A destination that cannot be reached pauses as a whole, twice as
 * long each time (spool/retry.h); one message is its probe.  A recipient that was deferred
 * while others get through pauses alone, for as long as the message is old, between
 * retry-after and retry-max; the time is read from the entry's own history, so nothing
 * else is kept.
 *
 * A connection that breaks under a message may be the message's fault, or the line's: the
 * message pauses alone and the next one is tried, but after LANE_BROKEN in a row the
 * destination pauses.
 */
#ifndef RELAY_LANE_H
#define RELAY_LANE_H

#include "lib/net/loop.h"
#include "spool/queue.h"

enum { LANE_BROKEN = 3 };

struct relay;
struct transport;

struct lane {
	struct relay *relay;
	char *folder;		/* below out/ */
	char *rest;		/* of the destination, behind "smtp:" or "maildir:" */
	const struct transport *transport;
	void *work;		/* the transport's */
	struct timer timer;	/* the next step */
	struct queue queue;
	struct message message;
	bool open;		/* the queue is */
	bool busy;		/* the message is with the transport */
	bool again;		/* something came while the queue was being read */
	int64_t due;		/* the first of those that were not due yet; 0: none */
	bool failing;		/* the destination was unreachable when last tried */
	unsigned broken;	/* connections in a row that broke under a message */
	int64_t asked;		/* somebody said so: what was deferred before is due (retry.h) */
	int64_t stamp;		/* of the folder when the queue was opened */
};

struct lane *lane_new(struct relay *relay, const char *folder, const char *rest,
    const struct transport *transport);
void lane_wake(struct lane *lane, bool sure);	/* not sure: only if its folder has changed */
void lane_stop(struct lane *lane);	/* after the message that is under way */
void lane_free(struct lane *lane);

/* For transports.  Waiting: neither done nor failed yet. */
bool lane_waiting(const struct lane *lane, size_t rcpt);
void lane_rcpt(struct lane *lane, size_t rcpt, enum rcpt_state state, const char *reply);
void lane_rcpt_done(struct lane *lane, size_t rcpt, const char *reply, enum dsn_kind kind);
		/* done; its sender is told, as this kind, if he asked to be */
void lane_rcpt_err(struct lane *lane, size_t rcpt, const struct err *err);	/* PERM: failed */
void lane_done(struct lane *lane, const struct err *err);
			/* err: the destination cannot be reached, so all of it waits; or NULL */
void lane_broken(struct lane *lane, const struct err *err);	/* instead: the connection, a fresh
			   one, broke under this message, and nobody knows of it */

#endif
