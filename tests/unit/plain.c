/* bsmtp: what base64 and quoted-printable travel as, and that all of it comes back. */
#include <stdlib.h>
#include <string.h>

#include "lib/mail/base64.h"
#include "lib/mail/plain.h"
#include "tests/unit/gather.h"
#include "tests/unit/unit.h"

static struct err err;

static int
run(enum plain_way way, struct span in, size_t step, struct str *out)
{
	struct plain plain;
	int result = 0;

	plain_start(&plain, way, gather, out);
	for (; in.len > 0 && result == 0; in = span_from(in, step))
		result = plain_feed(&plain, in.p, in.len < step ? in.len : step, &err);
	if (result == 0)
		result = plain_end(&plain, &err);
	plain_free(&plain);
	return result;
}

/* Base64, strictly: text | the bytes, or NULL where it is none. */
static const struct { const char *text, *bytes; } base64[] = {
	{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" },
	{ "Zm9vYmE=", "fooba" }, { "Zm9vYmFy", "foobar" }, { "+/+/", "\373\377\277" },
	{ "Zh==", NULL }, { "Zm9=", NULL }, { "Zg=", NULL }, { "Z===", NULL }, { "====", NULL },
	{ "Zg==Zg==", NULL }, { "Zm9v\n", NULL }, { "Zm 9", NULL }, { "Zm-_", NULL }, { "=m9v", NULL },
	{ "Zm=v", NULL },
};

START_TEST(base64_is_exact_or_none)	/* RFC 4648 10 */
{
	unsigned char bytes[16];
	struct str again = {0};
	int len = base64_read(span_of(base64[_i].text), bytes);

	if (base64[_i].bytes == NULL) {
		ck_assert_int_eq(len, -1);
		return;
	}
	ck_assert_int_eq(len, (int)strlen(base64[_i].bytes));
	ck_assert_int_eq(memcmp(bytes, base64[_i].bytes, (size_t)len), 0);
	base64_add(&again, bytes, (size_t)len);
	ck_assert_str_eq(str_c(&again), base64[_i].text);
	str_free(&again);
}
END_TEST

/* Lines of 40 letters: 30 bytes each. */
#define L "TW9jaGlsYSBjYXJyaWVzIG1haWwgb3ZlciBzbG93"	/* "Mochila carries mail over slow" */
#define B "Mochila carries mail over slow"
#define DIGEST "0123456789abcdef0123456789abcdef01234567"
#define P "Content-Transfer-Encoding: quoted-printable\n\n"
#define Q "Content-Transfer-Encoding: quoted-printable\r\n\r\n"

/* The text | what travels; the same where that is NULL. */
static const struct { const char *text, *travels; } rows[] = {
	{ "", NULL },
	{ "no line end", NULL },
	{ "Subject: hi\r\n\r\nhi\r\n", "Subject: hi\n\nhi\n" },
	{ "bare\nand\rbare\r\r\n\n\r", "bare\020\nand\rbare\r\n\020\n\r" },
	{ "a\020b\020\r\n", "a\020\020b\020\020\n" },
	{ L "\r\n" L "\r\n", L "\n" L "\n" },			/* too few to be sure */
	{ L "\n" L "\n" L "\n", L "\020\n" L "\020\n" L "\020\n" },
	{ " " L "\r\n " L "\r\n " L "\r\n", " " L "\n " L "\n " L "\n" },
	{ DIGEST "\r\n" DIGEST "\r\n" DIGEST "\r\n", DIGEST "\n" DIGEST "\n" DIGEST "\n" },	/* no base64 */
	/* quoted-printable */
	{ Q "a=C3=A4=3D=\r\nb=20\r\n", P "\020\021a\303\244=\013b\014\n" },
	{ Q "a=c3=E4=0D=\n=", P "\020\021a\020=c3\344\020=0D\020=\020\n\020=" },
	{ Q "\303\244\013\014\020", P "\020\021\020\303\020\244\020\013\020\014\020\020" },
	{ Q "=E4\r\n--x\r\n=E4", P "\020\021\344\n\020\022--x\n=E4" },
	{ Q "=E4\r\nNOOP mochila=1\n=E4", P "\020\021\344\n\020\022NOOP mochila=1\020\n=E4" },
	{ "content-transfer-encoding:QUOTED-PRINTABLE \r\nX: y\r\n\r\n=E4",
	  "content-transfer-encoding:QUOTED-PRINTABLE \nX: y\n\n\020\021\344" },
	{ "Content-Transfer-Encoding: 7bit\r\n\r\n=E4=3D", "Content-Transfer-Encoding: 7bit\n\n=E4=3D" },
	{ "Content-Transfer-Encoding: quoted-printable\r\n--x\r\n\r\n=E4=3D",
	  "Content-Transfer-Encoding: quoted-printable\n--x\n\n=E4=3D" },
};

START_TEST(text_travels_as_the_rows_say)
{
	static const size_t steps[] = { 1, 2, 7, 100000 };

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct str out = {0}, back = {0};
		const char *want = rows[_i].travels != NULL ? rows[_i].travels : rows[_i].text;
		ck_assert_int_eq(run(PLAIN_PACK, span_of(rows[_i].text), steps[i], &out), 0);
		ck_assert_str_eq(str_c(&out), want);
		ck_assert_int_eq(run(PLAIN_UNPACK, str_span(&out), steps[i], &back), 0);
		ck_assert_str_eq(str_c(&back), rows[_i].text);
		str_free(&out);
		str_free(&back);
	}
}
END_TEST

