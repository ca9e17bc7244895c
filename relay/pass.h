/*
 * pass - a message that goes on before it is answered for: what the next hop says to it is
 * what our client hears.
 *
 *	pass_open(&pass, relay, on_passed)
 *	pass_ready(&pass)				connect now: more will come
 *	if (pass_may(&pass, env, false)) pass_send(&pass, &arrival)	on_passed will be called
 *	pass_close(&pass)				at any time, also in the middle
 *
 * The message stands whole in tmp/, where nothing was promised: when the next hop has taken
 * it, it is forgotten, so nobody sends it again, whatever happens then; when the next hop
 * refuses it, the client is told, in the same words, and keeps it.  What cannot be told so is
 * left to the spool, with the outcomes noted in the entry: recipients of different fates, and
 * reports of success that the next hop does not make.
 *
 * All recipients must be for one next hop; for others, where filters come
 * before it, and while there is a pause for it, the spool is the way.
 */
#ifndef RELAY_PASS_H
#define RELAY_PASS_H

#include "relay/lane.h"
#include "spool/route.h"

struct relay;

enum passed {
	PASS_TAKEN,		/* by the next hop: err holds its words, and nothing is left to do */
	PASS_REFUSED,		/* err, its words: the client is to keep it */
	PASS_PARTED,		/* the outcomes are in the arrival, which is to be accepted */
	PASS_NOT,		/* it could not be reached, or nobody knows: err says why */
};

struct pass {
	struct relay *relay;
	struct spool outside;	/* of the message under way: tmp/ is no queue */
	struct queue queue;
	struct lane *lane;	/* to the next hop of the last one; NULL: none yet */
	struct str folder;	/* and that hop */
	struct str rest;
	struct arrival *arrival;
	struct timer over;	/* the transport is told nothing from inside itself */
	enum passed result;
	struct err err;
	void (*done)(struct pass *pass, enum passed result, const struct err *err);
};

void pass_open(struct pass *pass, struct relay *relay,
    void (*done)(struct pass *pass, enum passed result, const struct err *err));
void pass_ready(struct pass *pass);	/* to where "*" leads */
bool pass_may(struct pass *pass, const struct envelope *env, bool paused);	/* paused: even so */
int pass_send(struct pass *pass, struct arrival *arrival, struct err *err);	/* it has ended */
bool pass_busy(const struct pass *pass);
void pass_close(struct pass *pass);

#endif
