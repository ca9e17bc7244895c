/*
 * The UUCP conversation: against itself, cut at every byte with real spools, and against
 * peers of other ages and tempers.  uucp-wire.c has the protocols byte by byte.
 */
#include "tests/unit/uucp.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/job.h"
#include "uucico-ssh/call.h"
#include "uucico-ssh/command.h"
#include "uucico-ssh/link.h"
#include "uucico-ssh/pair.h"
#include "uucico-ssh/xfile.h"
#include "tests/unit/scratch.h"

static struct err err;

#define OK(call) do {							\
	err = (struct err){0};						\
	ck_assert_msg((call) >= 0, #call ": %s", err.text);		\
} while (0)

/* --- against itself --- */

static const char *const letters[] = { "i", "e", "t", "y", "g", "G", "v" };
enum { LETTERS = sizeof letters / sizeof letters[0] };

START_TEST(each_job_arrives_once_in_any_steps)
{
	static const size_t steps[] = { 1, 2, 3, 7, 20, 100000 };
	const char *letter = letters[_i % LETTERS];
	struct side home = { .send = { "one", "", "three and more" }, .letters = letter };
	struct side hub = { .send = { "from the hub", "again" }, .letters = letter };

	side_start(&home, true, "home", "hub");
	side_start(&hub, false, "hub", "home");
	wire_run(&home.u, &hub.u, steps[_i / LETTERS], UNCUT, UNCUT);
	ck_assert_str_eq(home.u.err.text, "");
	ck_assert_str_eq(hub.u.err.text, "");
	ck_assert_uint_eq(hub.count, 3);
	ck_assert_str_eq(str_c(&hub.got[0]), "rmail bob@hub\none");
	ck_assert_str_eq(str_c(&hub.got[1]), "rmail bob@hub\n");
	ck_assert_str_eq(str_c(&hub.got[2]), "rmail bob@hub\nthree and more");
	ck_assert_uint_eq(home.count, 2);
	ck_assert_str_eq(str_c(&home.got[1]), "rmail carol@home\nagain");
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(home.fate[i], UUCP_DELIVERED);
	side_free(&home);
	side_free(&hub);
}
END_TEST

START_TEST(a_large_file_flows_and_resumes)
{
	size_t size = 1000000;
	char *data = mem_get(size + 1);
	struct side hub = { .letters = letters[_i] };

	for (size_t i = 0; i < size; i++)
		data[i] = (char)('a' + i % 23);
	for (size_t cut = 1000; hub.count == 0; cut += 300000) {	/* cut again and again */
		struct side home = { .send = { data }, .letters = letters[_i] };
		side_start(&home, true, "home", "hub");
		side_start(&hub, false, "hub", "home");
		wire_run(&home.u, &hub.u, 4096, cut, UNCUT);
		ck_assert_uint_eq(home.told, 1);
		side_free(&home);
		uucp_free(&hub.u);
	}
	ck_assert_uint_eq(hub.got[0].len, strlen("rmail bob@hub\n") + size);
	ck_assert_mem_eq(hub.got[0].p + strlen("rmail bob@hub\n"), data, size);
	ck_assert_uint_ge(hub.dropped, 2);
	free(data);
	side_free(&hub);
}
END_TEST

#define S(text) { text, sizeof (text) - 1 }

/* --- peers of other ages and tempers, said to an end of ours --- */

