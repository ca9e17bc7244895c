/* Replies of servers: what is one, what is none, and what is kept of it. */
#include "lib/proto/reply.h"

#include "tests/unit/unit.h"

static const struct {
	const char *said;
	int got;
	const char *text;	/* one line of it */
	enum err_kind kind;
	const char *code;	/* enhanced */
	const char *words;
} rows[] = {
	{ "250 ok\r\n", 1, "250 ok", ERR_TEMP, "4.0.0", "ok" },
	{ "250\r\n", 1, "250", ERR_TEMP, "4.0.0", "" },
	{ "550 5.1.1 no such user\r\n", 1, "550 5.1.1 no such user", ERR_PERM, "5.1.1", "no such user" },
	{ "550 no such user\r\n", 1, "550 no such user", ERR_PERM, "5.0.0", "no such user" },
	{ "450 5.1.1 odd\r\n", 1, "450 5.1.1 odd", ERR_TEMP, "4.0.0", "5.1.1 odd" },
	{ "450 4.2.1\r\n", 1, "450 4.2.1", ERR_TEMP, "4.2.1", "" },
	{ "550 5.1 x\r\n", 1, "550 5.1 x", ERR_PERM, "5.0.0", "5.1 x" },
	{ "550 5.1.1.1 x\r\n", 1, "550 5.1.1.1 x", ERR_PERM, "5.0.0", "5.1.1.1 x" },
	{ "554-5.7.1 one\r\n554-5.7.1 two\r\n554 5.7.1 three\r\n", 1, "554 5.7.1 one two three", ERR_PERM,
	  "5.7.1", "one two three" },
	{ "554-\r\n554\r\n", 1, "554", ERR_PERM, "5.0.0", "" },
	{ "550 a\\b\x7f\r\n", 1, "550 a\\\\b\\x7F", ERR_PERM, "5.0.0", "a\\\\b\\x7F" },
	{ "250 o", 0, NULL, 0, NULL, NULL },
	{ "250-ok\r\n", 0, NULL, 0, NULL, NULL },
	/* CLI-01 */
	{ "\r\n", -1, NULL, 0, NULL, NULL }, { "25 x\r\n", -1, NULL, 0, NULL, NULL },
	{ "2500 x\r\n", -1, NULL, 0, NULL, NULL }, { "250_x\r\n", -1, NULL, 0, NULL, NULL },
	{ "150 x\r\n", -1, NULL, 0, NULL, NULL }, { "650 x\r\n", -1, NULL, 0, NULL, NULL },
	{ "+OK\r\n", -1, NULL, 0, NULL, NULL }, { "250-a\r\n251 b\r\n", -1, NULL, 0, NULL, NULL },
};

START_TEST(replies_are_read_as_the_rows_say)
{
	for (size_t step = 1; step < 40; step++) {
		struct reply reply = {0};
		struct str text = {0};
		struct err err = {0};
		struct span rest = span_of(rows[_i].said);
		int got = 0;
		while (rest.len > 0 && got == 0) {
			struct span piece = span_to(rest, step), left = piece;
			got = reply_feed(&reply, &left, &err);
			rest = span_from(rest, piece.len - left.len);
		}
		ck_assert_int_eq(got, rows[_i].got);
		if (got < 0)
			ck_assert_int_eq(err.kind, ERR_TEMP);
		if (got > 0) {
			reply_text(&reply, &text);
			reply_err(&reply, &err);
			ck_assert_str_eq(str_c(&text), rows[_i].text);
			ck_assert_int_eq(err.kind, rows[_i].kind);
			ck_assert_str_eq(err.code, rows[_i].code);
			ck_assert_str_eq(err.text, rows[_i].words);
		}
		str_free(&text);
		reply_free(&reply);
	}
}
END_TEST

/* CLI-01 and CLI-02: at the limits and one beyond. */
START_TEST(lines_and_words_have_their_limits)
{
	static const struct { size_t len; int got; } cases[] = {
		{ REPLY_LINE_MAX - 1, 1 }, { REPLY_LINE_MAX, 1 }, { REPLY_LINE_MAX + 1, -1 }, { 1 << 20, -1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct reply reply = {0};
		struct str said = {0}, text = {0};
		struct err err;
		str_add_text(&said, "250 ");
		while (said.len < cases[i].len)
			str_add_char(&said, '\x1b');
		str_add_char(&said, '\n');
		struct span rest = str_span(&said);
		ck_assert_int_eq(reply_feed(&reply, &rest, &err), cases[i].got);
		reply_text(&reply, &text);
		ck_assert_uint_lt(text.len, 4 * REPLY_TEXT_MAX + 20);
		str_free(&said);
		str_free(&text);
		reply_free(&reply);
	}
}
END_TEST

START_TEST(two_hundred_lines_are_enough)
{
	struct reply reply = {0};
	struct err err;
	int got = 0;

	for (int i = 0; i < REPLY_LINES_MAX; i++) {
		struct span line = SPAN("250-x\r\n");
		ck_assert_int_eq(reply_feed(&reply, &line, &err), 0);
	}
	struct span last = SPAN("250 x\r\n");
	got = reply_feed(&reply, &last, &err);
	ck_assert_int_eq(got, -1);
	reply_free(&reply);
}
END_TEST

START_TEST(one_reply_at_a_time)
{
	struct reply reply = {0};
	struct err err;
	struct span rest = SPAN("250-a\r\n250 b\r\n354 c\r\n");

	ck_assert_int_eq(reply_feed(&reply, &rest, &err), 1);
	ck_assert_int_eq(reply.code, 250);
	ck_assert(span_is(str_span(&reply.lines), "a\nb\n"));
	ck_assert_int_eq(reply_feed(&reply, &rest, &err), 1);
	ck_assert_int_eq(reply.code, 354);
	ck_assert(span_is(str_span(&reply.lines), "c\n"));
	ck_assert_int_eq(reply_feed(&reply, &rest, &err), 0);
	reply_free(&reply);
}
END_TEST

UNIT("reply",
	{ replies_are_read_as_the_rows_say, ROWS(rows) },
	{ lines_and_words_have_their_limits, 1 },
	{ two_hundred_lines_are_enough, 1 },
	{ one_reply_at_a_time, 1 })
