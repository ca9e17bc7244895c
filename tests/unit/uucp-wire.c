/*
 * The UUCP protocols byte by byte: their sums, the recorded words of Taylor UUCP 1.07
 * (one mail each way), lines that lose and change bytes, and peers that mean harm.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "tests/unit/uucp.h"
#include "uucico-ssh/sum.h"

#define S(text) { text, sizeof (text) - 1 }
#define ROWS(array) (int)(sizeof (array) / sizeof (array)[0])

START_TEST(the_sums_are_those_of_the_wire)
{
	static const struct { struct span bytes; uint32_t crc; uint16_t turning; } rows[] = {
		{ S("\x04\x00\x10\x07"), 0x857f3046, 0 },
		{ S("\0\0\0\0"), 0xdebb20e3, 0 },
		{ S("HY\0"), 0x154e1c88, 0 },
		{ S("123456789"), 0x340bc6d9, 0x62c5 },
		{ S("CY\0"), 0, 0x01ba },
		{ S("H\0"), 0, 0x008e },
		{ S("\x01\x04\0\0"), 0, 0x0010 },
	};
	char field[64] = "EY", letters_a[32];

	if (rows[_i].crc != 0)
		ck_assert_uint_eq(sum_crc(rows[_i].bytes), rows[_i].crc);
	if (rows[_i].turning != 0)
		ck_assert_uint_eq(sum_turning(rows[_i].bytes), rows[_i].turning);
	memset(letters_a, 'A', sizeof letters_a);
	ck_assert_uint_eq(sum_field((struct span){ field, sizeof field }), 0xc97b);
	ck_assert_uint_eq(sum_field((struct span){ letters_a, sizeof letters_a }), 0x7e08);
}
END_TEST

/* --- the recorded words of Taylor UUCP 1.07 --- */

#define MAIL_100 "From alice Sat Nov 21 19:00:00 2026 remote from home\nSubject: one\n\n" \
	"A mail of exactly one hundred by\n"
#define MAIL_98 "From dave Sat Nov 21 19:00:01 2026 remote from hub\nSubject: two\n\n" \
	"A mail of ninety-eight bytes in \n"
#define OFFER_HOME "E D.0001 D.homeN0001 uucp -C D.0001 0666 \"\" 0x64 rmail bob@hub\0"
#define OFFER_HUB "E D.0001 D.hubN0001 uucp -C D.0001 0666 \"\" 0x62 rmail carol@home\0"

/* Who says it, the caller (>) or the called end (<), and what; S(...) keeps the NULs. */
struct saying {
	char from;
	struct span bytes;
};

static const struct saying words_e[] = {
	{ '<', S("\020Shere=hub\0") },
	{ '>', S("\020Shome -R -N047\0") },
	{ '<', S("\020ROKN047\0\020Pe\0") },
	{ '>', S("\020Ue\0" OFFER_HOME) },
	{ '<', S("EY\0") },
	{ '>', S("100\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" MAIL_100) },
	{ '<', S("CY\0") },
	{ '>', S("H\0") },
	{ '<', S("HN\0" OFFER_HUB) },
	{ '>', S("EY\0") },
	{ '<', S("98\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" MAIL_98) },
	{ '>', S("CY\0") },
	{ '<', S("H\0") },
	{ '>', S("HY\0") },
	{ '<', S("HY\0") },
	{ '>', S("HY\0\020OOOOOO\0") },
	{ '<', S("\020OOOOOOO\0") },
	{0},
};

