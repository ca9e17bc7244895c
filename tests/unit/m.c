/*
 * Protocol m: what is sent comes, once, whatever happens to the line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

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

START_TEST(who_has_nothing_says_so_at_once)
{
	struct line line = { .delay = CLOCK_SECOND };

	home.config.nothing = true;
	good_call(&line);
	ck_assert_int_lt(line.took, 3 * CLOCK_SECOND);
	stop();
	end_mail(&hub, 2000, 'N', 1);
	struct line broken = { .delay = CLOCK_SECOND, .there = line.up };
	call(&broken);	/* what is behind HELLO and BYE, the ACK, is lost */
	stop();
	ck_assert_int_eq(end_arrived(&hub, &home), 1);
	ck_assert(!hub.thing[0].done);
	line = (struct line){ .delay = CLOCK_SECOND };
	good_call(&line);
	ck_assert_uint_eq(hub.dids, 1);		/* told behind BYE */
	all_there();
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
	ck_assert_uint_gt(most, 100);
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

	/* a row takes one bit of each byte */
	for (size_t bit = 0; bit == 0 || bit <= 8 * most; bit = bit == 0 ? 1 + (size_t)_i / 2 : bit + 8) {
		drop();
		three_mails(false);
		struct line line = {0};
		*(_i % 2 > 0 ? &line.flip_back : &line.flip) = bit;
		call(&line);
		if (bit == 0)
			most = _i % 2 > 0 ? line.down : line.up;
		else
			ck_assert_msg(home.m.err.kind != ERR_NONE || hub.m.err.kind != ERR_NONE, "bit %zu", bit);
		stop();
		ck_assert_int_ge(end_arrived(&home, &hub), 0);
		ck_assert_int_ge(end_arrived(&hub, &home), 0);
		if (bit % 59 == 0)
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

/* Without a history it stands in for it, and before a young one. */
static void
shipped(struct end *end)
{
	str_set(&end->dictionary, "What the shipped dictionary says of the weather, and of tomorrow.");
}

START_TEST(history_makes_what_follows_smaller)
{
	struct line cold = {0}, warm = {0};

	if (_i == 1)
		shipped(&home), shipped(&hub);
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

static size_t
second_call(const char *dictionary, const char *body)
{
	struct line line = {0};

	drop();
	make();
	str_set(&home.dictionary, dictionary);
	str_set(&hub.dictionary, dictionary);
	end_mail(&home, 300, 'N', 1);
	ck_assert(line_until_done(&home, &hub, 1));
	end_thing(&home, span_of(body), 'N', "main");
	good_call(&line);
	stop();
	all_there();
	return line.up;
}

START_TEST(a_young_history_has_the_dictionary_before_it)
{
	static const char body[] = "Received: by the harbour master, who is away until the ship has come in again, 4711";

	ck_assert_uint_lt(second_call(body, body) + 60, second_call("another text of about the same length", body));
}
END_TEST

/* The second half says what the first does, half a megabyte later. */
static size_t
backlog(size_t behind)
{
	enum { MAILS = 16, PERIOD = 8, LEN = 60000 };
	char body[LEN];

	drop();
	make();
	home.config.level = hub.config.level = 9;
	str_set(&home.dictionary, "What the shipped dictionary says of the weather, and of tomorrow.");
	str_set(&hub.dictionary, str_c(&home.dictionary));
	for (size_t i = 0; i < MAILS; i++) {
		srandom(1 + (unsigned)(i % PERIOD));
		for (size_t n = 0; n < LEN; n++)
			body[n] = (char)('!' + random() % 64);
		snprintf(body, 8, "%06zu", i);
		end_thing(&home, (struct span){ body, LEN }, 'N', "main");
	}
	home.behind = behind;
	good_call(&(struct line){0});
	stop();
	all_there();
	return home.m.packed_out;
}

START_TEST(a_backlog_behind_a_dictionary_has_tables_of_its_own)
{
	size_t small = backlog(0), large = backlog(8);

	ck_assert_msg(large < small * 2 / 3, "%zu and %zu", small, large);
}
END_TEST

static void
no_dictionary_there(void)
{
	shipped(&home);
}

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

static void (*const mishaps[])(void) = { no_history, no_dictionary_there, restored_receiver, restored_sender, other_bytes };

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

/* --- the model in place of zstd --- */

static size_t
noise(struct end *end, size_t len, char grade)
{
	struct str bytes = {0};
	uint32_t state = (uint32_t)(len + end->things + (unsigned char)end->name[0]);

	while (bytes.len < len) {
		state = state * 1664525u + 1013904223u;
		str_add_char(&bytes, (char)(state >> 24));
	}
	size_t number = end_thing(end, str_span(&bytes), grade, "main");
	str_free(&bytes);
	return number;
}

static void
mixed(void)
{
	home.config.mix = hub.config.mix = M_MIX_ALWAYS;
}

/* The hub's mails go when it has heard what home follows. */
static void
call_mixed(struct line *line)
{
	for (size_t i = 0; i < hub.things; i++)
		hub.thing[i].tried = true;
	good_call(line);
}

START_TEST(mix_makes_less_of_mails_than_zstd)
{
	uint64_t packed[2];

	for (int mix = 0; mix < 2; mix++) {
		struct line line = { .step = (size_t[]){ 0, 1, 700 }[_i] };
		drop();
		make();
		if (_i > 0)
			shipped(&home), shipped(&hub);
		if (_i < 2)
			warm_up();
		if (mix)
			mixed();
		end_mail(&home, 6000, 'N', 1);
		end_mail(&hub, 5000, 'A', 2);
		end_mail(&hub, 0, 'N', 3);
		end_mail(&hub, 40000, 'N', 4);
		call_mixed(&line);
		all_there();
		ck_assert_int_eq(hub.m.mixed_out > 0, mix);
		ck_assert_uint_eq(hub.m.mixed_out, home.m.mixed_in);
		ck_assert_uint_eq(home.m.mixed_out, hub.m.mixed_in);
		packed[mix] = hub.m.packed_out;
		stop();
	}
	ck_assert_msg(packed[1] < packed[0] * 9 / 10, "mix %d, zstd %d", (int)packed[1], (int)packed[0]);
}
END_TEST

/* Each byte there is, what is dense, what is too large for it, and zeros. */
START_TEST(whatever_it_is_mix_carries_it)
{
	struct line line = { .rate = 20000, .delay = 100000 };
	char all[256], zeros[30000] = "";

	mixed();
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	end_thing(&hub, (struct span){ all, sizeof all }, 'N', "main");
	end_thing(&hub, (struct span){ zeros, sizeof zeros }, 'N', "main");
	end_thing(&hub, (struct span){ zeros, 1 }, 'N', "main");
	noise(&hub, 30000, 'N');
	noise(&hub, 200000, 'N');
	end_mail(&hub, 3000, 'N', 1);
	call_mixed(&line);
	all_there();
	ck_assert_uint_gt(hub.m.mixed_out, 30000);
	ck_assert_uint_lt(hub.m.mixed_out, 34000);	/* not what is large */
	stop();
}
END_TEST

/* The model gives each of these bits the least chance that it gives any: no frame holds that. */
START_TEST(what_grows_too_much_goes_by_zstd)
{
	struct line line = {0};
	struct str bytes = {0};
	uint32_t state = 1;

	mixed();
	while (bytes.len < 60000)
		str_add_char(&bytes, '\0');
	end_thing(&hub, str_span(&bytes), 'A', "main");
	for (size_t i = 0; i < 12288; i++) {	/* what it does not expect, each time it expects zeros again */
		state = state * 1664525u + 1013904223u;
		bytes.p[i] = (char)(state >> 24);
	}
	bytes.len = 12288;
	end_thing(&hub, str_span(&bytes), 'B', "main");
	end_mail(&hub, 3000, 'C', 1);
	call_mixed(&line);
	all_there();
	stop();
	str_free(&bytes);
}
END_TEST

START_TEST(who_does_not_say_mix_gets_none)
{
	struct line line = {0};

	*(_i == 0 ? &hub.config.mix : &home.config.mix) = M_MIX_ALWAYS;
	end_mail(&home, 3000, 'N', 1);
	end_mail(&hub, 3000, 'N', 2);
	call_mixed(&line);
	all_there();
	ck_assert_uint_eq(home.m.mixed_out + hub.m.mixed_out, 0);
	stop();
}
END_TEST

/* Or is no more what it was. */
START_TEST(who_followed_mix_gets_it_at_once)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	mixed();
	hub.config.mix = _i == 0 ? M_MIX_ALWAYS : M_MIX_NEVER;
	home.config.mix_theirs = true;
	for (unsigned i = 0; i < 4; i++)
		end_mail(&home, 3000, 'N', i);
	good_call(&line);
	all_there();
	ck_assert_int_eq(home.m.mix_theirs, _i == 0);
	ck_assert_int_eq(hub.m.mixed_in > 0, _i == 0);
	ck_assert_uint_eq(home.m.mixes, 1);
	stop();
}
END_TEST

START_TEST(without_a_common_history_mix_gives_way)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	warm_up();
	mixed();
	mishaps[_i]();
	hub.no_history = false;
	home.no_history = mishaps[_i] == no_history;
	end_mail(&hub, 3000, 'N', 1);
	end_mail(&hub, 30000, 'N', 3);
	end_mail(&home, 3000, 'N', 2);
	call_mixed(&line);
	stop();
	all_there();
	end_mail(&hub, 3000, 'N', 4);
	ck_assert(line_until_done(&home, &hub, 1));
	all_there();
}
END_TEST

