/* How often a client came: counted by the minute, in bounded memory. */
#include "relay/rate.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

static struct ip
ip(const char *text)
{
	struct ip found;

	ck_assert_int_eq(ip_parse(span_of(text), &found), 0);
	return found;
}

START_TEST(each_counts_for_itself_and_for_a_minute)
{
	struct rate rate = {0};
	struct ip a = ip("192.0.2.1"), b = ip("192.0.2.2"), mapped = ip("::ffff:192.0.2.1");

	ck_assert_uint_eq(rate_count(&rate, &a, 0), 1);
	ck_assert_uint_eq(rate_count(&rate, &a, 59 * CLOCK_SECOND), 2);
	ck_assert_uint_eq(rate_count(&rate, &mapped, 59 * CLOCK_SECOND), 3);
	ck_assert_uint_eq(rate_count(&rate, &b, 59 * CLOCK_SECOND), 1);
	ck_assert_uint_eq(rate_count(&rate, &a, 61 * CLOCK_SECOND), 1);
	rate_free(&rate);
}
END_TEST

START_TEST(a_network_of_ipv6_is_one_host)
{
	struct rate rate = {0};
	struct ip a = ip("2001:db8:0:1::1"), b = ip("2001:db8:0:1:ffff::2"), c = ip("2001:db8:0:2::1");

	ck_assert_uint_eq(rate_count(&rate, &a, 0), 1);
	ck_assert_uint_eq(rate_count(&rate, &b, 0), 2);
	ck_assert_uint_eq(rate_count(&rate, &c, 0), 1);
	rate_free(&rate);
}
END_TEST

START_TEST(a_name_counts_by_its_period)
{
	struct rate rate = {0};

	ck_assert_uint_eq(rate_name(&rate, SPAN("bob"), 3600, 5, 0), 5);
	ck_assert_uint_eq(rate_name(&rate, SPAN("bob"), 3600, 2, 3599 * CLOCK_SECOND), 7);
	ck_assert_uint_eq(rate_name(&rate, SPAN("ann"), 3600, 1, 3599 * CLOCK_SECOND), 1);
	ck_assert_uint_eq(rate_name(&rate, SPAN("bob"), 3600, 1, 3600 * CLOCK_SECOND), 1);
	rate_free(&rate);
}
END_TEST

START_TEST(many_strangers_do_not_make_room_for_one_who_comes_often)
{
	struct rate rate = {0};
	struct ip often = ip("192.0.2.1");
	uint64_t count = 0;

	for (unsigned i = 0; i < 100000; i++) {
		struct ip other = ip("198.51.100.1");
		other.bytes[13] = (unsigned char)(i >> 16);
		other.bytes[14] = (unsigned char)(i >> 8);
		other.bytes[15] = (unsigned char)i;
		rate_count(&rate, &other, i);
		if (i % 100 == 0)
			count = rate_count(&rate, &often, i);
	}
	ck_assert_uint_eq(count, 1000);
	rate_free(&rate);
}
END_TEST

UNIT("rate",
	{ each_counts_for_itself_and_for_a_minute, 1 },
	{ a_network_of_ipv6_is_one_host, 1 },
	{ a_name_counts_by_its_period, 1 },
	{ many_strangers_do_not_make_room_for_one_who_comes_often, 1 })
