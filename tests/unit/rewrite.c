/*
 * Addresses in header fields: what is changed, and that nothing else is.
 */
#include "lib/mail/rewrite.h"

#include <check.h>
#include <string.h>

#include "tests/unit/unit.h"

/* "x@home" becomes "new@out", "ask@home" cannot be told now; the rest stays. */
static int
map(void *ctx, struct span address, struct str *to, struct err *err)
{
	struct str *seen = ctx;

	str_printf(seen, "%s%.*s", seen->len > 0 ? " " : "", (int)address.len, address.p);
	if (span_is(address, "ask@home"))
		return err_set(err, ERR_TEMP, "later");
	if (!span_is_case(address, "x@home"))
		return 0;
	str_set(to, "new@out");
	return 1;
}

static const struct { const char *value, *want, *seen; } values[] = {
	{ "x@home", "new@out", "x@home" },
	{ "a@b", "a@b", "a@b" },
	{ "", "", "" },
	{ "x@home, a@b , x@home", "new@out, a@b , new@out", "x@home a@b x@home" },
	{ "Ann <x@home>", "Ann <new@out>", "x@home" },
	{ "\"x@home\" <x@home>", "\"x@home\" <new@out>", "x@home" },
	{ "x@home <a@b>", "x@home <a@b>", "a@b" },
	{ "\"a, b\\\" <x@home>\" <x@home>", "\"a, b\\\" <x@home>\" <new@out>", "x@home" },
	{ "=?utf-8?q?x=40home?= <x@home>", "=?utf-8?q?x=40home?= <new@out>", "x@home" },
	{ "x@home (x@home, (nested) \\) <x@home>)", "new@out (x@home, (nested) \\) <x@home>)", "x@home" },
	{ "(before) x@home", "(before) new@out", "x@home" },
	{ "x(mid)@(dle) home", "new@out (mid)(dle)", "x@home" },
	{ "x @ home", "new@out", "x@home" },
	{ "Ann < x@home >", "Ann < new@out >", "x@home" },
	{ "Ann <x@home> (me)", "Ann <new@out> (me)", "x@home" },
	{ "<@a,@b:x@home>", "<@a,@b:new@out>", "x@home" },
	{ "list: x@home, Bob <x@home>; , a@b", "list: new@out, Bob <new@out>; , a@b", "x@home x@home a@b" },
	{ "none:;", "none:;", "" },
	{ "\"x\"@home", "\"x\"@home", "\"x\"@home" },
	{ "x@[IPv6:::1], x@home", "x@[IPv6:::1], new@out", "x@[IPv6:::1] x@home" },
	{ "x@home,\r\n\tx@home", "new@out,\r\n\tnew@out", "x@home x@home" },
	{ "Ann\r\n <x@home>\r\n (c)", "Ann\r\n <new@out>\r\n (c)", "x@home" },
	{ "undisclosed x@home", "undisclosed x@home", "" },
	{ "X@Home", "new@out", "X@Home" },
	{ "x@home.", "x@home.", "x@home." },
	{ "x", "x", "" },
	{ "<x@home", "<x@home", "" },
	{ "\"x@home", "\"x@home", "" },
	{ "(x@home", "(x@home", "" },
	{ "x@home \\", "x@home \\", "" },
	{ ">,;x@home", ">,;new@out", "x@home" },
	{ "a@b>x@home", "a@b>x@home", "" },
	{ ")x@home", ")x@home", "" },
	{ "<>", "<>", "" },
};

START_TEST(only_the_addresses_change)
{
	struct str out = {0}, seen = {0};
	struct err err = {0};
	int got = rewrite_value(span_of(values[_i].value), map, &seen, &out, &err);

	ck_assert_str_eq(str_c(&out), values[_i].want);
	ck_assert_str_eq(str_c(&seen), values[_i].seen);
	ck_assert_int_eq(got, strcmp(values[_i].value, values[_i].want) != 0);
	str_free(&out);
	str_free(&seen);
}
END_TEST

START_TEST(fields_that_hold_no_addresses_are_left_alone)
{
	static const char header[] =
	    "Received: from x@home by y\r\nfrom : x@home\r\nSubject: x@home\r\nTo:\r\n x@home\r\nMessage-ID: <x@home>\r\n"
	    "DKIM-Signature: i=x@home\r\nResent-Cc:x@home\r\nX-To: x@home\r\n\r\nTo: x@home\r\n";
	static const char want[] =
	    "Received: from x@home by y\r\nfrom : new@out\r\nSubject: x@home\r\nTo:\r\n new@out\r\nMessage-ID: <x@home>\r\n"
	    "DKIM-Signature: i=x@home\r\nResent-Cc:new@out\r\nX-To: x@home\r\n\r\nTo: x@home\r\n";
	struct str out = {0}, seen = {0};
	struct err err = {0};

	ck_assert_int_eq(rewrite_header(SPAN(header), map, &seen, &out, &err), 0);
	ck_assert_str_eq(str_c(&out), want);
	str_free(&out);
	str_free(&seen);
}
END_TEST

START_TEST(who_cannot_be_asked_stops_it)
{
	struct str out = {0}, seen = {0};
	struct err err = {0};

	ck_assert_int_lt(rewrite_header(SPAN("To: x@home, ask@home, x@home\r\n"), map, &seen, &out, &err), 0);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	str_free(&out);
	str_free(&seen);
}
END_TEST

/* A map that changes nothing gives back what came, whatever it was. */
static int
keep(void *ctx, struct span address, struct str *to, struct err *err)
{
	(void)ctx, (void)address, (void)to, (void)err;
	return 0;
}

START_TEST(without_a_change_every_byte_stays)
{
	static const char marks[] = "a@.,;:<>()\"\\[] \r\n\t=?";
	unsigned state = 7;

	for (int round = 0; round < 20000; round++) {
		char bytes[40];
		struct str out = {0};
		struct err err = {0};
		for (size_t i = 0; i < sizeof bytes; i++) {
			state = state * 1103515245 + 12345;
			bytes[i] = marks[(state >> 16) % (sizeof marks - 1)];
		}
		const struct span value = { bytes, (state >> 8) % sizeof bytes };
		ck_assert_int_eq(rewrite_value(value, keep, NULL, &out, &err), 0);
		ck_assert(span_same(str_span(&out), value));
		str_free(&out);
	}
}
END_TEST

START_TEST(deep_comments_take_no_stack_and_no_time)
{
	struct str value = {0}, out = {0}, seen = {0};
	struct err err = {0};

	for (int i = 0; i < 200000; i++)
		str_add_char(&value, '(');
	str_add_text(&value, " x@home");
	ck_assert_int_eq(rewrite_value(str_span(&value), map, &seen, &out, &err), 0);
	ck_assert(span_same(str_span(&out), str_span(&value)));
	str_free(&value);
	str_free(&out);
	str_free(&seen);
}
END_TEST

UNIT("rewrite",
	{ only_the_addresses_change, ROWS(values) },
	{ fields_that_hold_no_addresses_are_left_alone, 1 },
	{ who_cannot_be_asked_stops_it, 1 },
	{ without_a_change_every_byte_stays, 1 },
	{ deep_comments_take_no_stack_and_no_time, 1 })
