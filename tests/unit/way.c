/*
 * Ways to a site: the order they are tried in, what each takes from the site and from itself.
 */
#include "spool/way.h"

#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static const char *const said[] = {
	"site hub.link=ssh://hub", "site hub.alternates= sat   modem ", "site hub.call-window=19:00-07:00",
	"site hub.time-zone=UTC", "site hub.call-largest=1M", "site hub.money-per-minute=2", "site hub.timeout=7",
	"site hub.month-money=3",
	"way sat.link=exec:sat", "way sat.call-largest=10K", "way sat.money-per-megabyte=7.5", "way sat.call-window=grade<=C",
	"way modem.link=exec:modem", "way modem.call-largest=5M", "site home.link=",
};
static struct scratch s;
static const int64_t noon = INT64_C(1795435200) * CLOCK_SECOND;	/* 2026-11-23T12:00:00Z */

static void
setup(void)
{
	scratch_open(&s, said, sizeof said / sizeof said[0]);
	clock_set(noon);
}

static void
teardown(void)
{
	scratch_close(&s);
}

static bool
nth(const char *site, size_t n, struct way *way)
{
	return way_nth(&s.settings, settings_site(&s.settings, site), n, way);
}

START_TEST(its_own_link_comes_first_then_its_alternates)
{
	struct way way;

	ck_assert(nth("hub", 0, &way));
	ck_assert_str_eq(way.site.link, "ssh://hub");
	ck_assert_str_eq(way.name, "");
	ck_assert(nth("hub", 1, &way));
	ck_assert_str_eq(way.site.link, "exec:sat");
	ck_assert_str_eq(way.name, "sat");
	ck_assert(nth("hub", 2, &way));
	ck_assert_str_eq(way.site.link, "exec:modem");
	ck_assert(!nth("hub", 3, &way) && !nth("hub", 99, &way));
	ck_assert(!nth("home", 0, &way) && !nth("home", 1, &way));
}
END_TEST

START_TEST(a_way_says_its_own_and_the_rest_is_the_sites)
{
	struct way way;

	nth("hub", 1, &way);
	ck_assert_uint_eq(way.site.call_largest, 10240);
	ck_assert_uint_eq(way.site.money_per_megabyte, 7500000);
	ck_assert_uint_eq(way.site.money_per_minute, 0);
	ck_assert_int_eq(way.site.timeout, 7);
	nth("hub", 2, &way);
	ck_assert_uint_eq(way.site.call_largest, 1 << 20);	/* the smaller of both */
	ck_assert_str_eq(way.site.call_window, "");
}
END_TEST

START_TEST(each_has_windows_of_its_own)
{
	struct str why = {0};
	struct way way;

	nth("hub", 0, &way);
	ck_assert(!way_open(&s.spool, &way, noon, &why));
	ck_assert_str_eq(str_c(&why), "outside its call-window, which opens next 2026-11-23T19:00:00Z");
	ck_assert(way_open(&s.spool, &way, noon + INT64_C(8) * 3600 * CLOCK_SECOND, &why));
	ck_assert_int_eq(way.grade, 0);
	nth("hub", 1, &way);
	ck_assert(way_open(&s.spool, &way, noon, &why));
	ck_assert_int_eq(way.grade, 'C');
	nth("hub", 2, &way);
	ck_assert(way_open(&s.spool, &way, noon, &why));
	str_free(&why);
}
END_TEST

START_TEST(the_months_money_is_the_sites_whichever_way)
{
	struct str why = {0};
	struct way way;

	nth("hub", 1, &way);
	ck_assert(way_open(&s.spool, &way, noon, &why));
	ck_assert_uint_eq(budget_bytes(&way.left, 0, 0), 400000);	/* 3 of 7.5 a megabyte */
	spool_event(&s.spool, "hub", "event=call result=ok peer=hub wire_up=1 wire_down=1 secs=1 cost=3.1 way=sat");
	ck_assert(!way_open(&s.spool, &way, noon, &why));
	ck_assert_str_eq(str_c(&why), "month-money is used up until the month ends "
	    "(--set 'site hub.month-money=0' calls all the same)");
	str_free(&why);
}
END_TEST

/* What is said | what is wrong with it */
static const char *const wrong[][2] = {
	{ "site hub.alternates=none", "no [way none]" }, { "way sat.link=", "has no link" },
	{ "site home.alternates=sat", "the first way is its link" }, { "site hub.call-window=nine to five", "windows, as" },
	{ "site hub.time-zone=Middle/Earth", "tzdata" }, { "way sat.call-window=Mon,", "windows, as" },
	{ "way sat.money-per-minute=-1", "an amount" },
};

START_TEST(what_cannot_be_is_refused)
{
	const char *all[ROWS(said) + 1];
	struct settings settings;
	struct settings_args args = { .root = s.root, .set = { all, ROWS(said) + 1 } };
	struct err err = {0};

	memcpy(all, said, sizeof said);
	all[ROWS(said)] = wrong[_i][0];
	ck_assert_int_lt(settings_load(&settings, &args, &err), 0);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_msg(strstr(err.text, wrong[_i][1]) != NULL, "%s", err.text);
	settings_free(&settings);
}
END_TEST

UNIT_WITH("way", setup, teardown,
	{ its_own_link_comes_first_then_its_alternates, 1 },
	{ a_way_says_its_own_and_the_rest_is_the_sites, 1 },
	{ each_has_windows_of_its_own, 1 },
	{ the_months_money_is_the_sites_whichever_way, 1 },
	{ what_cannot_be_is_refused, ROWS(wrong) })
