/* lib/mail: fromline, mbox, crlf. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/crlf.h"
#include "lib/mail/fromline.h"
#include "lib/mail/mbox.h"
#include "tests/unit/unit.h"

static struct err err;

/* fromline: the lines of a message | the sender, "!" for refused, "-" for none */

static const struct { const char *lines, *sender; } senders[] = {
	{ "From ann Sat Nov 21 18:45:02 2026 remote from hub", "hub!ann" },
	{ "From ann Sat Nov 21 18:45:02 2026 remote from h2\n"
	  ">From bob Sat Nov 21 18:45:02 2026 remote from h1", "h2!h1!bob" },
	{ "From a!b!u Sat Nov 21 18:45:02 2026", "a!b!u" },
	{ "From a!b!u Sat Nov 21 18:45:02 2026 remote from hub", "hub!a!b!u" },
	{ "From ann Sat Nov 21 18:45:02 2026 remote from hub.example", "ann@hub.example" },
	{ "From ann@example.org Sat Nov 21 18:45:02 2026 remote from hub", "ann@example.org" },
	{ "From ann@example.org Sat Nov 21 18:45:02 2026", "ann@example.org" },
	{ "From <ann@example.org> Sat Nov 21 18:45:02 2026", "ann@example.org" },
	{ "From ann Sat Nov 21 18:45:02 2026 forwarded by hub", "hub!ann" },
	{ "From \"a b\"@example.org Sat Nov 21 18:45:02 2026", "\"a b\"@example.org" },
	{ "From <> Sat Nov 21 18:45:02 2026 remote from hub", "" },
	{ "From MAILER-DAEMON Sat Nov 21 18:45:02 2026 remote from hub", "" },
	{ "From mailer-daemon@hub.example Sat Nov 21 18:45:02 2026", "" },
	{ "From hub.example!ann Sat Nov 21 18:45:02 2026", "ann@hub.example" },
	{ "From ann", "ann" },
	{ "Subject: x", "-" },
	{ "From: ann", "-" },
	{ "From ", "!" },
	{ ">From   ", "!" },
	{ "From a\033b Sat", "!" },
	{ "From a Sat remote from x\033y", "!" },
};

static int
read_lines(const char *text, struct from_path *path)
{
	struct span rest = span_of(text), line;
	int got = 0;

	while (span_cut(&rest, '\n', &line) && (got = fromline_take(path, line, &err)) > 0)
		;
	return got;
}

START_TEST(the_sender_of_from_lines)
{
	struct from_path path = {0};
	struct str sender = {0};
	int got = read_lines(senders[_i].lines, &path);

	if (senders[_i].sender[0] == '!') {
		ck_assert_int_eq(got, -1);
		ck_assert_int_eq(err_exit(&err), 65);
	} else if (senders[_i].sender[0] == '-') {
		ck_assert_int_eq(got, 0);
		ck_assert_uint_eq(path.lines, 0);
	} else {
		fromline_sender(&path, &sender);
		ck_assert_str_eq(str_c(&sender), senders[_i].sender);
	}
	from_path_free(&path);
	str_free(&sender);
}
END_TEST

START_TEST(a_hundred_hosts_are_taken_and_no_more)
{
	struct from_path path = {0};
	struct span line = SPAN(">From u Sat Nov 21 18:45:02 2026 remote from h");

	for (int i = 0; i < FROMLINE_HOPS; i++)
		ck_assert_int_eq(fromline_take(&path, line, &err), 1);
	ck_assert_int_eq(fromline_take(&path, line, &err), -1);
	from_path_free(&path);
}
END_TEST

START_TEST(a_line_of_64_kib_is_refused)		/* ARG-05 */
{
	struct str line = {0};
	struct fromline from;

	str_add_text(&line, "From ");
	for (int i = 0; i < 65536; i++)
		str_add_char(&line, 'x');
	ck_assert_int_eq(fromline_parse(str_span(&line), &from, &err), -1);
	str_free(&line);
}
END_TEST

/* mbox: the file | what comes out: {from_line|body}... or "!" */

