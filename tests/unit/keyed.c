/* key-auth: two ends with one secret, and everything that a line or somebody else can do to
 * what they say. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "uucico-ssh/keyed.h"

#define SECRET SPAN("0123456789abcdef0123456789abcdef")
#define OTHER SPAN("0123456789abcdef0123456789abcdeg")

static const unsigned char one[KEYED_NONCE] = { 1 }, two[KEYED_NONCE] = { 2 }, three[KEYED_NONCE] = { 3 };

static struct keyed caller, called;

static void
setup(void)
{
	keyed_start_with(&caller, true, SECRET, one);
	keyed_start_with(&called, false, SECRET, two);
}

static void
teardown(void)
{
	keyed_free(&caller);
	keyed_free(&called);
}

/* Everything that one has to say, to the other. */
static int
carry(struct keyed *from, struct keyed *to, struct err *err)
{
	struct str bytes = from->out;

	from->out = (struct str){0};
	int result = keyed_feed(to, bytes.p, bytes.len, err);
	str_free(&bytes);
	return result;
}

static void
meet(void)
{
	struct err err = {0};

	ck_assert_int_eq(carry(&caller, &called, &err), 0);
	ck_assert_int_eq(carry(&called, &caller, &err), 0);
	ck_assert_int_eq(carry(&caller, &called, &err), 0);
	ck_assert(caller.sure && called.sure);
}

START_TEST(each_is_sure_of_the_other_in_one_round_trip)
{
	struct err err = {0};

	ck_assert_uint_eq(keyed_put(&caller, "first", 5), 5);
	ck_assert_uint_eq(caller.out.len, 4 + 16 + 8 + 2 + 5 + 8);
	ck_assert_uint_eq(keyed_put(&called, "x", 1), 0);	/* nobody is there yet */
	ck_assert_int_eq(carry(&caller, &called, &err), 0);
	ck_assert_uint_eq(called.in.len, 0);	/* it may be a recording */
	keyed_put(&called, "answer", 6);
	ck_assert_int_eq(carry(&called, &caller, &err), 0);
	ck_assert(caller.sure);
	ck_assert_str_eq(str_c(&caller.in), "answer");
	keyed_put(&caller, "second", 6);
	ck_assert_int_eq(carry(&caller, &called, &err), 0);
	ck_assert(called.sure);
	ck_assert_str_eq(str_c(&called.in), "firstsecond");
}
END_TEST

