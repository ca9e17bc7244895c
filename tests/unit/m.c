/*
 * Protocol m: what is sent comes, once, whatever happens to the line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "tests/unit/m-ends.h"
#include "tests/unit/unit.h"

static struct end hub, home;

static void
make(void)
{
	end_make(&home, "home");
	end_make(&hub, "hub");
}

static void
drop(void)
{
	end_free(&home);
	end_free(&hub);
}

static void
call(struct line *line)
{
	if (line->now == 0)
		line->now = 1000 * CLOCK_SECOND;
	end_begin(&home, true, line->now);
	end_begin(&hub, false, line->now);
	line_run(line, &home, &hub);
}

static void
stop(void)
{
	end_stop(&home);
	end_stop(&hub);
}

static void
good_call(struct line *line)
{
	call(line);
	ck_assert_msg(home.m.err.kind == ERR_NONE, "home: %s", home.m.err.text);
	ck_assert_msg(hub.m.err.kind == ERR_NONE, "hub: %s", hub.m.err.text);
}

static void
all_there(void)
{
	ck_assert_int_eq(end_arrived(&home, &hub), (int)home.things);
	ck_assert_int_eq(end_arrived(&hub, &home), (int)hub.things);
	for (size_t i = 0; i < home.things; i++)
		ck_assert(home.thing[i].done);
	for (size_t i = 0; i < hub.things; i++)
		ck_assert(hub.thing[i].done);
}

/* --- the plain course --- */

START_TEST(mails_go_both_ways_in_one_call)
{
	struct line line = { .step = (size_t[]){ 0, 1, 7 }[_i] };

	for (unsigned i = 0; i < 5; i++)
		end_mail(&home, 2000 + i, 'A', i);
	end_mail(&hub, 3000, 'N', 9);
	end_mail(&hub, 0, 'N', 9);
	good_call(&line);
	all_there();
	ck_assert_uint_eq(home.m.objects_out, 5);
	ck_assert_uint_eq(home.m.objects_in, 2);
	ck_assert_int_eq(home.m.said, M_BYE_DONE);
	ck_assert_int_eq(home.m.heard, M_BYE_DONE);
	stop();
}
END_TEST

START_TEST(an_empty_call_ends)
{
	struct line line = {0};

	good_call(&line);
	ck_assert_uint_lt(line.up + line.down, 60);
	stop();
}
END_TEST

/* --- the line is cut --- */

/* Two mails and one; with history where warm. */
static void
three_mails(bool warm)
{
	make();
	home.config.window = hub.config.window = 1 << 17;
	home.config.level = hub.config.level = 1;
	if (warm) {
		end_mail(&home, 900, 'N', 3);
		end_mail(&hub, 900, 'N', 3);
		ck_assert(line_until_done(&home, &hub, 1));
	}
	end_mail(&home, 300, 'N', 1);
	end_mail(&home, 2500, 'N', 2);
	end_mail(&hub, 700, 'N', 3);
}

static void
then_all_comes(const char *what, size_t at)
{
	ck_assert_msg(line_until_done(&home, &hub, 3), "%s at %zu: not done in three calls: %s, %s", what, at,
	    home.m.err.text, hub.m.err.text);
	ck_assert_msg(end_arrived(&home, &hub) == (int)home.things && end_arrived(&hub, &home) == (int)hub.things,
	    "%s at %zu: lost or doubled", what, at);
	ck_assert_uint_eq(hub.gots, home.things);
	ck_assert_uint_eq(home.gots, hub.things);
}

static const struct {
	const char *what;
	bool warm, crash_home, crash_hub, slow, back;
} cuts[] = {
	{ "cut", false, false, false, false, false },
	{ "cut back", false, false, false, false, true },
	{ "cut, slow", false, false, false, true, false },
	{ "cut back, slow", false, false, false, true, true },
	{ "cut, warm", true, false, false, true, false },
	{ "cut back, warm", true, false, false, true, true },
	{ "home killed", false, true, false, true, true },
	{ "hub killed", false, false, true, true, false },
	{ "both killed, warm", true, true, true, true, true },
	{ "both killed", false, true, true, true, false },
};

START_TEST(cut_at_any_byte_nothing_is_lost_or_doubled)
{
	size_t most = 0;

	for (size_t at = 0; at == 0 || at < most; at++) {
		drop();
		three_mails(cuts[_i].warm);
		struct line line = { .rate = cuts[_i].slow ? 300 : 0, .delay = cuts[_i].slow ? CLOCK_SECOND : 0 };
		*(cuts[_i].back ? &line.back : &line.there) = at;
		call(&line);
		if (at == 0)
			most = cuts[_i].back ? line.down : line.up;
		if (cuts[_i].crash_home)
			end_crash(&home);
		if (cuts[_i].crash_hub)
			end_crash(&hub);
		stop();
		then_all_comes(cuts[_i].what, at);
	}
	ck_assert_uint_gt(most, 200);
}
END_TEST

