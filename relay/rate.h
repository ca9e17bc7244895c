/*
 * rate - how often a client came in this minute.
 *
 * Bounded: a table of fixed size, in which who has not come for longest makes room.  IPv6
 * hosts count by their /64, of which one host may have all.
 */
#ifndef RELAY_RATE_H
#define RELAY_RATE_H

#include "lib/net/place.h"

enum { RATE_CLIENTS = 4096 };

struct rate {
	struct rate_client { struct ip ip; int64_t minute, last; uint64_t count; } *client;
};

uint64_t rate_count(struct rate *rate, const struct ip *ip, int64_t now);	/* with this one */
void rate_free(struct rate *rate);

#endif
