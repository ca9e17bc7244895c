/* The parameters of MAIL and RCPT, row by row of their extensions. */
#include "lib/proto/smtp-ext.h"

#include "lib/base/clock.h"
#include "lib/proto/smtp-server.h"
#include "tests/unit/unit.h"

#define X99 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X396 X99 X99 X99 X99

static const struct {
	bool rcpt;
	const char *words;
	const char *reply;	/* NULL: good */
} rows[] = {
	{ false, "SIZE=0", NULL }, { false, "size=1000", NULL }, { false, "SIZE=1001", "552 5.3.4" },
	/* SMTP-05 */
	{ false, "SIZE", "501 5.5.4" }, { false, "SIZE=", "501 5.5.4" }, { false, "SIZE=-1", "501 5.5.4" },
	{ false, "SIZE=+1", "501 5.5.4" }, { false, "SIZE=0x10", "501 5.5.4" },
	{ false, "SIZE=99999999999999999999", "552 5.3.4" }, { false, "SIZE=1 SIZE=2", "501 5.5.4" },
	{ false, "AUTH=\"\"", "555 5.5.4" }, { false, "AUTH=\"", "555 5.5.4" }, { false, "AUTH=", "555 5.5.4" },
	{ false, "BODY=x", "501 5.5.4" }, { false, "BODY", "501 5.5.4" }, { false, "BODY=7bit", NULL },
	{ false, "BODY=8BITMIME", NULL }, { false, "BODY=BINARYMIME", "501 5.5.4" },
	{ false, "SMTPUTF8", NULL }, { false, "SMTPUTF8=1", "501 5.5.4" }, { false, "SMTPUTF8=", "501 5.5.4" },
	{ false, "RET=FULL RET=HDRS", "501 5.5.4" }, { false, "RET=", "501 5.5.4" }, { false, "RET", "501 5.5.4" },
	{ false, "RET=both", "501 5.5.4" }, { false, "ret=full", NULL }, { false, "RET=HDRS", NULL },
	{ false, "ENVID=+0", "501 5.5.4" }, { false, "ENVID=+G0", "501 5.5.4" }, { false, "ENVID=", "501 5.5.4" },
	{ false, "ENVID=a=b", "501 5.5.4" }, { false, "ENVID=a+3", "501 5.5.4" }, { false, "ENVID=a+2bb", "501 5.5.4" },
	{ false, "ENVID=x+2Bx+3D", NULL }, { false, "ENVID=1 ENVID=1", "501 5.5.4" },
	{ false, "ENVID=" X99 "x", NULL }, { false, "ENVID=" X99 "xx", "501 5.5.4" },
	{ false, "NOTIFY=NEVER", "555 5.5.4" }, { false, "ORCPT=rfc822;a", "555 5.5.4" },
	{ false, "REQUIRETLS", NULL }, { false, "REQUIRETLS=1", "501 5.5.4" },
	{ false, "MT-PRIORITY=0", NULL }, { false, "mt-priority=-9", NULL }, { false, "MT-PRIORITY=9", NULL },
	{ false, "MT-PRIORITY=10", "501 5.5.4" }, { false, "MT-PRIORITY=-10", "501 5.5.4" },
	{ false, "MT-PRIORITY=", "501 5.5.4" }, { false, "MT-PRIORITY", "501 5.5.4" },
	{ false, "MT-PRIORITY=+1", "501 5.5.4" }, { false, "MT-PRIORITY=--1", "501 5.5.4" },
	{ false, "MT-PRIORITY=1 MT-PRIORITY=1", "501 5.5.4" },
	{ false, "BY=120;R", NULL }, { false, "by=120;rt", NULL }, { false, "BY=-1;N", NULL }, { false, "BY=0;NT", NULL },
	{ false, "BY=999999999;R", NULL }, { false, "BY=1000000000;R", "501 5.5.4" },
	{ false, "BY=0;R", "501 5.5.4" }, { false, "BY=-1;R", "501 5.5.4" }, { false, "BY=5", "501 5.5.4" },
	{ false, "BY=;R", "501 5.5.4" }, { false, "BY=5;", "501 5.5.4" }, { false, "BY=5;X", "501 5.5.4" },
	{ false, "BY=5;RTT", "501 5.5.4" }, { false, "BY=5;TR", "501 5.5.4" }, { false, "BY", "501 5.5.4" },
	{ false, "BY=99999999999999999999;R", "501 5.5.4" },
	{ false, "HOLDFOR=1", NULL }, { false, "HOLDFOR=86400", NULL }, { false, "HOLDFOR=86401", "501 5.5.4" },
	{ false, "HOLDFOR=0", "501 5.5.4" }, { false, "HOLDFOR=-1", "501 5.5.4" }, { false, "HOLDFOR=", "501 5.5.4" },
	{ false, "HOLDFOR", "501 5.5.4" }, { false, "HOLDFOR=99999999999999999999", "501 5.5.4" },
	{ false, "HOLDUNTIL=2026-01-02T00:00:00Z", NULL }, { false, "HOLDUNTIL=2026-01-02T00:00:01Z", "501 5.5.4" },
	{ false, "HOLDUNTIL=2026-01-01T00:00:00Z", "501 5.5.4" }, { false, "HOLDUNTIL=2025-12-31T00:00:00Z", "501 5.5.4" },
	{ false, "HOLDUNTIL=2026-02-30", "501 5.5.4" }, { false, "HOLDUNTIL=", "501 5.5.4" },
	{ false, "HOLDFOR=1 HOLDUNTIL=2026-01-01T00:00:10Z", "501 5.5.4" },
	{ false, "X=y", "555 5.5.4" }, { false, "=", "555 5.5.4" }, { false, "", NULL },
	{ true, "NOTIFY=NEVER", NULL }, { true, "NOTIFY=success,FAILURE,Delay", NULL },
	{ true, "NOTIFY=NEVER,SUCCESS", "501 5.5.4" }, { true, "NOTIFY=SUCCESS,NEVER", "501 5.5.4" },
	{ true, "NOTIFY=", "501 5.5.4" }, { true, "NOTIFY", "501 5.5.4" }, { true, "NOTIFY=SUCCESS,", "501 5.5.4" },
	{ true, "NOTIFY=,", "501 5.5.4" }, { true, "NOTIFY=SUCCESS,SUCCESS", "501 5.5.4" },
	{ true, "NOTIFY=x", "501 5.5.4" }, { true, "NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4" },
	{ true, "ORCPT=rfc822", "501 5.5.4" }, { true, "ORCPT=rfc822;", "501 5.5.4" },
	{ true, "ORCPT=;a@b", "501 5.5.4" }, { true, "ORCPT=rfc822;a@b", NULL }, { true, "ORCPT=x y;a", "501 5.5.4" },
	{ true, "ORCPT=rfc822;a+40b", NULL }, { true, "ORCPT=rfc822;a b", "555 5.5.4" },
	{ true, "ORCPT=rfc8;" X396 X99, NULL }, { true, "ORCPT=rfc82;" X396 X99, "501 5.5.4" },
	{ true, "ORCPT=utf-8;\xc3\xa4@b", "501 5.5.4" },
	/* SMTP-06 */
	{ true, "ORCPT=rfc822;x+0AFrom:+20evil", "501 5.5.4" }, { true, "ORCPT=rfc822;x+0D", "501 5.5.4" },
	{ true, "ORCPT=rfc822;x+00", "501 5.5.4" },
	{ true, "RET=FULL", "555 5.5.4" },
};

