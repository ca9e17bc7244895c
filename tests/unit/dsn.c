/*
 * Delivery reports: who gets one, what they say, and that nothing can break out of them.
 */
#include "lib/mail/dsn.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/header.h"
#include "tests/unit/unit.h"

/* RCPT parameters | kinds wanted: failure, delay, success (RFC 3461 4.1, dsn.md 4) */
static const struct { const char *args; bool failure, delay, success; } wanted[] = {
	{ "", true, true, false },
	{ "NOTIFY=NEVER", false, false, false },
	{ "NOTIFY=SUCCESS", false, false, true },
	{ "NOTIFY=FAILURE", true, false, false },
	{ "NOTIFY=DELAY", false, true, false },
	{ "NOTIFY=SUCCESS,FAILURE", true, false, true },
	{ "ORCPT=rfc822;x notify=success,delay", false, true, true },
	{ "NOTIFY=failure,Delay", true, true, false },
	{ "NOTIFY=SUCCESS,FAILURE,DELAY", true, true, true },
};

START_TEST(notify_decides_who_is_told_what)
{
	struct span args = span_of(wanted[_i].args);

	ck_assert_int_eq(dsn_wanted(args, DSN_FAILURE), wanted[_i].failure);
	ck_assert_int_eq(dsn_wanted(args, DSN_DELAY), wanted[_i].delay);
	ck_assert_int_eq(dsn_wanted(args, DSN_RELAYED), wanted[_i].success);
	ck_assert_int_eq(dsn_wanted(args, DSN_DELIVERED), wanted[_i].success);
}
END_TEST

static const struct { const char *reply; enum dsn_kind kind; const char *status; } statuses[] = {
	{ "550 5.1.1 no such user", DSN_FAILURE, "5.1.1" },
	{ "550-5.1.1 no such user", DSN_FAILURE, "5.1.1" },
	{ "550 no such user", DSN_FAILURE, "5.0.0" },
	{ "451 later", DSN_DELAY, "4.0.0" },
	{ "4.4.7 given up", DSN_FAILURE, "4.4.7" },
	{ "", DSN_FAILURE, "5.0.0" }, { "", DSN_DELAY, "4.0.0" },
	{ "550 5.1.1111 x", DSN_FAILURE, "5.0.0" }, { "550 3.1.1 x", DSN_FAILURE, "5.0.0" },
	{ "250 2.1.5 ok", DSN_DELIVERED, "2.1.5" }, { "250 ok", DSN_RELAYED, "2.0.0" },
	{ "5.1.1x", DSN_FAILURE, "5.0.0" },
};

START_TEST(a_status_comes_from_the_reply_or_its_class)
{
	struct str out = {0};

	dsn_status(span_of(statuses[_i].reply), statuses[_i].kind, &out);
	ck_assert_str_eq(str_c(&out), statuses[_i].status);
	str_free(&out);
}
END_TEST

static void
write_one(struct str *out, const char *reply, const char *original, bool full, bool utf8)
{
	struct dsn_rcpt rcpt = { .final = SPAN("bob@home.example"), .orcpt = SPAN("rfc822;Bob+2Bx@home.example"),
		.reply = span_of(reply), .remote = SPAN("mx.home.example"), .last_attempt = 1795373102000000 };
	struct dsn dsn = {
		.kind = DSN_FAILURE, .host = SPAN("hub.example"), .from = SPAN("postmaster@hub.example"),
		.to = SPAN("ann@x.example"), .envid = SPAN("QQ+2B314"), .id = SPAN("id-2"),
		.original_id = SPAN("id-1"), .now = 1795373102000000, .arrived = 1795373002000000,
		.rcpt = &rcpt, .rcpts = 1, .original = span_of(original), .full = full, .utf8 = utf8,
	};
	dsn_write(&dsn, out);
}

#define HAS(text) ck_assert_msg(strstr(str_c(&out), (text)) != NULL, "no %s in\n%s", (text), str_c(&out))
#define HAS_NOT(text) ck_assert_msg(strstr(str_c(&out), (text)) == NULL, "%s in\n%s", (text), str_c(&out))

