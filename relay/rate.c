#include "relay/rate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"

enum { PLACES = 8 };	/* in which one may stand */

/* FNV-1a */
static size_t
place_of(const struct ip *ip)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof ip->bytes; i++)
		hash = (hash ^ ip->bytes[i]) * 16777619u;
	return hash % RATE_CLIENTS;
}

/* One of n more in that period: how many it makes. */
static uint64_t
count(struct rate *rate, const struct ip *as, int64_t period, uint64_t n, int64_t now)
{
	size_t at = place_of(as);
	struct rate_client *found = NULL;

	if (rate->client == NULL)
		rate->client = mem_get(RATE_CLIENTS * sizeof *rate->client);
	for (size_t i = 0; i < PLACES; i++) {
		struct rate_client *one = &rate->client[(at + i) % RATE_CLIENTS];
		if (one->count > 0 && ip_same(&one->ip, as)) {
			found = one;
			break;
		}
		if (found == NULL || one->last < found->last)
			found = one;
	}
	if (!ip_same(&found->ip, as) || found->period != period)
		*found = (struct rate_client){ .ip = *as, .period = period };
	found->last = now;
	found->count += n;
	return found->count;
}

uint64_t
rate_count(struct rate *rate, const struct ip *ip, int64_t now)
{
	const struct ip as = ip_host(ip);

	return count(rate, &as, now / (60 * CLOCK_SECOND), 1, now);
}

uint64_t
rate_name(struct rate *rate, struct span name, int64_t seconds, uint64_t n, int64_t now)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};
	struct ip as;

	digest_start(&digest);
	digest_add(&digest, name.p, name.len);
	digest_end(&digest, sum);
	memcpy(as.bytes, sum, sizeof as.bytes);
	return count(rate, &as, now / (seconds * CLOCK_SECOND), n, now);
}

void
rate_free(struct rate *rate)
{
	free(rate->client);
	*rate = (struct rate){0};
}