START_TEST(cut_anywhere_what_went_by_mix_goes_on)
{
	size_t most = 0;

	for (size_t at = 0; at == 0 || at < most; at = at == 0 ? 150 + (size_t)_i * 11 : at + 2011) {
		drop();
		make();
		mixed();
		end_mail(&hub, 30000, 'N', 1);
		end_mail(&hub, 900, 'A', 2);
		end_mail(&home, 900, 'A', 2);
		struct line line = { .rate = 2000, .delay = 200000, .back = at };
		call(&line);
		if (at == 0)
			most = line.down;
		if (_i == 1)
			end_crash(&home);
		stop();
		then_all_comes("cut, mix", at);
	}
	ck_assert_uint_gt(most, 3000);
}
END_TEST

START_TEST(classes_have_models_of_their_own)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	mixed();
	for (unsigned i = 0; i < 4; i++) {
		end_mail(&hub, 3000, 'N', i);
		struct str bytes = {0};
		str_add_span(&bytes, str_span(&hub.thing[hub.things - 1].bytes));
		str_add_text(&bytes, "and for a list\r\n");
		end_thing(&hub, str_span(&bytes), 'N', "lists");
		str_free(&bytes);
	}
	call_mixed(&line);
	all_there();
	ck_assert_uint_eq(hub.m.packed_out, hub.m.mixed_out);
	ck_assert_uint_eq(hub.refers, 2);
	stop();
}
END_TEST

/* Of what is refused the bytes still come, and are of the stream. */
START_TEST(what_is_refused_is_followed_too)
{
	struct line line = { .rate = 3000, .delay = 500000 };

	mixed();
	end_mail(&hub, 20000, 'A', 1);
	end_mail(&hub, 5000, 'B', 2);
	home.enough = 6000;
	home.whole = _i == 0 ? M_STORED : M_NEVER;
	call_mixed(&line);
	ck_assert_int_eq(hub.thing[0].fate, M_NEVER);
	ck_assert_int_eq(hub.thing[1].fate, _i == 0 ? M_STORED : M_NEVER);
	ck_assert_uint_eq(hub.refers, 1);	/* nothing was lost on the way */
	stop();
}
END_TEST

/* How fast the line is, and how long, microseconds | mails of 6 KB that wait | is it worth the time? */
static const struct { uint64_t rate; int64_t rtt; unsigned mails; bool mixed; } dear[] = {
	{ 0, 0, 12, true }, { 0, 200000, 12, true }, { 0, 600000, 12, true }, { 0, 600000, 1, false },
	{ 300, 200000, 1, true }, { 60, 200000, 1, true }, { 20000, 200000, 1, false }, { 60000, 200000, 12, true },
	{ 150000, 200000, 12, true }, { 150000, 200000, 2, false }, { 250000, 200000, 12, true }, { 300001, 200000, 12, false },
	{ 0, 50000, 12, true }, { 0, 49999, 12, false }, { 250000, 30000, 12, true },
};

START_TEST(mix_is_for_lines_where_bytes_are_dear)
{
	struct line line = { .rate = dear[_i].rate > 0 ? dear[_i].rate : 100000, .delay = 100000 };

	home.config.mix = hub.config.mix = M_MIX_MAY;
	hub.config.rate = dear[_i].rate;
	home.config.far = dear[_i].rtt;	/* who calls tells it */
	for (unsigned i = 0; i < dear[_i].mails; i++)
		end_mail(&hub, 6000, 'N', i);
	call_mixed(&line);
	all_there();
	ck_assert_msg((hub.m.mixed_out > 0) == dear[_i].mixed, "row %d: %d by mix", _i, (int)hub.m.mixed_out);
	stop();
}
END_TEST

/* Of more mail than there is time for, some goes by mix. */
START_TEST(a_backlog_has_its_share_of_mix)
{
	struct line line = { .rate = 250000, .delay = 60000 };

	home.config.mix = hub.config.mix = M_MIX_MAY;
	home.config.far = 120000;
	for (unsigned i = 0; i < 14; i++)
		end_mail(&hub, 30000, 'N', i);
	hub.behind = 500;
	call_mixed(&line);
	all_there();
	ck_assert_uint_gt(hub.m.mixed_out, 0);
	ck_assert_uint_lt(hub.m.mixed_out, hub.m.packed_out);
	stop();
}
END_TEST

/* Our processor is busy: a second for each turn. */
static void
works_slowly(struct line *line, struct end *a, struct end *b)
{
	(void)a;
	if (b->m.own != NULL && b->out.len > 0)
		m_taken(&b->m, 0, line->now + CLOCK_SECOND);
}

START_TEST(a_busy_machine_goes_on_by_zstd)
{
	struct line line = { .rate = 300, .delay = 500000, .pipe = 100, .each = works_slowly };

	home.config.mix = hub.config.mix = M_MIX_MAY;
	hub.config.rate = 300;
	hub.config.rtt = CLOCK_SECOND;
	for (unsigned i = 0; i < 6; i++)
		end_mail(&hub, 3000, 'N', i);
	call_mixed(&line);
	all_there();
	ck_assert_uint_eq(home.m.mixes, 1);
	stop();
}
END_TEST

/* Models take more than twice as long as is reckoned, at either end. */
static void
models_take_longer(struct line *line, struct end *a, struct end *b)
{
	if (a->m.models || b->m.models)
		line->now += 12000;
}

START_TEST(what_a_model_was_made_for_goes_by_it)
{
	struct line line = { .rate = 250000, .delay = 60000, .each = models_take_longer };

	home.config.mix = hub.config.mix = M_MIX_MAY;
	home.config.far = 120000;
	for (unsigned calls = 0; calls < 2; calls++) {
		for (unsigned i = 0; i < 14; i++)
			end_mail(&hub, 8000, 'N', 100 * calls + i);
		hub.behind = 7;		/* of eight that are asked for before they are begun */
		call_mixed(calls == 0 ? &(struct line){0} : &line);
		all_there();
		stop();
	}
	ck_assert_uint_eq(home.m.mixes, 1);
	ck_assert_uint_eq(hub.m.packed_out, hub.m.mixed_out);
}
END_TEST

static void
call_with(unsigned mails, unsigned seed, enum m_mixes mix, struct line *line)
{
	home.config.mix = hub.config.mix = mix;
	for (unsigned i = 0; i < mails; i++)
		end_mail(&hub, 8000, 'N', seed + i);
	call_mixed(line);
	all_there();
	stop();
}

/* Mails that came since, what is wrong with it, was it made before it is asked for, and who takes it up. */
static const struct { unsigned grown; bool damaged, missing, other, made; unsigned hub, home; } kept[] = {
	{ .hub = 1, .home = 1 },
	{ .grown = 2, .hub = 1, .home = 1 },
	{ .made = true, .hub = 1, .home = 1 },
	{ .made = true, .grown = 2, .hub = 1, .home = 1 },
	{ .made = true, .damaged = true, .hub = 1 },
	{ .grown = 6 },		/* it would have had larger tables */
	{ .grown = 14 },
	{ .damaged = true, .hub = 1 },
	{ .missing = true },
	{ .other = true },
};

START_TEST(a_model_that_is_kept_need_not_be_taught)
{
	struct line line = { .rate = 250000, .delay = 60000 };

	home.config.far = 120000;
	call_with(14, 0, M_MIX_NEVER, &line);
	end_teach(&hub);
	end_teach(&home);
	if (kept[_i].grown > 0)
		call_with(kept[_i].grown, 100, M_MIX_NEVER, &line);
	if (kept[_i].damaged)
		home.kept_in.model.p[home.kept_in.model.len / 2] ^= 1;
	if (kept[_i].missing)
		str_free(&home.kept_in.model);
	if (kept[_i].other)
		home.kept_in.digest[0] ^= 1;
	hub.makes = home.makes = kept[_i].made;
	call_with(14, 200, M_MIX_MAY, &line);
	ck_assert_uint_eq(hub.mades, kept[_i].made ? kept[_i].hub : 0);
	ck_assert_uint_eq(home.mades, kept[_i].made ? kept[_i].home : 0);
	ck_assert_uint_eq(hub.m.taken_up, kept[_i].hub);
	ck_assert_uint_eq(home.m.taken_up, kept[_i].home);
	ck_assert_uint_gt(hub.m.mixed_out, 0);
}
END_TEST

/* What a model says goes on in whole packets; and where one mail comes soon behind the other, several are one commit,
 * and one ACK. */
static const struct { int64_t far; uint64_t rate; bool few; } mail_lines[] = {
	{ 30000, 80000, true }, { 120000, 80000, true }, { 120000, 8000, false }, { 600000, 80000, true },
};

/* Their model has nothing to do before that. */
static uint64_t said_first;

static void
first_goes_at_once(struct line *line, struct end *a, struct end *b)
{
	(void)line;
	(void)a;
	if (said_first > 0 || b->m.own == NULL || b->m.mixed_out == 0)
		return;
	said_first = b->m.mixed_out;
	ck_assert_uint_eq(m_holds_back(&b->m), 0);
}

START_TEST(models_make_few_packets)
{
	struct line line = { .rate = mail_lines[_i].rate, .delay = mail_lines[_i].far / 2, .each = first_goes_at_once };

	home.config.far = mail_lines[_i].far;
	said_first = 0;
	call_with(14, 0, M_MIX_NEVER, &line);
	hub.held_back = hub.largest_out = home.commits = 0;
	end_teach(&hub);
	end_teach(&home);
	call_with(14, 200, M_MIX_MAY, &line);
	ck_assert_uint_eq(hub.m.packed_out, hub.m.mixed_out);
	ck_assert_uint_gt(hub.held_back, 0);
	ck_assert((hub.largest_out >= 5600) == (mail_lines[_i].far >= 600000));	/* which is taken for slow */
	ck_assert_uint_gt(said_first, 0);
	ck_assert_uint_lt(said_first, hub.m.mixed_out / 10);	/* a mail, of fourteen */
	ck_assert_msg((home.commits <= 2) == mail_lines[_i].few, "%u commits", home.commits);
}
END_TEST

