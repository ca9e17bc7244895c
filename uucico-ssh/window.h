/*
 * window - what i and g share: packets that are numbered, and kept until the far end
 * has them.
 *
 *	window_start(&w, modulus, emit)		numbers run 1, 2 ... modulus - 1, 0, 1 ...
 *	window_open(&w, size)			they take so many before they acknowledge one
 *	window_put(u, &w, packet, data)		goes out now, or when there is room for it
 *	window_acked(u, &w, number)		all up to this one arrived
 *	window_again(u, &w, number)		they miss this one;  window_all: all of them
 *
 * emit writes one packet into u->out; it makes the header each time anew, because the
 * acknowledgement in it moves on.
 *
 * The clock: when nothing was heard for a while (ten seconds, or twice what the last
 * acknowledgement took where that is more), window_late() sends the oldest packet
 * again, and the protocol asks for what it misses; then it waits twice as long.  What
 * is still in u->out counts as not sent: it is the line that is slow.  How long all
 * that goes on is for the session to say (config.timeout).
 */
#ifndef UUCICO_SSH_WINDOW_H
#define UUCICO_SSH_WINDOW_H

#include "uucico-ssh/uucp.h"

enum {
	WINDOW_NUMBERS = 32,		/* the largest modulus */
	WINDOW_WAITING_MAX = 1000,	/* packets; who does not acknowledge them is refused */
};

struct packet {
	unsigned kind, local, remote;	/* of the protocol */
	struct str data;
	int64_t at;			/* when it was sent, first; 0 when sent again */
};

struct window {
	void (*emit)(struct uucp *u, unsigned number, const struct packet *packet);
	unsigned modulus, size;
	unsigned next;			/* the number of the next packet */
	unsigned out;			/* unacknowledged: the last so many before next */
	struct packet sent[WINDOW_NUMBERS];	/* by number */
	struct packet *waiting;		/* no room for them yet */
	size_t first, count, allotted;	/* ... from first on, count of them */
	int64_t heard;			/* when something of sense came last */
	int64_t patience;		/* what a silence may last, when the line works */
	int64_t wait;			/* what this one may */
};

void window_start(struct window *w, unsigned modulus,
    void (*emit)(struct uucp *u, unsigned number, const struct packet *packet));
void window_open(struct uucp *u, struct window *w, unsigned size);
void window_put(struct uucp *u, struct window *w, struct packet packet, struct span data);
size_t window_room(const struct window *w);	/* packets that go out at once */
bool window_flooded(const struct window *w);	/* more waits than may */
void window_acked(struct uucp *u, struct window *w, unsigned number);
void window_again(struct uucp *u, struct window *w, unsigned number);
void window_all(struct uucp *u, struct window *w);
void window_heard(struct window *w, int64_t now);
int64_t window_due(const struct uucp *u, const struct window *w);
void window_late(struct uucp *u, struct window *w);
void window_free(struct window *w);

#endif
