/* Which hosts are in which networks (open-relay rows OS-11, OS-12). */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/place.h"
#include "tests/unit/unit.h"

static const struct {
	const char *network, *ip;
	bool in;
} rows[] = {
	{ "127.0.0.0/8", "127.0.0.1", true },
	{ "127.0.0.0/8", "127.255.255.255", true },
	{ "127.0.0.0/8", "128.0.0.0", false },
	{ "10.0.0.0/8", "100.0.0.1", false },
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.10", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.128/25", "192.0.2.129", true },
	{ "192.0.2.0/31", "192.0.2.1", true },
	{ "192.0.2.0/31", "192.0.2.2", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "::ffff:203.0.113.9", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
	{ "192.0.2.0/24", "::ffff:192.0.3.9", false },
	{ "::ffff:192.0.2.0/120", "192.0.2.9", true },
	{ "::ffff:0:0/96", "192.0.2.9", true },
	{ "::1/128", "::1", true },
	{ "::1", "::2", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "192.0.2.9", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "fe80::/10", "febf::1", true },
	{ "fe80::/10", "fec0::1", false },
};

START_TEST(a_host_is_in_a_network)
{
	struct network network;
	struct ip ip;
	struct err err;

	ck_assert_msg(network_parse(span_of(rows[_i].network), &network, &err) == 0, "%s", err.text);
	ck_assert_int_eq(ip_parse(span_of(rows[_i].ip), &ip), 0);
	ck_assert_msg(network_has(&network, &ip) == rows[_i].in, "%s in %s", rows[_i].ip,
	    rows[_i].network);
}
END_TEST

static const struct {
	const char *one, *other;
	bool same;
} hosts[] = {
	{ "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true }, { "2001:db8:0:1::1", "2001:db8:0:2::1", false },
	{ "192.0.2.1", "192.0.2.2", false }, { "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "fe80::1", "fe80::2", false }, { "fd00::1", "fd00::2", false }, { "fc12::1", "fc12::2", false },
	{ "::1", "::2", false }, { "fec0::1", "fec0::2", true },
};

START_TEST(a_host_has_its_64_of_the_ipv6)
{
	struct ip one, other;

	ck_assert_int_eq(ip_parse(span_of(hosts[_i].one), &one), 0);
	ck_assert_int_eq(ip_parse(span_of(hosts[_i].other), &other), 0);
	one = ip_host(&one);
	other = ip_host(&other);
	ck_assert_msg(ip_same(&one, &other) == hosts[_i].same, "%s, %s", hosts[_i].one, hosts[_i].other);
}
END_TEST

static const char *const wrong[] = {
	"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.1/8", "10.", "10/8",
	"::1/129", "2001:db8::1/32", "[::1]", "0x7f.0.0.1", "2130706433", "localhost", "127.0.0.1:25",
	"1.2.3.4.5", "01.2.3.4", "::ffff:192.0.2.1/112",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

START_TEST(what_is_no_network_is_refused)
{
	struct network network;
	struct err err = {0};

	ck_assert_int_eq(network_parse(span_of(wrong[_i]), &network, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

static const struct {
	const char *where, *host, *port;	/* host NULL: refused */
} places[] = {
	{ "127.0.0.1:25", "127.0.0.1", "25" },
	{ "localhost:0", "localhost", "0" },
	{ "[::1]:2525", "::1", "2525" },
	{ "::1:2525", NULL, NULL },
	{ "localhost", NULL, NULL },
	{ ":25", NULL, NULL },
	{ "[]:25", NULL, NULL },
	{ "[localhost]:25", NULL, NULL },
	{ "localhost:", NULL, NULL },
	{ "localhost:65536", NULL, NULL },
	{ "localhost:smtp", NULL, NULL },
};

START_TEST(a_place_is_host_and_port)
{
	struct str host = {0}, port = {0}, again = {0};
	struct err err;
	int result = place_split(places[_i].where, &host, &port, &err);

	ck_assert_int_eq(result, places[_i].host != NULL ? 0 : -1);
	if (result == 0) {
		ck_assert_str_eq(str_c(&host), places[_i].host);
		ck_assert_str_eq(str_c(&port), places[_i].port);
		place_join(str_c(&host), str_c(&port), &again);
		ck_assert_str_eq(str_c(&again), places[_i].where);
	}
	str_free(&host);
	str_free(&port);
	str_free(&again);
}
END_TEST

START_TEST(a_mapped_address_is_shown_as_ipv4)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	struct str out = {0};

	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr), 1);
	place_show((struct sockaddr *)&in6, &out);
	ck_assert_str_eq(str_c(&out), "192.0.2.7:25");
	str_clear(&out);
	in6.sin6_addr = in6addr_loopback;
	place_show((struct sockaddr *)&in6, &out);
	ck_assert_str_eq(str_c(&out), "[::1]:25");
	str_free(&out);
}
END_TEST

UNIT("place",
    { a_host_is_in_a_network, ROWS(rows) },
    { a_host_has_its_64_of_the_ipv6, ROWS(hosts) },
    { what_is_no_network_is_refused, ROWS(wrong) },
    { a_place_is_host_and_port, ROWS(places) },
    { a_mapped_address_is_shown_as_ipv4, 1 })
