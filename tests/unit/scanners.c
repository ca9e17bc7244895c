/* spamd, clamd and rspamd as they answer, and as they must not; whole and a byte at a time. */
#include "lib/proto/clamd.h"
#include "lib/proto/rspamd.h"
#include "lib/proto/spamd.h"

#include <string.h>

#include "tests/unit/unit.h"

/* What it says in all, into out; 0, or -1 where it gave up. */
static int
play(struct dialogue *d, struct span answer, size_t step, bool closes, struct str *said, struct err *err)
{
	int result = 0;

	for (size_t at = 0; result == 0 && !d->done && at < answer.len; at += step) {
		dialogue_more(d);
		str_add_span(said, str_span(&d->out));
		str_clear(&d->out);
		result = dialogue_feed(d, span_to(span_from(answer, at), answer.len - at < step ? answer.len - at : step), err);
	}
	if (result == 0 && !d->done && closes)
		result = dialogue_eof(d, err);
	return result == 0 && !d->done ? 1 : result;
}

static const struct span message = { "Subject: x\r\n\r\nhello\r\n", 21 };

#define HAM "SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0\r\nContent-length: 8\r\n\r\nAA,BB_C\n"
static const struct {
	const char *answer;
	bool closes;
	int result;
	bool spam;
	const char *score, *text, *why;
} spamd_rows[] = {
	{ HAM, false, 0, false, "1.0", "AA,BB_C\n", "" },
	{ "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1000.2 / 5.0\r\n\r\nGTUBE", true, 0, true, "1000.2", "GTUBE", "" },
	{ "SPAMD/1.1 0 EX_OK\nSpam: Yes ; 7 / 5\nContent-length: 0\n\n", false, 0, true, "7", "", "" },
	{ "SPAMD/1.1 76 Bad header line: ...\r\n\r\n", true, -1, false, "", "", "spamd says 76" },
	{ "SPAMD/1.1 0 EX_OK\r\nContent-length: 2\r\n\r\nxx", false, -1, false, "", "", "nothing of spam" },
	{ "SPAMD/1.1 0 EX_OK\r\nSpam: True\r\n\r\n", false, -1, false, "", "", "cannot be read" },
	{ "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1;DROP / 5\r\n\r\n", false, -1, false, "", "", "cannot be read" },
	{ "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\nContent-length: 99999999\r\n\r\n", false, -1, false, "", "", "more than" },
	{ "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\nContent-length: 5\r\n\r\nabc", true, -1, false, "", "", "in the middle" },
	{ "220 mail.example ESMTP\r\n\r\n", false, -1, false, "", "", "no spamd" },
	{ "SPAMD/1.1 0 EX", true, -1, false, "", "", "in the middle" },
	{ "", true, -1, false, "", "", "in the middle" },
};

START_TEST(spamd_answers)
{
	for (size_t step = 1; step <= 64; step += 63) {
		struct spamd spamd;
		struct str said = {0};
		struct err err = {0};
		spamd_start(&spamd, SPAMD_SYMBOLS, message);
		ck_assert_int_eq(play(&spamd.d, span_of(spamd_rows[_i].answer), step, spamd_rows[_i].closes, &said, &err),
		    spamd_rows[_i].result);
		ck_assert_msg(strstr(err.text, spamd_rows[_i].why) != NULL, "%s", err.text);
		if (spamd_rows[_i].result == 0) {
			ck_assert(spamd.spam == spamd_rows[_i].spam);
			ck_assert_str_eq(str_c(&spamd.score), spamd_rows[_i].score);
			ck_assert_str_eq(str_c(&spamd.text), spamd_rows[_i].text);
			ck_assert_str_eq(str_c(&said), "SYMBOLS SPAMC/1.5\r\nContent-length: 21\r\n\r\nSubject: x\r\n\r\nhello\r\n");
		}
		spamd_free(&spamd);
		str_free(&said);
	}
}
END_TEST

static const struct {
	const char *answer;
	size_t len;
	int result;
	const char *found, *why;
} clamd_rows[] = {
	{ "stream: OK", 11, 0, NULL, "" }, { "stream: Eicar.Test FOUND", 25, 0, "Eicar.Test", "" },
	{ "stream: OK", 10, -1, NULL, "closed" }, { "INSTREAM size limit exceeded. ERROR", 36, -1, NULL, "clamd says INSTREAM size" },
	{ "UNKNOWN COMMAND", 16, -1, NULL, "clamd says" }, { "", 1, -1, NULL, "clamd says" }, { "", 0, -1, NULL, "closed" },
};

START_TEST(clamd_answers)
{
	for (size_t step = 1; step <= 64; step += 63) {
		struct clamd clamd;
		struct str said = {0};
		struct err err = {0};
		clamd_start(&clamd, message);
		ck_assert_int_eq(play(&clamd.d, (struct span){ clamd_rows[_i].answer, clamd_rows[_i].len }, step, true, &said, &err),
		    clamd_rows[_i].result);
		ck_assert_msg(strstr(err.text, clamd_rows[_i].why) != NULL, "%s", err.text);
		if (clamd_rows[_i].result == 0) {
			ck_assert(clamd.found == (clamd_rows[_i].found != NULL));
			ck_assert(clamd_rows[_i].found == NULL || strcmp(str_c(&clamd.name), clamd_rows[_i].found) == 0);
		}
		clamd_free(&clamd);
		str_free(&said);
	}
}
END_TEST