/* However long it takes there and back, and while more comes. */
START_TEST(little_of_what_came_is_not_durable)
{
	enum { MOST = 24 << 10, MAILS = 60 };
	struct line line = { .rate = 80000, .delay = CLOCK_SECOND };

	home.config.mix = hub.config.mix = M_MIX_MAY;
	home.config.far = 2 * CLOCK_SECOND;
	for (unsigned i = 0; i < MAILS; i++)
		end_mail(&hub, 20000, 'N', i);
	call_mixed(&line);
	all_there();
	ck_assert_uint_gt(hub.m.mixed_out, 4 * MOST);
	ck_assert_uint_gt(home.commits, hub.m.mixed_out / MOST);
	ck_assert_uint_lt(home.commits, MAILS / 4);
	stop();
}
END_TEST

/* Their BYE comes behind mail that is still to be stored, and ours was said long before: all that is whole is
 * stored, and its word goes back. */
START_TEST(what_is_whole_is_stored_before_the_end)
{
	struct line line = { .rate = 80000, .delay = 300000 };
	size_t stored = 0;

	home.config.far = 600000;
	home.config.mix = hub.config.mix = M_MIX_MAY;
	home.config.nothing = true;
	home.config.rtt = hub.config.rtt = 600000;
	hub.config.may_send = 6000;
	for (unsigned i = 0; i < 14; i++)
		end_mail(&hub, 8000, 'N', i);
	call_mixed(&line);
	ck_assert_uint_gt(hub.m.mixed_out, 0);
	for (size_t i = 0; i < hub.things; i++)
		stored += hub.thing[i].done;
	ck_assert_uint_gt(stored, 0);
	ck_assert_uint_lt(stored, hub.things);
	ck_assert_uint_eq(stored, home.gots);
	ck_assert_uint_eq(hub.m.bytes_out / 8000, stored);
	stop();
}
END_TEST

/* Before a word of theirs was heard: as they said in the last call. */
START_TEST(who_kept_a_model_the_last_time_has_one_now)
{
	struct line line = { .rate = 250000, .delay = 60000 };

	home.config.far = 120000;
	home.config.mix = hub.config.mix = M_MIX_NEVER;
	for (unsigned i = 0; i < 14; i++)
		end_mail(&home, 8000, 'N', i);
	good_call(&line);
	all_there();
	stop();
	end_teach(&hub);
	end_teach(&home);
	home.config.mix = hub.config.mix = M_MIX_MAY;
	home.config.mix_theirs = true;
	home.config.kept_theirs = _i == 0;
	for (unsigned i = 0; i < 14; i++)
		end_mail(&home, 8000, 'N', 100 + i);
	good_call(&line);
	all_there();
	ck_assert_uint_eq(home.m.taken_up, _i == 0);
	ck_assert_uint_eq(hub.m.taken_up, _i == 0);
	ck_assert(m_keeps_same(&home.m));
	stop();
}
END_TEST

/* More than what is known of at its beginning needs another, but where all goes by mix. */
START_TEST(a_model_lasts_where_more_may_come)
{
	struct line line = { .rate = 250000, .delay = 60000 };

	mixed();
	for (unsigned i = 0; i < 14; i++)
		end_mail(&hub, 20000, 'N', i);
	call_mixed(&line);
	all_there();
	ck_assert_uint_eq(home.m.mixes, 1);
	stop();
}
END_TEST

/* Of the line | what is told of it in the next call */
static const struct { uint64_t rate, least, most; } paced[] = {
	{ 250000, 0, 0 }, { 300, 150, 400 }, { 4000, 2000, 5000 },
};

START_TEST(what_mix_packs_says_little_of_a_fast_line)
{
	struct line line = { .rate = paced[_i].rate, .delay = 60000 };

	home.config.mix = hub.config.mix = M_MIX_MAY;
	home.config.far = 120000;
	for (unsigned i = 0; i < 14; i++)
		end_mail(&hub, 8000, 'N', i);
	call_mixed(&line);
	all_there();
	ck_assert_uint_gt(hub.m.mixed_out, 0);
	ck_assert_msg(hub.m.rate >= paced[_i].least && hub.m.rate <= paced[_i].most, "%d of %d", (int)hub.m.rate,
	    (int)paced[_i].rate);
	stop();
}
END_TEST

/* --- what takes long --- */

/* Half a second for each step of either; and those that stand end when all is there. */
static void
each_step_takes_its_time(struct line *line, struct end *a, struct end *b)
{
	if (a->worked || b->worked)
		line->now += CLOCK_SECOND / 2;
	a->worked = b->worked = false;
	if (a->config.stay && a->thing[0].done && a->thing[1].done)
		m_end(&a->m, M_BYE_DONE);
	if (a->config.stay && b->things > 0 && b->thing[0].done && b->thing[1].done)
		m_end(&a->m, M_BYE_DONE);
}

START_TEST(what_takes_long_to_make_goes_at_last_and_the_others_before)
{
	static const struct { bool called, stay, turns; } rows[] = {
		{ false, false, false }, { true, false, false }, { false, true, false }, { true, true, false },
		{ false, false, true }, { true, false, true },
	};
	struct line line = { .rate = 20000, .delay = 100000, .each = each_step_takes_its_time };
	struct end *sender = rows[_i].called ? &hub : &home;

	home.config.rtt = hub.config.rtt = CLOCK_SECOND / 5;	/* they hold a silence of 8 s for death */
	home.config.stay = rows[_i].stay;
	home.config.half_duplex = hub.config.half_duplex = rows[_i].turns;
	home.config.burst = hub.config.burst = 5;
	sender->thing[end_mail(sender, 40000, 'A', 1)].steps = 60;
	end_mail(sender, 2000, 'N', 2);
	good_call(&line);
	stop();
	all_there();
	ck_assert_int_gt(line.took, 30 * CLOCK_SECOND);
	ck_assert_int_lt(sender->thing[1].at, 1010 * CLOCK_SECOND);
	ck_assert_int_gt(sender->thing[0].at, 1030 * CLOCK_SECOND);
}
END_TEST

static void
no_turn_reads_much(struct line *line, struct end *a, struct end *b)
{
	(void)line;
	ck_assert_uint_lt(a->read + b->read, 300000);
	a->read = b->read = 0;
}

/* Before it goes on, its beginning is read once more. */
START_TEST(what_they_have_of_a_large_mail_is_looked_at_in_steps)
{
	struct line first = { .there = 2500000 }, second = { .each = no_turn_reads_much };

	noise(&home, 3000000, 'N');
	call(&first);
	stop();
	home.read = 0;
	end_mail(&home, 2000, 'N', 2);
	good_call(&second);
	stop();
	all_there();
	ck_assert_uint_lt(second.up, 600000);
	ck_assert_uint_eq(hub.written_again, 0);
}
END_TEST

/* --- resume, acknowledgements that are lost --- */

START_TEST(a_large_mail_goes_on_where_it_stopped)
{
	struct line first = { .rate = 20000, .delay = 300000, .there = 120000 }, second = { .rate = 20000, .delay = 300000 };
	bool stream = _i == 0;

	home.thing[noise(&home, 300000, 'N')].object.stream = stream;
	call(&first);
	stop();
	good_call(&second);
	stop();
	all_there();
	/* two bandwidth-delay products and 4 KB */
	ck_assert_uint_lt(first.up + second.up, 300000 + 2 * 12000 + 4096);
	ck_assert_uint_eq(hub.written_again, 0);
}
END_TEST

START_TEST(a_part_that_is_another_is_sent_from_its_beginning)
{
	struct line first = { .rate = 20000, .there = 20000 }, second = {0};

	noise(&home, 40000, 'N');
	call(&first);
	stop();
	hub.part[0].bytes.p[100] ^= 1;
	good_call(&second);
	stop();
	all_there();
	ck_assert_uint_gt(second.up, 40000);
	ck_assert_uint_gt(hub.written_again, 0);
}
END_TEST

START_TEST(a_lost_acknowledgement_is_told_in_the_next_call)
{
	struct line second = {0};

	for (size_t at = 1;; at++) {
		drop();
		make();
		end_mail(&home, 2000, 'N', 1);
		end_mail(&home, 2000, 'N', 2);
		struct line first = { .rate = 1000, .delay = 1000000, .back = at };
		call(&first);
		stop();
		ck_assert_uint_lt(at, 60);
		if (hub.gots == 2 && !home.thing[0].done)
			break;
	}
	uint64_t wrote = hub.wrote;
	good_call(&second);
	ck_assert_uint_eq(home.dids, 1);
	ck_assert_uint_eq(hub.wrote, wrote);
	ck_assert_uint_lt(second.up + second.down, 250);
	stop();
	all_there();
}
END_TEST

START_TEST(what_was_had_before_any_ring_is_known_by_its_name)
{
	struct line line = {0};

	end_mail(&home, 2000, 'N', 1);
	ck_assert(line_until_done(&home, &hub, 1));
	home.thing[0].done = home.thing[0].done_synced = false;	/* its end was restored */
	end_forget_rings(&home);
	good_call(&line);
	stop();
	ck_assert_uint_eq(hub.gots, 1);
	ck_assert(home.thing[0].done);
}
END_TEST

