/* Header fields as spans; our Received field; dates. */
#include "lib/mail/complete.h"
#include "lib/mail/header.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/date.h"
#include "lib/mail/received.h"
#include "tests/unit/unit.h"

/* DATA-05: odd forms are walked, none is changed. */
static const struct {
	const char *message;
	const char *fields;	/* "name=value;" for each */
	const char *body;
} rows[] = {
	{ "A: 1\r\nb:2\r\n\r\nhi\r\n", "A=1;b=2;", "hi\r\n" },
	{ "A: 1\nB: 2\n\nhi\n", "A=1;B=2;", "hi\n" },
	{ "A: 1\r\n 2\r\n\t3\r\nB:\r\n\r\n", "A=1\r\n 2\r\n\t3;B=;", "" },
	{ "A : 1\r\n\r\nx", "A=1;", "x" },
	{ "A: b: c\r\n", "A=b: c;", "" },
	{ "A: 1", "A=1;", "" },
	{ "", "", "" }, { "\r\n", "", "" }, { "\r\nbody", "", "body" }, { "\n", "", "" },
	{ "no header at all\r\n\r\nx", "", "no header at all\r\n\r\nx" },
	{ "A: 1\r\nno field\r\nB: 2\r\n\r\n", "A=1;", "no field\r\nB: 2\r\n\r\n" },
	{ " leading blank\r\nA: 1\r\n", "", " leading blank\r\nA: 1\r\n" },
	{ ":x\r\n", "", ":x\r\n" }, { "A\xc3: 1\r\n", "", "A\xc3: 1\r\n" },
	{ ".", "", "." },
};

START_TEST(fields_are_walked_as_the_rows_say)
{
	struct span message = span_of(rows[_i].message), rest = message;
	struct header_field field;
	struct str fields = {0};
	size_t len = 0;

	while (header_next(&rest, &field)) {
		str_add_span(&fields, field.name);
		str_add_char(&fields, '=');
		str_add_span(&fields, field.value);
		str_add_char(&fields, ';');
		ck_assert_ptr_eq(field.whole.p, message.p + len);
		len += field.whole.len;
	}
	ck_assert_str_eq(str_c(&fields), rows[_i].fields);
	rest = message;
	header_end(&rest);
	ck_assert_msg(span_is(rest, rows[_i].body), "body: %.*s", (int)rest.len, rest.p);
	str_free(&fields);
}
END_TEST

START_TEST(fields_are_found_and_counted)
{
	struct span message = SPAN("Received: a\r\nreceived: b\r\nTo: x\r\n y\r\n\r\nReceived: c\r\n");
	struct header_field field;
	struct str value = {0};

	ck_assert_uint_eq(header_count(message, "Received"), 2);
	ck_assert(header_find(message, "TO", &field));
	header_unfold(field.value, &value);
	ck_assert_str_eq(str_c(&value), "x y");
	ck_assert(!header_find(message, "Cc", &field));
	str_free(&value);
}
END_TEST

START_TEST(a_header_is_gathered_at_any_split)
{
	static const struct { const char *text; size_t max; bool done, over; } cases[] = {
		{ "A: 1\r\n\r\nbody", 100, true, false }, { "A: 1\n\nbody", 100, true, false },
		{ "\r\nbody", 100, true, false }, { "A: 1\r\nB: 2\r\n", 100, false, false },
		{ "A: 1\r\nB: 2\r\n\r\n", 10, true, true }, { "A: 1\r\n\r\n", 8, true, false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 8; step++) {
			struct header_gather gather = { .max = cases[i].max };
			struct span rest = span_of(cases[i].text);
			for (; rest.len > 0; rest = span_from(rest, step))
				header_gather(&gather, span_to(rest, step));
			ck_assert_int_eq(gather.done, cases[i].done);
			ck_assert_int_eq(gather.over, cases[i].over);
			ck_assert_uint_le(gather.text.len, cases[i].max);
			str_free(&gather.text);
		}
	}
}
END_TEST

static const int64_t when = INT64_C(1795286702) * CLOCK_SECOND;	/* 2026-11-21 18:45:02 */

START_TEST(our_trace_is_folded)
{
	struct received received = { SPAN("mail.example.org"), SPAN("192.0.2.7"), SPAN("home.example"),
		SPAN("ESMTP"), SPAN("id-1"), when, {0} };
	struct str out = {0};

	received_field(&received, &out);
	ck_assert_str_eq(str_c(&out), "Received: from mail.example.org ([192.0.2.7])\r\n"
	    "\tby home.example with ESMTP id id-1;\r\n\tSat, 21 Nov 2026 18:45:02 +0000\r\n");
	str_clear(&out);
	received = (struct received){ .by = SPAN("home"), .with = SPAN("local"), .client = SPAN("ann"), .when = when };
	received_field(&received, &out);
	ck_assert_str_eq(str_c(&out), "Received: from unknown (ann)\r\n"
	    "\tby home with local;\r\n\tSat, 21 Nov 2026 18:45:02 +0000\r\n");
	str_free(&out);
}
END_TEST

/* HDR-01: whatever a peer calls itself, it is one field with balanced comments. */
START_TEST(nothing_is_injected_into_our_trace)
{
	static const char *const names[] = {
		"x\r\nBcc: y", "x\n\nbody", "x) (y", "x;y", "a\\", "\"", "\xff\xfe", "a b", "<s>", "\x1b[2J",
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct span bad = span_of(names[i]);
		struct received received = { bad, bad, SPAN("home"), bad, bad, when, bad };
		struct str out = {0};
		struct header_field field;
		received_field(&received, &out);
		struct span rest = str_span(&out);
		ck_assert(header_next(&rest, &field) && rest.len == 0);
		const char *text = str_c(&out);
		/* two comments, of the client and the user, one behind the other */
		const char *second = strrchr(text, '('), *first_end = strchr(text, ')');
		ck_assert(strchr(text, '(') < first_end && first_end < second && second < strrchr(text, ')'));
		ck_assert_ptr_eq(strchr(strchr(text, '(') + 1, '('), second);
		ck_assert_ptr_eq(strchr(first_end + 1, ')'), strrchr(text, ')'));
		ck_assert_ptr_eq(strchr(text, ';'), strrchr(text, ';'));
		ck_assert(strpbrk(text, "\\\"<>\x1b\xff") == NULL);
		str_free(&out);
	}
}
END_TEST

