/* A milter's side of the dialogue, by rows: what it agrees to, what it is told then, what it may
 * change, and what ends it. */
#include "lib/proto/milter.h"

#include <string.h>

#include "tests/unit/unit.h"

/* A packet as "X" and its bytes, the length made. */
static void
put(struct str *out, char command, const void *bytes, size_t len)
{
	const unsigned char head[] = { 0, 0, (unsigned char)((len + 1) >> 8), (unsigned char)(len + 1), (unsigned char)command };

	str_add(out, head, sizeof head);
	str_add(out, bytes, len);
}

static void
put_offer(struct str *out, unsigned version, uint32_t actions, uint32_t steps)
{
	const unsigned char offer[] = { 0, 0, 0, (unsigned char)version,
		(unsigned char)(actions >> 24), (unsigned char)(actions >> 16), (unsigned char)(actions >> 8), (unsigned char)actions,
		(unsigned char)(steps >> 24), (unsigned char)(steps >> 16), (unsigned char)(steps >> 8), (unsigned char)steps };

	put(out, 'O', offer, sizeof offer);
}

static struct envelope env;

static struct milter_mail
mail(void)
{
	envelope_clear(&env);
	envelope_from(&env, SPAN("ann@a.example"), SPAN("SIZE=9 BODY=8BITMIME"));
	envelope_add(&env, SPAN("bob@b.example"), SPAN(""));
	envelope_add(&env, SPAN("eve@c.example"), SPAN(""));
	return (struct milter_mail){ .host = SPAN("home.example"), .id = SPAN("ID"), .client = SPAN("192.0.2.1"),
		.port = SPAN("25"), .helo = SPAN("x"), .env = &env, .header = SPAN("A: 1\r\nB: 2\r\n 3\r\n\r\n"), .body = SPAN("hello\r\n") };
}

/* The commands that were said, macros left out. */
static void
commands(const struct str *said, struct str *out)
{
	for (size_t at = 0; at + 5 <= said->len;) {
		size_t len = (unsigned char)said->p[at + 2] * 256u + (unsigned char)said->p[at + 3];
		if (said->p[at + 4] != 'D')
			str_add_char(out, said->p[at + 4]);
		at += 4 + len;
	}
}

/* Feeds a whole script; answers of "c" are given as long as it asks for something.  step 0: whole. */
static int
play(struct milter *m, const struct str *script, size_t step, struct str *said, struct err *err)
{
	int result = 0;

	for (size_t at = 0; result == 0 && !m->d.done && at < script->len; at += step) {
		size_t left = script->len - at;
		dialogue_more(&m->d);
		result = dialogue_feed(&m->d, (struct span){ script->p + at, left < step ? left : step }, err);
		str_add_span(said, str_span(&m->d.out));
		str_clear(&m->d.out);
	}
	return result == 0 && !m->d.done ? dialogue_eof(&m->d, err) : result;
}

static const struct {
	uint32_t steps;
	int answers;		/* "c" until the end's */
	const char *said;
} agreed[] = {
	{ 0, 10, "OCHMRRTLLNBEQ" }, { 0x01, 9, "OHMRRTLLNBEQ" }, { 0x10, 9, "OCHMRRTLLNEQ" },
	{ 0x7f, 1, "OTEQ" }, { 0x27f, 0, "OEQ" }, { 0x80, 8, "OCHMRRTLLNBEQ" },
	{ 0xff080 & ~0x800u, 0, "OCHMRRTLLNBEQ" }, { 0x100000, 10, "OCHMRRTLLNBEQ" },
};

START_TEST(only_what_was_agreed_is_said)
{
	for (size_t step = 1; step < 200; step += 150) {
		struct milter_mail m = mail();
		struct milter milter;
		struct str script = {0}, said = {0}, words = {0};
		struct err err = {0};
		put_offer(&script, 6, 0, agreed[_i].steps);
		for (int i = 0; i <= agreed[_i].answers; i++)
			put(&script, 'c', "", 0);
		milter_start(&milter, &m);
		ck_assert_msg(play(&milter, &script, step, &said, &err) == 0, "%s", err.text);
		ck_assert_int_eq((int)milter.verdict, MILTER_ACCEPT);
		commands(&said, &words);
		ck_assert_str_eq(str_c(&words), agreed[_i].said);
		milter_free(&milter);
		str_free(&script);
		str_free(&said);
		str_free(&words);
	}
}
END_TEST

/* The answer to the connect, or, behind "E", to the end. */
static const struct {
	const char *what;
	size_t len;
	bool at_end;
	int verdict;		/* -1: the dialogue fails */
	const char *words;	/* reply, quarantine or why */
} answers[] = {
	{ "a", 1, false, MILTER_ACCEPT, "" }, { "r", 1, false, MILTER_REJECT, "" }, { "t", 1, false, MILTER_LATER, "" },
	{ "d", 1, false, MILTER_DISCARD, "" }, { "y550 5.7.1 no\0", 14, false, MILTER_REJECT, "550 5.7.1 no" },
	{ "y451 4.7.1 soon\0", 16, false, MILTER_LATER, "451 4.7.1 soon" }, { "y550 unended", 12, false, MILTER_REJECT, "550 unended" },
	{ "f", 1, false, -1, "not there now" }, { "4", 1, false, -1, "not there now" }, { "Z", 1, false, -1, "nobody understands" },
	{ "s", 1, false, -1, "nobody understands" }, { "hX\0y\0", 5, false, -1, "may not" }, { "O", 1, false, -1, "nobody understands" },
	{ "c", 1, true, MILTER_ACCEPT, "" }, { "a", 1, true, MILTER_ACCEPT, "" }, { "d", 1, true, MILTER_DISCARD, "" },
	{ "qlooks odd\0", 11, true, MILTER_ACCEPT, "looks odd" }, { "i\0\0", 3, true, -1, "without its place" },
	{ "p", 1, true, MILTER_ACCEPT, "" },
};

