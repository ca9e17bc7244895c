/*
 * rate - how often a client came in this minute; how much a name did in its hour.
 *
 * Bounded: a table of fixed size, in which who has not come for longest makes room.  IPv6
 * hosts count by their /64, of which one host may have all.
 */
#ifndef RELAY_RATE_H
#define RELAY_RATE_H

#include "lib/net/place.h"

enum { RATE_CLIENTS = 4096 };

struct rate {
	struct rate_client { struct ip ip; int64_t period, last; uint64_t count; } *client;
};

uint64_t rate_count(struct rate *rate, const struct ip *ip, int64_t now);	/* with this one */
uint64_t rate_name(struct rate *rate, struct span name, int64_t seconds, uint64_t n, int64_t now);
		/* n more of it, in this period of so many seconds */
void rate_free(struct rate *rate);

#endif