/* The command, a length and its bytes, and a length of nothing. */
START_TEST(clamd_is_told_the_message_in_pieces)
{
	struct clamd clamd;

	clamd_start(&clamd, message);
	dialogue_more(&clamd.d);
	dialogue_more(&clamd.d);
	dialogue_more(&clamd.d);
	ck_assert_uint_eq(clamd.d.out.len, 10 + 4 + message.len + 4);
	ck_assert_mem_eq(clamd.d.out.p, "zINSTREAM\0\0\0\0\x15Subject", 21);
	ck_assert_mem_eq(clamd.d.out.p + clamd.d.out.len - 4, "\0\0\0\0", 4);
	clamd_free(&clamd);
}
END_TEST

#define OK "HTTP/1.1 200 OK\r\nServer: rspamd\r\n"
static const struct {
	const char *answer;
	int result, action;
	const char *why;
} rspamd_rows[] = {
	{ OK "\r\n{\"action\": \"no action\", \"score\": 1.5}", 0, RSPAMD_NONE, "" },
	{ OK "Content-Length: 20\r\n\r\n{\"action\": \"reject\"}", 0, RSPAMD_REJECT, "" },
	{ OK "\r\n{\"action\":\"soft reject\",\"messages\":{\"smtp_message\":\"Try again\"}}", 0, RSPAMD_LATER, "" },
	{ OK "\r\n{\"action\":\"add header\",\"score\":1e308,\"symbols\":{\"A\":{},\"B\":{}}}", 0, RSPAMD_MARK, "" },
	{ OK "\r\n{\"action\":\"rewrite subject\",\"subject\":\"[x] y\"}", 0, RSPAMD_SUBJECT, "" },
	{ OK "\r\n{\"action\":\"explode\"}", -1, 0, "nobody understands" },
	{ OK "\r\n{\"score\":1}", -1, 0, "nobody understands" },
	{ OK "\r\n[1]", -1, 0, "no JSON" }, { OK "\r\n", -1, 0, "no JSON" }, { OK "\r\n{", -1, 0, "no JSON" },
	{ OK "Content-Length: 99\r\n\r\n{}", -1, 0, "in the middle" },
	{ "HTTP/1.1 403 Forbidden\r\n\r\n{}", -1, 0, "rspamd says 403" }, { "SSH-2.0-x\r\n\r\n", -1, 0, "no rspamd" },
	{ "", -1, 0, "in the middle" },
};

START_TEST(rspamd_answers)
{
	for (size_t step = 1; step <= 64; step += 63) {
		struct envelope env = {0};
		envelope_from(&env, SPAN("ann@a.example"), SPAN(""));
		envelope_add(&env, SPAN("bob@b.example"), SPAN(""));
		const struct rspamd_mail mail = { .client = SPAN("192.0.2.1"), .helo = SPAN("a\r\nEvil: b"), .env = &env, .message = message };
		struct rspamd rspamd;
		struct str said = {0};
		struct err err = {0};
		rspamd_start(&rspamd, &mail);
		ck_assert_int_eq(play(&rspamd.d, span_of(rspamd_rows[_i].answer), step, true, &said, &err), rspamd_rows[_i].result);
		ck_assert_msg(strstr(err.text, rspamd_rows[_i].why) != NULL, "%s", err.text);
		if (rspamd_rows[_i].result == 0) {
			ck_assert_int_eq((int)rspamd.action, rspamd_rows[_i].action);
			ck_assert_ptr_nonnull(strstr(str_c(&said), "\r\nRcpt: bob@b.example\r\n"));
			ck_assert_ptr_null(strstr(str_c(&said), "\nEvil"));
		}
		rspamd_free(&rspamd);
		envelope_free(&env);
		str_free(&said);
	}
}
END_TEST

START_TEST(rspamd_names_fields)
{
	const char *answer = OK "\r\n{\"action\":\"no action\",\"milter\":{\"remove_headers\":{\"X-A\":0},\"add_headers\":{"
	    "\"X-B\":\"1\",\"X-C\":{\"value\":\"2\",\"order\":0},\"X-D\":[{\"value\":\"3\"},\"4\",[[\"5\"]]],\"X-E\":7}}}";
	struct envelope env = {0};
	const struct rspamd_mail mail = { .env = &env, .message = message };
	struct rspamd rspamd;
	struct str said = {0}, got = {0};
	struct err err = {0};

	rspamd_start(&rspamd, &mail);
	ck_assert_int_eq(play(&rspamd.d, span_of(answer), 7, true, &said, &err), 0);
	for (size_t i = 0; i < rspamd.fields; i++)
		str_printf(&got, "%s%s=%s ", rspamd.field[i].remove ? "-" : "+", str_c(&rspamd.field[i].name),
		    str_c(&rspamd.field[i].value));
	ck_assert_str_eq(str_c(&got), "-X-A= +X-B=1 +X-C=2 +X-D=3 +X-D=4 ");
	rspamd_free(&rspamd);
	str_free(&said);
	str_free(&got);
}
END_TEST

UNIT("scanners",
	{ spamd_answers, ROWS(spamd_rows) },
	{ clamd_answers, ROWS(clamd_rows) },
	{ clamd_is_told_the_message_in_pieces, 1 },
	{ rspamd_answers, ROWS(rspamd_rows) },
	{ rspamd_names_fields, 1 })
