/*
 * Bytes a month, counted off the history, however often it is looked at and turned.
 */
#include "spool/usage.h"

#include <stdio.h>

#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static const char *const said[] = { "spool.site=hub", "spool.min-free=0", "spool.log-size=4K", "spool.log-keep=900" };
static struct scratch s;
static const int64_t november = 1795373102 * CLOCK_SECOND, day = 86400 * CLOCK_SECOND;

static void
setup(void)
{
	scratch_open(&s, said, sizeof said / sizeof said[0]);
	clock_set(november);
}

static void
teardown(void)
{
	scratch_close(&s);
}

static void
expect(const struct usage_table *table, const char *name, uint64_t out, uint64_t in, uint64_t count)
{
	const struct usage_row *row = usage_of(table, name);

	ck_assert_msg(row != NULL, "no %s", name);
	ck_assert_uint_eq(row->out, out);
	ck_assert_uint_eq(row->in, in);
	ck_assert_uint_eq(row->count, count);
}

static void
call(uint64_t up, uint64_t down)
{
	clock_set(clock_now() + CLOCK_SECOND);
	spool_event(&s.spool, "home", "event=call result=ok peer=home role=caller data_out=1 up=9 wire_up=%llu wire_down=%llu "
	    "secs=1", (unsigned long long)up, (unsigned long long)down);
}

/* An event of a message | who is counted, and for how much; NULL: nobody */
static const struct { const char *event, *who; uint64_t bytes; } events[] = {
	{ "event=accepted from=<ann@x.example> rcpts=2 size=1000 client=[192.0.2.7]:25 relay=main", "<ann@x.example>", 1000 },
	{ "event=accepted from=<> rcpts=1 size=10 client=h relay=main", "<>", 10 },
	{ "event=accepted from=sendmail client=root bytes=156 rcpts=1", "root", 156 },
	{ "event=accepted from=local client=uid:1000 bytes=5 drop=d", "uid:1000", 5 },
	{ "event=accepted from=<a@b> size=x", "<a@b>", 0 },
	{ "event=accepted from=<a@b> size=99999999999999999999999", "<a@b>", 0 },
	{ "event=accepted", NULL, 0 }, { "event=accepted from=local bytes=5", NULL, 0 },
	{ "event=delivered to=<ann@x.example> size=5 client=x", NULL, 0 },
	{ "event=failed to=<a> reply=\"event=accepted from=<b@c> size=7\"", NULL, 0 },
};

START_TEST(mail_is_counted_by_who_sent_it)
{
	struct usage usage;

	spool_event(&s.spool, "20261121T210450.814751-25d4d5aabf1c8a29-1", "%s", events[_i].event);
	usage_read(&s.spool, &usage);
	if (events[_i].who != NULL)
		expect(&usage.user, events[_i].who, 0, events[_i].bytes, 1);
	else
		ck_assert_uint_eq(usage.user.rows + usage.site.rows, 0);
	usage_free(&usage);
}
END_TEST

/* Looks so often while so many calls come: always the whole sum, though the files turn. */
static const int looks[] = { 1, 3, 7, 50, 200 };

START_TEST(all_is_counted_once_however_often_one_looks)
{
	struct usage usage;

	for (int i = 1; i <= 400; i++) {
		call(100, 7);
		if (i % looks[_i] != 0)
			continue;
		usage_read(&s.spool, &usage);
		expect(&usage.site, "home", 100 * (uint64_t)i, 7 * (uint64_t)i, (uint64_t)i);
		usage_free(&usage);
	}
	struct err err;
	ck_assert_int_eq(fs_remove(s.spool.tmp, ".usage", &err), 0);	/* then all is counted anew */
	usage_read(&s.spool, &usage);
	expect(&usage.site, "home", 40000, 2800, 400);
	usage_free(&usage);
}
END_TEST

START_TEST(a_new_month_begins_at_nothing)
{
	struct usage usage;

	for (int i = 0; i < 1000; i++)
		call(100, 7);
	usage_read(&s.spool, &usage);
	ck_assert_str_eq(usage.month, "2026-11");
	usage_free(&usage);
	call(100, 7);
	clock_set(november + 20 * day);
	call(3, 4);
	usage_read(&s.spool, &usage);
	ck_assert_str_eq(usage.month, "2026-12");
	expect(&usage.site, "home", 3, 4, 1);
	usage_free(&usage);
}
END_TEST

