#include "spool/relaying.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4 = 96 };	/* bits before an IPv4 address that is written as an IPv6 one */

/* "192.0.2.0/24", as bytes of an IPv6 address and the length of its prefix. */
static bool
read_network(struct span word, unsigned char ip[16], uint64_t *bits)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];
	struct span address, length = word;

	span_cut(&length, '/', &address);
	if (address.len == 0 || address.len >= sizeof text)
		return false;
	memcpy(text, address.p, address.len);
	text[address.len] = '\0';
	bool dotted = inet_pton(AF_INET, text, ip + 12) == 1;
	if (dotted)
		memcpy(ip, mapped, sizeof mapped);
	else if (inet_pton(AF_INET6, text, ip) != 1)
		return false;
	*bits = dotted ? 32 : 128;
	if (address.len < word.len && span_number(length, *bits, bits) < 0)
		return false;
	*bits += dotted ? V4 : 0;
	return true;
}

static bool
is_v4(const unsigned char ip[16], uint64_t bits)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	return bits >= V4 && memcmp(ip, mapped, sizeof mapped) == 0;
}

/* Nobody's own network: wider than the widest that is handed out for private or
 * provider use (10.0.0.0/8; fc00::/7, and 2000::/3 is all of the public IPv6). */
static bool
is_everybody(struct span word)
{
	unsigned char ip[16];
	uint64_t bits;

	if (!read_network(word, ip, &bits))
		return false;
	if (is_v4(ip, bits))
		return bits < V4 + 8;
	bool private = (ip[0] & 0xfe) == 0xfc && bits >= 7;
	return bits < 16 && !private && ip[0] != 0xfe;
}

int
relaying_ask(const struct settings *settings, struct route_match *anywhere, struct err *err)
{
	*anywhere = route_find(settings, SPAN("anybody@anywhere.invalid"));
	if (anywhere->kind != ROUTE_LATER)
		return 0;
	return err_set(err, ERR_TEMP, "%s: [addresses] routes: whether this is an open relay cannot be said now: %.300s; "
	    "see that it answers, or take it out there", conf_origin(&settings->conf, "addresses", "", "routes"),
	    anywhere->rest);
}

int
relaying_check(const struct route_match *anywhere, const char *relay_from, struct err *err)
{
	struct span rest = span_of(relay_from), word;

	if (!route_leads_out(anywhere->kind))
		return 0;
	if (!anywhere->wildcard)
		return err_set(err, ERR_CONFIG, "a pattern of [routes] that is not \"*\" means every address; say "
		    "\"*\", which only relay-from may use");
	while ((word = span_word(&rest)).len > 0)
		if (is_everybody(word))
			return err_set(err, ERR_CONFIG, "relay-from %.*s lets everybody send anywhere through the \"*\" "
			    "route; name your own networks instead", (int)word.len, word.p);
	return 0;
}
