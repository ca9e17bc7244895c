/* Bodies through DATA: both ways, at any split. */
#include "lib/mail/dot.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

static const struct {
	const char *wire, *body;	/* body NULL: no end in it */
	bool lax, bare;
	const char *rest;		/* behind the end */
} reads[] = {
	{ ".\r\n", "", false, false, "" },
	{ "a\r\n.\r\nQUIT\r\n", "a\r\n", false, false, "QUIT\r\n" },
	{ "..\r\n.\r\n", ".\r\n", false, false, "" },
	{ "...\r\n..a\r\n.b\r\na.\r\n.\r\n", "..\r\n.a\r\nb\r\na.\r\n", false, false, "" },
	{ "a\r\n.", NULL, false, false, "" },
	{ "a\r\n.\r", NULL, false, false, "" },
	/* DATA-01: no other end, and a mark on it */
	{ "a\n.\n", NULL, false, true, "" }, { "a\n.\r\n", NULL, false, true, "" },
	{ "a\r\n.\n", NULL, false, true, "" }, { "a\r.\r", NULL, false, true, "" },
	{ "a\r\n.\rb", NULL, false, true, "" }, { "a\r.\r\n", NULL, false, true, "" },
	{ "a\r\n.\r\r\n", NULL, false, true, "" },
	{ "\n.\r\n.\r\nx", "\n.\r\n", false, true, "x" },
	{ "a\r\r\n.\r\n", "a\r\r\n", false, true, "" },
	{ ".\n\r\n.\r\n", "\n\r\n", false, true, "" },

	{ "a\n.\nQUIT\n", "a\r\n", true, false, "QUIT\n" },
	{ "a\r\n.\r\n", "a\r\n", true, false, "" }, { "a\r\n.\n", "a\r\n", true, false, "" },
	{ "..a\n\n..\n.\n", ".a\r\n\r\n.\r\n", true, false, "" },
	{ "a\rb\n.\n", "a\r\nb\r\n", true, false, "" },
	{ "a\r.\r\nb\n.\n", "a\r\n.\r\nb\r\n", true, false, "" },
	{ "a\r\r\n.\r\r\n", "a\r\n", true, false, "" },
};

START_TEST(reading_goes_as_the_rows_say)
{
	for (size_t step = 1; step < 20; step++) {
		struct dot_in dot = { .lax = reads[_i].lax };
		struct str out = {0};
		struct span rest = span_of(reads[_i].wire);
		while (rest.len > 0 && dot.state != DOT_END)
			rest = span_from(rest, dot_unstuff(&dot, span_to(rest, step), &out));
		ck_assert_int_eq(dot.state == DOT_END, reads[_i].body != NULL);
		ck_assert_int_eq(dot.bare, reads[_i].bare);
		if (reads[_i].body != NULL)
			ck_assert_str_eq(str_c(&out), reads[_i].body);
		ck_assert(span_is(rest, reads[_i].rest));
		str_free(&out);
	}
}
END_TEST

/* DATA-01 in a batch whose lines end in CRLF; fetchmail leaves those of the message as they are. */
static const struct { const char *wire, *body, *rest; } batches[] = {
	{ "a\r\nb\n.\nMAIL\r\n.\r\nQUIT", "a\r\nb\r\n.\r\nMAIL\r\n", "QUIT" },
	{ "a\r\nb\n.\r\nMAIL\r\n.\r\n", "a\r\nb\r\n.\r\nMAIL\r\n", "" },
	{ "a\r\n.\nMAIL\r\n.\r\n", "a\r\n\r\nMAIL\r\n", "" },
	{ "a\r\nb\n..\n.c\r\n..\r\n.\r\n", "a\r\nb\r\n..\r\n.c\r\n.\r\n", "" },
	{ "a\r\nb\r.\rMAIL\r.\r\nx\r\n.\r\n", "a\r\nb\r\n.\r\nMAIL\r\n.\r\nx\r\n", "" },
	{ "a\r\nb\n.\nMAIL\n.\n", NULL, "" },
	{ "a\n..\n.\r\nQUIT", "a\r\n.\r\n", "QUIT" },
	{ "a\n.\nMAIL\n.\r\n", "a\r\n\r\nMAIL\r\n", "" },
};

START_TEST(a_batch_ends_its_messages_as_it_ends_its_lines)
{
	for (size_t step = 1; step < 20; step++) {
		struct dot_in dot = { .lax = true, .crlf = true };
		struct str out = {0};
		struct span rest = span_of(batches[_i].wire);
		while (rest.len > 0 && dot.state != DOT_END)
			rest = span_from(rest, dot_unstuff(&dot, span_to(rest, step), &out));
		ck_assert_int_eq(dot.state == DOT_END, batches[_i].body != NULL);
		if (batches[_i].body != NULL)
			ck_assert_str_eq(str_c(&out), batches[_i].body);
		ck_assert(span_is(rest, batches[_i].rest));
		str_free(&out);
	}
}
END_TEST

static const struct {
	const char *body, *wire;	/* wire NULL: refused */
} writes[] = {
	{ "", ".\r\n" }, { "a\r\n", "a\r\n.\r\n" }, { "a", "a\r\n.\r\n" },
	{ ".\r\n", "..\r\n.\r\n" }, { "..\r\n.a\r\nb.\r\n", "...\r\n..a\r\nb.\r\n.\r\n" },
	{ ".", "..\r\n.\r\n" }, { "\r\n.\r\n", "\r\n..\r\n.\r\n" },
	/* DATA-02 */
	{ "a\n.\nb\r\n", NULL }, { "a\r.\r\n", NULL }, { "a\r", NULL }, { "\n", NULL }, { "\r\r\n", NULL },
	{ "a\r\n.\n", NULL },
};