START_TEST(much_goes_both_ways_in_any_pieces)
{
	static const size_t steps[] = { 1, 7, 4096, 100000 };
	char *bytes = mem_get(100000);
	struct err err = {0};

	for (size_t i = 0; i < 100000; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	meet();
	keyed_put(&caller, bytes, 100000);
	struct span rest = str_span(&caller.out);
	while (rest.len > 0) {
		struct span part = span_to(rest, rest.len < steps[_i] ? rest.len : steps[_i]);
		ck_assert_int_eq(keyed_feed(&called, part.p, part.len, &err), 0);
		ck_assert_uint_le(called.raw.len, KEYED_FRAME + 10);
		rest = span_from(rest, part.len);
	}
	ck_assert_uint_eq(called.in.len, 100000);
	ck_assert_int_eq(memcmp(called.in.p, bytes, 100000), 0);
	free(bytes);
}
END_TEST

/* All that a caller says in a short call, as it was on the wire. */
static void
record(struct str *wire)
{
	struct err err = {0};

	teardown();
	setup();
	keyed_put(&caller, "early", 5);
	str_add_span(wire, str_span(&caller.out));
	carry(&caller, &called, &err);
	carry(&called, &caller, &err);
	keyed_put(&caller, "one", 3);
	keyed_put(&caller, "two", 3);
	str_add_span(wire, str_span(&caller.out));
	teardown();
}

static const char whole[] = "earlyonetwo";

/* What came through is what was said, up to some byte. */
static void
hear(const struct str *wire, size_t len, struct err *err)
{
	setup();
	keyed_feed(&called, wire->p, len, err);
	ck_assert_uint_le(called.in.len, sizeof whole - 1);
	ck_assert_int_eq(memcmp(str_c(&called.in), whole, called.in.len), 0);
}

START_TEST(no_flipped_bit_gets_through)
{
	struct str wire = {0};

	record(&wire);
	for (size_t bit = 0; bit < 8 * wire.len; bit++) {
		struct err err = {0};
		wire.p[bit / 8] ^= (char)(1 << bit % 8);
		hear(&wire, wire.len, &err);
		ck_assert_msg(called.in.len < sizeof whole - 1, "bit %zu", bit);
		wire.p[bit / 8] ^= (char)(1 << bit % 8);
		teardown();
	}
	str_free(&wire);
	setup();
}
END_TEST

START_TEST(a_line_cut_anywhere_gives_a_beginning)
{
	struct str wire = {0};

	record(&wire);
	for (size_t len = 0; len <= wire.len; len++) {
		struct err err = {0};
		hear(&wire, len, &err);
		ck_assert_int_eq(err.kind, ERR_NONE);
		ck_assert((called.in.len == sizeof whole - 1) == (len == wire.len));
		teardown();
	}
	str_free(&wire);
	setup();
}
END_TEST

START_TEST(a_recorded_call_is_no_call)
{
	struct str wire = {0};
	struct err err = {0};

	record(&wire);
	keyed_start_with(&called, false, SECRET, three);
	ck_assert_int_eq(keyed_feed(&called, wire.p, wire.len, &err), -1);
	ck_assert(!called.sure);
	ck_assert_uint_eq(called.in.len, 0);
	str_free(&wire);
	keyed_start_with(&caller, true, SECRET, one);
}
END_TEST

/* Frames of "one", "two", "three", in another order; the first that is not in its place ends it. */
static const struct {
	const char *order, *heard;
} orders[] = {
	{ "123", "onetwothree" }, { "1123", "one" }, { "213", "" }, { "13", "one" }, { "1223", "onetwo" },
	{ "1321", "one" }, { "11", "one" }, { "23", "" }, { "1231", "onetwothree" },
};

START_TEST(frames_come_once_and_in_order)
{
	struct str frames[3] = {0};
	static const char *const texts[] = { "one", "two", "three" };
	struct err err = {0};
	bool straight = strcmp(orders[_i].order, "123") == 0;
	int result = 0;

	meet();
	for (size_t i = 0; i < 3; i++) {
		keyed_put(&caller, texts[i], strlen(texts[i]));
		frames[i] = caller.out;
		caller.out = (struct str){0};
	}
	for (const char *c = orders[_i].order; *c != '\0' && result == 0; c++)
		result = keyed_feed(&called, frames[*c - '1'].p, frames[*c - '1'].len, &err);
	ck_assert_int_eq(result, straight ? 0 : -1);
	ck_assert_str_eq(str_c(&called.in), orders[_i].heard);
	for (size_t i = 0; i < 3; i++)
		str_free(&frames[i]);
}
END_TEST

START_TEST(nobody_is_fooled_by_his_own_words)
{
	struct err err = {0};
	struct str own = {0};

	keyed_put(&caller, "x", 1);
	str_add_span(&own, str_span(&caller.out));
	ck_assert_int_eq(keyed_feed(&caller, own.p, own.len, &err), -1);
	ck_assert(!caller.heard);
	str_free(&own);
	teardown();
	setup();
	meet();
	keyed_put(&called, "x", 1);
	str_add_span(&own, str_span(&called.out));
	err = (struct err){0};
	ck_assert_int_eq(keyed_feed(&called, own.p, own.len, &err), -1);
	str_free(&own);
}
END_TEST

START_TEST(another_secret_is_told_and_not_answered)
{
	struct err err = {0};

	teardown();
	keyed_start_with(&caller, true, OTHER, one);
	keyed_start_with(&called, false, SECRET, two);
	ck_assert_int_eq(carry(&caller, &called, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert(strstr(err.text, "another secret") != NULL);
	ck_assert_uint_eq(called.out.len, 0);
}
END_TEST

static const struct {
	const char *noise;
	size_t times;
	const char *error;	/* NULL: passed over */
} noises[] = {
	{ "CONNECT 1200\r\n", 1, NULL },
	{ "MKA MKA MK", 1, NULL },
	{ "MKAMKA", 1, NULL },
	{ "Welcome to hub\r\n", 200, NULL },
	{ "Welcome to hub\r\n", 400, "says much" },
	{ "\020Shere=hub", 1, "without key-auth" },
	{ "\377\377\377\377", 2000, "says much" },
};

START_TEST(noise_before_a_hello_is_passed_over_within_limits)
{
	struct str bytes = {0};
	struct err err = {0};
	int result = 0;

	for (size_t i = 0; i < noises[_i].times; i++)
		str_add_text(&bytes, noises[_i].noise);
	str_add_span(&bytes, str_span(&caller.out));
	for (size_t i = 0; i < bytes.len && result == 0; i++) {
		result = keyed_feed(&called, bytes.p + i, 1, &err);
		ck_assert_uint_le(called.raw.len, 100);
	}
	ck_assert_int_eq(result, noises[_i].error == NULL ? 0 : -1);
	ck_assert(called.heard == (noises[_i].error == NULL));
	if (noises[_i].error != NULL)
		ck_assert_msg(strstr(err.text, noises[_i].error) != NULL, "%s", err.text);
	str_free(&bytes);
}
END_TEST

START_TEST(absurd_lengths_and_endless_first_words_are_refused)
{
	struct err err = {0};
	static char much[KEYED_EARLY + 1];

	meet();
	ck_assert_int_eq(keyed_feed(&called, "\377\377", 2, &err), -1);
	teardown();
	setup();
	keyed_put(&caller, much, sizeof much);
	ck_assert_int_eq(carry(&caller, &called, &err), -1);
	ck_assert(strstr(err.text, "before it hears us") != NULL);
}
END_TEST

UNIT_WITH("keyed", setup, teardown,
	{ each_is_sure_of_the_other_in_one_round_trip, 1 },
	{ much_goes_both_ways_in_any_pieces, 4 },
	{ no_flipped_bit_gets_through, 1 },
	{ a_line_cut_anywhere_gives_a_beginning, 1 },
	{ a_recorded_call_is_no_call, 1 },
	{ frames_come_once_and_in_order, ROWS(orders) },
	{ nobody_is_fooled_by_his_own_words, 1 },
	{ another_secret_is_told_and_not_answered, 1 },
	{ noise_before_a_hello_is_passed_over_within_limits, ROWS(noises) },
	{ absurd_lengths_and_endless_first_words_are_refused, 1 })
