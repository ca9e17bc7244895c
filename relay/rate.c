#include "relay/rate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"

enum { PLACES = 8 };	/* in which one may stand */

static struct ip
counted_as(const struct ip *ip)
{
	struct ip network = *ip;

	if (!ip_is_v4(ip))
		memset(network.bytes + 8, 0, 8);
	return network;
}

/* FNV-1a */
static size_t
place_of(const struct ip *ip)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof ip->bytes; i++)
		hash = (hash ^ ip->bytes[i]) * 16777619u;
	return hash % RATE_CLIENTS;
}

uint64_t
rate_count(struct rate *rate, const struct ip *ip, int64_t now)
{
	const struct ip as = counted_as(ip);
	const int64_t minute = now / (60 * CLOCK_SECOND);
	size_t at = place_of(&as);
	struct rate_client *found = NULL;

	if (rate->client == NULL)
		rate->client = mem_get(RATE_CLIENTS * sizeof *rate->client);
	for (size_t i = 0; i < PLACES; i++) {
		struct rate_client *one = &rate->client[(at + i) % RATE_CLIENTS];
		if (one->count > 0 && ip_same(&one->ip, &as)) {
			found = one;
			break;
		}
		if (found == NULL || one->last < found->last)
			found = one;
	}
	if (!ip_same(&found->ip, &as) || found->minute != minute)
		*found = (struct rate_client){ .ip = as, .minute = minute };
	found->last = now;
	return ++found->count;
}

void
rate_free(struct rate *rate)
{
	free(rate->client);
	*rate = (struct rate){0};
}
