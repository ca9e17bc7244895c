/*
 * road - one destination, what waits for it, and the lanes on which it is carried there.
 *
 * A road goes through its queue, grade then age, gives each message that is due to a lane
 * that is free, and gives way to the loop between two.  Roads know nothing of each other: one
 * whose destination is dead or slow stops nobody.
 *
 * It begins with one lane.  Each message that got through makes room for one lane more, as
 * long as more is due and [hop] connections allows it; so a burst is carried side by side, and
 * a destination that may be dead is asked by one connection.  A lane that gets none of its
 * own where others are served is closed again, and its message goes by another.  Lanes with
 * nothing to do keep their connections for [hop] keep.  A lane that can have more messages
 * under way asks for them (lane_more), and gets them when all lanes that there may be are at work.
 *
 * Two kinds of pause.  A destination that cannot be reached pauses as a whole, twice as
 * long each time (spool/retry.h); one message is its probe.  A recipient that was deferred
 * while others get through pauses alone, for as long as the message is old, between
 * retry-after and retry-max; the time is read from the entry's own history, so nothing
 * else is kept.
 *
 * A connection that breaks under a message may be the message's fault, or the line's: the
 * message pauses alone and the next one is tried, but after ROAD_BROKEN in a row the
 * destination pauses.
 */
#ifndef RELAY_ROAD_H
#define RELAY_ROAD_H

#include "relay/lane.h"

enum { ROAD_BROKEN = 3, ROAD_LANES_MAX = 100 };

struct road {
	struct relay *relay;
	char *folder;		/* below out/ */
	char *rest;
	const struct transport *transport;
	struct lane **lane;
	size_t lanes, window;	/* how many there are, and may be busy now */
	bool full;		/* and that is all it takes of us */
	struct timer timer;	/* the next step */
	struct timer keep;	/* how long idle lanes keep what they have */
	struct timer left;	/* until names that went are made durable, whoever is still under way */
	struct queue queue;
	bool open;		/* the queue is */
	bool walked;		/* to its end; lanes may be busy still */
	bool again;		/* something came while the queue was being read */
	int64_t due;		/* the first of those that were not due yet; 0: none */
	int64_t halted;		/* no more from this queue; then a pause of so many microseconds; 0: no */
	bool failing;		/* the destination was unreachable when last tried */
	unsigned broken;	/* connections in a row that broke under a message */
	int64_t asked;		/* somebody said so: what was deferred before is due (retry.h) */
	int64_t stamp;		/* of the folder when the queue was opened */
};

struct road *road_new(struct relay *relay, const char *folder, const char *rest,
    const struct transport *transport);
void road_wake(struct road *road, bool sure);	/* not sure: only if its folder has changed */
bool road_busy(const struct road *road);
bool road_over(struct road *road);	/* nothing has waited for so long that its folder is gone */
void road_stop(struct road *road);	/* after the messages that are under way */
void road_free(struct road *road);

/* What lanes report (lane.h). */
void road_done(struct lane *lane, const struct err *err);
void road_broken(struct lane *lane, const struct err *err);
void road_back(struct lane *lane);
struct lane *road_more(struct lane *lane);

#endif
