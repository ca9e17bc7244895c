/* What was asked for with a message, and how it is kept and handed on. */
#include "lib/mail/wish.h"

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

#define NOW "2026-01-01T00:00:00Z"

static int64_t
at(const char *text)
{
	int64_t when = 0;

	ck_assert_int_eq(clock_parse_utc(span_of(text), &when), 0);
	return when;
}

static const struct {
	const char *args;
	bool trusted;
	const char *kept;
	char grade;
	int64_t release;	/* seconds from now; 0: at once */
} keeps[] = {
	{ "", false, "", 'N', 0 },
	{ "BODY=8BITMIME RET=HDRS", false, "BODY=8BITMIME RET=HDRS", 'N', 0 },
	{ "HOLDFOR=3600 SIZE=3", true, "HOLDUNTIL=2026-01-01T01:00:00Z SIZE=3", 'N', 3600 },
	{ "HOLDUNTIL=2026-01-01T00:00:05Z", true, "HOLDUNTIL=2026-01-01T00:00:05Z", 'N', 5 },
	{ "MT-PRIORITY=3", true, "MT-PRIORITY=3", 'K', 0 },
	{ "MT-PRIORITY=9", true, "MT-PRIORITY=9", 'E', 0 },
	{ "MT-PRIORITY=-9", true, "MT-PRIORITY=-9", 'W', 0 },
	{ "MT-PRIORITY=3", false, "MT-PRIORITY=0", 'N', 0 },
	{ "MT-PRIORITY=-3", false, "MT-PRIORITY=-3", 'Q', 0 },
	{ "BY=120;R", false, "BY=120;R", 'N', 0 },
};

START_TEST(the_spool_keeps_it_as_the_rows_say)
{
	struct str kept = {0};
	bool lowered = wish_keep(span_of(keeps[_i].args), keeps[_i].trusted, at(NOW), &kept);
	int64_t release = wish_release(str_span(&kept), at(NOW));

	ck_assert_str_eq(str_c(&kept), keeps[_i].kept);
	ck_assert_int_eq(lowered, !keeps[_i].trusted && span_begins(span_of(keeps[_i].args), "MT-PRIORITY=3"));
	ck_assert_int_eq(wish_grade(str_span(&kept)), keeps[_i].grade);
	ck_assert_int_eq(release == 0 ? 0 : (release - at(NOW)) / CLOCK_SECOND, keeps[_i].release);
	str_free(&kept);
}
END_TEST

static const struct {
	const char *args;
	char grade;
	int held;		/* seconds here */
	const char *on;
} hands[] = {
	{ "", 'N', 0, "" }, { "RET=FULL", 'N', 9, "RET=FULL" },
	{ "", 'K', 0, "MT-PRIORITY=3" }, { "RET=FULL", 'E', 0, "MT-PRIORITY=9 RET=FULL" },
	{ "", 'A', 0, "MT-PRIORITY=9" }, { "", '0', 0, "MT-PRIORITY=9" }, { "", 'z', 0, "MT-PRIORITY=-9" },
	{ "", 'X', 0, "MT-PRIORITY=-9" },
	{ "MT-PRIORITY=1", 'K', 0, "MT-PRIORITY=1" },
	{ "BY=120;R", 'N', 20, "BY=100;R" }, { "BY=120;RT", 'N', 119, "BY=1;RT" },
	{ "BY=120;R", 'N', 500, "BY=1;R" }, { "BY=120;N", 'N', 500, "BY=-380;N" }, { "BY=-5;NT", 'N', 5, "BY=-10;NT" },
};

START_TEST(it_is_handed_on_as_the_rows_say)
{
	struct str on = {0};

	wish_hand_on(span_of(hands[_i].args), hands[_i].grade, at(NOW), at(NOW) + hands[_i].held * CLOCK_SECOND, &on);
	ck_assert_str_eq(str_c(&on), hands[_i].on);
	str_free(&on);
}
END_TEST

START_TEST(what_is_due_is_counted_from_when_it_was_taken)
{
	int64_t when;
	bool gives_up;

	ck_assert(!wish_due(SPAN("RET=FULL"), at(NOW), &when, &gives_up));
	ck_assert(wish_due(SPAN("BY=60;R"), at(NOW), &when, &gives_up) && gives_up);
	ck_assert(when == at("2026-01-01T00:01:00Z"));
	ck_assert(wish_due(SPAN("BY=-60;NT"), at(NOW), &when, &gives_up) && !gives_up);
	ck_assert(when == at("2025-12-31T23:59:00Z"));
}
END_TEST

UNIT("wish",
	{ the_spool_keeps_it_as_the_rows_say, ROWS(keeps) },
	{ it_is_handed_on_as_the_rows_say, ROWS(hands) },
	{ what_is_due_is_counted_from_when_it_was_taken, 1 })
