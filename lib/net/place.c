#include "lib/net/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

int
place_split(const char *where, struct str *host, struct str *port, struct err *err)
{
	const char *colon = strrchr(where, ':');
	uint64_t number;

	if (colon == NULL || span_number(span_of(colon + 1), 65535, &number) < 0)
		return err_set(err, ERR_CONFIG, "%s: not HOST:PORT", where);
	struct span name = { where, (size_t)(colon - where) };
	bool bracketed = name.len > 2 && name.p[0] == '[' && name.p[name.len - 1] == ']';
	if (bracketed)
		name = (struct span){ name.p + 1, name.len - 2 };
	if (name.len == 0 || (memchr(name.p, ':', name.len) != NULL) != bracketed ||
	    (name.p[0] == '[' && !bracketed))
		return err_set(err, ERR_CONFIG, "%s: not HOST:PORT; an IPv6 address stands in [ ]", where);
	str_set_span(host, name);
	str_set(port, colon + 1);
	return 0;
}

void
place_join(const char *host, const char *port, struct str *out)
{
	str_printf(out, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

void
ip_of(const struct sockaddr *address, struct ip *ip)
{
	*ip = (struct ip){0};
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, address, sizeof in6);
		memcpy(ip->bytes, &in6.sin6_addr, 16);
	} else if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof in);
		memcpy(ip->bytes, mapped, sizeof mapped);
		memcpy(ip->bytes + 12, &in.sin_addr, 4);
	}
}

int
ip_parse(struct span text, struct ip *ip)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof copy || memchr(text.p, '\0', text.len) != NULL)
		return -1;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET6, copy, ip->bytes) == 1)
		return 0;
	memcpy(ip->bytes, mapped, sizeof mapped);
	return inet_pton(AF_INET, copy, ip->bytes + 12) == 1 ? 0 : -1;
}

bool
ip_same(const struct ip *a, const struct ip *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool
ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->bytes, mapped, sizeof mapped) == 0;
}

struct ip
ip_host(const struct ip *ip)
{
	struct ip host = *ip;
	const bool own = (ip->bytes[0] & 0xfe) == 0xfc || (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80);

	if (!ip_is_v4(ip) && !ip_is_loopback(ip) && !own)
		memset(host.bytes + 8, 0, 8);
	return host;
}

bool
ip_is_loopback(const struct ip *ip)
{
	static const unsigned char one[16] = { [15] = 1 };

	return ip_is_v4(ip) ? ip->bytes[12] == 127 : memcmp(ip->bytes, one, sizeof one) == 0;
}

void
ip_show(const struct ip *ip, struct str *out)
{
	char text[INET6_ADDRSTRLEN];

	if (ip_is_v4(ip))
		inet_ntop(AF_INET, ip->bytes + 12, text, sizeof text);
	else
		inet_ntop(AF_INET6, ip->bytes, text, sizeof text);
	str_add_text(out, text);
}

unsigned
ip_port(const struct sockaddr *address)
{
	/* The port stands at the same place in both families. */
	struct sockaddr_in in;

	memcpy(&in, address, sizeof in);
	return ntohs(in.sin_port);
}

void
place_show(const struct sockaddr *address, struct str *out)
{
	struct ip ip;
	struct str host = {0}, port = {0};

	ip_of(address, &ip);
	ip_show(&ip, &host);
	str_printf(&port, "%u", ip_port(address));
	place_join(str_c(&host), str_c(&port), out);
	str_free(&host);
	str_free(&port);
}

static bool
same_bits(const struct ip *a, const struct ip *b, unsigned bits)
{
	if (memcmp(a->bytes, b->bytes, bits / 8) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	unsigned char mask = (unsigned char)(0xff << (8 - bits % 8));
	return ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & mask) == 0;
}

static bool
clean_behind(const struct network *network)
{
	for (unsigned bit = network->bits; bit < 128; bit++)
		if ((network->ip.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

int
network_parse(struct span text, struct network *network, struct err *err)
{
	struct span rest = text, host;
	uint64_t bits;
	int shown = (int)(text.len < 100 ? text.len : 100);

	*network = (struct network){0};
	span_cut(&rest, '/', &host);
	bool one_host = host.len == text.len;
	if (ip_parse(host, &network->ip) < 0)
		return err_set(err, ERR_CONFIG, "%.*s: not a network, as 192.0.2.0/24 or 2001:db8::/32",
		    shown, text.p);
	/* ::ffff:192.0.2.0/120 is an IPv4 network, however it is written. */
	network->v4 = ip_is_v4(&network->ip);
	bool dotted = memchr(host.p, ':', host.len) == NULL;
	bits = dotted ? 32 : 128;
	if (!one_host && span_number(rest, bits, &bits) < 0)
		return err_set(err, ERR_CONFIG, "%.*s: /0 to /%d is the length of a prefix", shown, text.p,
		    dotted ? 32 : 128);
	network->bits = (unsigned)bits + (dotted ? 96 : 0);
	if (network->bits < 96)
		network->v4 = false;
	if (!clean_behind(network))
		return err_set(err, ERR_CONFIG, "%.*s: has bits set behind its prefix", shown, text.p);
	return 0;
}

bool
network_has(const struct network *network, const struct ip *ip)
{
	return network->v4 == ip_is_v4(ip) && same_bits(&network->ip, ip, network->bits);
}
