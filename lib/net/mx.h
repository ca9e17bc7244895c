/*
 * mx - where mail for a domain is taken: its MX records and their addresses, asked of the DNS
 * without stopping the loop (RFC 5321 5.1).
 *
 * The places come best first: by preference, at random within one, the two families of
 * addresses by turns.  A domain without MX is its own host; one that says "MX 0 ." takes no
 * mail (RFC 7505, ERR_PERM 5.1.10), one that there is not is ERR_PERM 5.1.2.  Where we are among
 * the hosts, those that are no better than we are left out, and nobody left means a loop.
 * Whatever the DNS cannot tell now is ERR_TEMP.
 *
 * A lookup has name servers, sockets and time of its own (dns.h).
 */
#ifndef LIB_NET_MX_H
#define LIB_NET_MX_H

#include "lib/net/dns.h"

enum { MX_HOSTS = 16, MX_PLACES = 32 };	/* more are not looked at */

struct mx_place {
	char *host;		/* its name, for TLS and the log */
	char *address;		/* 192.0.2.1 or 2001:db8::1 */
	unsigned preference;	/* the least is the best */
};

struct mx_places {
	struct mx_place *place;
	size_t count;
};
void mx_places_free(struct mx_places *places);

struct mx_host;

struct mx {
	struct loop *loop;
	char *domain, *ourselves;
	struct dns dns;
	struct timer end, limit;	/* for the answer; for all */
	struct mx_host *host;
	size_t hosts, asked;	/* asked: whose addresses are still to come */
	bool implicit;		/* there is no MX: the domain itself */
	struct err err;
	void (*done)(void *ctx, struct mx_places *places, const struct err *err);
	void *ctx;
};

/* domain may be "[192.0.2.1]".  servers: "127.0.0.1:5353 ..." or "" for the system's;
 * ourselves: our host name.  done is called from the loop, never from here; the places are
 * its to free. */
void mx_start(struct mx *mx, struct loop *loop, const char *domain, const char *servers,
    const char *ourselves, int64_t seconds,
    void (*done)(void *ctx, struct mx_places *places, const struct err *err), void *ctx);
void mx_cancel(struct mx *mx);		/* {0} and a finished one are fine */

#endif