START_TEST(base64_travels_as_what_it_means)
{
	static const char *const last[] = { "", "TWFpbA==\r\n", L "\r\n", "TWFpbCBmb3IgeW91\r\n" };
	static const char *const meant[] = { "", "Mail", B, "Mail for you" };

	for (size_t i = 0; i < 4; i++) {
		struct str text = {0}, out = {0}, want = {0}, back = {0};
		str_printf(&text, "x\r\n%s\r\n%s\r\n%s\r\n%s\r\n", L, L, L, last[i]);
		size_t len = 90 + strlen(meant[i]);
		str_printf(&want, "x\n%c%c%c%c%s%s%s%s\n", 16, 42, '*', (int)len, B, B, B, meant[i]);
		want.p[4] = '\0';
		ck_assert_int_eq(run(PLAIN_PACK, str_span(&text), 5, &out), 0);
		ck_assert(span_same(str_span(&out), str_span(&want)));
		ck_assert_int_eq(run(PLAIN_UNPACK, str_span(&out), 3, &back), 0);
		ck_assert_str_eq(str_c(&back), str_c(&text));
		str_free(&text);
		str_free(&out);
		str_free(&want);
		str_free(&back);
	}
}
END_TEST

/* Attachments of every width, ended in every way, one much longer than a piece. */
START_TEST(any_base64_comes_back)
{
	struct str bytes = {0};

	for (uint64_t i = 1; bytes.len < 300000; i++) {
		uint64_t noise = i * 0x9e3779b97f4a7c15u;
		str_add(&bytes, &noise, 8);
	}
	for (size_t width = 4; width <= 1000; width += width < 100 ? 4 : 100) {
		size_t total = width == 76 ? 300000 : 200 + width % 7;
		struct str text = {0}, out = {0}, back = {0};
		for (size_t at = 0; at < total; at += width / 4 * 3) {
			struct span line = span_to(span_to(span_from(str_span(&bytes), at), total - at), width / 4 * 3);
			base64_add(&text, line.p, line.len);
			str_add_text(&text, "\r\n");
		}
		str_add_text(&text, "--b--\r\n");
		ck_assert_int_eq(run(PLAIN_PACK, str_span(&text), 4093, &out), 0);
		if (width >= 40 && width <= 892)
			ck_assert_uint_lt(out.len, total + 60);
		ck_assert_int_eq(run(PLAIN_UNPACK, str_span(&out), 4093, &back), 0);
		ck_assert(span_same(str_span(&back), str_span(&text)));
		str_free(&text);
		str_free(&out);
		str_free(&back);
	}
	str_free(&bytes);
}
END_TEST

static const struct { const char *bytes; size_t len; const char *why; } hostile[] = {
	{ "\020", 1, "inside a word" },
	{ "\020\052", 2, "inside a word" },
	{ "\020\052\0", 3, "inside a word" },
	{ "\020\052\0\0", 4, "no bytes" },
	{ "\020\052\0\5abcd", 8, "inside a word" },
	{ "\020\051\0\1a", 5, "there is not" },
	{ "\020\022", 2, "there is not" },	/* an end without a beginning */
	{ "\020x", 2, "inside a word" },
	{ "\020\0", 2, "there is not" },
	{ "\020\021\020", 3, "inside a word" },
};

START_TEST(what_nobody_packed_is_refused)
{
	struct str out = {0};

	ck_assert_int_eq(run(PLAIN_UNPACK, (struct span){ hostile[_i].bytes, hostile[_i].len }, 1, &out), -1);
	ck_assert_msg(strstr(err.text, hostile[_i].why) != NULL, "%s: not %s", err.text, hostile[_i].why);
	ck_assert_int_eq(err_exit(&err), 65);
	str_free(&out);
}
END_TEST

UNIT("plain",
	{ base64_is_exact_or_none, ROWS(base64) },
	{ text_travels_as_the_rows_say, ROWS(rows) },
	{ base64_travels_as_what_it_means, 1 },
	{ any_base64_comes_back, 1 },
	{ what_nobody_packed_is_refused, ROWS(hostile) })
