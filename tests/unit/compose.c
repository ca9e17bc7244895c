/* lib/mail addrlist, rmail compose: what a submission's header says. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/addrlist.h"
#include "rmail/compose.h"
#include "tests/unit/unit.h"

static struct err err;

/* field value | addresses, apart by blanks */

static const struct { const char *value, *out; } lists[] = {
	{ "", "" },
	{ "ann@x", "ann@x" },
	{ "<ann@x>", "ann@x" },
	{ "Ann <ann@x>, Bob <bob@y>", "ann@x bob@y" },
	{ "\"x, y\" <a@x>,b@y", "a@x b@y" },
	{ "a@x (one, two; <three>), b@y", "a@x b@y" },
	{ "a@x ((((deep))))", "a@x" },
	{ "(\\)) a@x", "a@x" },
	{ "friends: a@x, b@y;, c@z", "a@x b@y c@z" },
	{ "undisclosed-recipients:;", "" },
	{ "a@x,\r\n\tb@y,,;,", "a@x b@y" },
	{ "<@hop1,@hop2:a@x>", "a@x" },
	{ "\"a b\"@x", "\"a b\"@x" },
	{ "\"a\\\"b\"@x", "\"a\\\"b\"@x" },
	{ "a@[IPv6:::1]", "a@[IPv6:::1]" },
	{ "a . b @ x", "a.b@x" },
	{ "\"unended, a@x", "\"unended, a@x" },
	{ "(unended, a@x", "" },
	{ "<unended", "unended" },
	{ "local", "local" },
};

START_TEST(a_list_gives_its_addresses)
{
	struct span rest = span_of(lists[_i].value);
	struct str address = {0}, out = {0};

	while (addrlist_next(&rest, &address) > 0) {
		if (out.len > 0)
			str_add_char(&out, ' ');
		str_add_span(&out, str_span(&address));
	}
	ck_assert_str_eq(str_c(&out), lists[_i].out);
	str_free(&address);
	str_free(&out);
}
END_TEST

START_TEST(a_mebibyte_of_comments_takes_no_time)	/* MIME-02 */
{
	struct str value = {0}, address = {0};

	for (int i = 0; i < 1 << 20; i++)
		str_add_char(&value, '(');
	str_add_text(&value, "a@x");
	struct span rest = str_span(&value);
	ck_assert_int_eq(addrlist_next(&rest, &address), 0);
	str_free(&value);
	str_free(&address);
}
END_TEST

/* header | recipients, or "!" */

static const struct { const char *body, *out; } headers[] = {
	{ "To: a@x\r\nCc: b\r\nBcc: c@z\r\n\r\nTo: d@x\r\n", "a@x b@host c@z" },
	{ "To: a@x\r\nResent-To: b@y\r\nResent-Bcc: c@z\r\n\r\n", "b@y c@z" },
	{ "From ann Sat Nov 21 18:45:02 2026\r\nTo: a@x\r\n\r\n", "a@x" },
	{ "Subject: x\r\n\r\n", "" },
	{ "To: |sh\r\n\r\n", "!" },
	{ "To: /etc/passwd\r\n\r\n", "!" },
	{ "To: \"|sh\"@x\r\n\r\n", "!" },
	{ "To: -oQ/x\r\n\r\n", "!" },
};

START_TEST(recipients_of_a_header)
{
	struct envelope env = {0};
	struct str out = {0};
	int result = compose_recipients(span_of(headers[_i].body), "host", &env, &err);

	if (headers[_i].out[0] == '!') {
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(err_exit(&err), 64);
	} else {
		ck_assert_int_eq(result, 0);
		for (size_t i = 0; i < env.rcpts; i++)
			str_printf(&out, "%s%s", i > 0 ? " " : "", str_c(&env.rcpt[i].to));
		ck_assert_str_eq(str_c(&out), headers[_i].out);
	}
	envelope_free(&env);
	str_free(&out);
}
END_TEST

/* message in | message out, without the Message-ID that is made */

static const struct { const char *in, *out; } messages[] = {
	{ "Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\nhi\r\n", "Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\nhi\r\n" },
	{ "From x y\r\nDate: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\nhi\r\n", "Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\nhi\r\n" },
	{ "DATE: d\r\nBcc: a\r\n b\r\nMESSAGE-id: m\r\n\r\nhi\r\n", "From: \"A\" <a@host>\r\nDATE: d\r\nMESSAGE-id: m\r\n\r\nhi\r\n" },
	{ "From: f\r\nMessage-ID: m\r\n\r\n", "Date: Sat, 21 Nov 2026 18:45:02 +0000\r\nFrom: f\r\nMessage-ID: m\r\n\r\n" },
	{ "From: f\r\nDate: d\r\nMessage-ID: m\r\nno field\r\n", "From: f\r\nDate: d\r\nMessage-ID: m\r\n\r\nno field\r\n" },
	{ "From: f\r\nDate: d\r\nMessage-ID: m\r\n", "From: f\r\nDate: d\r\nMessage-ID: m\r\n\r\n" },
};

START_TEST(a_message_gets_what_it_lacks)
{
	struct composing composing = {
		.host = "host", .from = "a@host", .full_name = "A", .strip_bcc = true, .now = 1795286702000000,
	};
	struct str out = {0};

	compose_message(&composing, span_of(messages[_i].in), &out);
	ck_assert_str_eq(str_c(&out), messages[_i].out);
	str_free(&out);
}
END_TEST

UNIT("compose",
	{ a_list_gives_its_addresses, ROWS(lists) },
	{ a_mebibyte_of_comments_takes_no_time, 1 },
	{ recipients_of_a_header, ROWS(headers) },
	{ a_message_gets_what_it_lacks, ROWS(messages) })