START_TEST(parameters_are_judged_as_the_rows_say)
{
	struct smtp_server server = { .options.max_size = 1000, .options.max_hold = 86400, .secured = true };
	struct str *out = &server.env.args, reply = {0};
	struct err err = {0};
	int64_t day;

	clock_parse_utc(SPAN("2026-01-01T00:00:00Z"), &day);
	clock_set(day);
	int got = smtp_params_check(&server, rows[_i].rcpt, span_of(rows[_i].words), out, &err);
	clock_set(0);

	if (got < 0)
		err_reply(&err, &reply);
	ck_assert_msg((got == 0) == (rows[_i].reply == NULL), "%s: %s", rows[_i].words, err.text);
	if (got < 0)
		ck_assert_msg(span_begins(str_span(&reply), rows[_i].reply), "%s: %s", rows[_i].words, str_c(&reply));
	else
		ck_assert_str_eq(str_c(out), rows[_i].words);
	str_free(out);
	str_free(&reply);
}
END_TEST

START_TEST(with_smtputf8_an_original_recipient_may_be_utf8)
{
	static const struct { const char *words; int got; } cases[] = {
		{ "ORCPT=utf-8;\xc3\xa4@b", 0 }, { "ORCPT=UTF-8;\\x{E4}@b", 0 }, { "ORCPT=utf-8;\xff@b", -1 },
		{ "ORCPT=utf-8;\xc3\xa4+@b", -1 }, { "ORCPT=rfc822;\xc3\xa4@b", -1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct smtp_server server = {0};
		struct str out = {0};
		struct err err = {0};
		envelope_from(&server.env, SPAN("a@b"), SPAN("SMTPUTF8"));
		ck_assert_int_eq(smtp_params_check(&server, true, span_of(cases[i].words), &out, &err), cases[i].got);
		envelope_free(&server.env);
		str_free(&out);
	}
}
END_TEST

/* Two rows must not claim the same word. */
START_TEST(every_row_is_whole_and_alone)
{
	unsigned offers = 0;

	for (const struct smtp_ext *const *ext = smtp_exts; *ext != NULL; ext++) {
		const struct smtp_ext *found;
		ck_assert_ptr_nonnull((*ext)->keyword);
		ck_assert_uint_eq(offers & (*ext)->offer, 0);
		offers |= (*ext)->offer;
		for (const struct smtp_param *param = (*ext)->mail; param != NULL && param->key != NULL; param++) {
			ck_assert_ptr_eq(smtp_param_find(false, span_of(param->key), 0, &found), param);
			ck_assert_ptr_null(smtp_param_find(false, span_of(param->key), (*ext)->offer, &found));
		}
	}
}
END_TEST

UNIT("smtp-ext",
	{ parameters_are_judged_as_the_rows_say, ROWS(rows) },
	{ with_smtputf8_an_original_recipient_may_be_utf8, 1 },
	{ every_row_is_whole_and_alone, 1 })