START_TEST(writing_goes_as_the_rows_say)
{
	for (size_t step = 1; step < 10; step++) {
		struct dot_out dot = {0};
		struct str out = {0};
		struct span rest = span_of(writes[_i].body);
		int bad = 0;
		for (; rest.len > 0 && bad == 0; rest = span_from(rest, step))
			bad = dot_stuff(&dot, span_to(rest, step), &out);
		if (bad == 0)
			bad = dot_finish(&dot, &out);
		ck_assert_int_eq(bad, writes[_i].wire != NULL ? 0 : -1);
		if (bad == 0)
			ck_assert_str_eq(str_c(&out), writes[_i].wire);
		str_free(&out);
	}
}
END_TEST

/* DATA-03: random bodies of dots and line ends come back as they were, and hold
 * no end but the last. */
START_TEST(what_is_stuffed_is_unstuffed)
{
	srand(7);
	for (int round = 0; round < 3000; round++) {
		struct str body = {0}, wire = {0}, again = {0};
		struct dot_out stuffer = {0};
		struct dot_in reader = {0};
		static const char *const parts[] = { ".", "\r\n", "a", "..", ".\r\n", "\r\n.\r\n" };
		for (int i = rand() % 20; i > 0; i--)
			str_add_text(&body, parts[rand() % 6]);
		str_add_text(&body, "\r\n");
		ck_assert_int_eq(dot_stuff(&stuffer, str_span(&body), &wire), 0);
		ck_assert_int_eq(dot_finish(&stuffer, &wire), 0);
		ck_assert_uint_eq(dot_unstuff(&reader, str_span(&wire), &again), wire.len);
		ck_assert(reader.state == DOT_END && !reader.bare);
		ck_assert_str_eq(str_c(&again), str_c(&body));
		str_free(&body);
		str_free(&wire);
		str_free(&again);
	}
}
END_TEST

static void
random_text(struct str *text)
{
	static const char *const parts[] = { ".", "\r\n", "a", "\r", "\n", "bcd", "e\r\n", ".\r\n" };

	str_clear(text);
	for (int i = rand() % 16; i > 0; i--)
		str_add_text(text, parts[rand() % 8]);
}

/* Whole lines go another way than bytes do. */
START_TEST(a_text_goes_as_its_bytes_do)
{
	struct str text = {0}, whole = {0}, bytes = {0};

	srand(8);
	for (int round = 0; round < 40000; round++) {
		struct dot_in reader = { .lax = round % 2 }, reader_of_bytes = { .lax = round % 2 };
		struct dot_out writer = {0}, writer_of_bytes = {0};
		size_t used, at = 0;
		random_text(&text);
		str_clear(&whole);
		str_clear(&bytes);
		used = dot_unstuff(&reader, str_span(&text), &whole);
		while (at < text.len && reader_of_bytes.state != DOT_END)
			at += dot_unstuff(&reader_of_bytes, (struct span){ text.p + at, 1 }, &bytes);
		ck_assert(used == at && reader.state == reader_of_bytes.state && reader.bare == reader_of_bytes.bare);
		ck_assert_str_eq(str_c(&whole), str_c(&bytes));
		str_clear(&whole);
		str_clear(&bytes);
		int result = dot_stuff(&writer, str_span(&text), &whole), result_of_bytes = 0;
		for (at = 0; at < text.len && result_of_bytes == 0; at++)
			result_of_bytes = dot_stuff(&writer_of_bytes, (struct span){ text.p + at, 1 }, &bytes);
		ck_assert_int_eq(result, result_of_bytes);
		ck_assert_str_eq(str_c(&whole), str_c(&bytes));
		ck_assert(result < 0 || writer.state == writer_of_bytes.state);
	}
	str_free(&text);
	str_free(&whole);
	str_free(&bytes);
}
END_TEST

START_TEST(counted_bodies_have_crlf_or_are_refused)
{
	static const struct { const char *a, *b; bool ok, cr; } rows[] = {
		{ "a\r\n", "b", true, false }, { "a\r", "\nb", true, false }, { "a", "\r", true, true },
		{ "a\n", "", false, false }, { "a\r", "b", false, true }, { "a", "\n", false, false },
		{ "\r", "\r\n", false, true },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool cr = false;
		bool ok = dot_lines_ok(span_of(rows[i].a), &cr) && dot_lines_ok(span_of(rows[i].b), &cr);
		ck_assert_int_eq(ok, rows[i].ok);
		if (ok)
			ck_assert_int_eq(cr, rows[i].cr);
	}
}
END_TEST

UNIT("dot",
	{ reading_goes_as_the_rows_say, ROWS(reads) },
	{ a_batch_ends_its_messages_as_it_ends_its_lines, ROWS(batches) },
	{ writing_goes_as_the_rows_say, ROWS(writes) },
	{ what_is_stuffed_is_unstuffed, 1 },
	{ a_text_goes_as_its_bytes_do, 1 },
	{ counted_bodies_have_crlf_or_are_refused, 1 })
