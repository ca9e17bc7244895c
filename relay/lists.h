/*
 * lists - what lists in the DNS (RFC 5782) say of a client: the bad ones, and the good.
 *
 *	lists_check(setting, &err)	"zen.example good.example:-2 mixed.example/127.0.0.2,127.0.0.4:2"
 *	lists_ask(&lists, relay, &ip, setting, servers, seconds, on_told, ctx)	told comes from the loop
 *	lists_leave(&lists)
 *
 * All lists are asked at once.  Each that has the client adds its weight, 1 if nothing is said;
 * one that does not answer in time, or answers with no address of 127.0.0.0/8 (or 127.255.255.0/24, by
 * which they tell us that they do not want to be asked) adds nothing.  Answers are kept as long
 * as the DNS says, but no less than a minute and no more than an hour, LISTS_KEPT of them.
 */
#ifndef RELAY_LISTS_H
#define RELAY_LISTS_H

#include "lib/net/dns.h"
#include "lib/net/place.h"

struct relay;

enum { LISTS_MAX = 16, LISTS_KEPT = 4096, LISTS_ADDRESSES = 8 };

/* What was heard, and the channel by which it is asked: of the relay. */
struct lists_memory {
	struct dns dns;
	char *servers;		/* those that it asks */
	struct lists_known {
		unsigned char key[16];		/* of the zone and client */
		int64_t until;
		uint32_t address[LISTS_ADDRESSES];
		unsigned count;
	} *known;
};
void lists_forget(struct lists_memory *memory);

struct lists_query;

struct lists {
	struct relay *relay;
	struct timer end;
	struct lists_query *query[LISTS_MAX];	/* under way */
	size_t waiting;
	int score;
	struct str names;	/* of those that have him, apart by blanks */
	void (*told)(void *ctx);
	void *ctx;
};

int lists_check(const char *setting, struct err *err);
void lists_ask(struct lists *lists, struct relay *relay, const struct ip *ip, const char *setting,
    const char *servers, int64_t seconds, void (*told)(void *ctx), void *ctx);
void lists_leave(struct lists *lists);		/* {0} is fine */

#endif