START_TEST(dates_are_read_as_they_are_written)
{
	static const struct { const char *text; int64_t seconds; } dates[] = {
		{ "Sat Nov 21 18:45:02 2026", 1795286702 }, { "Sat Nov 21 18:45 2026", 1795286700 },
		{ "Sat Nov 21 18:45:02 GMT 2026", 1795286702 }, { "Sat Nov 21 19:45:02 +0100 2026", 1795286702 },
		{ "Sat Nov 21 19:45:02 2026 +0100", 1795286702 }, { "Thu Jan  1 00:00:00 1970", 0 },
		{ "", -1 }, { "Sat", -1 }, { "Sat Nov", -1 }, { "Sat Nov 32 1:1:1 2026", -1 },
		{ "Sat Nov 21 24:00:00 2026", -1 }, { "Xxx Nov 21 18:45:02 2026", -1 },
		{ "Sat Nov 21 18:45:02", -1 }, { "Sat Nov 21 18:45:02 1969", -1 },
		{ "Sat Nov 21 18:45:02 99999999999999", -1 },
	};
	struct str out = {0};
	int64_t got;

	for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
		int bad = date_parse_asctime(span_of(dates[i].text), &got);
		ck_assert_msg(bad == (dates[i].seconds < 0 ? -1 : 0), "%s", dates[i].text);
		if (bad == 0)
			ck_assert_int_eq(got, dates[i].seconds * CLOCK_SECOND);
	}
	date_asctime(when, &out);
	ck_assert_str_eq(str_c(&out), "Sat Nov 21 18:45:02 2026");
	str_free(&out);
}
END_TEST

/* header that came | what is asked | the header that goes on; no more than Date and Message-ID vary */
static const struct { const char *in; bool missing, bcc; const char *out; } completions[] = {
	{ "Subject: x\r\n\r\nbody", false, false, "Subject: x\r\n" },
	{ "Bcc: a@b,\r\n c@d\r\nResent-Bcc: e\r\nTo: f\r\n\r\nbody", false, true, "To: f\r\n" },
	{ "bcc: a@b\r\n\r\n", false, false, "bcc: a@b\r\n" },
	{ "date: d\r\nMESSAGE-ID: i\r\n\r\n", true, false, "From: ann@x.example\r\ndate: d\r\nMESSAGE-ID: i\r\n" },
	{ "From: me\r\nDate: d\r\nMessage-ID: i\r\n\r\n", true, false, "From: me\r\nDate: d\r\nMessage-ID: i\r\n" },
	{ "Authentication-Results: mx.example; spf=pass\r\nTo: f\r\n\r\n", false, false, "To: f\r\n" },
	{ "authentication-results:\r\n (a \\) (b)) \"MX.example\" 1; dkim=pass\r\nTo: f\r\n", false, false, "To: f\r\n" },
	{ "Authentication-Results: mx.example. (v);x\r\nTo: f\r\n", false, false, "To: f\r\n" },
	{ "Authentication-Results: mx.example\r\n\t1; none\r\nTo: f\r\n", false, false, "To: f\r\n" },
	{ "Authentication-Results: not.mx.example; x\r\n", false, false, "Authentication-Results: not.mx.example; x\r\n" },
	{ "Authentication-Results: mx.example.org; x\r\n", false, false, "Authentication-Results: mx.example.org; x\r\n" },
	{ "Authentication-Results: (mx.example\r\n", false, false, "Authentication-Results: (mx.example\r\n" },
	{ "no header at all\r\n", false, true, "" },
};

START_TEST(a_header_is_completed)
{
	const struct completing c = { .host = "mx.example", .from = "ann@x.example", .results = "mx.example",
		.add_missing = completions[_i].missing, .strip_bcc = completions[_i].bcc, .now = 1795286702000000 };
	struct span text = span_of(completions[_i].in);
	struct str out = {0};

	complete_header(&c, &text, &out);
	ck_assert_str_eq(str_c(&out), completions[_i].out);
	ck_assert(text.len == 0 || span_begins(text, "\r\n") || span_begins(text, "no header"));
	str_free(&out);
}
END_TEST

START_TEST(what_is_missing_is_made)
{
	const struct completing c = { .host = "mx.example", .from = "", .add_missing = true, .now = 1795286702000000 };
	struct span text = SPAN("");
	struct str out = {0};

	complete_header(&c, &text, &out);
	ck_assert(span_begins(str_span(&out), "Date: Sat, 21 Nov 2026 18:45:02 +0000\r\nFrom: <>\r\nMessage-ID: <1795286702000000."));
	ck_assert(span_ends_case(str_span(&out), "@mx.example>\r\n"));
	str_free(&out);
}
END_TEST

UNIT("header",
	{ a_header_is_completed, ROWS(completions) },
	{ what_is_missing_is_made, 1 },
	{ fields_are_walked_as_the_rows_say, ROWS(rows) },
	{ fields_are_found_and_counted, 1 },
	{ a_header_is_gathered_at_any_split, 1 },
	{ our_trace_is_folded, 1 },
	{ nothing_is_injected_into_our_trace, 1 },
	{ dates_are_read_as_they_are_written, 1 })
