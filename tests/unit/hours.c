/*
 * Windows in which a site may be called, in named time zones, also where clocks are set.
 */
#include "spool/hours.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

static int64_t
utc(const char *text)
{
	int64_t when;
	ck_assert_msg(clock_parse_utc(span_of(text), &when) == 0, "%s", text);
	return when;
}

/* What is said | is it right? */
static const struct { const char *text; bool valid; } texts[] = {
	{ "", true }, { "Mon", true }, { "Mon-Fri", true }, { "sat-mon 08:00-12:00", true }, { "19:00-07:00", true },
	{ "Mon-Fri 19:00-07:00 grade<=C, Sat-Sun", true }, { "grade<=z", true }, { "Sun grade<=0", true },
	{ "00:00-24:00", true }, { "  Mon  19:00-20:00 ,  Tue ", true }, { "07:00-07:00", true },
	{ ",", false }, { "Mon,", false }, { "Mon,,Tue", false }, { "Moo", false }, { "Mon-", true }, { "Mon-Fri-Sat", false },
	{ "7:00-19:00", false }, { "24:00-01:00", false }, { "23:60-01:00", false }, { "25:00-01:00", false }, { "19:00", false },
	{ "19:00-", false }, { "19:00-20:00-21:00", false }, { "grade<=", false }, { "grade<=CC", false }, { "grade<=!", false },
	{ "grade<=C Mon", false }, { "19:00-20:00 Mon", false }, { "Mon Tue", false }, { "grade>C", false }, { "any", false },
	{ "24:01-01:00", false }, { "-", false },
};

START_TEST(what_is_no_window_is_known)
{
	ck_assert_msg(hours_valid(texts[_i].text) == texts[_i].valid, "%s", texts[_i].text);
}
END_TEST

/* 2026-11-23 is a Monday.  Berlin sets its clocks back on 2026-10-25 at 01:00 UTC (03:00 to
 * 02:00) and forward on 2026-03-29 at 01:00 UTC (02:00 to 03:00); New York forward on
 * 2026-03-08 at 07:00 UTC.  grade '-': closed. */
static const struct { const char *text, *zone, *when; char grade; } moments[] = {
	{ "", "UTC", "2026-11-23T12:00:00Z", 0 },
	{ "Mon", "UTC", "2026-11-23T00:00:00Z", 0 }, { "Mon", "UTC", "2026-11-22T23:59:59Z", '-' },
	{ "Mon", "UTC", "2026-11-23T23:59:59Z", 0 }, { "Mon", "UTC", "2026-11-24T00:00:00Z", '-' },
	{ "19:00-07:00", "UTC", "2026-11-23T18:59:59Z", '-' }, { "19:00-07:00", "UTC", "2026-11-23T19:00:00Z", 0 },
	{ "19:00-07:00", "UTC", "2026-11-24T06:59:59Z", 0 }, { "19:00-07:00", "UTC", "2026-11-24T07:00:00Z", '-' },
	/* past midnight it belongs to the day on which it began */
	{ "Fri 19:00-07:00", "UTC", "2026-11-28T06:00:00Z", 0 }, { "Fri 19:00-07:00", "UTC", "2026-11-27T06:00:00Z", '-' },
	{ "Sun 22:00-02:00", "UTC", "2026-11-23T01:00:00Z", 0 }, { "Sun 22:00-02:00", "UTC", "2026-11-22T01:00:00Z", '-' },
	{ "Sat-Mon", "UTC", "2026-11-22T12:00:00Z", 0 }, { "Sat-Mon", "UTC", "2026-11-23T12:00:00Z", 0 },
	{ "Sat-Mon", "UTC", "2026-11-24T12:00:00Z", '-' }, { "Sat-Mon", "UTC", "2026-11-27T12:00:00Z", '-' },
	{ "07:00-07:00", "UTC", "2026-11-24T06:59:59Z", 0 }, { "Mon 07:00-07:00", "UTC", "2026-11-24T06:59:00Z", 0 },
	{ "Mon 07:00-07:00", "UTC", "2026-11-24T07:00:00Z", '-' },
	/* the most generous counts */
	{ "grade<=C", "UTC", "2026-11-23T12:00:00Z", 'C' }, { "grade<=C, 19:00-07:00", "UTC", "2026-11-23T12:00:00Z", 'C' },
	{ "grade<=C, 19:00-07:00", "UTC", "2026-11-23T20:00:00Z", 0 }, { "19:00-07:00, grade<=C", "UTC", "2026-11-23T20:00:00Z", 0 },
	{ "grade<=N, grade<=C", "UTC", "2026-11-23T20:00:00Z", 'N' }, { "grade<=C, grade<=N", "UTC", "2026-11-23T20:00:00Z", 'N' },
	{ "Tue grade<=N, Mon grade<=C", "UTC", "2026-11-23T20:00:00Z", 'C' },
	/* the wall's clock */
	{ "19:00-07:00", "Europe/Berlin", "2026-11-23T18:00:00Z", 0 }, { "19:00-07:00", "Europe/Berlin", "2026-11-23T17:59:59Z", '-' },
	{ "19:00-07:00", "Europe/Berlin", "2026-07-20T17:00:00Z", 0 }, { "19:00-07:00", "Europe/Berlin", "2026-07-20T16:59:59Z", '-' },
	{ "Tue", "Asia/Tokyo", "2026-11-23T15:00:00Z", 0 }, { "Mon", "America/New_York", "2026-11-24T04:59:00Z", 0 },
	/* the hour that comes twice opens twice, the one that does not exist never */
	{ "02:00-03:00", "Europe/Berlin", "2026-10-25T00:30:00Z", 0 }, { "02:00-03:00", "Europe/Berlin", "2026-10-25T01:30:00Z", 0 },
	{ "02:00-03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", '-' }, { "02:00-03:00", "Europe/Berlin", "2026-10-24T23:59:00Z", '-' },
	{ "02:00-03:00", "Europe/Berlin", "2026-03-29T00:59:59Z", '-' }, { "02:00-03:00", "Europe/Berlin", "2026-03-29T01:00:00Z", '-' },
	{ "03:00-04:00", "Europe/Berlin", "2026-03-29T01:00:00Z", 0 }, { "Sun 22:00-07:00", "Europe/Berlin", "2026-03-30T04:59:00Z", 0 },
};

