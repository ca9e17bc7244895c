/* Envelopes as E-MailRelay keeps them: what is written is read, and what cannot be is told. */
#include "lib/mail/envelope-file.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(what_is_written_is_read)
{
	struct envelope_file file = {0}, back;
	struct str text = {0};
	struct err err = {0};

	envelope_from(&file.env, SPAN("ann@a.example"), SPAN("BODY=8BITMIME SMTPUTF8"));
	envelope_add(&file.env, SPAN("bob@b.example"), SPAN("NOTIFY=NEVER"));
	envelope_add(&file.env, SPAN("eve@c.example"), SPAN(""));
	file.local = mem_get(2 * sizeof *file.local);
	file.local[1] = true;
	str_set(&file.user, "a b");
	str_set(&file.forward_to, "c.example:26");
	envelope_file_write(&file, &text);
	ck_assert_ptr_nonnull(strstr(str_c(&text), "X-MailRelay-Content: 8bit\r\n"));
	ck_assert_ptr_nonnull(strstr(str_c(&text), "To-Local: eve@c.example\r\nX-MailRelay-To-Remote: bob@b.example\r\n"));
	ck_assert_ptr_nonnull(strstr(str_c(&text), "X-MailRelay-Authentication: a+20b\r\n"));
	ck_assert_ptr_nonnull(strstr(str_c(&text), "X-MailRelay-Utf8MailboxNames: 1\r\n"));
	ck_assert_int_eq(envelope_file_read(str_span(&text), &back, &err), 0);
	ck_assert_str_eq(str_c(&back.env.from), "ann@a.example");
	ck_assert_uint_eq(back.env.rcpts, 2);
	ck_assert_str_eq(str_c(&back.env.rcpt[0].to), "eve@c.example");
	ck_assert(back.local[0] && !back.local[1]);
	ck_assert_str_eq(str_c(&back.forward_to), "c.example:26");
	envelope_file_free(&file);
	envelope_file_free(&back);
	str_free(&text);
}
END_TEST

static const struct {
	const char *text, *from, *first;	/* from NULL: it cannot be read */
} rows[] = {
	{ "X-MailRelay-From: a@b\nX-MailRelay-To-Remote: c@d\nX-MailRelay-End: 1\n", "a@b", "c@d" },
	{ "X-MailRelay-From: \r\nX-MailRelay-To-Remote: c@d\r\nX-MailRelay-End: 1\r\n", "", "c@d" },
	{ "X-MailRelay-From: <a@b>\nX-MailRelay-To-Local: <c@d>\nX-MailRelay-End: 1", "a@b", "c@d" },
	{ "folded\n\tlines\nX-MailRelay-From: a@b\nX-MailRelay-To-Remote: c@d\nX-MailRelay-End: 1\nX-MailRelay-To-Remote: x@y\n",
	    "a@b", "c@d" },
	{ "X-MailRelay-From: a@b\nX-MailRelay-To-Remote: c@d\n", NULL, NULL },
	{ "X-MailRelay-To-Remote: c@d\nX-MailRelay-End: 1\n", NULL, NULL },
	{ "X-MailRelay-From: a\tb@b\nX-MailRelay-End: 1\n", NULL, NULL },
	{ "", NULL, NULL },
};

START_TEST(people_edit_it)
{
	struct envelope_file file;
	struct err err = {0};
	int got = envelope_file_read(span_of(rows[_i].text), &file, &err);

	ck_assert_int_eq(got, rows[_i].from != NULL ? 0 : -1);
	if (rows[_i].from != NULL) {
		ck_assert_str_eq(str_c(&file.env.from), rows[_i].from);
		ck_assert_uint_eq(file.env.rcpts, 1);
		ck_assert_str_eq(str_c(&file.env.rcpt[0].to), rows[_i].first);
	} else {
		ck_assert_int_eq(err.kind, ERR_TEMP);
	}
	envelope_file_free(&file);
}
END_TEST

UNIT("envelope-file",
	{ what_is_written_is_read, 1 },
	{ people_edit_it, ROWS(rows) })
