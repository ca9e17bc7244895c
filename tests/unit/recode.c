/* lib/mail recode: what a reader of 7 bits and short lines gets, and what nobody may touch. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/recode.h"
#include "tests/unit/unit.h"

static struct err err;

static int
pass(struct recode *r, struct span text, size_t step)
{
	for (; text.len > 0; text = span_from(text, step))
		if (recode_feed(r, span_to(text, step), &err) < 0)
			return -1;
	return recode_end(r, &err);
}

/* -1 and err, or the message in out. */
static int
recoded(const char *message, size_t len, size_t line_max, size_t step, struct str *out)
{
	struct recode r = { .line_max = line_max };
	struct span text = { message, len };

	err = (struct err){0};
	int result = pass(&r, text, step);
	if (result == 0) {
		recode_again(&r);
		result = pass(&r, text, step);
		ck_assert_msg(result == 0, "writing: %s", err.text);
		str_set_span(out, str_span(&r.out));
	}
	recode_free(&r);
	return result;
}

#define M "MIME-Version: 1.0\r\n"
#define T8 "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
#define TQ "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
#define MIXED(cte) M "Content-Type: multipart/mixed;\r\n boundary=\"b b\"\r\n" cte "\r\npre\r\n"

/* in | out, "=" for the same, "!" and words of the error */
static const struct { const char *in, *out; } rows[] = {
	{ "Subject: x\r\n\r\nhi\r\n", "=" },
	{ "Subject: x\r\n\r\n", "=" },
	{ "Subject: x\r\n", "=" },
	{ M T8 "plain\r\n", "=" },
	{ M T8 "gr\303\274n\r\n", M TQ "gr=C3=BCn\r\n" },
	{ M T8 "\303\244 = \t\r\n \r\n.\r\n", M TQ "=C3=A4 =3D =09\r\n=20\r\n.\r\n" },
	{ M T8 "\303\244", M TQ "=C3=A4" },
	{ M T8 "123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234\303\244\r\n",
	  M TQ "123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234=\r\n=C3=A4\r\n" },
	{ MIXED("Content-Transfer-Encoding: 8bit\r\n") "--b b\r\n" T8 "\303\244\r\n\r\n--b b\r\n" T8 "a\r\n--b b--\r\npost\r\n",
	  M "Content-Type: multipart/mixed;\r\n boundary=\"b b\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\npre\r\n--b b\r\n" TQ
	  "=C3=A4\r\n\r\n--b b\r\n" T8 "a\r\n--b b--\r\npost\r\n" },
	{ MIXED("") "--b b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\377\r\n--b b--\r\n",
	  MIXED("") "--b b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/w==\r\n--b b--\r\n" },
	{ MIXED("") "--b b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" T8 "\303\244\r\n--b b--\r\n",
	  MIXED("") "--b b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" TQ "=C3=A4\r\n--b b--\r\n" },
	{ MIXED("") "--b b\r\n--b b\r\nX: y\r\n--b b--\r\n", "=" },
	{ M "Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc\r\n",
	  M "Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpiDWMNCg==\r\n" },
	{ "Subject: gr\303\274n\r\n\r\nhi\r\n", "!header" },
	{ "Subject: x\r\n\r\ngr\303\274n\r\n", "!not MIME" },
	{ M "\r\ngr\303\274n\r\n", "!says 7bit" },
	{ M "Content-Transfer-Encoding: base64\r\n\r\ngr\303\274n\r\n", "!not what its encoding says" },
	{ M "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" T8 "\303\274\r\n--s--\r\n", "!signed" },
	{ MIXED("") "\303\274\r\n--b b--\r\n", "!between" },
	{ M "Content-Type: multipart/mixed\r\n\r\nx\r\n", "!boundary" },
	{ M "Content-Type: message/partial\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\303\274\r\n", "!message" },
};

START_TEST(a_message_for_seven_bits)
{
	static const size_t steps[] = { 1, 2, 7, 100000 };
	const char *in = rows[_i].in, *out = rows[_i].out;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct str got = {0};
		int result = recoded(in, strlen(in), 0, steps[i], &got);
		if (out[0] == '!') {
			ck_assert_int_eq(result, -1);
			ck_assert_msg(strstr(err.text, out + 1) != NULL, "%s", err.text);
			ck_assert_int_eq(err.kind, ERR_PERM);
		} else {
			ck_assert_msg(result == 0, "%s", err.text);
			ck_assert_str_eq(str_c(&got), out[0] == '=' ? in : out);
		}
		str_free(&got);
	}
}
END_TEST

START_TEST(long_lines_are_folded_where_the_part_is_text)
{
	struct str in = {0}, out = {0};

	str_add_text(&in, M "Content-Type: text/html\r\n\r\n");
	size_t head = in.len;
	for (int i = 0; i < 70000; i++)
		str_add_char(&in, (char)('a' + i % 26));
	str_add_text(&in, "\r\n");
	ck_assert_int_eq(recoded(in.p, in.len, 998, 4096, &out), 0);
	struct span rest = str_span(&out), line;
	struct str back = {0};
	while (span_cut(&rest, '\n', &line)) {
		ck_assert_uint_le(line.len, 77);
		if (line.len > 1 && line.p[line.len - 2] == '=' && line.len > 70)
			str_add(&back, line.p, line.len - 2);
		else
			str_add(&back, line.p, line.len);
	}
	ck_assert_ptr_nonnull(strstr(str_c(&back), "quoted-printable"));
	str_c(&in);
	ck_assert_ptr_nonnull(memmem(back.p, back.len, in.p + head, 70000));
	str_free(&in);
	str_free(&out);
	str_free(&back);
}
END_TEST

START_TEST(a_hundred_and_one_levels_are_too_many)	/* MIME-01 */
{
	struct str in = {0}, out = {0};

	str_add_text(&in, M);
	for (int i = 0; i < 101; i++)
		str_printf(&in, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	str_add_text(&in, T8 "\303\244\r\n");
	ck_assert_int_eq(recoded(in.p, in.len, 0, 4096, &out), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "too deep"));
	str_free(&in);
	str_free(&out);
}
END_TEST

UNIT("recode",
	{ a_message_for_seven_bits, ROWS(rows) },
	{ long_lines_are_folded_where_the_part_is_text, 1 },
	{ a_hundred_and_one_levels_are_too_many, 1 })