START_TEST(each_moment_is_open_or_not)
{
	struct hours hours = hours_at(moments[_i].text, moments[_i].zone, utc(moments[_i].when));

	ck_assert_msg(hours.open == (moments[_i].grade != '-'), "%s in %s at %s", moments[_i].text, moments[_i].zone,
	    moments[_i].when);
	if (hours.open)
		ck_assert_msg(hours.grade == moments[_i].grade, "%s: grade %c", moments[_i].text, hours.grade);
}
END_TEST

static const struct { const char *text, *zone, *when; char grade; const char *next; } openings[] = {
	{ "", "UTC", "2026-11-23T12:00:01Z", 0, "2026-11-23T12:00:01Z" },
	{ "19:00-07:00", "UTC", "2026-11-23T12:00:01Z", 0, "2026-11-23T19:00:00Z" },
	{ "19:00-07:00", "UTC", "2026-11-23T20:30:07Z", 0, "2026-11-23T20:30:07Z" },
	{ "Sat", "Europe/Berlin", "2026-11-23T12:00:00Z", 0, "2026-11-27T23:00:00Z" },
	{ "02:00-02:30", "Europe/Berlin", "2026-03-28T12:00:00Z", 0, "2026-03-30T00:00:00Z" },	/* none on the 29th */
	{ "grade<=C, 19:00-07:00", "UTC", "2026-11-23T12:00:00Z", 'A', "2026-11-23T12:00:00Z" },
	{ "grade<=C, 19:00-07:00", "UTC", "2026-11-23T12:00:00Z", 'N', "2026-11-23T19:00:00Z" },
	{ "grade<=C", "UTC", "2026-11-23T12:00:00Z", 'N', NULL },
};

START_TEST(the_next_opening_is_found)
{
	int64_t next = hours_next(openings[_i].text, openings[_i].zone, utc(openings[_i].when), openings[_i].grade);

	ck_assert_int_eq(next, openings[_i].next != NULL ? utc(openings[_i].next) : INT64_MAX);
}
END_TEST

START_TEST(zones_are_names_of_this_host)
{
	static const char *const bad[] = { "Europe/Nowhere", "/etc/passwd", "../../etc/passwd", "Europe/..", "CET 1", "UTC\n" };

	ck_assert(hours_zone_known("") && hours_zone_known("UTC"));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!hours_zone_known(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(the_environment_is_as_before)
{
	setenv("TZ", "Asia/Tokyo", 1);
	hours_at("Mon", "Europe/Berlin", utc("2026-11-23T12:00:00Z"));
	ck_assert_str_eq(getenv("TZ"), "Asia/Tokyo");
	ck_assert(!hours_at("12:00-13:00", "", utc("2026-11-23T12:00:00Z")).open);
	ck_assert(hours_at("21:00-22:00", "", utc("2026-11-23T12:00:00Z")).open);
	unsetenv("TZ");
	hours_next("Mon", "Europe/Berlin", utc("2026-11-23T12:00:00Z"), 0);
	ck_assert_ptr_null(getenv("TZ"));
}
END_TEST

UNIT("hours",
	{ what_is_no_window_is_known, ROWS(texts) },
	{ each_moment_is_open_or_not, ROWS(moments) },
	{ the_next_opening_is_found, ROWS(openings) },
	{ zones_are_names_of_this_host, 1 },
	{ the_environment_is_as_before, 1 })
