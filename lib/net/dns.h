/*
 * dns - c-ares on our loop: whoever has a question asks dns.channel (ares.h), says so, and is
 * answered from the loop.
 *
 *	dns_open(&dns, loop, "127.0.0.1:5353", &err)	"" for the system's name servers
 *	ares_query(dns.channel, ...); dns_asked(&dns);
 *	dns_close(&dns)					questions end with ARES_EDESTRUCTION
 *
 * Built --without-cares it does not open: ERR_CONFIG.
 */
#ifndef LIB_NET_DNS_H
#define LIB_NET_DNS_H

#include "lib/net/loop.h"

enum { DNS_SOCKETS = 16 };

struct ares_channeldata;

struct dns {
	struct loop *loop;
	struct ares_channeldata *channel;	/* NULL: it is not open */
	struct dns_socket {
		int fd;		/* -1: none */
		struct watch read, write;
		struct dns *dns;
	} socket[DNS_SOCKETS];
	struct timer tick;	/* c-ares's own */
};

int dns_open(struct dns *dns, struct loop *loop, const char *servers, struct err *err);
void dns_asked(struct dns *dns);
void dns_close(struct dns *dns);	/* {0} is fine */
struct ares_options;
/* A channel for who waits himself. */
int dns_channel(struct ares_channeldata **channel, struct ares_options *options, int mask, const char *servers,
    struct err *err);
int dns_check_servers(const char *servers, struct err *err);
bool dns_is_asked(void);		/* it was built with c-ares */

#endif