/* Of a line that bears 250 KB a second, wherever it is cut: what came is there, but for the last frame. */
START_TEST(what_came_of_a_large_mail_is_there)
{
	size_t cut = 700000 + 19997 * (size_t)_i;
	struct line line = { .rate = 250000, .delay = 60000, .there = cut };

	struct thing *thing = &home.thing[noise(&home, 2000000, 'N')];
	for (size_t i = 0; i < thing->bytes.len; i++)	/* six bits of each eight */
		thing->bytes.p[i] = (char)('@' + (thing->bytes.p[i] & 63));
	call(&line);
	size_t came = hub.wrote * 3 / 4;
	ck_assert_msg(came + M_FRAME_MAX + cut / 500 > line.up, "%d of %d bytes", (int)came, (int)line.up);
	stop();
}
END_TEST

/* --- order --- */

static void
urgent_after_20_s(struct line *line, struct end *a, struct end *b)
{
	(void)b;
	if (line->arg != NULL || line->now < 1020 * CLOCK_SECOND)
		return;
	line->arg = line;
	end_mail(a, 2000, *(char *)a->dictionary.p, 1);
	m_more(&a->m);
}

START_TEST(a_small_or_urgent_mail_overtakes_a_large_one)
{
	struct line line = { .rate = 20000, .delay = 300000, .each = urgent_after_20_s };

	home.dictionary = (struct str){0};
	str_set(&home.dictionary, _i == 0 ? "A" : "N");	/* the grade, for the hook above */
	noise(&home, 3000000, 'N');
	good_call(&line);
	stop();
	all_there();
	ck_assert_int_lt(home.thing[1].at - 1020 * CLOCK_SECOND, 5 * CLOCK_SECOND);
	ck_assert_int_gt(home.thing[0].at - 1020 * CLOCK_SECOND, 100 * CLOCK_SECOND);
}
END_TEST

START_TEST(the_line_is_kept_full)
{
	static const struct { uint64_t rate; int64_t delay; size_t len; } lines[] = {
		{ 64000, 300000, 3000000 }, { 250000, 60000, 3000000 }, { 12500000, 100, 10000000 },
		{ 12500000, 20000, 10000000 }, { 300, 900000, 20000 },
	};
	struct line line = { .rate = lines[_i].rate, .delay = lines[_i].delay, .pipe = lines[_i].rate > 1000000 ? 1 << 20 : 0 };

	home.config.credit = hub.config.credit = 4 << 20;
	home.thing[noise(&home, lines[_i].len, 'N')].object.stream = false;
	good_call(&line);
	stop();
	all_there();
	double ideal = (double)lines[_i].len / (double)lines[_i].rate + 2.0 * (double)lines[_i].delay / CLOCK_SECOND;
	double took = (double)line.took / CLOCK_SECOND;
	ck_assert_msg(took < 1.15 * ideal + 4 * (double)lines[_i].delay / CLOCK_SECOND, "%.2f s, ideal %.2f", took, ideal);
	ck_assert_msg(line.down < lines[_i].len / 50 + 200, "%d bytes back", (int)line.down);
}
END_TEST

static void
carry(struct line *line, size_t len)
{
	home.config.credit = hub.config.credit = 4 << 20;
	noise(&home, len, 'N');
	good_call(line);
	stop();
	all_there();
}

/* TCP sends twice as much in each round trip of its first: what may be on its way grows with that. */
static void
doubles(struct line *line, struct end *a, struct end *b)
{
	int64_t trips = (line->now - 1000 * CLOCK_SECOND) / (2 * line->delay);

	(void)a;
	(void)b;
	line->rate = (uint64_t)16000 << (trips < 5 ? trips : 5);
}

START_TEST(a_line_that_becomes_faster_is_kept_full)
{
	struct line line = { .delay = 300000, .pipe = 1 << 20, .each = doubles };

	carry(&line, 1500000);
	/* 297.6 KB in five round trips of 0.6 s, then 512 KB a second, and two round trips for words: 6.55 s */
	ck_assert_int_lt(line.took, 7500000);
}
END_TEST

struct under_way {
	int64_t from, until;	/* it is looked at */
	uint64_t most;
};

static void
most_under_way(struct line *line, struct end *a, struct end *b)
{
	struct under_way *under_way = line->arg;
	uint64_t out = a->m.packed_out > line->up ? a->m.packed_out - line->up : 0;

	(void)b;
	if (line->now > under_way->from && line->now < under_way->until && out > under_way->most)
		under_way->most = out;
}

/* A SEEN that is lost comes half a second late, or more: in the first seconds there is enough to be sent meanwhile. */
START_TEST(a_seen_that_is_late_stops_nobody)
{
	struct under_way under_way = { .until = 1002 * CLOCK_SECOND };
	struct line line = { .rate = 250000, .delay = 60000, .pipe = 1 << 20, .each = most_under_way, .arg = &under_way };

	carry(&line, 3000000);
	ck_assert_uint_gt(under_way.most, 250000);
}
END_TEST

/* What is on its way when a line is cut, comes again: in the steady course of a call that is two round trips, a
 * frame's time in them. */
START_TEST(little_is_on_its_way)
{
	struct under_way under_way = { .from = 1004 * CLOCK_SECOND, .until = INT64_MAX };
	struct line line = { .rate = 250000, .delay = 60000, .pipe = 1 << 20, .each = most_under_way, .arg = &under_way };

	carry(&line, 3000000);
	ck_assert_msg(under_way.most > 45000 && under_way.most < 90000, "%d bytes", (int)under_way.most);
}
END_TEST

struct losses {
	int64_t each, takes, next;
};

static void
is_lost(struct line *line, struct end *a, struct end *b)
{
	struct losses *losses = line->arg;

	(void)a;
	(void)b;
	if (line->now < losses->next)
		return;
	line->mends = line->now + losses->takes;
	losses->next = line->now + losses->each;
}

/* While TCP mends what was lost nothing comes out of it, but the line goes on. */
START_TEST(what_is_mended_stops_nobody)
{
	struct losses losses[] = {
		{ 600000, 300000, 1004 * CLOCK_SECOND },	/* a packet of a hundred, at the first time */
		{ 4 * CLOCK_SECOND, 1900000, 1004 * CLOCK_SECOND },	/* at the third */
	};
	struct line line = { .rate = 250000, .delay = 60000, .pipe = 1 << 20, .each = is_lost, .arg = &losses[_i] };

	carry(&line, 4000000);
	/* 16 s without a loss; with no more than two round trips on its way, 22 and 26 */
	ck_assert_msg(line.took < 18 * CLOCK_SECOND + 3 * losses[_i].takes / 2, "%d ms", (int)(line.took / 1000));
}
END_TEST

static void
each_turn_takes_its_time(struct line *line, struct end *a, struct end *b)
{
	(void)a;
	(void)b;
	if (line->now > 1001 * CLOCK_SECOND)
		line->now += 700000;
}

/* On a machine where everybody waits for his turn, a short round trip is not all that there is. */
START_TEST(a_busy_machine_sends_as_much_as_comes_in_a_turn)
{
	struct line line = { .rate = 500000, .delay = 1000, .pipe = 1 << 20, .each = each_turn_takes_its_time };

	carry(&line, 8000000);
	ck_assert_msg(line.took < 120 * CLOCK_SECOND, "%d ms", (int)(line.took / 1000));
}
END_TEST

/* --- classes --- */

START_TEST(classes_have_streams_of_their_own)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 9; i++) {
			struct thing *t = &home.thing[end_mail(&home, 2000, 'N', i)];
			strcpy(t->object.class, (const char *[]){ "main", "lists", "none" }[i % 3]);
			t->object.stream = i != 4;
		}
		good_call(&line);
		stop();
	}
	all_there();
	ck_assert_uint_le(home.refers, 7);
	ck_assert_uint_eq(hub.from[0].count, 6);
	ck_assert_str_eq(hub.from[1].class, home.to[1].class);
}
END_TEST

/* --- one floor --- */

static void
one_floor(void)
{
	home.config.half_duplex = hub.config.half_duplex = true;
	home.config.burst = hub.config.burst = 30;
}

START_TEST(one_mail_each_way_takes_two_turns)
{
	struct line line = { .rate = 150, .delay = 2 * CLOCK_SECOND };

	one_floor();
	if (_i > 0)
		end_mail(&home, 2000, 'N', 1);
	if (_i > 1)
		end_mail(&hub, 2000, 'N', 2);
	good_call(&line);
	ck_assert_uint_eq(home.m.turns, (unsigned)(_i > 1 ? 2 : 1));
	stop();
	all_there();
}
END_TEST

START_TEST(a_burst_ends_in_time)
{
	struct line line = { .rate = 150, .delay = 2 * CLOCK_SECOND };

	one_floor();
	noise(&home, 30000, 'N');
	noise(&hub, 10000, 'N');
	good_call(&line);
	ck_assert_uint_ge(home.m.turns, 10);
	ck_assert_uint_le(home.m.turns, 24);
	ck_assert_uint_ge(home.m.rate, 75);
	ck_assert_uint_le(home.m.rate, 150);
	stop();
	all_there();
}
END_TEST

/* --- the line is dead, or only slow --- */