START_TEST(cuts_and_kills_at_random_lose_nothing)
{
	srandom(1000 + (unsigned)_i);
	for (unsigned round = 0; round < 40; round++) {
		drop();
		make();
		home.config.window = hub.config.window = 1 << 18;
		for (unsigned i = 0; i < 12; i++) {
			end_mail(&home, (size_t)random() % 6000, (char)('A' + random() % 3), i);
			end_mail(&hub, (size_t)random() % 90000, 'N', i);
		}
		for (unsigned calls = 0; calls < 12; calls++) {
			struct line line = { .rate = (uint64_t)(random() % 3 == 0 ? 0 : 2000 + random() % 20000),
			    .delay = random() % 900000, .there = 1 + (size_t)random() % 8000, .back = 1 + (size_t)random() % 60000,
			    .silent = random() % 4 == 0 };
			call(&line);
			if (random() % 3 == 0)
				end_crash(&home);
			if (random() % 3 == 0)
				end_crash(&hub);
			stop();
			if (random() % 8 == 0)
				end_forget_rings(random() % 2 ? &home : &hub);
		}
		then_all_comes("random round", round);
	}
}
END_TEST

/* --- bits turn over --- */

START_TEST(a_bit_turned_over_is_seen)
{
	size_t most = 0;

	for (size_t bit = 0; bit == 0 || bit < 8 * most; bit++) {
		drop();
		three_mails(false);
		struct line line = {0};
		*(_i > 0 ? &line.flip_back : &line.flip) = bit;
		call(&line);
		if (bit == 0)
			most = _i > 0 ? line.down : line.up;
		else
			ck_assert_msg(home.m.err.kind != ERR_NONE || hub.m.err.kind != ERR_NONE, "bit %zu", bit);
		stop();
		ck_assert_int_ge(end_arrived(&home, &hub), 0);
		ck_assert_int_ge(end_arrived(&hub, &home), 0);
		if (bit % 61 == 0)
			then_all_comes("bit", bit);
	}
}
END_TEST

/* --- histories that do not fit --- */

static void
warm_up(void)
{
	for (unsigned i = 0; i < 4; i++) {
		end_mail(&home, 3000, 'N', i);
		end_mail(&hub, 3000, 'N', i);
	}
	ck_assert(line_until_done(&home, &hub, 1));
}

START_TEST(history_makes_what_follows_smaller)
{
	struct line cold = {0}, warm = {0};

	end_mail(&home, 3000, 'N', 7);
	good_call(&cold);
	stop();
	warm_up();
	size_t before = end_mail(&home, 3000, 'N', 3);
	good_call(&warm);
	stop();
	ck_assert_msg(warm.up * 2 < cold.up, "cold %d, warm %d", (int)cold.up, (int)warm.up);
	ck_assert(home.thing[before].done);
	all_there();
}
END_TEST

static void
no_history(void)
{
	hub.no_history = true;
}

static void
restored_receiver(void)
{
	end_forget_rings(&hub);
}

static void
restored_sender(void)
{
	end_forget_rings(&home);
}

static void
other_bytes(void)
{
	for (size_t i = 0; i < hub.from[0].count; i++)
		for (size_t n = 0; n < hub.from[0].commit[i].bytes.len; n++)
			hub.from[0].commit[i].bytes.p[n] ^= 0x55;
}

static void (*const mishaps[])(void) = { no_history, restored_receiver, restored_sender, other_bytes };

START_TEST(without_a_common_history_all_comes_too)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	warm_up();
	mishaps[_i]();
	end_mail(&home, 3000, 'N', 1);
	end_mail(&home, 60000, 'N', 3);
	end_mail(&hub, 3000, 'N', 2);
	good_call(&line);
	stop();
	all_there();
	end_mail(&home, 3000, 'N', 4);
	ck_assert(line_until_done(&home, &hub, 1));
	all_there();
}
END_TEST

UNIT_WITH("m", make, drop,
	{ mails_go_both_ways_in_one_call, 3 },
	{ an_empty_call_ends, 1 },
	{ cut_at_any_byte_nothing_is_lost_or_doubled, ROWS(cuts) },
	{ cuts_and_kills_at_random_lose_nothing, 4 },
	{ a_bit_turned_over_is_seen, 2 },
	{ history_makes_what_follows_smaller, 1 },
	{ without_a_common_history_all_comes_too, ROWS(mishaps) })