/* But for what is better: EY tells no offset where nothing was there, and HY is said once. */
static const struct saying words_i[] = {
	{ '<', S("\020Shere=hub\0") },
	{ '>', S("\020Shome -R -N047\0") },
	{ '<', S("\020ROKN047\0\020Pi\0") },
	{ '>', S("\020Ui\0") },
	{ '<', S("\x07\x00\x00\x20\x04\x24" "\x04\x00\x10\x07" "\x85\x7f\x30\x46") },	/* SYNC */
	{ '>', S("\x07\x00\x00\x30\x04\x34" "\x04\x00\x10\x07" "\x85\x7f\x30\x46") },
	{ '>', S("\x07\x09\x00\x10\x3f\x26" OFFER_HOME "\x49\x69\x99\x51") },
	{ '>', S("\x07\x10\x00\x90\x04\x84" "\x00\x00\x00\x00" "\xde\xbb\x20\xe3") },	/* SPOS 0 */
	{ '>', S("\x07\x19\x00\x10\x64\x6d" MAIL_100 "\xfd\x7d\x37\xe2") },
	{ '>', S("\x07\x21\x00\x10\x00\x31") },	/* the end of the file */
	{ '<', S("\x07\x09\x00\x00\x41\x48" OFFER_HUB "\xca\x07\x1c\x41") },
	{ '>', S("\x07\x28\x09\x10\x03\x32" "\x45\x59\x00" "\x1d\x96\x8f\xdb") },
	{ '<', S("\x07\x10\x09\x00\x03\x1a" "\x45\x59\x00" "\x1d\x96\x8f\xdb") },
	{ '<', S("\x07\x18\x21\x00\x03\x3a" "\x43\x59\x00" "\x19\x1b\xf3\x69") },
	{ '<', S("\x07\x20\x20\x80\x04\x84" "\x00\x00\x00\x00" "\xde\xbb\x20\xe3") },
	{ '<', S("\x07\x29\x20\x00\x62\x6b" MAIL_98 "\xbf\x86\xff\xb0") },
	{ '<', S("\x07\x31\x20\x00\x00\x11") },
	{ '>', S("\x07\x30\x31\x10\x03\x12" "\x43\x59\x00" "\x19\x1b\xf3\x69") },
	{ '>', S("\x07\x38\x30\x10\x02\x1a" "\x48\x00" "\x86\x86\x28\x0d") },
	{ '<', S("\x07\x38\x38\x00\x03\x03" "\x48\x59\x00" "\x15\x4e\x1c\x88") },
	{ '>', S("\x07\x40\x38\x10\x03\x6b" "\x48\x59\x00" "\x15\x4e\x1c\x88") },
	{ '>', S("\x07\x48\x38\xb0\x00\xc0") },	/* CLOSE */
	{ '<', S("\x07\x40\x40\x00\x03\x03" "\x48\x59\x00" "\x15\x4e\x1c\x88") },
	{ '<', S("\x07\x48\x40\xa0\x00\xa8") },
	{ '>', S("\020OOOOOO\0") },
	{ '<', S("\020OOOOOOO\0") },
	{0},
};

static const struct saying *const words[] = { words_e, words_i };
static const char *const spoken[] = { "e", "i" };

static void
expect(struct side *side, struct span bytes)
{
	uucp_fill(&side->u);
	ck_assert_uint_ge(side->u.out.len, bytes.len);
	for (size_t i = 0; i < bytes.len; i++)
		ck_assert_msg(side->u.out.p[i] == bytes.p[i], "byte %zu is %02x and not %02x", i,
		    (unsigned char)side->u.out.p[i], (unsigned char)bytes.p[i]);
	uucp_taken(&side->u, bytes.len, 0);
}

START_TEST(our_bytes_are_those_of_taylor)
{
	bool caller = _i % 2 == 0;
	struct side side = { .send = { caller ? MAIL_100 : MAIL_98 }, .letters = spoken[_i / 2] };

	ck_assert_uint_eq(strlen(MAIL_100), 100);
	ck_assert_uint_eq(strlen(MAIL_98), 98);
	side_start(&side, caller, caller ? "home" : "hub", caller ? "hub" : "home");
	for (const struct saying *saying = words[_i / 2]; saying->from != '\0'; saying++) {
		if ((saying->from == '>') == caller)
			expect(&side, saying->bytes);
		else
			uucp_feed(&side.u, saying->bytes.p, saying->bytes.len, 0);
	}
	uucp_eof(&side.u, 0);
	ck_assert_str_eq(side.u.err.text, "");
	ck_assert_uint_eq(side.u.out.len, 0);
	ck_assert_uint_eq(side.count, 1);
	ck_assert_int_eq(side.fate[0], UUCP_DELIVERED);
	side_free(&side);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("uucp-wire");
	TCase *wire = tcase_create("wire");

	tcase_add_loop_test(wire, the_sums_are_those_of_the_wire, 0, 7);
	tcase_add_loop_test(wire, our_bytes_are_those_of_taylor, 0, 2 * ROWS(words));
	suite_add_tcase(suite, wire);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