START_TEST(a_dead_line_is_told_at_both_ends)
{
	struct line line = { .rate = 20000, .delay = 300000, .there = 80000, .silent = true };
	struct end *sender = _i == 0 ? &home : &hub;

	if (_i > 0) {
		line.back = line.there;
		line.there = 0;
	}
	noise(sender, 300000, 'N');
	call(&line);
	/* 80 kB take 4.6 s */
	ck_assert_int_lt(line.took, (5 + 12) * CLOCK_SECOND);
	ck_assert_int_gt(line.took, (5 + 7) * CLOCK_SECOND);
	ck_assert(home.m.err.kind == ERR_TEMP && hub.m.err.kind == ERR_TEMP);
	stop();
	then_all_comes("dead", 0);
}
END_TEST

START_TEST(a_line_that_never_was_is_given_up_after_its_timeout)
{
	struct line line = { .there = 1, .back = 1, .delay = 1000, .silent = true };

	home.config.rtt = hub.config.rtt = _i > 0 ? CLOCK_SECOND : 0;
	end_mail(&home, 300, 'N', 1);
	call(&line);
	ck_assert_int_eq(home.m.err.kind, ERR_TEMP);
	ck_assert(!home.m.met);
	ck_assert_int_le(line.took, (_i > 0 ? 11 : 61) * CLOCK_SECOND);
	stop();
}
END_TEST

/* What is remembered of a line holds for one call that finds it otherwise. */
START_TEST(a_line_slower_than_it_was_serves_the_next_call)
{
	struct line line = { .rate = 150, .delay = 6 * CLOCK_SECOND }, again = line;

	home.config.rtt = hub.config.rtt = CLOCK_SECOND / 10;
	home.config.rate = hub.config.rate = 20000;
	noise(&home, 3000, 'N');
	call(&line);
	ck_assert_int_eq(home.m.err.kind, ERR_TEMP);
	ck_assert(home.m.rtt == 0 && hub.m.rtt == 0);
	stop();
	home.config.rtt = hub.config.rtt = 0;
	home.config.rate = hub.config.rate = 0;
	good_call(&again);
	stop();
	all_there();
}
END_TEST

START_TEST(a_slow_line_is_not_dead)
{
	struct line line = { .rate = 150, .delay = 3 * CLOCK_SECOND, .pipe = 1 << 20 };

	for (unsigned i = 0; i < 4; i++) {
		noise(&home, 9000, 'N');
		noise(&hub, 9000, 'N');
	}
	good_call(&line);
	stop();
	all_there();
	ck_assert_int_lt(line.took, 300 * CLOCK_SECOND);
}
END_TEST

/* --- a standing call --- */

enum { STANDING = 10 };

static void
mail_each_minute(struct line *line, struct end *a, struct end *b)
{
	struct end *sender = b->things < a->things ? b : a;
	uint64_t *bytes = line->arg;

	line->wake = (int64_t)(1060 + 60 * (a->things + b->things)) * CLOCK_SECOND;
	if (line->now < line->wake)
		return;
	ck_assert(m_idle(&a->m) && m_idle(&b->m));
	if (a->things + b->things == 2)
		*bytes = line->up + line->down - a->m.packed_out - b->m.packed_out;
	if (a->things + b->things == STANDING) {
		*bytes = line->up + line->down - a->m.packed_out - b->m.packed_out - *bytes;
		m_end(&a->m, M_BYE_DONE);
		return;
	}
	end_mail(sender, 2000, 'N', 3);
	m_more(&sender->m);
}

START_TEST(over_a_standing_call_a_mail_costs_60_bytes)
{
	uint64_t bytes = 0;

	if (_i == 1)
		mixed();
	struct line line = { .rate = 20000, .delay = 300000, .each = mail_each_minute, .arg = &bytes };

	home.config.stay = true;
	home.config.keepalive = hub.config.keepalive = 3000;
	good_call(&line);
	stop();
	all_there();
	ck_assert_uint_eq(home.things + hub.things, STANDING);
	ck_assert_msg(bytes <= 60 * (STANDING - 2), "%d bytes for %d mails", (int)bytes, STANDING - 2);
	for (size_t i = 0; i < home.things; i++)	/* one round trip, and its bytes */
		ck_assert_int_lt(home.thing[i].at % (60 * CLOCK_SECOND), 40 * CLOCK_SECOND + 800000);
}
END_TEST

START_TEST(an_idle_call_says_something_now_and_then)
{
	struct line line = { .delay = 1000, .there = 400, .silent = true };

	home.config.stay = true;
	end_mail(&home, 10, 'N', 1);
	call(&line);	/* until the line swallows a PING */
	ck_assert_int_gt(line.took, 100 * CLOCK_SECOND);
	ck_assert(home.m.err.kind == ERR_TEMP && hub.m.err.kind == ERR_TEMP);
	stop();
}
END_TEST

/* --- budgets and refusals --- */

START_TEST(a_budget_ends_a_call_in_good_order)
{
	struct line line = { .rate = 20000, .delay = 100000 };
	unsigned calls = 0;
	int secs = _i < 4 ? 3 : 20;	/* in its beginning, and in its steady course */

	noise(&home, _i < 4 ? 150000 : 700000, 'N');
	do {
		home.config.may_send = _i == 0 ? 30000 : 0;
		hub.config.left = _i == 1 ? 30000 : 0;
		home.config.secs = _i == 2 || _i == 4 ? secs : 0;
		hub.config.secs = _i == 3 || _i == 5 ? secs : 0;
		line.up = 0;
		good_call(&line);
		ck_assert_uint_lt(line.up, _i < 4 ? 62000 : 402000);
		ck_assert(_i < 2 || line.took < secs * CLOCK_SECOND + CLOCK_SECOND / 2);
		if (!home.thing[0].done) {
			ck_assert_int_eq(home.m.said, M_BYE_BUDGET);
			ck_assert_int_eq(hub.m.heard, M_BYE_BUDGET);
			ck_assert_int_eq(home.thing[0].fate, M_LATER);
		}
		stop();
	} while (!home.thing[0].done && ++calls < 10);
	all_there();
	ck_assert_uint_ge(calls, _i < 4 ? 2 : 1);
}
END_TEST

START_TEST(told_to_stop_it_stops_and_goes_on_in_the_next)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	(void)_i;
	noise(&home, 100000, 'N');
	end_begin(&home, true, CLOCK_SECOND);
	end_begin(&hub, false, CLOCK_SECOND);
	line.now = CLOCK_SECOND;
	m_end(_i == 0 ? &home.m : &hub.m, M_BYE_STOP);
	line_run(&line, &home, &hub);
	ck_assert_int_eq(home.m.err.kind, ERR_NONE);
	ck_assert_int_eq(hub.m.err.kind, ERR_NONE);
	ck_assert_int_eq(_i == 0 ? home.m.said : hub.m.said, M_BYE_STOP);
	stop();
	then_all_comes("stopped", 0);
}
END_TEST

static const struct {
	enum m_status offer, whole;
	size_t enough;
	enum m_status fate;
	bool text;
} answers[] = {
	{ M_LATER, M_STORED, 0, M_LATER, true },
	{ M_NEVER, M_STORED, 0, M_NEVER, true },
	{ M_HOLD, M_STORED, 0, M_HOLD, true },
	{ M_HAD, M_STORED, 0, M_HAD, false },
	{ M_TAKE, M_NEVER, 0, M_NEVER, true },
	{ M_TAKE, M_HOLD, 0, M_HOLD, true },
	{ M_TAKE, M_WRONG, 0, M_WRONG, true },
	{ M_TAKE, M_STORED, 5000, M_NEVER, true },
};

START_TEST(the_answer_reaches_the_sender)
{
	struct line line = { .rate = 20000, .delay = 100000 };

	hub.offer = answers[_i].offer;
	hub.whole = answers[_i].whole;
	hub.enough = answers[_i].enough;
	noise(&home, 300000, 'N');
	end_mail(&hub, 3000, 'N', 1);
	good_call(&line);
	stop();
	ck_assert_int_eq(home.thing[0].fate, answers[_i].fate);
	ck_assert_int_eq(home.thing[0].text[0] != '\0', answers[_i].text);
	ck_assert_uint_eq(hub.gots, 0);
	ck_assert_int_eq(end_arrived(&hub, &home), 1);
	if (answers[_i].offer != M_TAKE || answers[_i].enough > 0)	/* it stops in the middle */
		ck_assert_uint_lt(line.up, 100000);
}
END_TEST

START_TEST(what_is_too_large_or_of_no_grade_is_not_sent)
{
	struct line line = { .delay = 100000 };

	hub.config.max_object = 50000;
	hub.config.grade = 'P';
	noise(&home, 60000, 'N');
	end_mail(&home, 3000, 'Z', 1);
	end_mail(&home, 3000, 'N', 1);
	good_call(&line);
	stop();
	ck_assert_int_eq(home.thing[0].fate, M_HOLD);
	ck_assert_int_eq(home.thing[1].fate, M_LATER);
	ck_assert_int_eq(home.thing[2].fate, M_STORED);
}
END_TEST

START_TEST(a_disk_that_fails_ends_the_call)
{
	struct line line = {0};

	hub.no_disk = true;
	end_mail(&home, 3000, 'N', 1);
	call(&line);
	ck_assert_str_eq(hub.m.err.text, "no disk");
	ck_assert_int_eq(home.m.heard, M_BYE_STOP);
	stop();
	hub.no_disk = false;
	then_all_comes("no disk", 0);
}
END_TEST

static void
come_later(struct line *line, struct end *a, struct end *b)
{
	(void)b;
	line->wake = 1005 * CLOCK_SECOND;
	if (line->now < line->wake || !a->wait)
		return;
	a->wait = false;
	end_mail(a, 2000, 'N', 1);
	m_more(&a->m);
}