static const char *const notes[] = {	/* tmp/.usage of some other hand */
	"", "usage", "usage 2026-11", "usage 2026-11 x y\nsite home a b c\n", "site home 1 1 1\n",
	"usage 2026-11 0123456789abcdef 99999999999\nsite\nuser x 1\n", "usage 2026-10 x 0\nsite home 5 5 5\n",
};

START_TEST(what_was_noted_wrong_is_no_trouble)
{
	struct usage usage;
	struct err err;

	ck_assert_int_eq(fs_replace(s.spool.tmp, ".usage", span_of(notes[_i]), 0640, &err), 0);
	call(100, 7);
	usage_read(&s.spool, &usage);
	expect(&usage.site, "home", 100, 7, 1);
	usage_free(&usage);
}
END_TEST

START_TEST(who_sent_most_stands_first)
{
	struct usage usage;

	for (int i = 0; i < 100; i++) {
		clock_set(clock_now() + CLOCK_SECOND);
		spool_event(&s.spool, "id", "event=accepted from=<u%d@x> size=%d", i % 10, i % 10);
	}
	usage_read(&s.spool, &usage);
	ck_assert_uint_eq(usage.user.rows, 10);
	usage_sort(&usage.user);
	ck_assert_str_eq(usage.user.row[0].name, "<u9@x>");
	ck_assert_uint_eq(usage.user.row[0].in, 90);
	ck_assert_str_eq(usage.user.row[9].name, "<u0@x>");
	usage_free(&usage);
}
END_TEST

START_TEST(thousands_of_senders_are_counted_together)	/* bounded, whatever comes */
{
	struct usage usage;
	uint64_t all = 0;

	s.settings.spool.log_size = 0;
	for (int i = 0; i < 20100; i++)
		spool_event(&s.spool, "id", "event=accepted from=<u%d@x> size=1", i);
	usage_read(&s.spool, &usage);
	ck_assert_uint_eq(usage.user.rows, 20001);
	for (size_t i = 0; i < usage.user.rows; i++)
		all += usage.user.row[i].in;
	ck_assert_uint_eq(all, 20100);
	ck_assert_uint_eq(usage_of(&usage.user, "(others)")->count, 100);
	usage_free(&usage);
}
END_TEST

/* What stands behind time and id | key<value> of each */
static const struct { const char *event, *fields; } lines[] = {
	{ "event=queued site=home", "event<queued>site<home>" },
	{ "event=held reason=\"no route for <x@y>; see\"", "event<held>reason<no route for <x@y>; see>" },
	{ "event=failed reply=\"550 say \"no\" to it\" by=x", "event<failed>reply<550 say \"no\" to it>by<x>" },
	{ "event=failed reply=\"550 a\"b\" by=x", "event<failed>reply<550 a\"b>by<x>" },
	{ "a=\"", "a<>" }, { "a=\"x", "a<x>" }, { "a= b=", "a<>b<>" }, { "a", "a<>" }, { "=x", "<x>" }, { "", "" }, { "  ", "" },
	{ "a=b=c", "a<b=c>" },
};

START_TEST(a_line_of_the_history_comes_apart)
{
	struct span event = span_of(lines[_i].event), key, value;
	struct str got = {0};

	while (history_field(&event, &key, &value))
		str_printf(&got, "%.*s<%.*s>", (int)key.len, key.p, (int)value.len, value.p);
	ck_assert_str_eq(str_c(&got), lines[_i].fields);
	str_free(&got);
}
END_TEST

UNIT_WITH("usage", setup, teardown,
    { a_line_of_the_history_comes_apart, ROWS(lines) },
    { mail_is_counted_by_who_sent_it, ROWS(events) },
    { all_is_counted_once_however_often_one_looks, ROWS(looks) },
    { a_new_month_begins_at_nothing, 1 },
    { what_was_noted_wrong_is_no_trouble, ROWS(notes) },
    { who_sent_most_stands_first, 1 },
    { thousands_of_senders_are_counted_together, 1 })
