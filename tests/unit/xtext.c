/* xtext, and the UTF-8 that it is not. */
#include "lib/mail/xtext.h"

#include "lib/mail/utf8.h"
#include "tests/unit/unit.h"

static const struct {
	const char *xtext, *text;	/* text NULL: refused */
} rows[] = {
	{ "QQ314159", "QQ314159" }, { "", "" },
	{ "a+2Bb+3Dc", "a+b=c" }, { "x+20y", "x y" }, { "+41", "A" },
	{ "+2b", NULL }, { "+", NULL }, { "a+", NULL }, { "a+3", NULL }, { "+0", NULL }, { "+G0", NULL },
	{ "a=b", NULL }, { "a b", NULL }, { "\xc3\xa4", NULL }, { "a\x7f", NULL },
	/* SMTP-06: what would wake up in a report */
	{ "x+0AFrom:+20evil", NULL }, { "+0D", NULL }, { "+00", NULL }, { "+7F", NULL }, { "+C3+A4", NULL },
};

START_TEST(xtext_means_what_the_rows_say)
{
	struct str out = {0};
	int got = xtext_decode(span_of(rows[_i].xtext), &out);

	ck_assert_int_eq(got, rows[_i].text != NULL ? 0 : -1);
	ck_assert_int_eq(xtext_ok(span_of(rows[_i].xtext)), got == 0);
	ck_assert_str_eq(str_c(&out), rows[_i].text != NULL ? rows[_i].text : "");
	str_free(&out);
}
END_TEST

START_TEST(what_is_encoded_is_decoded)
{
	struct str all = {0}, xtext = {0}, again = {0};

	for (char c = ' '; c <= '~'; c++)
		str_add_char(&all, c);
	xtext_encode(str_span(&all), &xtext);
	ck_assert_int_eq(xtext_decode(str_span(&xtext), &again), 0);
	ck_assert_str_eq(str_c(&again), str_c(&all));
	str_clear(&xtext);
	xtext_encode(SPAN("\n\xff"), &xtext);
	ck_assert_str_eq(str_c(&xtext), "+0A+FF");
	str_free(&all);
	str_free(&xtext);
	str_free(&again);
}
END_TEST

static const struct {
	const char *bytes;
	bool ok;
} texts[] = {
	{ "", true }, { "a", true }, { "\xc2\x80", true }, { "\xdf\xbf", true }, { "\xe2\x82\xac", true },
	{ "\xf0\x9f\x93\xab", true }, { "\xf4\x8f\xbf\xbf", true }, { "\xed\x9f\xbf", true },
	{ "\x80", false }, { "\xc1\xbf", false }, { "\xe0\x9f\xbf", false }, { "\xed\xa0\x80", false },
	{ "\xf0\x8f\xbf\xbf", false }, { "\xf4\x90\x80\x80", false }, { "\xf5\x80\x80\x80", false },
	{ "\xc3", false }, { "\xe2\x82", false }, { "\xe2\x82z", false }, { "\xff", false },
};

START_TEST(utf8_is_only_utf8)
{
	ck_assert_int_eq(utf8_ok(span_of(texts[_i].bytes)), texts[_i].ok);
	ck_assert_int_eq(utf8_is_ascii(span_of(texts[_i].bytes)), _i < 2);
}
END_TEST

UNIT("xtext",
	{ xtext_means_what_the_rows_say, ROWS(rows) },
	{ what_is_encoded_is_decoded, 1 },
	{ utf8_is_only_utf8, ROWS(texts) })