START_TEST(who_waits_for_its_queue_says_no_bye)
{
	struct line line = { .delay = 1000, .each = come_later };

	home.wait = true;
	good_call(&line);
	stop();
	all_there();
	ck_assert_uint_eq(home.things, 1);
}
END_TEST

/* --- a peer that breaks the rules --- */

struct said {
	unsigned type;
	const char *body;
	size_t len;
};

#define F(type, text) { type, text, sizeof text - 1 }
#define HELLO F(1, "m=1")
#define NAME "0123456789abcdef"
#define HEX_NAME "30313233343536373839616263646566"
#define OPEN(handle, rest) F(3, handle "\0N" rest NAME)
#define GOOD ((enum m_bye)99)

/* What is said to an end that has one mail for them, and what it says to that. */
static const struct {
	const char *what;
	enum m_bye bye;
	struct said said[6];
} hostile[] = {
	{ "no HELLO first", M_BYE_PROTOCOL, { OPEN("\1", "\0\5\0") } },
	{ "two HELLO", M_BYE_PROTOCOL, { HELLO, HELLO } },
	{ "HELLO without a version", M_BYE_PROTOCOL, { F(1, "w=3") } },
	{ "HELLO of version 0", M_BYE_VERSION, { F(1, "m=0") } },
	{ "HELLO of a later version", GOOD, { F(1, "m=7 new=1 h=:0:0:0:0") } },
	{ "HELLO with a control character", M_BYE_PROTOCOL, { F(1, "m=1 a\33[2J") } },
	{ "no credit", M_BYE_PROTOCOL, { F(1, "m=1 w=0") } },
	{ "credit that is no number", M_BYE_PROTOCOL, { F(1, "m=1 w=-1") } },
	{ "a mark without its end", M_BYE_PROTOCOL, { F(1, "m=1 h=main:3:1") } },
	{ "a class twice", M_BYE_PROTOCOL, { F(1, "m=1 h=:1:1:0:0 h=main:1:1:0:0") } },
	{ "a part of a name that is none", M_BYE_PROTOCOL, { F(1, "m=1 have=0123:5:1") } },
	{ "nine parts", M_BYE_PROTOCOL, { F(1, "m=1 have=" HEX_NAME ":1:1," HEX_NAME ":1:1," HEX_NAME ":1:1," HEX_NAME ":1:1,"
	    HEX_NAME ":1:1," HEX_NAME ":1:1," HEX_NAME ":1:1," HEX_NAME ":1:1," HEX_NAME ":1:1") } },
	{ "a window of 2^99", M_BYE_PROTOCOL, { F(1, "m=1 wl=99") } },
	{ "an unknown frame", M_BYE_PROTOCOL, { HELLO, F(0x20, "x") } },
	{ "an unknown frame that may be passed over", GOOD, { HELLO, F(0x81, "x"), F(0xff, "") } },
	{ "type 0", M_BYE_PROTOCOL, { HELLO, F(0, "") } },
	{ "DATA of nothing", M_BYE_PROTOCOL, { HELLO, F(4, "\1x") } },
	{ "handle 2 first", M_BYE_PROTOCOL, { HELLO, OPEN("\2", "\0\5\0") } },
	{ "handle 0", M_BYE_PROTOCOL, { HELLO, OPEN("\0", "\0\5\0") } },
	{ "a handle again", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\0\5\0"), OPEN("\1", "\0\5\0") } },
	{ "a handle of ten bytes", M_BYE_PROTOCOL, { HELLO, OPEN("\x81\x80\x80\x80\x80\x80\x80\x80\x80\0", "\0\5\0") } },
	{ "a good OPEN", GOOD, { HELLO, OPEN("\1", "\0\5\0"), F(4, "\1" "abc") } },
	{ "an offset beyond the length", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\0\5\6") } },
	{ "a kind that is none", M_BYE_PROTOCOL, { HELLO, F(3, "\1\4N\0\5\0" NAME) } },
	{ "a summary without end", M_BYE_PROTOCOL, { HELLO, F(3, "\1\1N\0\x81\x80\1\0" NAME) } },
	{ "a grade that is none", M_BYE_PROTOCOL, { HELLO, F(3, "\1\0 \0\5\0" NAME) } },
	{ "flags that are none", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\10\5\0") } },
	{ "a short name", M_BYE_PROTOCOL, { HELLO, F(3, "\1\0N\0\5\0abc") } },
	{ "more behind the name", M_BYE_PROTOCOL, { HELLO, F(3, "\1\0N\0\5\0" NAME "x") } },
	{ "a class that climbs", M_BYE_PROTOCOL, { HELLO, F(3, "\1\0N\4\5\0" NAME "\3../") } },
	{ "a class of 41", M_BYE_PROTOCOL, { HELLO,
	    F(3, "\1\0N\4\5\0" NAME "\51aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") } },
	{ "DATA of no bytes", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\0\5\0"), F(4, "\1") } },
	{ "DATA of nobody", M_BYE_PROTOCOL, { HELLO, F(4, "") } },
	{ "more than its length", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\0\5\0"), F(4, "\1" "abcdef") } },
	{ "more behind its end", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\0\5\0"), F(4, "\1" "abcde"), F(4, "\1" "f") } },
	{ "compressed, and no STREAM", M_BYE_PROTOCOL, { HELLO, OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "compressed, and no zstd", GOOD, { HELLO, F(2, "\1\24\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "a codec of another time", GOOD, { HELLO, F(2, "\11\24\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "a window beyond ours", GOOD, { HELLO, F(2, "\1\30\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "a dictionary of another time before history", GOOD, { HELLO, F(2, "\2\24\0\1" "12345678" "\100"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "a dictionary before no history", GOOD, { HELLO, F(2, "\2\24\0\0\1"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "a dictionary of another time", GOOD, { HELLO, F(2, "\1\24\0\0\11"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "an unknown mark", GOOD, { HELLO, F(2, "\1\24\0\7" "12345678" "\5"), OPEN("\1", "\1\5\0"), F(4, "\1" "abc") } },
	{ "a STREAM cut short", M_BYE_PROTOCOL, { HELLO, F(2, "\1\24\0\7" "1234") } },
	{ "a STREAM with more behind", M_BYE_PROTOCOL, { HELLO, F(2, "\1\24\0\0\0x") } },
	{ "a STREAM of a class that climbs", M_BYE_PROTOCOL, { HELLO, F(2, "\1\24\2..\0\0") } },
	{ "mix", GOOD, { HELLO, F(2, "\40\23\0\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix of models of another time", GOOD, { F(1, "m=1 mix=7,999999999999999999999,,x"),
	    F(2, "\57\23\0\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix that is no number", GOOD, { HELLO, F(2, "\40\23\0\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200abcdefghij") } },
	{ "mix for 2^13 bytes", GOOD, { HELLO, F(2, "\40\15\0\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix for 2^21 bytes", GOOD, { HELLO, F(2, "\40\25\0\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix that is taught more than anybody is", GOOD, { HELLO, F(2, "\40\23\0\0\0\x81\x80\x40"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix with a dictionary before no history", GOOD, { HELLO, F(2, "\41\23\0\0\0\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix of an unknown mark", GOOD, { HELLO, F(2, "\40\23\0\7" "12345678" "\5\0"), OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix of more history than there is", GOOD, { HELLO, F(2, "\40\23\0\7" "12345678" "\xff\xff\xff\xff\xff\xff\xff\x7f\0"),
	    OPEN("\1", "\1\5\0"), F(4, "\1" "\200") } },
	{ "mix that does not say how much is taught", M_BYE_PROTOCOL, { HELLO, F(2, "\40\23\0\0\0") } },
	{ "mix with more behind", M_BYE_PROTOCOL, { HELLO, F(2, "\40\23\0\0\0\0x") } },
	{ "mix behind the end of an object", M_BYE_PROTOCOL, { HELLO, F(2, "\40\23\0\0\0\0"), OPEN("\1", "\1\0\0"), F(4, "\1" "\200") } },
	{ "DATA of another class", M_BYE_PROTOCOL, { HELLO, F(2, "\1\24\0\0\0"), F(3, "\1\0N\5\5\0" NAME "\5lists"),
	    F(4, "\1" "abc") } },
	{ "an ACK", GOOD, { HELLO, F(5, "\1\0") } },
	{ "an ACK, twice", GOOD, { HELLO, F(5, "\1\0\1\0") } },
	{ "an ACK of what was not sent", M_BYE_PROTOCOL, { HELLO, F(5, "\2\0") } },
	{ "an ACK of 0", M_BYE_PROTOCOL, { HELLO, F(5, "\0\0") } },
	{ "an ACK that knows more", M_BYE_PROTOCOL, { HELLO, F(5, "\1\11\0") } },
	{ "an ACK of nothing", M_BYE_PROTOCOL, { HELLO, F(5, "") } },
	{ "a status that is none", M_BYE_PROTOCOL, { HELLO, F(5, "\1\6\1x") } },
	{ "a text that steers", M_BYE_PROTOCOL, { HELLO, F(5, "\1\3\2\33[") } },
	{ "a text of 201", M_BYE_PROTOCOL, { HELLO, F(5, "\1\3\311aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") } },
	{ "a text that is not all there", M_BYE_PROTOCOL, { HELLO, F(5, "\1\3\11x") } },
	{ "a DID that is not due", M_BYE_PROTOCOL, { HELLO, F(6, "\0" "12345678") } },
	{ "a DID that is due", GOOD, { F(1, "m=1 h=:5:1:0:0"), F(6, "\0" "12345678") } },
	{ "a DID twice", M_BYE_PROTOCOL, { F(1, "m=1 h=:5:1:0:0"), F(6, "\0"), F(6, "\0") } },
	{ "a DID of half a name", M_BYE_PROTOCOL, { F(1, "m=1 h=:5:1:0:0"), F(6, "\0" "1234") } },
	{ "SEEN beyond what was sent", M_BYE_PROTOCOL, { HELLO, F(7, "\xff\xff\3") } },
	{ "SEEN cut short", M_BYE_PROTOCOL, { HELLO, F(7, "\x80") } },
	{ "NOREF", GOOD, { HELLO, F(8, "\1") } },
	{ "NOREF of no stream", M_BYE_PROTOCOL, { HELLO, F(8, "\2") } },
	{ "NOREF of stream 0", M_BYE_PROTOCOL, { HELLO, F(8, "\0") } },
	{ "PING", GOOD, { HELLO, F(9, "1234"), F(10, "9999") } },
	{ "a short PING", M_BYE_PROTOCOL, { HELLO, F(9, "123") } },
	{ "a long PONG", M_BYE_PROTOCOL, { HELLO, F(10, "12345") } },
	{ "TURN", M_BYE_PROTOCOL, { HELLO, F(11, "") } },
	{ "an empty BYE", M_BYE_PROTOCOL, { HELLO, F(12, "") } },
	{ "a BYE that steers", M_BYE_PROTOCOL, { HELLO, F(12, "\0\r\n") } },
	{ "OPEN behind BYE", M_BYE_PROTOCOL, { HELLO, F(12, "\0"), OPEN("\1", "\0\5\0") } },
	{ "two BYE", M_BYE_PROTOCOL, { HELLO, F(12, "\0"), F(12, "\0") } },
	{ "ACK behind BYE", GOOD, { HELLO, F(12, "\0"), F(5, "\1\0") } },
};

static void
speak(struct end *end, uint32_t *check, struct said said, size_t step)
{
	struct str frame = {0};

	str_add_char(&frame, (char)said.type);
	str_add_char(&frame, (char)(said.len >> 8));
	str_add_char(&frame, (char)said.len);
	str_add(&frame, said.body, said.len);
	*check = (uint32_t)crc32(*check, (const unsigned char *)frame.p, (unsigned)frame.len);
	for (int shift = 24; shift >= 0; shift -= 8)
		str_add_char(&frame, (char)(*check >> shift));
	for (size_t at = 0; at < frame.len; at += step)
		m_feed(&end->m, frame.p + at, at + step < frame.len ? step : frame.len - at, CLOCK_SECOND);
	str_free(&frame);
}

/* All that it has to say is taken. */
static void
hear(struct end *end)
{
	m_commit(&end->m, CLOCK_SECOND);
	m_fill(&end->m, CLOCK_SECOND);
	if (!end->m.over)
		m_taken(&end->m, end->out.len, CLOCK_SECOND);
}

START_TEST(who_breaks_a_rule_is_told_and_left)
{
	for (size_t step = 1; step < 30000; step *= 29) {
		uint32_t check = 0;
		drop();
		make();
		end_mail(&home, 300, 'N', 1);
		str_set(&home.dictionary, "weather and tomorrow");
		home.config.mix = M_MIX_MAY;
		end_begin(&home, true, CLOCK_SECOND);
		hear(&home);
		for (size_t i = 0; i < 6 && hostile[_i].said[i].body != NULL; i++) {
			speak(&home, &check, hostile[_i].said[i], step);
			hear(&home);
		}
		if (hostile[_i].bye == GOOD) {
			ck_assert_msg(home.m.err.kind == ERR_NONE, "%s: %s", hostile[_i].what, home.m.err.text);
		} else {
			ck_assert_msg(home.m.over && home.m.err.kind != ERR_NONE, "%s: was taken", hostile[_i].what);
			ck_assert_msg(home.m.said == hostile[_i].bye, "%s: BYE %d", hostile[_i].what, home.m.said);
		}
		ck_assert_uint_eq(home.gots, 0);
		stop();
	}
}
END_TEST

static struct str
compressed(size_t len)
{
	struct str plain = {0}, out = {0};
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	str_room(&plain, len);
	memset(plain.p, 'x', len);
	ZSTD_inBuffer in = { plain.p, len, 0 };
	ZSTD_outBuffer to = { str_room(&out, len + 1000), len + 1000, 0 };
	while (ZSTD_compressStream2(zstd, &to, &in, ZSTD_e_flush) > 0)
		;
	out.len = to.pos;
	ZSTD_freeCCtx(zstd);
	str_free(&plain);
	return out;
}

START_TEST(a_bomb_does_not_go_off)
{
	static const size_t sizes[] = { 131072, 131073, 5000000 };
	struct str bomb = compressed(sizes[_i]), data = {0};
	uint32_t check = 0;

	end_begin(&home, true, CLOCK_SECOND);
	hear(&home);
	speak(&home, &check, (struct said)HELLO, 100);
	speak(&home, &check, (struct said)F(2, "\1\26\0\0\0"), 100);
	speak(&home, &check, (struct said)F(3, "\1\0N\1\x80\x80\x80\7\0" NAME), 100);
	str_add_char(&data, 1);
	str_add_span(&data, str_span(&bomb));
	speak(&home, &check, (struct said){ 4, data.p, data.len }, 100);
	ck_assert_uint_le(home.wrote, 131072);
	ck_assert_int_eq(home.wrote == 131072, _i == 0);
	stop();
	str_free(&bomb);
	str_free(&data);
}
END_TEST

/* Home has so much history, and hears of a stream of mix that is taught all of it. */
static void
begin_model(struct str *stream, uint32_t *check)
{
	struct str history = {0};

	mixed();
	while (history.len < 250000)
		str_printf(&history, "over and over, %zu times ", history.len * history.len % 97);
	history.len = 250000;
	end_thing(&hub, str_span(&history), 'N', "main");
	str_free(&history);
	ck_assert(line_until_done(&home, &hub, 1));
	end_begin(&home, true, CLOCK_SECOND);
	hear(&home);
	struct m_mark mark = home.config.classes[0].from;
	str_set(stream, "\40\23");
	str_add(stream, "\0\1", 2);
	for (int shift = 56; shift >= 0; shift -= 8)
		str_add_char(stream, (char)(mark.link >> shift));
	str_add(stream, "\x90\xa1\x0f\xff\xff\x1f", 6);	/* 250000 bytes, 524287 taught */
	speak(&home, check, (struct said)HELLO, 100);
}

/* Models are made of so much and no more, however often they are asked for. */
START_TEST(a_peer_that_asks_for_models_all_the_time_gets_few)
{
	struct str stream = {0};
	uint32_t check = 0;

	begin_model(&stream, &check);
	for (unsigned i = 0; i < 40 && !home.m.over; i++) {
		char open[] = "\0\0N\1\5\0" NAME, data[] = "\0\377";
		open[0] = data[0] = (char)(i + 1);
		speak(&home, &check, (struct said){ 2, stream.p, stream.len }, 1000);
		speak(&home, &check, (struct said){ 3, open, sizeof open - 1 }, 1000);
		speak(&home, &check, (struct said){ 4, data, sizeof data - 1 }, 1000);
		while (!home.m.over && m_deadline(&home.m) <= CLOCK_SECOND)
			hear(&home);
	}
	ck_assert_uint_ge(home.m.mixes, 1);
	ck_assert_uint_lt(home.m.mixes, 20);
	stop();
	str_free(&stream);
}
END_TEST

/* What is said in a turn; the heads of its frames. */
static bool
says(struct end *end, unsigned type)
{
	bool found = false;

	m_fill(&end->m, CLOCK_SECOND);
	for (size_t at = 0; at < end->out.len;) {
		const unsigned char *frame = (const unsigned char *)end->out.p + at;
		found = found || frame[0] == type;
		at += 7 + (size_t)(frame[1] << 8 | frame[2]);
	}
	m_taken(&end->m, end->out.len, CLOCK_SECOND);
	return found;
}

START_TEST(while_a_model_is_made_the_line_is_served)
{
	static const struct said open = OPEN("\1", "\1\5\0"), data = F(4, "\1\0"), ping = F(9, "1234");
	enum { ACK = 5, PONG = 10 };
	struct str stream = {0};
	uint32_t check = 0;
	unsigned turns = 0;

	begin_model(&stream, &check);
	speak(&home, &check, (struct said){ 2, stream.p, stream.len }, 1000);
	speak(&home, &check, open, 1000);
	speak(&home, &check, data, 1000);	/* which cannot be read without */
	for (; turns < 5; turns++) {
		speak(&home, &check, ping, 1000);
		ck_assert_int_le(m_deadline(&home.m), CLOCK_SECOND);
		ck_assert(says(&home, PONG));
	}
	while (turns < 300 && !says(&home, ACK))
		turns++;
	ck_assert_uint_gt(turns, 40);
	ck_assert_uint_lt(turns, 100);
	/* The line closes in the middle of it: what came is looked at all the same. */
	speak(&home, &check, (struct said){ 2, stream.p, stream.len }, 1000);
	speak(&home, &check, (struct said)OPEN("\2", "\1\5\0"), 1000);
	speak(&home, &check, (struct said)F(4, "\2\377"), 1000);
	speak(&home, &check, (struct said)F(12, "\4gone"), 1000);
	ck_assert(!home.m.over);
	m_eof(&home.m, CLOCK_SECOND);
	ck_assert_int_eq(home.m.heard, M_BYE_PROTOCOL);
	ck_assert_uint_eq(home.gots, 1);
	stop();
	str_free(&stream);
}
END_TEST

START_TEST(nobody_waits_for_what_is_settled_last)
{
	end_mail(&hub, 3000, 'N', 1);
	call_mixed(&(struct line){0});
	all_there();
	ck_assert_uint_eq(hub.settles, 0);
	m_free(&hub.m);
	ck_assert_uint_eq(hub.settles, 1);
	stop();
}
END_TEST

START_TEST(what_came_may_be_settled_when_all_is_said)
{
	enum { BYE = 12 };
	uint32_t check = 0;

	home.config.nothing = true;
	end_begin(&home, true, CLOCK_SECOND);
	ck_assert(says(&home, BYE));
	ck_assert_int_eq(m_leaves_at(&home.m, 1), 0);	/* they may have mail */
	speak(&home, &check, (struct said)HELLO, 1000);
	hear(&home);
	ck_assert_int_gt(m_leaves_at(&home.m, 1), CLOCK_SECOND);	/* if nothing comes until then */
	ck_assert_int_lt(m_leaves_at(&home.m, 64), 2 * CLOCK_SECOND);
	ck_assert_int_eq(m_leaves_at(&home.m, 0), 0);
	ck_assert_int_eq(m_leaves_at(&home.m, 65), 0);	/* the line would wait */
	speak(&home, &check, (struct said)OPEN("\1", "\0\5\0"), 1000);
	hear(&home);
	ck_assert_int_eq(m_leaves_at(&home.m, 1), 0);
	stop();
}
END_TEST

START_TEST(a_peer_that_does_not_listen_costs_no_memory)
{
	static const struct said floods[] = { F(9, "1234"), F(2, "\1\24\0\7" "12345678" "\5"), F(5, "\1\0"), F(7, "\0"),
		F(8, "\1"), F(0x81, "what we do not know") };
	uint32_t check = 0;

	end_mail(&home, 300, 'N', 1);
	end_begin(&home, true, CLOCK_SECOND);
	m_fill(&home.m, CLOCK_SECOND);
	speak(&home, &check, (struct said)HELLO, 100);
	for (int i = 0; i < 20000 && !home.m.over; i++) {
		speak(&home, &check, floods[_i], 100);
		m_fill(&home.m, CLOCK_SECOND);
	}
	ck_assert_uint_lt(home.out.len, 400000);
	stop();
}
END_TEST

START_TEST(no_more_than_64_objects_are_open)
{
	uint32_t check = 0;
	int opened = 0;

	home.offer = _i == 0 ? M_TAKE : M_NEVER;
	end_begin(&home, true, CLOCK_SECOND);
	m_fill(&home.m, CLOCK_SECOND);
	speak(&home, &check, (struct said)HELLO, 100);
	for (; opened < 100 && !home.m.over; opened++) {
		char body[] = "\1\0N\0\5\0" NAME;
		body[0] = (char)(opened + 1);
		body[10] = (char)opened;
		speak(&home, &check, (struct said){ 3, body, sizeof body - 1 }, 100);
	}
	ck_assert_int_eq(home.m.said, M_BYE_PROTOCOL);
	ck_assert_int_le(opened, 65);
	stop();
}
END_TEST

START_TEST(a_frame_that_drips_is_not_waited_for)
{
	int64_t now = CLOCK_SECOND;

	end_begin(&home, true, now);
	m_fill(&home.m, now);
	for (size_t i = 0; i < 16000 && !home.m.over; i++) {
		m_feed(&home.m, i == 1 ? "\x3e" : "\1", 1, now);
		now += CLOCK_SECOND;
		m_tick(&home.m, now);
	}
	ck_assert(home.m.over);
	ck_assert_int_le(now, 63 * CLOCK_SECOND);
	m_feed(&home.m, "x", 1, now);
	stop();
}
END_TEST

START_TEST(last_words_are_not_waited_for_for_ever)
{
	uint32_t check = 0;
	int64_t now = CLOCK_SECOND;

	end_begin(&home, true, now);
	hear(&home);
	speak(&home, &check, (struct said)HELLO, 100);
	speak(&home, &check, (struct said)F(12, "\0"), 100);
	m_fill(&home.m, now);	/* our BYE, which nobody takes */
	while (!home.m.over && m_deadline(&home.m) < INT64_MAX) {
		now = m_deadline(&home.m) > now ? m_deadline(&home.m) : now + 1;
		m_tick(&home.m, now);
	}
	ck_assert(home.m.over);
	ck_assert_int_le(now, 65 * CLOCK_SECOND);
	ck_assert_int_eq(home.m.err.kind, ERR_NONE);
	stop();
}
END_TEST

START_TEST(no_frame_is_longer_than_it_may_be)
{
	end_begin(&home, true, CLOCK_SECOND);
	m_fill(&home.m, CLOCK_SECOND);
	m_feed(&home.m, "\1\x40\1", 3, CLOCK_SECOND);
	ck_assert_int_eq(home.m.said, M_BYE_PROTOCOL);
	stop();
}
END_TEST

UNIT_WITH("m", make, drop,
	{ mails_go_both_ways_in_one_call, 3 },
	{ an_empty_call_ends, 1 },
	{ who_has_nothing_says_so_at_once, 1 },
	{ cut_at_any_byte_nothing_is_lost_or_doubled, ROWS(cuts) },
	{ cuts_and_kills_at_random_lose_nothing, 4 },
	{ a_bit_turned_over_is_seen, 16 },
	{ history_makes_what_follows_smaller, 2 },
	{ a_young_history_has_the_dictionary_before_it, 1 },
	{ a_backlog_behind_a_dictionary_has_tables_of_its_own, 1 },
	{ without_a_common_history_all_comes_too, ROWS(mishaps) },
	{ mix_makes_less_of_mails_than_zstd, 3 },
	{ whatever_it_is_mix_carries_it, 1 },
	{ what_grows_too_much_goes_by_zstd, 1 },
	{ who_does_not_say_mix_gets_none, 2 },
	{ who_followed_mix_gets_it_at_once, 2 },
	{ a_peer_that_asks_for_models_all_the_time_gets_few, 1 },
	{ while_a_model_is_made_the_line_is_served, 1 },
	{ nobody_waits_for_what_is_settled_last, 1 },
	{ what_came_may_be_settled_when_all_is_said, 1 },
	{ without_a_common_history_mix_gives_way, ROWS(mishaps) },
	{ cut_anywhere_what_went_by_mix_goes_on, 2 },
	{ classes_have_models_of_their_own, 1 },
	{ what_is_refused_is_followed_too, 2 },
	{ what_a_model_was_made_for_goes_by_it, 1 },
	{ a_model_that_is_kept_need_not_be_taught, ROWS(kept) },
	{ models_make_few_packets, ROWS(mail_lines) },
	{ little_of_what_came_is_not_durable, 1 },
	{ what_is_whole_is_stored_before_the_end, 1 },
	{ who_kept_a_model_the_last_time_has_one_now, 2 },
	{ a_model_lasts_where_more_may_come, 1 },
	{ what_mix_packs_says_little_of_a_fast_line, ROWS(paced) },
	{ a_backlog_has_its_share_of_mix, 1 },
	{ mix_is_for_lines_where_bytes_are_dear, ROWS(dear) },
	{ a_busy_machine_goes_on_by_zstd, 1 },
	{ what_takes_long_to_make_goes_at_last_and_the_others_before, 6 },
	{ what_they_have_of_a_large_mail_is_looked_at_in_steps, 1 },
	{ a_large_mail_goes_on_where_it_stopped, 2 },
	{ what_came_of_a_large_mail_is_there, 10 },
	{ a_part_that_is_another_is_sent_from_its_beginning, 1 },
	{ a_lost_acknowledgement_is_told_in_the_next_call, 1 },
	{ what_was_had_before_any_ring_is_known_by_its_name, 1 },
	{ a_small_or_urgent_mail_overtakes_a_large_one, 2 },
	{ the_line_is_kept_full, 5 },
	{ a_line_that_becomes_faster_is_kept_full, 1 },
	{ a_seen_that_is_late_stops_nobody, 1 },
	{ little_is_on_its_way, 1 },
	{ what_is_mended_stops_nobody, 2 },
	{ a_busy_machine_sends_as_much_as_comes_in_a_turn, 1 },
	{ classes_have_streams_of_their_own, 1 },
	{ one_mail_each_way_takes_two_turns, 3 },
	{ a_burst_ends_in_time, 1 },
	{ a_dead_line_is_told_at_both_ends, 2 },
	{ a_line_that_never_was_is_given_up_after_its_timeout, 2 },
	{ a_line_slower_than_it_was_serves_the_next_call, 1 },
	{ a_slow_line_is_not_dead, 1 },
	{ over_a_standing_call_a_mail_costs_60_bytes, 2 },
	{ an_idle_call_says_something_now_and_then, 1 },
	{ a_budget_ends_a_call_in_good_order, 6 },
	{ told_to_stop_it_stops_and_goes_on_in_the_next, 2 },
	{ the_answer_reaches_the_sender, ROWS(answers) },
	{ what_is_too_large_or_of_no_grade_is_not_sent, 1 },
	{ a_disk_that_fails_ends_the_call, 1 },
	{ who_waits_for_its_queue_says_no_bye, 1 },
	{ who_breaks_a_rule_is_told_and_left, ROWS(hostile) },
	{ a_bomb_does_not_go_off, 3 },
	{ a_peer_that_does_not_listen_costs_no_memory, 6 },
	{ no_more_than_64_objects_are_open, 2 },
	{ a_frame_that_drips_is_not_waited_for, 1 },
	{ last_words_are_not_waited_for_for_ever, 1 },
	{ no_frame_is_longer_than_it_may_be, 1 })