START_TEST(an_answer_ends_it)
{
	struct milter_mail m = mail();
	struct milter milter;
	struct str script = {0}, said = {0};
	struct err err = {0};

	put_offer(&script, 6, 0xff, answers[_i].at_end ? 0x27f : 0x27e);
	put(&script, answers[_i].what[0], answers[_i].what + 1, answers[_i].len - 1);
	put(&script, 'c', "", 0);
	milter_start(&milter, &m);
	int got = play(&milter, &script, 3, &said, &err);
	ck_assert_msg(got == (answers[_i].verdict < 0 ? -1 : 0), "%s", err.text);
	if (answers[_i].verdict >= 0) {
		ck_assert_int_eq((int)milter.verdict, answers[_i].verdict);
		ck_assert(strcmp(str_c(&milter.reply), answers[_i].words) == 0 || strcmp(str_c(&milter.quarantine), answers[_i].words) == 0);
	} else {
		ck_assert_int_eq(err.kind, ERR_TEMP);
		ck_assert_msg(strstr(err.text, answers[_i].words) != NULL, "%s", err.text);
	}
	milter_free(&milter);
	str_free(&script);
	str_free(&said);
}
END_TEST

static const struct {
	unsigned version;
	uint32_t actions, steps;
	bool good;
} offers[] = {
	{ 6, 0xff, 0x1ff7ff, true }, { 2, 0x1f, 0x7f, true }, { 1, 0, 0, false }, { 7, 0, 0, false }, { 0, 0, 0, false },
	{ 6, 0x100, 0, false }, { 6, 0, 0x800, false }, { 6, 0, 0x200000, false }, { 6, 0, 0x10000000, true },
};

START_TEST(no_more_than_was_offered)
{
	struct milter_mail m = mail();
	struct milter milter;
	struct str script = {0};
	struct err err = {0};

	put_offer(&script, offers[_i].version, offers[_i].actions, offers[_i].steps);
	milter_start(&milter, &m);
	ck_assert_int_eq(dialogue_feed(&milter.d, str_span(&script), &err), offers[_i].good ? 0 : -1);
	milter_free(&milter);
	str_free(&script);
}
END_TEST

START_TEST(changes_come_in_their_order)
{
	struct milter_mail m = mail();
	struct milter milter;
	struct str script = {0}, said = {0}, got = {0};
	struct err err = {0};

	put_offer(&script, 6, 0xff, 0x27f);
	put(&script, 'h', "X\0one\0", 6);
	put(&script, 'i', "\0\0\0\2Y\0two\0", 10);
	put(&script, 'm', "\0\0\0\1A\0\0", 7);
	put(&script, 'b', "new ", 4);
	put(&script, 'p', "", 0);
	put(&script, '+', "<carl@d.example>\0", 17);
	put(&script, '2', "<dora@d.example>\0NOTIFY=NEVER\0", 30);
	put(&script, '-', "<bob@b.example>\0", 16);
	put(&script, 'e', "<x@y.example>\0", 14);
	put(&script, 'b', "body", 4);
	put(&script, 'c', "", 0);
	milter_start(&milter, &m);
	ck_assert_msg(play(&milter, &script, 1, &said, &err) == 0, "%s", err.text);
	for (size_t i = 0; i < milter.edits; i++)
		str_printf(&got, "%c%u %s=%s|", (char)milter.edit[i].what, milter.edit[i].index, str_c(&milter.edit[i].name),
		    str_c(&milter.edit[i].value));
	ck_assert_str_eq(str_c(&got), "h0 X=one|i2 Y=two|m1 A=|b0 =new body|+0 carl@d.example=|+0 dora@d.example=|-0 bob@b.example=|e0 x@y.example=|");
	milter_free(&milter);
	str_free(&script);
	str_free(&said);
	str_free(&got);
}
END_TEST

/* It is told values as Sendmail tells them. */
START_TEST(values_have_lf_and_no_blank_in_front)
{
	struct milter_mail m = mail();
	struct milter milter;
	struct str script = {0}, said = {0};
	struct err err = {0};

	put_offer(&script, 6, 0xff, 0xff08f & ~0x20u);
	put(&script, 'c', "", 0);
	milter_start(&milter, &m);
	play(&milter, &script, 100, &said, &err);
	ck_assert_ptr_nonnull(memmem(said.p, said.len, "LB\0" "2\n 3\0", 8));
	milter_free(&milter);
	str_free(&script);
	str_free(&said);
	envelope_free(&env);
}
END_TEST

UNIT("milter",
	{ only_what_was_agreed_is_said, ROWS(agreed) },
	{ an_answer_ends_it, ROWS(answers) },
	{ no_more_than_was_offered, ROWS(offers) },
	{ changes_come_in_their_order, 1 },
	{ values_have_lf_and_no_blank_in_front, 1 })