static const struct { const char *file, *out; } boxes[] = {
	{ "", "" },
	{ "\n\n", "" },
	{ "From a Sat Nov 21 18:45:02 2026\nS: x\n\nhi\n\n", "{From a Sat Nov 21 18:45:02 2026|S: x\n\nhi\n}" },
	{ "From a Sat Nov 21 18:45:02 2026\nS: x\n\nhi\n", "{From a Sat Nov 21 18:45:02 2026|S: x\n\nhi\n}" },
	{ "From a Sat Nov 21 18:45:02 2026\nhi", "{From a Sat Nov 21 18:45:02 2026|hi}" },
	{ "From a Sat Nov 21 18:45:02 2026\n\nhi\n\n\nFrom b Sat Nov 21 18:45 2026\n\nyo\n\n",
	  "{From a Sat Nov 21 18:45:02 2026|\nhi\n\n}{From b Sat Nov 21 18:45 2026|\nyo\n}" },
	{ "From a Sat Nov 21 18:45:02 2026\n\nFrom here on\n>From b\n>>From c\n>Fro\n",
	  "{From a Sat Nov 21 18:45:02 2026|\nFrom here on\nFrom b\n>From c\n>Fro\n}" },
	{ "From a Sat Nov 21 18:45:02 2026\nS: x\nFrom b Sat Nov 21 18:45:02 2026\n",
	  "{From a Sat Nov 21 18:45:02 2026|S: x\nFrom b Sat Nov 21 18:45:02 2026\n}" },
	{ "From a Sat Nov 21 18:45:02 2026\r\nS: x\r\n\r\nhi\r\n\r\n",
	  "{From a Sat Nov 21 18:45:02 2026|S: x\r\n\r\nhi\r\n}" },
	{ "Subject: not an mbox\n\n", "!" },
	{ "From a friend\n\n", "!" },
};

static int
box_begin(void *ctx, struct span from_line, struct err *e)
{
	(void)e;
	str_add_char(ctx, '{');
	str_add_span(ctx, from_line);
	str_add_char(ctx, '|');
	return 0;
}

static int
box_body(void *ctx, const char *bytes, size_t len, struct err *e)
{
	(void)e;
	str_add(ctx, bytes, len);
	return 0;
}

static int
box_end(void *ctx, struct err *e)
{
	(void)e;
	str_add_char(ctx, '}');
	return 0;
}

static const struct mbox_hooks box_hooks = { box_begin, box_body, box_end };

static int
read_box(const char *file, size_t step, struct str *out)
{
	struct mbox mbox;
	size_t len = strlen(file);
	int result = 0;

	mbox_start(&mbox, &box_hooks, out);
	for (size_t at = 0; at < len && result == 0; at += step)
		result = mbox_feed(&mbox, file + at, len - at < step ? len - at : step, &err);
	if (result == 0)
		result = mbox_end(&mbox, &err);
	mbox_free(&mbox);
	return result;
}

START_TEST(a_mailbox_is_taken_apart)
{
	static const size_t steps[] = { 1, 2, 7, 4096 };

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct str out = {0};
		int result = read_box(boxes[_i].file, steps[i], &out);
		if (boxes[_i].out[0] == '!') {
			ck_assert_int_eq(result, -1);
		} else {
			ck_assert_int_eq(result, 0);
			ck_assert_str_eq(str_c(&out), boxes[_i].out);
		}
		str_free(&out);
	}
}
END_TEST

START_TEST(a_line_of_a_mebibyte_passes_through_a_mailbox)
{
	struct str file = {0}, out = {0};

	str_add_text(&file, "From a Sat Nov 21 18:45:02 2026\n\n");
	for (int i = 0; i < 1 << 20; i++)
		str_add_char(&file, 'x');
	str_add_text(&file, "\nend\n");
	ck_assert_int_eq(read_box(str_c(&file), 1000, &out), 0);
	ck_assert_uint_eq(out.len, file.len + 2);	/* { | } for one LF */
	str_free(&file);
	str_free(&out);
}
END_TEST

/* crlf */

static const struct { const char *in, *out; } texts[] = {
	{ "", "" },
	{ "a", "a\r\n" },
	{ "a\nb\n", "a\r\nb\r\n" },
	{ "a\r\nb\r\n", "a\r\nb\r\n" },
	{ "a\rb", "a\r\nb\r\n" },		/* DATA-02: no lone CR leaves */
	{ "a\r\r\n\nb", "a\r\n\r\n\r\nb\r\n" },
	{ "\n", "\r\n" },
	{ "\r", "\r\n" },
	{ "\n.\n", "\r\n.\r\n" },
	{ "\r.\r", "\r\n.\r\n" },
};

START_TEST(every_line_ends_in_crlf)
{
	for (size_t step = 1; step < 4; step++) {
		struct crlf crlf = {0};
		struct str out = {0};
		struct span rest = span_of(texts[_i].in);
		for (; rest.len > 0; rest = span_from(rest, step))
			crlf_add(&crlf, span_to(rest, step), &out);
		crlf_end(&crlf, &out);
		ck_assert_str_eq(str_c(&out), texts[_i].out);
		str_free(&out);
	}
}
END_TEST

UNIT("mailtext",
    { the_sender_of_from_lines, ROWS(senders) },
    { a_hundred_hosts_are_taken_and_no_more, 1 },
    { a_line_of_64_kib_is_refused, 1 },
    { a_mailbox_is_taken_apart, ROWS(boxes) },
    { a_line_of_a_mebibyte_passes_through_a_mailbox, 1 },
    { every_line_ends_in_crlf, ROWS(texts) })
