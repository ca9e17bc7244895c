/*
 * lane - one message at a time on its way along a road (road.h).
 *
 * What a transport sees: the road gives it a message, it notes what became of each
 * recipient, and says that it is done.  A lane keeps what its transport keeps from one
 * message to the next, a connection; the lanes of a road know nothing of each other.  One that
 * is on no road has an owner who is told when the message is over (pass.h).
 *
 * A transport that can have more than one message under way asks for them: each is on a rider, a
 * lane that has no connection but its stem's.
 */
#ifndef RELAY_LANE_H
#define RELAY_LANE_H

#include "lib/net/loop.h"
#include "spool/queue.h"

struct relay;
struct road;
struct transport;

struct lane {
	struct relay *relay;
	struct road *road;	/* NULL: it is of its own, and over() is called */
	const char *rest;	/* of the destination, behind "smtp:" or "maildir:" */
	const struct transport *transport;
	void *work;		/* the transport's */
	struct message message;
	bool busy;		/* the message is with the transport */
	bool proven;		/* it has brought one since it rested */
	struct lane *stem;	/* of a rider; NULL: it is none */
	struct lane **rider;
	size_t riders;
	void (*over)(struct lane *lane, const struct err *err);		/* frees no lane */
	void *ctx;
};

struct lane *lane_new(struct road *road);
struct lane *lane_of_its_own(struct relay *relay, const char *rest, const struct transport *transport,
    void (*over)(struct lane *lane, const struct err *err), void *ctx);	/* rest is borrowed */
void lane_early(struct lane *lane);	/* a connection now: a message will come */
void lane_take(struct lane *lane);	/* its message is with the transport */
void lane_send(struct lane *lane);	/* its message, to the transport */
void lane_rest(struct lane *lane);	/* nothing more for now; not while it is at work */
bool lane_at_work(const struct lane *lane);	/* it or a rider of it is busy */
struct lane *lane_slot(struct lane *lane);	/* of the two, one that is not */
void lane_free(struct lane *lane);

/* For transports.  Waiting: neither done nor failed yet. */
bool lane_waiting(const struct lane *lane, size_t rcpt);
void lane_rcpt(struct lane *lane, size_t rcpt, enum rcpt_state state, const char *reply);
void lane_rcpt_done(struct lane *lane, size_t rcpt, const char *reply, enum dsn_kind kind);
		/* done; its sender is told, as this kind, if he asked to be */
void lane_rcpt_err(struct lane *lane, size_t rcpt, const struct err *err);	/* PERM: failed */
struct lane *lane_more(struct lane *lane);	/* one more message, for lane or a rider of it, one of which has
			   one; NULL: there is none for them now */
void lane_done(struct lane *lane, const struct err *err);
			/* err: the destination cannot be reached, so all of it waits; or NULL */
void lane_broken(struct lane *lane, const struct err *err);	/* instead: the connection, a fresh
			   one, broke under this message, and nobody knows of it */
void lane_back(struct lane *lane);	/* instead: nobody knows of it, nor is it to blame; it waits as
			   before, but for what is said of some recipients */

#endif
