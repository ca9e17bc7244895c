/*
 * place - where a host is on the network, and which networks it is in.
 *
 * A struct ip has one form for each host: an IPv4 address is kept as its IPv4-mapped
 * IPv6 address (RFC 4291 2.5.5.2), so ::ffff:192.0.2.1 and 192.0.2.1 are the same host
 * to every rule.
 */
#ifndef LIB_NET_PLACE_H
#define LIB_NET_PLACE_H

#include <sys/socket.h>

#include "lib/base/err.h"

struct ip {
	unsigned char bytes[16];
};

struct network {
	struct ip ip;
	unsigned bits;		/* of the 128: IPv4's /8 is 104 here */
	bool v4;
};

/* "HOST:PORT" or "[::1]:PORT" into its two parts; PORT is 0-65535. */
int place_split(const char *where, struct str *host, struct str *port, struct err *err);
void place_join(const char *host, const char *port, struct str *out);

void ip_of(const struct sockaddr *address, struct ip *ip);	/* other families: :: */
int ip_parse(struct span text, struct ip *ip);	/* numbers only; 0 or -1 */
bool ip_same(const struct ip *a, const struct ip *b);
/* Whom limits count: of IPv6 the /64, all of which one host may have.  In networks of one's own
 * (fe80::/10, fc00::/7, RFC 4291 2.5.6 and 4193) each address is a host. */
struct ip ip_host(const struct ip *ip);
bool ip_is_v4(const struct ip *ip);
bool ip_is_loopback(const struct ip *ip);	/* 127.0.0.0/8, ::1 */
void ip_show(const struct ip *ip, struct str *out);	/* 192.0.2.1, 2001:db8::1 */
unsigned ip_port(const struct sockaddr *address);
void place_show(const struct sockaddr *address, struct str *out);	/* 192.0.2.1:25, [::1]:25 */

/* "192.0.2.0/24", "2001:db8::/32", or one host.  Bits set behind the prefix are an
 * error, because the writer meant something else than what he wrote. */
int network_parse(struct span text, struct network *network, struct err *err);
bool network_has(const struct network *network, const struct ip *ip);

#endif