START_TEST(a_report_has_the_fields_of_rfc_3464)
{
	struct str out = {0};

	write_one(&out, "550 5.1.1 no such user", "Subject: hello\r\nMessage-ID: <1@x>\r\n\r\nsecret body\r\n",
	    false, false);
	HAS("\r\nContent-Type: multipart/report; report-type=delivery-status;");
	HAS("\r\nReporting-MTA: dns; hub.example\r\n");
	HAS("\r\nOriginal-Envelope-Id: QQ+314\r\n");
	HAS("\r\n\r\nOriginal-Recipient: rfc822; Bob+x@home.example\r\nFinal-Recipient: rfc822; bob@home.example\r\n");
	HAS("\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.home.example\r\n");
	HAS("\r\nDiagnostic-Code: smtp;\r\n    550 5.1.1 no such user\r\n");
	HAS("\r\nAuto-Submitted: auto-replied\r\n");
	HAS("\r\nIn-Reply-To: <1@x>\r\n");
	HAS("Content-Type: text/rfc822-headers\r\n\r\nSubject: hello\r\n");
	HAS_NOT("secret body");
	str_free(&out);
}
END_TEST

START_TEST(ret_full_brings_the_message_back)
{
	struct str out = {0};

	write_one(&out, "550 x", "Subject: hello\r\n\r\nthe body\r\n", true, false);
	HAS("Content-Type: message/rfc822\r\n\r\nSubject: hello\r\n\r\nthe body\r\n");
	str_free(&out);
}
END_TEST

static const char *const unfit[] = {	/* no message/rfc822 can hold these */
	"Subject: x\r\n\r\nbare\nline\r\n", "Subject: x\r\n\r\nbare\rcr\r\n", "\r\n\r\n\r",
};

START_TEST(what_no_message_can_hold_is_returned_by_its_header)
{
	struct str out = {0};

	write_one(&out, "550 x", unfit[_i], true, false);
	HAS("Content-Type: text/rfc822-headers\r\n");
	for (size_t i = 0; i < out.len; i++)
		ck_assert(out.p[i] != '\n' || (i > 0 && out.p[i - 1] == '\r'));
	str_free(&out);
}
END_TEST

START_TEST(a_hostile_reply_stays_on_its_line)	/* DSN-01, OpenSMTPD CVE-2020-8794 */
{
	struct str out = {0}, reply = {0};

	str_add_text(&reply, "550 x\r\n.\r\nMAIL FROM:<>\r\n--=_boundary--\r\nAction: delivered\r\n\x1b[2J\xff");
	for (int i = 0; i < 3000; i++)
		str_add_text(&reply, "0123456789");
	write_one(&out, str_c(&reply), "Subject: a\r\n\r\n", false, false);
	HAS_NOT("\r\nAction: delivered");
	HAS_NOT("\r\n.\r\n");
	HAS_NOT("\x1b");
	ck_assert_uint_lt(out.len, 8000);
	struct span rest = str_span(&out), line;
	while (span_cut(&rest, '\n', &line))
		ck_assert_uint_le(line.len, 998);
	str_free(&out);
	str_free(&reply);
}
END_TEST

START_TEST(an_internationalized_message_has_the_utf8_form)	/* RFC 6533 */
{
	struct str out = {0};

	write_one(&out, "550 x", "Subject: \xc3\xa4\r\n\r\n", false, true);
	HAS("report-type=global-delivery-status");
	HAS("Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n");
	HAS("Final-Recipient: utf-8; bob@home.example\r\n");
	HAS("Content-Type: message/global-headers\r\n");
	str_free(&out);
}
END_TEST

UNIT("dsn",
    { notify_decides_who_is_told_what, ROWS(wanted) },
    { a_status_comes_from_the_reply_or_its_class, ROWS(statuses) },
    { a_report_has_the_fields_of_rfc_3464, 1 },
    { ret_full_brings_the_message_back, 1 },
    { what_no_message_can_hold_is_returned_by_its_header, ROWS(unfit) },
    { a_hostile_reply_stays_on_its_line, 1 },
    { an_internationalized_message_has_the_utf8_form, 1 })