#define NOISE_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define HELLO "\020Shere=hub\0\020ROKN047\0\020Pe\0"
#define CALLED "\020Shome -R -N047\0\020Ue\0"
#define OFFER "E D.1 D.homeN1 uucp -C D.1 0666 \"\" 0x5 rmail bob\0"
#define COUNT_5 "5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
	bool caller;			/* what we are */
	struct span heard;
	struct span said;		/* among our words */
	const char *error;		/* NULL: none; else part of it */
} talks[] = {
	/* handshakes of every kind */
	{ true, S("motd\r\nwelcome\r\n\020Shere=hub\n\020ROKN047\n\020Pe\n"), S("Ue"), "in the middle" },
	{ true, S("\020Shere\0\020ROK\0\020PiegGt\0"), S("Ue"), "in the middle" },
	{ true, S(HELLO "HY\0"), S("HY"), NULL },
	{ true, S("\020Shere=hub\0\020ROKN047\0\020PigG\0"), S("UN"), "none of our protocols" },
	{ true, S("\020Shere=other\0"), S(""), "is called \"other\"" },
	{ true, S("\020Shere=hub\0\020RLCK\0"), S(""), "busy" },
	{ true, S("\020Shere=hub\0\020RLOGIN\0"), S(""), "another name" },
	{ true, S("\020Shere=hub\0\020RCB\0"), S(""), "call back" },
	{ true, S("\020Shere=hub\0\020RBADSEQ\0"), S(""), "expects another number" },
	{ true, S("\020Shere=hub\0\020RYou are unknown to me\0"), S(""), "does not know us" },
	{ true, S("\020Shere=hub\0\020Rwhat\0"), S(""), "without a reason" },
	{ true, S("\020Shere=hub\0\020Xwhat\0"), S(""), "no answer to our name" },
	{ true, S(""), S(""), "before a word of UUCP" },
	{ true, S("bash: uucico-ssh: command not found\n"), S(""), "is no UUCP; it says \"bash: uucico-ssh" },
	{ true, S("SSH-2.0-x\r\n\020Qx\0"), S(""), "not \"Shere\"" },
	{ false, S("\020Shome\0"), S("ROK"), "in the handshake" },
	{ false, S("\020Shome -R\0"), S("ROK -R"), "in the handshake" },
	{ false, S("\020Shome -N\0"), S("ROKN"), "in the handshake" },
	{ false, S("\020Shome -N03747 -Yfoo --x=y loose\0"), S("ROKN047"), "in the handshake" },
	{ false, S("\020Shome -Nabc\0"), S("ROKN047"), "in the handshake" },
	{ false, S("\020Sother -N047\0"), S("RLOGIN"), "another name" },
	{ false, S("\020Shome -N047\0\020UN\0"), S("Pe"), "none of our protocols" },
	{ false, S("\020Shome -N047\0\020Ug\0"), S("Pe"), "none of our protocols" },
	{ false, S("\020Shome -N047\0\020U\0"), S("Pe"), "no choice" },
	{ false, S("login: \020Shome -N047\r\020Ue\rH\0"), S("HY"), NULL },

	/* what is refused and goes on */
	{ false, S(CALLED "S a C.x uucp -C D.1 0666\0H\0"), S("SN2\0HY"), NULL },
	{ false, S(CALLED "E a X.x uucp -C D.1 0666 \"\" 0x5 rmail\0H\0"), S("EN2\0HY"), NULL },
	{ false, S(CALLED "E a D.x uucp -C D.1 0666 \"\" 0x5 \0H\0"), S("EN2\0HY"), NULL },
	{ false, S(CALLED "E a D.x uucp -C D.1 0666 \"\" 0x5 rmail a\nC sh\0H\0"), S("EN2\0HY"), NULL },
	{ false, S(CALLED "E a D.x uucp\0H\0"), S("EN2\0HY"), NULL },
	{ false, S(CALLED "R /etc/passwd ~ uucp -d 0xffffffffffffffff\0H\0"), S("RN2\0HY"), NULL },
	{ false, S(CALLED "R ~/five x uucp -d 0x4\0H\0"), S("RN6\0HY"), NULL },
	{ false, S(CALLED "R ~/five x uucp -d much\0H\0"), S("RN2\0HY"), NULL },
	{ false, S(CALLED "R ~/five\0H\0"), S("RN2\0HY"), NULL },
	{ false, S(CALLED "X ~/x home!y uucp -d\0H\0"), S("XN\0HY"), NULL },

	/* what they ask for */
	{ false, S(CALLED "R ~/five x uucp -d 0x5\0CY\0H\0"), S("RY 0666 0x5\0" COUNT_5 "five!HY\0"), NULL },
	{ false, S(CALLED "R ~/five x uucp -d\0CN5\0H\0"), S("RY 0666 0x5\0" COUNT_5 "five!HY\0"), NULL },
	{ false, S("\020Shome\0\020Ue\0R ~/five x uucp -d\0CY\0H\0"), S("RY 0666\0" COUNT_5 "five!HY\0"), NULL },
	{ false, S(CALLED "R ~/five x uucp -d\0R ~/five y uucp -d\0"), S("RY 0666"), "inside another" },
	{ false, S(CALLED "R ~/five x uucp -d\0EY\0"), S("RY 0666"), "out of turn" },
	{ false, S(CALLED "R ~/five x uucp -d\0CY\0CY\0"), S("RY 0666"), "was not sent" },
	{ false, S(CALLED "R ~/five x uucp -d\0"), S("RY 0666"), "in the middle" },
	{ true, S(HELLO "R ~/five x uucp -d\0"), S("Ue\0H"), "out of turn" },
	{ false, S("\020Shome -R -N043\0\020Ue\0" OFFER "H\0"), S("EN2\0HY"), NULL },	/* no E in force */

	/* files */
	{ false, S(CALLED OFFER COUNT_5 "12345H\0"), S("EY\0CY\0HY"), NULL },
	{ false, S(CALLED OFFER "6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "123456"), S("EY"), "another size" },
	{ false, S(CALLED OFFER "18446744073709551615"), S("EY"), "no number" },
	{ false, S(CALLED OFFER "99999999999999999999"), S("EY"), "no number" },
	{ false, S(CALLED OFFER "-1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), S("EY"), "no number" },
	{ false, S(CALLED OFFER "5 \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), S("EY"), "no number" },
	{ false, S(CALLED OFFER "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), S("EY"), "no number" },
	{ false, S(CALLED OFFER COUNT_5 "123"), S("EY"), "in the middle" },

	/* wrong order */
	{ false, S(CALLED "CY\0"), S("Pe"), "was not sent" },
	{ false, S(CALLED "EY 0x5\0"), S("Pe"), "out of turn" },
	{ false, S(CALLED "HN\0"), S("Pe"), "out of turn" },
	{ false, S(CALLED "HY\0"), S("Pe"), "nobody wants to hang up" },
	{ false, S(CALLED "H\0H\0"), S("HY"), "behind our HY" },
	{ false, S(CALLED "H\0"), S("HY"), NULL },
	{ false, S(CALLED "H\0HY\0\020OOOOOO\0"), S("OOOOOOO"), NULL },
	{ false, S(CALLED "\0"), S("Pe"), "do not know" },
	{ false, S(CALLED "Q what\0"), S("Pe"), "do not know" },
	{ false, S(CALLED "HX\0"), S("Pe"), "do not know" },
	{ true, S(HELLO "H\0"), S("Ue\0H"), "out of turn" },
	{ true, S(HELLO "EY\0"), S("Ue\0H"), "yes to nothing" },
	{ true, S(HELLO "CY\0"), S("Ue\0H"), "was not sent" },
	{ true, S(HELLO "CN5\0"), S("Ue\0H"), "was not sent" },
	{ true, S(HELLO "EN2\0"), S("Ue\0H"), "no to nothing" },
	{ true, S(HELLO OFFER), S("Ue\0H"), "out of turn" },
	{ false, S(CALLED "\020OOOOOO\0"), S("Pe"), "hung up in the middle" },
	{ true, S(HELLO "\020OOOOOOO\0"), S("Ue\0H"), "hung up in the middle" },
	{ true, S(HELLO "HN\0H\0"), S("HY"), NULL },
};

static void
say_in(struct side *side, struct span heard, size_t step)
{
	while (heard.len > 0) {
		size_t len = heard.len < step ? heard.len : step;
		uucp_fill(&side->u);	/* ours is sent before theirs is heard */
		uucp_feed(&side->u, heard.p, len, 0);
		heard = span_from(heard, len);
	}
	uucp_fill(&side->u);
	uucp_eof(&side->u, 0);
}

START_TEST(every_peer_gets_the_right_answer)
{
	for (size_t step = 1; step < 100; step *= 9) {
		struct side side = {0};
		bool caller = talks[_i].caller;
		side_start(&side, caller, caller ? "home" : "hub", caller ? "hub" : "home");
		/* What answers us comes behind what we said. */
		say_in(&side, talks[_i].heard, caller || span_begins(talks[_i].said, "RY") ? 1 : step);
		struct span said = talks[_i].said;
		ck_assert_msg(said.len == 0 || memmem(side.u.out.p, side.u.out.len, said.p, said.len) != NULL,
		    "row %d: not said: %s", _i, said.p);
		if (talks[_i].error == NULL)
			ck_assert_msg(side.u.err.kind == ERR_NONE, "row %d: %s", _i, side.u.err.text);
		else
			ck_assert_msg(strstr(side.u.err.text, talks[_i].error) != NULL, "row %d: \"%s\"", _i,
			    side.u.err.text);
		ck_assert_int_eq(side.u.phase, UUCP_OVER);
		side_free(&side);
	}
}
END_TEST

/* What stands behind a name, as Taylor's page of options has it, and what is in force then. */
#define FEATURES (UUCP_SIZES | UUCP_RESTART | UUCP_EXEC | UUCP_QUOTES)
static const struct {
	struct span heard;		/* by the called end */
	const char *said;
	unsigned features;
	bool decimal;
	char grade;
	uint64_t max_size, number;
} options[] = {
	{ S("\020Shome -R -N047\0"), "ROKN047", FEATURES, false, 0, UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -R -N043\0"), "ROKN047", UUCP_SIZES | UUCP_RESTART | UUCP_QUOTES, false, 0, UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -N\0"), "ROKN", UUCP_SIZES, true, 0, UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -R -N0147\0"), "ROKN047", FEATURES, false, 0, UUCP_SIZE_UNKNOWN, 0 },	/* newer sources */
	{ S("\020Shome -R\0"), "ROK -R", UUCP_RESTART, false, 0, UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -pC -vgrade=C -R -N047\0"), "ROKN047", FEATURES, false, 'C', UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -pC -R -N047\0"), "ROKN047", FEATURES, false, 'C', UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -vgrade=C -N047\0"), "ROKN047", FEATURES, false, 'C', UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -U0x10 -N047\0"), "ROKN047", FEATURES, false, 0, 8192, 0 },
	{ S("\020Shome -U0xffffffffffffffff -N047\0"), "ROKN047", FEATURES, false, 0, UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -U -N047\0"), "ROKN047", FEATURES, false, 0, UUCP_SIZE_UNKNOWN, 0 },
	{ S("\020Shome -Q5 -R -N047\0"), "ROKN047", FEATURES, false, 0, UUCP_SIZE_UNKNOWN, 5 },
	{ S("\020Shome -Q4 -R -N047\0"), "RBADSEQ", 0, false, 0, UUCP_SIZE_UNKNOWN, 4 },
	{ S("\020Shome -x9 -pCC -vgrade= -N047\0"), "ROKN047", FEATURES, false, 0, UUCP_SIZE_UNKNOWN, 0 },
};

static uint64_t heard_number;

/* What the one before had was 4. */
static bool
numbered(void *arg, uint64_t number)
{
	(void)arg;
	heard_number = number;
	return number == 0 || number > 4;
}

START_TEST(each_option_behind_a_name_is_in_force)
{
	struct side side = {0};
	struct uucp_hooks hooks = side_hooks;
	struct uucp_config config = { .name = "hub", .peer = "home", .letters = "e", .timeout = 60 };

	hooks.numbered = numbered;
	heard_number = 0;
	uucp_start(&side.u, &config, &hooks, &side, 0);
	uucp_feed(&side.u, options[_i].heard.p, options[_i].heard.len, 0);
	ck_assert_ptr_nonnull(memmem(side.u.out.p, side.u.out.len, options[_i].said, strlen(options[_i].said) + 1));
	ck_assert_uint_eq(side.u.features, options[_i].features);
	ck_assert_int_eq(side.u.decimal, options[_i].decimal);
	ck_assert_int_eq(side.u.grade, options[_i].grade);
	ck_assert_uint_eq(side.u.max_size, options[_i].max_size);
	ck_assert_uint_eq(heard_number, options[_i].number);
	side_free(&side);
}
END_TEST

START_TEST(a_caller_says_its_grade_and_number)
{
	struct side side = {0};
	struct uucp_config config = { .caller = true, .name = "home", .peer = "hub", .letters = "e", .timeout = 60,
		.grade = 'C', .sequence = 7 };

	uucp_start(&side.u, &config, &side_hooks, &side, 0);
	uucp_feed(&side.u, "\020Shere=hub\0", 11, 0);
	uucp_fill(&side.u);
	ck_assert_str_eq(str_c(&side.u.out), "\020Shome -Q7 -pC -vgrade=C -R -N047");
	side_free(&side);
}
END_TEST

/* Of what is larger than they take, or worse than they want, nothing is offered in this call. */
START_TEST(what_they_do_not_want_waits)
{
	static const char large[600] = { [0 ... 598] = 'x' };
	static const struct { struct span heard; size_t told; } rows[] = {
		{ S("\020Shome -U0x1 -N047\0\020Ue\0H\0"), 1 },		/* 512 bytes */
		{ S("\020Shome -pA -N047\0\020Ue\0H\0"), 2 },
		{ S("\020Shome -pz -N047\0\020Ue\0H\0"), 0 },
	};
	struct side side = { .send = { large, "12345" } };

	side_start(&side, false, "hub", "home");
	uucp_feed(&side.u, rows[_i].heard.p, rows[_i].heard.len, 0);
	uucp_fill(&side.u);
	ck_assert_uint_eq(side.told, rows[_i].told);
	for (size_t i = 0; i < side.told; i++)
		ck_assert_int_eq(side.fate[i], UUCP_LATER);
	side_free(&side);
}
END_TEST

/* Answers to a job of ours, after "E ... 0x5 rmail". */
static const struct {
	struct span answer;
	enum uucp_fate fate;
	const char *error;
} answers[] = {
	{ S("EN2\0"), UUCP_REFUSED, NULL },
	{ S("EN4\0"), UUCP_LATER, NULL },
	{ S("EN6\0"), UUCP_LATER, NULL },
	{ S("EN7\0"), UUCP_REFUSED, NULL },
	{ S("EN8\0"), UUCP_DELIVERED, NULL },
	{ S("EN9\0"), UUCP_LATER, NULL },
	{ S("EN10\0"), UUCP_REFUSED, NULL },
	{ S("EN\0"), UUCP_LATER, NULL },
	{ S("EN99\0"), UUCP_LATER, NULL },
	{ S("EY\0CY\0"), UUCP_DELIVERED, NULL },
	{ S("EY 0x5\0CY\0"), UUCP_DELIVERED, NULL },
	{ S("EY 0x3\0CYM\0"), UUCP_DELIVERED, NULL },
	{ S("EY\0CN5\0"), UUCP_REFUSED, NULL },
	{ S("EY\0CN\0"), UUCP_LATER, NULL },
	{ S("EY 0x6\0"), UUCP_LATER, "wants byte 6" },
	{ S("EY 0xffffffffffffffffffff\0"), UUCP_LATER, "wants byte" },
	{ S("EY -1\0"), UUCP_LATER, "no number" },
	{ S("EY\0EY\0"), UUCP_LATER, "yes" },
	{ S("EY\0EN2\0"), UUCP_LATER, "no to nothing" },
	{ S("SY\0"), UUCP_LATER, "yes to nothing" },
	{ S("CY\0"), UUCP_LATER, "was not sent" },
	{ S("HY\0"), UUCP_LATER, "nobody wants to hang up" },
	{ S("EY\0"), UUCP_LATER, "in the middle" },
};

START_TEST(every_answer_decides_the_job)
{
	struct side side = { .send = { "12345" } };

	side_start(&side, true, "home", "hub");
	uucp_feed(&side.u, HELLO, sizeof HELLO - 1, 0);
	for (struct span rest = answers[_i].answer; rest.len > 0;) {
		struct span line;
		uucp_fill(&side.u);
		size_t len = strlen(rest.p) + 1;
		line = span_to(rest, len);
		uucp_feed(&side.u, line.p, line.len, 0);
		rest = span_from(rest, len);
	}
	if (answers[_i].error == NULL) {
		uucp_fill(&side.u);
		uucp_feed(&side.u, "HY\0", 3, 0);
	}
	uucp_eof(&side.u, 0);
	ck_assert_uint_eq(side.told, 1);
	ck_assert_int_eq(side.fate[0], answers[_i].fate);
	if (answers[_i].error == NULL)
		ck_assert_str_eq(side.u.err.text, "");
	else
		ck_assert_msg(strstr(side.u.err.text, answers[_i].error) != NULL, "\"%s\"", side.u.err.text);
	side_free(&side);
}
END_TEST

START_TEST(what_never_ends_is_ended)
{
	static const struct { bool caller; const char *before, *again; const char *error; } floods[] = {
		{ true, "", NOISE_64, "only noise" },
		{ true, "\020Shere=", NOISE_64, "more than 1024 bytes" },
		{ true, "", "\020", "" },
		{ false, "\020Shome -N047\n\020Ue\n", NOISE_64, "command of more than" },
	};
	struct side side = {0};
	bool caller = floods[_i].caller;
	size_t fed = 0;

	side_start(&side, caller, caller ? "home" : "hub", caller ? "hub" : "home");
	uucp_feed(&side.u, floods[_i].before, strlen(floods[_i].before), 0);
	while (side.u.phase != UUCP_OVER && fed < 1000000) {
		uucp_feed(&side.u, floods[_i].again, strlen(floods[_i].again), 0);
		fed += 64;
	}
	/* An endless row of \020 is bounded by time: nothing of it is kept. */
	if (floods[_i].error[0] == '\0')
		uucp_tick(&side.u, 61 * CLOCK_SECOND);
	ck_assert_int_eq(side.u.phase, UUCP_OVER);
	ck_assert_uint_lt(fed, 1000001);
	ck_assert_msg(strstr(side.u.err.text, floods[_i].error) != NULL, "\"%s\"", side.u.err.text);
	ck_assert_uint_lt(side.u.line.size + side.u.noise.size, 65536);
	side_free(&side);
}
END_TEST

START_TEST(the_line_turned_round_in_vain_is_ended)
{
	struct side side = {0};

	side_start(&side, true, "home", "hub");
	uucp_feed(&side.u, HELLO, sizeof HELLO - 1, 0);
	for (int i = 0; i < 100 && side.u.phase != UUCP_OVER; i++) {
		uucp_fill(&side.u);
		uucp_feed(&side.u, "HN\0R a b c -d\0", 14, 0);
		uucp_feed(&side.u, "H\0", 2, 0);
		if (side.u.said_hy)
			break;
	}
	/* We have nothing: our answer to their H is HY, and that is the end. */
	uucp_feed(&side.u, "HY\0", 3, 0);
	ck_assert_int_eq(side.u.phase, UUCP_FAREWELL);
	side_free(&side);
}
END_TEST

START_TEST(silence_ends_a_call_and_trickling_does_not_help)
{
	struct side side = {0};

	side_start(&side, false, "hub", "home");
	uucp_feed(&side.u, CALLED, sizeof CALLED - 1, 0);
	for (int64_t now = 1; now < 59; now++)
		uucp_feed(&side.u, "S", 1, now * CLOCK_SECOND);	/* a line that grows, and never ends */
	ck_assert_int_eq(uucp_deadline(&side.u), 60 * CLOCK_SECOND);
	uucp_tick(&side.u, 60 * CLOCK_SECOND);
	ck_assert_int_eq(side.u.phase, UUCP_OVER);
	ck_assert_int_eq(side.u.err.kind, ERR_TEMP);
	side_free(&side);
}
END_TEST

/* --- lines --- */

START_TEST(commands_are_read_as_taylor_writes_them)
{
	static const struct { const char *line, *to, *command; uint64_t size; } rows[] = {
		{ "S /pub/l.txt ~/in/l2.txt uucp -Cd D.0001 0666 \"\" 0xb", "~/in/l2.txt", "", 11 },
		{ "S D.X0003 X.homea0003 uucp -C D.X0003 0666", "X.homea0003", "", UUCP_SIZE_UNKNOWN },
		{ "E D.0001 D.homeN0001 uucp -C D.0001 0666 \"\" 0x64 rmail bob@hub", "D.homeN0001", "rmail bob@hub", 100 },
		{ "E D.5 D.homeB5 uucp -CNZRe D.5 0666 joe@home 0x5 rmail a  b", "D.homeB5", "rmail a  b", 5 },
		{ "S a D.x\\040y uucp -Cq D.1 0644 dummy 12", "D.x y", "", 12 },
		{ "R ~/a.txt /pub/got.txt uucp -d 0xffffffffffffffff", "/pub/got.txt", "", UUCP_SIZE_UNKNOWN },
		{ "S a  b uucp -C D.1 0666", NULL, NULL, 0 },
		{ "S a b uucp C D.1 0666", NULL, NULL, 0 },
		{ "S a b uucp -C D.1 0888", NULL, NULL, 0 },
		{ "S a b uucp -Cq D.1\\0 0666", "b", "", UUCP_SIZE_UNKNOWN },
		{ "S a b\\0 uucp -Cq D.1 0666", NULL, NULL, 0 },
		{ "E a D.b uucp -C D.1 0666", NULL, NULL, 0 },
		{ "E a D.b uucp -C D.1 0666 \"\" 0xzz rmail", NULL, NULL, 0 },
		{ "E a D.b\177 uucp -C D.1 0666 \"\" 0x1 rmail", NULL, NULL, 0 },
		{ "Z a b uucp -C", NULL, NULL, 0 },
	};
	struct uucp_job job;
	int result = command_parse(span_of(rows[_i].line), UUCP_FEATURES, &job);

	ck_assert_int_eq(result, rows[_i].to == NULL ? -1 : 0);
	if (result == 0) {
		ck_assert_str_eq(str_c(&job.to), rows[_i].to);
		ck_assert_str_eq(str_c(&job.command), rows[_i].command);
		if (job.kind != 'R')
			ck_assert_uint_eq(job.size, rows[_i].size);
	}
	command_free(&job);
}
END_TEST

START_TEST(x_files_are_read_and_the_dangerous_ones_refused)
{
	static const struct { const char *text, *input, *command; } rows[] = {
		{ "U uucp home\nF D.homea0001\nI D.homea0001\nC rmail bob@hub\n", "D.homea0001", "rmail bob@hub" },
		{ "# x\nZ\nN\nR alice\ne\nU u s\nC rsmtp\n", "", "rsmtp" },
		{ "C rmail a\nC sh\n", NULL, NULL },
		{ "I /etc/passwd\nC rmail a\n", NULL, NULL },
		{ "F D.1\nF D.2 b\nI D.1\nC rmail a\n", "D.1", "rmail a" },
		{ "F D.1\nF D.1\nC rmail a\n", NULL, NULL },
		{ "O /etc/x\nO /etc/y\nC rmail a\n", NULL, NULL },	/* where one may be is asked when it runs */
		{ "I D.1\n", NULL, NULL },
		{ "C rmail a\rC sh\n", NULL, NULL },
		{ "", NULL, NULL },
	};
	struct xfile x;
	int result = xfile_parse(span_of(rows[_i].text), &x, &err);

	ck_assert_int_eq(result, rows[_i].command == NULL ? -1 : 0);
	if (result == 0) {
		ck_assert_str_eq(str_c(&x.input), rows[_i].input);
		ck_assert_str_eq(str_c(&x.command), rows[_i].command);
	}
	xfile_free(&x);
}
END_TEST

/* --- with real spools --- */

struct site {
	char root[64];
	struct settings settings;
	struct spool spool;
	struct call call;
	const char *name, *peer, *letters;
	bool later;			/* its calls know that what they offer was tried */
	uint64_t batches;		/* made so far */
	unsigned runs[16];		/* how often each job of the peer's was run */
};

static struct site home = { .name = "home", .peer = "hub" };
static struct site hub = { .name = "hub", .peer = "home" };

static void
open_site(struct site *site)
{
	struct str own = {0}, peer = {0};

	/* memory, where there is some: thousands of calls, each with its syncs */
	snprintf(site->root, sizeof site->root, "%s/mochila-uucp-XXXXXX",
	    faccessat(AT_FDCWD, "/dev/shm", W_OK, 0) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(site->root));
	str_printf(&own, "spool.site=%s", site->name);
	str_printf(&peer, "site %s.commands=rmail rsmtp rgsmtp", site->peer);
	const char *said[] = { str_c(&own), str_c(&peer), "spool.min-free=0" };
	struct settings_args args = { .root = site->root, .set = { said, 3 } };
	OK(settings_load(&site->settings, &args, &err));
	OK(spool_open(&site->spool, &site->settings, true, &err));
	site->batches = 0;
	site->letters = "e";
	str_free(&own);
	str_free(&peer);
}

static void
close_site(struct site *site)
{
	spool_close(&site->spool);
	settings_free(&site->settings);
	scratch_remove(AT_FDCWD, site->root);
}

static void
open_sites(void)
{
	OK(log_open("uucp", "none", LOG_LEVEL_ERROR, &err));
	open_site(&home);
	open_site(&hub);
}

static void
close_sites(void)
{
	close_site(&home);
	close_site(&hub);
}

/* A batch "N of NAME" in flight. */
static void
make_batch(struct site *site, unsigned number)
{
	struct batch b;
	struct str text = {0};

	OK(batch_new(&b, &site->spool, site->peer, &err));
	str_printf(&text, "%u of %s", number, site->name);
	OK(fs_write(b.fd, text.p, text.len, &err));
	OK(batch_offer(&b, &err));
	batch_close(&b);
	str_free(&text);
}

static void
start_call(struct site *site, bool caller)
{
	struct uucp_config config = { .caller = caller, .name = site->name, .peer = site->peer,
		.letters = site->letters, .timeout = 60 };
	struct call *call = &site->call;

	*call = (struct call){ .spool = &site->spool,
		.site = settings_site(&site->settings, site->peer) };
	call->in = (struct incoming){ &site->spool, call->site };
	OK(outgoing_open(&call->out, &site->spool, call->site, &err));
	call->out.since = site->later ? INT64_MAX : 0;
	uucp_start(&call->uucp, &config, &call_hooks, call, 0);
}

static void
call_once(size_t there, size_t back)
{
	start_call(&home, true);
	start_call(&hub, false);
	wire_run(&home.call.uucp, &hub.call.uucp, 1 << 20, there, back);
	uucp_free(&home.call.uucp);
	uucp_free(&hub.call.uucp);
	outgoing_close(&home.call.out);
	outgoing_close(&hub.call.out);
}

/* As uuxqt does, but it only counts. */
static void
run_jobs(struct site *site)
{
	struct fs_names names;
	struct job job;

	OK(job_names(&site->spool, site->peer, &names, &err));
	for (size_t i = 0; i < names.count; i++) {
		struct str data = {0}, want = {0};
		OK(job_load(&job, &site->spool, site->peer, names.name[i], &err));
		OK(job_seen(&job, &err));
		OK(fs_read_all(job.fd, 1000, &data, &err));
		unsigned number = (unsigned)(data.p[0] - '0');
		str_printf(&want, "%u of %s", number, site->peer);
		ck_assert_str_eq(str_c(&data), str_c(&want));
		ck_assert_str_eq(str_c(&job.command), "rsmtp");
		site->runs[number]++;
		OK(job_done(&job, &err));
		job_close(&job);
		str_free(&data);
		str_free(&want);
	}
	fs_names_free(&names);
}

static size_t
in_flight(struct site *site)
{
	struct fs_names names;

	OK(batch_names(&site->spool, site->peer, &names, &err));
	size_t count = names.count;
	fs_names_free(&names);
	return count;
}

static void
expect_all_once(size_t there, size_t back)
{
	run_jobs(&home);
	run_jobs(&hub);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_msg(home.runs[i] == 1 && hub.runs[i] == 1, "cut at %zu/%zu: job %u ran %u and %u times",
		    there, back, i, home.runs[i], hub.runs[i]);
		home.runs[i] = hub.runs[i] = 0;
	}
	ck_assert_uint_eq(in_flight(&home), 0);
	ck_assert_uint_eq(in_flight(&hub), 0);
}

/* The protocols, and how far apart the cuts are; t and G pad with hundreds of NULs.
 * With CUT_EVERY=1 in the environment it takes minutes. */
static const struct { const char *letter; size_t stride; } cuts[] = {
	{ "i", 1 }, { "e", 1 }, { "y", 3 }, { "g", 7 }, { "v", 7 }, { "t", 61 }, { "G", 211 },
};

/* _i: the protocol, what is cut, and whether jobs are run between the calls. */
START_TEST(three_jobs_each_way_cut_at_every_byte)
{
	size_t cut = 0, last = 20000, stride = cuts[_i / 4].stride;
	int way = _i % 4;

	if (getenv("CUT_EVERY") != NULL)
		stride = strtoul(getenv("CUT_EVERY"), NULL, 10);

	home.letters = hub.letters = cuts[_i / 4].letter;
	memset(home.runs, 0, sizeof home.runs);
	memset(hub.runs, 0, sizeof hub.runs);
	for (; cut < last; cut += stride) {
		size_t there = way % 2 == 0 ? cut : UNCUT, back = way % 2 == 0 ? UNCUT : cut;
		for (unsigned i = 0; i < 3; i++) {
			make_batch(&home, i);
			make_batch(&hub, i);
		}
		call_once(there, back);
		if (way >= 2) {
			run_jobs(&home);
			run_jobs(&hub);
		}
		if (in_flight(&home) + in_flight(&hub) == 0 && last == 20000)
			last = cut + 20 * stride;	/* a few more, through the last words */
		home.later = hub.later = cut % 2 == 0;
		call_once(UNCUT, UNCUT);
		home.later = hub.later = false;
		expect_all_once(there, back);
	}
	ck_assert_uint_gt(cut, 300);
	ck_assert_uint_lt(cut, 30000);
}
END_TEST

/* What the first batch in flight is called on the line. */
static void
temp_name(struct str *temp)
{
	struct outgoing out;
	struct uucp_job job = {0};

	OK(outgoing_open(&out, &home.spool, settings_site(&home.settings, "hub"), &err));
	ck_assert_int_eq(outgoing_next(&out, false, &job, &err), 1);
	str_set_span(temp, str_span(&job.temp));
	OK(outgoing_sent(&out, &job, UUCP_LATER, "", &err));
	command_free(&job);
	outgoing_close(&out);
}

/* Taylor counts from 0001 when its spool is lost; what the far end had by that name is then taken for the
 * new file, or is its first half. */
START_TEST(a_temp_name_is_never_another_files)
{
	struct str first = {0}, again = {0}, other = {0};
	struct fs_names names;
	char *batch;

	make_batch(&home, 1);
	temp_name(&first);
	temp_name(&again);
	ck_assert_str_eq(str_c(&first), str_c(&again));		/* it is known again */
	OK(batch_names(&home.spool, "hub", &names, &err));
	ck_assert_uint_eq(names.count, 1);
	batch = mem_text(names.name[0]);
	fs_names_free(&names);
	close_site(&home);
	open_site(&home);
	make_batch(&home, 1);
	OK(batch_names(&home.spool, "hub", &names, &err));
	struct str from = {0}, to = {0};
	str_printf(&from, "hub/%s", names.name[0]);
	str_printf(&to, "hub/%s", batch);
	ck_assert_int_eq(renameat(home.spool.sent, str_c(&from), home.spool.sent, str_c(&to)), 0);
	temp_name(&other);		/* the same batch, of a spool that is new */
	ck_assert_str_ne(str_c(&first), str_c(&other));
	fs_names_free(&names);
	free(batch);
	struct str *all[] = { &first, &again, &other, &from, &to };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
}
END_TEST

START_TEST(a_peer_without_e_gets_two_files_that_become_one_job)
{
	make_batch(&home, 1);
	start_call(&home, true);
	start_call(&hub, false);
	struct uucp *a = &home.call.uucp, *b = &hub.call.uucp;
	static const char said[] = "\020Shere=hub\0\020ROKN043\0\020Pe\0";
	uucp_feed(a, said, sizeof said - 1, 0);
	str_clear(&a->out);
	static const char name[] = "\020Shome -R -N043\0\020Ue\0";
	uucp_feed(b, name, sizeof name - 1, 0);
	str_clear(&b->out);
	wire_run(a, b, 1, UNCUT, UNCUT);
	ck_assert_str_eq(a->err.text, "");
	ck_assert_uint_eq(a->jobs_out, 2);
	uucp_free(a);
	uucp_free(b);
	outgoing_close(&home.call.out);
	outgoing_close(&hub.call.out);
	ck_assert_uint_eq(in_flight(&home), 0);
	memset(hub.runs, 0, sizeof hub.runs);
	run_jobs(&hub);
	ck_assert_uint_eq(hub.runs[1], 1);
}
END_TEST

static void
receive_file(const char *temp, const char *to, const char *data)
{
	struct job job;
	struct str command = {0};

	str_printf(&command, "S %s", to);
	OK(job_begin(&job, &hub.spool, "home", "uucp", temp, strlen(data), str_c(&command), true, &err));
	OK(job_write(&job, data, strlen(data), &err));
	OK(pair_arrived(&job, span_of(to), &err));
	job_close(&job);
	str_free(&command);
}

START_TEST(the_two_files_may_come_in_any_order)
{
	static const char x[] = "U bob home\nF D.h1\nI D.h1\nC rsmtp\n";

	if (_i == 0)
		receive_file("D.1", "D.h1", "0 of home");
	receive_file("D.X1", "X.h1", x);
	if (_i == 1) {
		run_jobs(&hub);
		ck_assert_uint_eq(hub.runs[0], 0);
		receive_file("D.1", "D.h1", "0 of home");
	}
	OK(pair_all(&hub.spool, "home", &err));
	run_jobs(&hub);
	ck_assert_uint_eq(hub.runs[0], 1);
	struct job job;
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", 9, "S D.h1", true, &err), 1);
	job_close(&job);
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.X1", sizeof x - 1, "S X.h1", true,
	    &err), 1);
	job_close(&job);
	hub.runs[0] = 0;
}
END_TEST

START_TEST(a_job_resumes_where_it_was_surely_stored)
{
	static char data[300000];
	struct job job;

	memset(data, 'x', sizeof data);
	/* cut in good order: exactly */
	OK(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", true, &err));
	OK(job_write(&job, data, 100001, &err));
	job_close(&job);
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", true, &err), 0);
	ck_assert_uint_eq(job.have, 100001);
	OK(job_write(&job, data, 100001, &err));
	/* killed: the kernel has all of it */
	close(job.fd);
	job.fd = -1;
	job_close(&job);
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", true, &err), 0);
	ck_assert_uint_eq(job.have, 200002);
	/* killed with the machine: what was synced for certain */
	close(job.fd);
	job.fd = -1;
	job_close(&job);
	strcpy(hub.spool.boot, "00c0ffee");
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", true, &err), 0);
	ck_assert_uint_eq(job.have, 2 * 65536);
	OK(job_write(&job, data, 10, &err));
	/* killed behind that start: again all */
	close(job.fd);
	job.fd = -1;
	job_close(&job);
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", true, &err), 0);
	ck_assert_uint_eq(job.have, 2 * 65536 + 10);
	job_close(&job);
	/* another file of that name begins anew, and so does a peer that cannot restart */
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", 5, "rsmtp", true, &err), 0);
	ck_assert_uint_eq(job.have, 0);
	job_close(&job);
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", false, &err), 0);
	ck_assert_uint_eq(job.have, 0);
	ck_assert_int_lt(job_commit(&job, &err), 0);	/* not whole */
	OK(job_write(&job, data, sizeof data, &err));
	ck_assert_int_lt(job_write(&job, "y", 1, &err), 0);
	OK(job_commit(&job, &err));
	job_close(&job);
	ck_assert_int_eq(job_begin(&job, &hub.spool, "home", "uucp", "D.1", sizeof data, "rsmtp", true, &err), 1);
	job_close(&job);
}
END_TEST

START_TEST(hostile_names_stay_labels)
{
	static const char *const names[] = { "../x", "/etc/x", "a/../../b", ".", "..", "-rf", "%00", "\377",
		"~root/x", "D.a b", NOISE_64 NOISE_64 NOISE_64 NOISE_64 };
	struct job job;
	struct fs_names files;

	OK(job_begin(&job, &hub.spool, "home", names[_i], names[_i], 1, "rmail x", true, &err));
	OK(job_write(&job, "1", 1, &err));
	OK(job_commit(&job, &err));
	job_close(&job);
	OK(job_names(&hub.spool, "home", &files, &err));
	ck_assert_uint_eq(files.count, 1);
	ck_assert_uint_eq(strlen(files.name[0]), 16);
	OK(job_load(&job, &hub.spool, "home", files.name[0], &err));
	ck_assert_str_eq(str_c(&job.temp), names[_i]);
	ck_assert_str_eq(str_c(&job.user), names[_i]);
	OK(job_hold(&job, "because", &err));
	job_close(&job);
	fs_names_free(&files);
	OK(job_names(&hub.spool, "home", &files, &err));
	ck_assert_uint_eq(files.count, 0);
	fs_names_free(&files);
	ck_assert_int_lt(job_begin(&job, &hub.spool, "home", "u", "t", 1, "rmail x\nC sh", true, &err), 0);
	job_close(&job);
	ck_assert_int_lt(job_begin(&job, &hub.spool, "../home", "u", "t", 1, "rmail x", true, &err), 0);
	job_close(&job);
}
END_TEST

START_TEST(what_may_not_run_here_is_refused_when_it_is_offered)
{
	static const struct { const char *line, *answer; } rows[] = {
		{ "E a D.x uucp -C D.1 0666 \"\" 0x5 sh", "EN2" },
		{ "E a D.x uucp -C D.1 0666 \"\" 0x5 /bin/rmail x", "EN2" },
		{ "E a D.x uucp -C D.1 0666 \"\" 0x5 rmail;id", "EN2" },
		{ "E a D.x uucp -C D.1 0666 \"\" 0x5 rmail x", "EY" },
		{ "E a D.x uucp -C D.1 0666 \"\" 0xffffffffff rmail x", "EN7" },
		{ "S a D.x uucp -C D.1 0666", "SY" },
		{ "S a X.x uucp -C D.1 0666 \"\" 0x20000", "SN7" },
		{ "S a ~/x uucp -C D.1 0666", "SN2" },
		{ "S a /etc/passwd uucp -C D.1 0666", "SN2" },
	};
	struct uucp *u = &hub.call.uucp;

	start_call(&hub, false);
	uucp_feed(u, CALLED, sizeof CALLED - 1, 0);
	str_clear(&u->out);
	uucp_feed(u, rows[_i].line, strlen(rows[_i].line) + 1, 0);
	ck_assert_str_eq(str_c(&u->out), rows[_i].answer);
	uucp_free(u);
	outgoing_close(&hub.call.out);
}
END_TEST

#define ROWS(array) (int)(sizeof (array) / sizeof (array)[0])

int
main(void)
{
	Suite *suite = suite_create("uucp");
	TCase *engine = tcase_create("engine"), *spools = tcase_create("spools");

	tcase_set_timeout(engine, 300);	/* the machine may be busy with the others */
	tcase_set_timeout(spools, 300);
	tcase_add_loop_test(engine, each_job_arrives_once_in_any_steps, 0, 6 * LETTERS);
	tcase_add_loop_test(engine, a_large_file_flows_and_resumes, 0, LETTERS);
	tcase_add_loop_test(engine, every_peer_gets_the_right_answer, 0, ROWS(talks));
	tcase_add_loop_test(engine, each_option_behind_a_name_is_in_force, 0, ROWS(options));
	tcase_add_test(engine, a_caller_says_its_grade_and_number);
	tcase_add_loop_test(engine, what_they_do_not_want_waits, 0, 3);
	tcase_add_loop_test(engine, every_answer_decides_the_job, 0, ROWS(answers));
	tcase_add_loop_test(engine, what_never_ends_is_ended, 0, 4);
	tcase_add_test(engine, the_line_turned_round_in_vain_is_ended);
	tcase_add_test(engine, silence_ends_a_call_and_trickling_does_not_help);
	tcase_add_loop_test(engine, commands_are_read_as_taylor_writes_them, 0, 15);
	tcase_add_loop_test(engine, x_files_are_read_and_the_dangerous_ones_refused, 0, 10);
	suite_add_tcase(suite, engine);

	tcase_add_checked_fixture(spools, open_sites, close_sites);
	tcase_set_timeout(spools, 300);
	tcase_add_loop_test(spools, three_jobs_each_way_cut_at_every_byte, 0, 4 * ROWS(cuts));
	tcase_add_test(spools, a_peer_without_e_gets_two_files_that_become_one_job);
	tcase_add_loop_test(spools, the_two_files_may_come_in_any_order, 0, 2);
	tcase_add_test(spools, a_job_resumes_where_it_was_surely_stored);
	tcase_add_test(spools, a_temp_name_is_never_another_files);
	tcase_add_loop_test(spools, hostile_names_stay_labels, 0, 11);
	tcase_add_loop_test(spools, what_may_not_run_here_is_refused_when_it_is_offered, 0, 9);
	suite_add_tcase(suite, spools);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
