/* The server engine: what clients say, and what they hear.  Each dialogue is fed
 * whole and in steps of 1, 2 and 3 bytes, with quick hooks and with slow ones. */
#include "lib/proto/smtp-server.h"

#include <string.h>

#include "lib/proto/smtp-engine.h"
#include "tests/talk/fake.h"
#include "tests/unit/unit.h"

#define EHLO "EHLO c.example\r\n"
#define START EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
#define KEPT "MAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\n\n"
#define GO "220|250|250|250|"		/* what START hears */
#define EVIL "MAIL FROM:<evil@x.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"

static const struct smtp_server_options usual = {
	.host = "mx.example", .any_pace = true, .max_size = 1000, .max_recipients = 3,
	.max_errors = 4, .max_junk = 5, .max_refused = 3,
};
static const struct smtp_server_options batch = {
	.host = "mx.example", .batch = true, .max_size = 1000,
};

struct dialogue {
	const char *name;
	struct span said;
	const char *heard;	/* beginnings of the last lines of the replies; '!' : closed */
	const char *kept;	/* messages, NULL: none */
};

#define SAID(text) { (text), sizeof (text) - 1 }
#define SAID_SPAN(text) ((struct span)SAID(text))

static const struct dialogue sessions[] = {
	{ "one message", SAID(START "DATA\r\nS: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"),
	  GO "354|250 2.0.0|221 2.0.0!", KEPT "S: x\r\n\r\nhi\r\n" },
	{ "dots are unstuffed", SAID(START "DATA\r\n..a\r\n.b\r\n...\r\nc.\r\n.\r\n"),
	  GO "354|250", KEPT ".a\r\nb\r\n..\r\nc.\r\n" },
	{ "an empty message (DATA-05)", SAID(START "DATA\r\n.\r\n"), GO "354|250", KEPT },
	{ "two messages in a session",
	  SAID(START "DATA\r\n1\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n2\r\n.\r\n"),
	  GO "354|250|250|250|354|250", KEPT "1\r\nMAIL FROM:<>\nRCPT TO:<postmaster>\n\n2\r\n" },
	{ "HELO", SAID("HELO c\r\nMAIL FROM:<a@b.example>\r\n"), "220|250|250", NULL },
	{ "parameters are carried as they came",
	  SAID(EHLO "MAIL FROM:<a@b.example> ret=Hdrs  ENVID=a+2Bb SIZE=3 BODY=8bitmime\r\n"
	    "RCPT TO:<c@d.example> notify=Success,DELAY ORCPT=rfc822;C+40d\r\nBDAT 3 LAST\r\nabc"),
	  GO "250", "MAIL FROM:<a@b.example> ret=Hdrs ENVID=a+2Bb SIZE=3 BODY=8bitmime\n"
	    "RCPT TO:<c@d.example> notify=Success,DELAY ORCPT=rfc822;C+40d\n\nabc" },
	{ "a source route is stripped (SMTP-12)",
	  SAID(EHLO "MAIL FROM:<@x.example,@[IPv6:::1]:a@b.example>\r\nRCPT TO:<@y:c@d.example>\r\n"
	    "DATA\r\n.\r\n"), GO "354|250", KEPT },
	{ "out of order (SMTP-09)",
	  SAID("MAIL FROM:<a@b.example>\r\n" EHLO "RCPT TO:<c@d.example>\r\nDATA\r\n"
	    "MAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\n"),
	  "220|503 5.5.1|250|503 5.5.1|503 5.5.1|250|503 5.5.1", NULL },
	{ "EHLO and RSET forget (SMTP-09)",
	  SAID(START EHLO "DATA\r\nMAIL FROM:<a@b.example>\r\nRSET\r\nRCPT TO:<c@d.example>\r\n"),
	  GO "250|503|250|250|503", NULL },
	{ "unknown verbs, then enough of it (SMTP-02)",
	  SAID("DEBUG\r\nWIZ\r\n\r\nX\r\nY\r\nNOOP\r\n"),
	  "220|500 5.5.2|500 5.5.2|500 5.5.2|500 5.5.2|500 5.5.2|421 4.7.0!", NULL },
	{ "junk is counted (SMTP-16)", SAID("NOOP\r\nNOOP\r\nHELP\r\nVRFY x\r\nRSET\r\nNOOP\r\nNOOP\r\n"),
	  "220|250|250|214|252|250|421 4.7.0!", NULL },
	{ "empty chunks are junk, too (SMTP-16)", SAID(START "BDAT 0\r\nBDAT 1\r\nxBDAT 0\r\nBDAT 0\r\nBDAT 0\r\nBDAT 0\r\n"),
	  GO "250|250|250|250|250|421 4.7.0!", NULL },
	{ "known, not done", SAID("EXPN x\r\nSTARTTLS\r\nAUTH PLAIN\r\n"), "220|502|502|502", NULL },
	{ "a web browser", SAID("POST / HTTP/1.1\r\nHost: x\r\n" EHLO), "220|421 4.7.0!", NULL },
	{ "controls in a command (SMTP-04)",
	  SAID("NOOP a\0b\r\nNOOP\tx\r\nNOOP \x1b\r\nNOOP \rx\r\nNOOP\r\n"),
	  "220|501 5.5.2|501 5.5.2|501 5.5.2|501 5.5.2|250", NULL },
	{ "8-bit in a command (SMTP-04)",
	  SAID("NOOP \xc3\xa4\r\n" EHLO "MAIL FROM:<\xc3\xa4@b.example>\r\n"
	    "MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8\r\nRCPT TO:<\xc3\xb6@d.example>\r\n"
	    "RCPT TO:<\xff@d.example>\r\n"),
	  "220|501 5.5.2|250|553 5.6.7|250|250|501 5.1.3", NULL },
	{ "a command with a bare LF closes", SAID("NOOP\nNOOP\r\n"), "220|500 5.5.2!", NULL },
	{ "wrong parameters of MAIL (SMTP-05)",
	  SAID(EHLO "MAIL FROM:<a@b.example> AUTH=\r\nMAIL FROM:<a@b.example> SIZE=\r\n"
	    "MAIL FROM:<a@b.example> SIZE=1001\r\nMAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n"
	    "MAIL FROM:<a@b.example> RET=FULL RET=HDRS\r\n"),
	  "220|250|555 5.5.4|501 5.5.4|552 5.3.4|552 5.3.4|501 5.5.4|421!", NULL },
	{ "a hidden line end in ORCPT (SMTP-06)",
	  SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example> ORCPT=rfc822;x+0AFrom:+20evil\r\n"),
	  "220|250|250|501 5.5.4", NULL },
	{ "refused recipients", SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<refused@d.example>\r\n"
	    "RCPT TO:<later@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n.\r\n"),
	  "220|250|250|550 5.1.1|450 4.2.1|250|354|250", KEPT },
	{ "recipient probing is cut off (OR-75)",
	  SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<refused@d.example>\r\nRCPT TO:<refused@d.example>\r\n"
	    "RCPT TO:<refused@d.example>\r\nRCPT TO:<refused@d.example>\r\n"),
	  "220|250|250|550|550|550|550|421 4.7.0!", NULL },
	{ "too many recipients, the rest is taken (SMTP-07)",
	  SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<1@d>\r\nRCPT TO:<2@d>\r\nRCPT TO:<3@d>\r\n"
	    "RCPT TO:<4@d>\r\nDATA\r\n.\r\n"),
	  "220|250|250|250|250|250|452 4.5.3|354|250",
	  "MAIL FROM:<a@b.example>\nRCPT TO:<1@d>\nRCPT TO:<2@d>\nRCPT TO:<3@d>\n\n" },
	{ "behind a refused MAIL nothing counts as an error",
	  SAID(EHLO "MAIL FROM:<nobody@b.example>\r\nRCPT TO:<1@d>\r\nRCPT TO:<1@d>\r\nRCPT TO:<1@d>\r\n"
	    "RCPT TO:<1@d>\r\nRCPT TO:<1@d>\r\nDATA\r\nNOOP\r\n"),
	  "220|250|550 5.1.8|503|503|503|503|503|503|250", NULL },
	{ "refused senders are counted",
	  SAID(EHLO "MAIL FROM:<nobody@x>\r\nMAIL FROM:<nobody@x>\r\nMAIL FROM:<nobody@x>\r\n"
	    "MAIL FROM:<nobody@x>\r\n"),
	  "220|250|550|550|550|550|421 4.7.0!", NULL },
	{ "unasked chunks are counted (SMTP-10)",
	  SAID("BDAT 1\r\nxBDAT 1\r\nxBDAT 0\r\nBDAT 0 LAST\r\nBDAT 1\r\nx"),
	  "220|503|503|503|503|503|421 4.7.0!", NULL },
	{ "chunks behind refused recipients are not",
	  SAID(EHLO "MAIL FROM:<a@b>\r\nRCPT TO:<refused@d>\r\nBDAT 1\r\nxBDAT 1\r\nxBDAT 0\r\n"
	    "BDAT 0\r\nBDAT 0 LAST\r\nNOOP\r\n"),
	  "220|250|250|550|503|503|503|503|503|250", NULL },
	{ "hook begin says no", SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<shy@d>\r\nDATA\r\nNOOP\r\n"),
	  "220|250|250|250|452 4.3.1|250", NULL },
	{ "hook body says no (DATA-07)",
	  SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<full@d>\r\nDATA\r\nMAIL FROM:<x@y>\r\n.\r\nNOOP\r\n"),
	  "220|250|250|250|354|452 4.3.1|250", NULL },
	{ "hook end says no", SAID(EHLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<lost@d>\r\nDATA\r\n.\r\nNOOP\r\n"),
	  "220|250|250|250|354|451 4.3.0|250", NULL },
	{ "chunks", SAID(START "BDAT 3\r\nab\rBDAT 4\r\n\n.\r\nBDAT 0 LAST\r\n" "NOOP\r\n"),
	  GO "250|250|250|250", KEPT "ab\r\n.\r\n" },
	{ "an unwanted chunk is not read as commands (SMTP-10)",
	  SAID(EHLO "BDAT 40 LAST\r\n" "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\n" "NOOP\r\n"),
	  "220|250|503 5.5.1|250", NULL },
	{ "BDAT without a size closes (SMTP-10)", SAID(START "BDAT x\r\nNOOP\r\n"), GO "501 5.5.4!", NULL },
	{ "BDAT, then DATA (SMTP-09)", SAID(START "BDAT 1\r\naDATA\r\nBDAT 1 LAST\r\nb"),
	  GO "250|503|250", KEPT "ab" },
	{ "BDAT, then RSET (SMTP-09)", SAID(START "BDAT 1\r\naRSET\r\nBDAT 1 LAST\r\nbNOOP\r\n"),
	  GO "250|250|503|250", NULL },
	{ "a bare LF in a chunk (DATA-02)", SAID(START "BDAT 3 LAST\r\na\nbNOOP\r\n"), GO "554 5.6.0|250", NULL },
	{ "a chunk that ends in CR", SAID(START "BDAT 2 LAST\r\na\rNOOP\r\n"), GO "554 5.6.0|250", NULL },
	{ "chunks after a refused one", SAID(START "BDAT 2\r\na\nBDAT 1\r\nbBDAT 1 LAST\r\ncNOOP\r\n"),
	  GO "554|503|503|250", NULL },
	{ "a chunk that is too large", SAID(START "BDAT 5000 LAST\r\nab"), GO "552 5.3.4!", NULL },

	{ "LF.LF (DATA-01)", SAID(START "DATA\r\nx\n.\n" EVIL "\r\n.\r\nNOOP\r\n"), GO "354|550 5.5.2!", NULL },
	{ "LF.CRLF (DATA-01)", SAID(START "DATA\r\nx\n.\r\n" EVIL "\r\n.\r\n"), GO "354|550 5.5.2!", NULL },
	{ "CRLF.LF (DATA-01)", SAID(START "DATA\r\nx\r\n.\n" EVIL "\r\n.\r\n"), GO "354|550 5.5.2!", NULL },
	{ "CR.CR (DATA-01)", SAID(START "DATA\r\nx\r.\r" EVIL "\r\n.\r\n"), GO "354|550 5.5.2!", NULL },
	{ "CRLF.CR (DATA-01)", SAID(START "DATA\r\nx\r\n.\r" EVIL "\r\n.\r\n"), GO "354|550 5.5.2!", NULL },
	{ "CR.CRLF (DATA-01)", SAID(START "DATA\r\nx\r.\r\n" EVIL "\r\n.\r\n"), GO "354|550 5.5.2!", NULL },
	{ "CRLF NUL . CRLF (DATA-01)", SAID(START "DATA\r\nx\r\n\0.\r\nQUIT\r\n"), GO "354", NULL },
	{ "CRLF . NUL CRLF (DATA-01)", SAID(START "DATA\r\nx\r\n.\0\r\nQUIT\r\n"), GO "354", NULL },
	{ "CR CRLF . CRLF is an end, and bare (DATA-01)", SAID(START "DATA\r\nx\r\r\n.\r\nNOOP\r\n"),
	  GO "354|550 5.5.2!", NULL },
};

static const struct dialogue batches[] = {
	{ "no greeting, LF lines, no QUIT",
	  SAID("MAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\nS: x\n\n..y\nz\n.\n"),
	  "220|250|250|354|250", KEPT "S: x\r\n\r\n.y\r\nz\r\n" },
	{ "two batches, one behind the other (UUCP-04)",
	  SAID("HELO x\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\n1\n.\nQUIT\n\n"
	    "HELO x\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\n2\n.\nQUIT\n"),
	  "220|250|250|250|354|250|221|250|250|250|354|250|221", KEPT "1\r\n" KEPT "2\r\n" },
	{ "cut in the body (UUCP-04)", SAID("MAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\n1\n."),
	  "220|250|250|354", NULL },
	{ "mixed line ends", SAID("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\nDATA\r\na\r\nb\n\r\n.c\r\r\n.\r\n"),
	  "220|250|250|354|250", KEPT "a\r\nb\r\n\r\nc\r\n" },
	{ "BDAT is verbatim", SAID("MAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nBDAT 0000005 LAST\na\n\rb\nNOOP x y\n"),
	  "220|250|250|250|250", KEPT "a\n\rb\n" },
	{ "addresses without domain", SAID("MAIL FROM:<root>\nRCPT TO:<x!y!z>\nDATA\n.\n"),
	  "220|250|250|354|250", "MAIL FROM:<root>\nRCPT TO:<x!y!z>\n\n" },
	{ "session verbs are refused, and it goes on (UUCP-04)", SAID("STARTTLS\nTURN\nGET x\nMAIL FROM:<>\n"),
	  "220|502|502|500|250", NULL },
};

/* Does a reply's last line begin as the next word of heard says? */
static void
compare(const struct dialogue *row, struct fake *fake, size_t step)
{
	struct span out = str_span(&fake->server.out), want = span_of(row->heard), line, next;

	while (span_cut(&out, '\n', &line) && line.len > 0) {
		if (line.len > 3 && line.p[3] == '-')
			continue;
		ck_assert_msg(span_cut(&want, '|', &next), "%s (step %zu): heard more: %.*s",
		    row->name, step, (int)line.len, line.p);
		size_t len = next.len > 0 && next.p[next.len - 1] == '!' ? next.len - 1 : next.len;
		ck_assert_msg(span_same(span_to(line, len), span_to(next, len)),
		    "%s (step %zu): heard %.*s, not %.*s", row->name, step, (int)line.len, line.p,
		    (int)next.len, next.p);
	}
	ck_assert_msg(want.p == NULL, "%s (step %zu): did not hear %.*s", row->name, step,
	    (int)want.len, want.p);
	struct span heard = span_of(row->heard);
	bool closed = heard.p[heard.len - 1] == '!';
	ck_assert_msg(fake->server.closing == closed, "%s (step %zu): closing", row->name, step);
}

static void
play(const struct dialogue *row, const struct smtp_server_options *options, bool slow, size_t step)
{
	struct fake fake = { .slow = slow };

	fake_start(&fake, options);
	fake_feed(&fake, row->said, step);
	compare(row, &fake, step);
	smtp_server_eof(&fake.server);
	ck_assert_msg(!fake.open, "%s: neither end nor abort", row->name);
	ck_assert_str_eq(str_c(&fake.messages), row->kept != NULL ? row->kept : "");
	fake_free(&fake);
}

static void
play_all_ways(const struct dialogue *row, const struct smtp_server_options *options)
{
	for (size_t step = 0; step <= 3; step++) {
		play(row, options, false, step);
		play(row, options, true, step);
	}
}

START_TEST(sessions_go_as_the_rows_say)
{
	play_all_ways(&sessions[_i], &usual);
}
END_TEST

START_TEST(batches_go_as_the_rows_say)
{
	play_all_ways(&batches[_i], &batch);
}
END_TEST

START_TEST(ehlo_tells_every_extension)
{
	struct fake fake = {0};
	struct smtp_server_options options = usual;

	options.withhold = OFFER_DSN | OFFER_CHUNKING;
	fake_start(&fake, &options);
	str_clear(&fake.server.out);
	fake_feed(&fake, span_of(EHLO), 0);
	ck_assert_str_eq(str_c(&fake.server.out), "250-mx.example\r\n250-PIPELINING\r\n"
	    "250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DELIVERBY\r\n250-MT-PRIORITY\r\n"
	    "250-LIMITS RCPTMAX=3\r\n250 ENHANCEDSTATUSCODES\r\n");
	str_clear(&fake.server.out);
	fake_feed(&fake, span_of("MAIL FROM:<a@b> RET=FULL\r\nBDAT 1\r\n"), 0);
	ck_assert_str_eq(str_c(&fake.server.out), "555 5.5.4 parameter not known here\r\n"
	    "502 5.5.1 that is not offered here\r\n");
	ck_assert(fake.server.closing);		/* SMTP-10 */
	fake_free(&fake);
}
END_TEST

/* SMTP-03: limit - 1, the limit, one more, and no end at all. */
START_TEST(long_lines_are_answered_and_the_session_stays_in_step)
{
	static const struct { size_t len; const char *heard; } rows[] = {
		{ 512, "220|250|250" }, { 2048, "220|250|250" }, { SMTP_LINE_MAX - 1, "220|250|250" },
		{ SMTP_LINE_MAX, "220|250|250" }, { SMTP_LINE_MAX + 1, "220|500 5.5.2|250" },
		{ SMTP_LINE_MAX + 2, "220|500 5.5.2|250" }, { 65536, "220|500 5.5.2|250" },
		{ 65537, "220|421 4.7.0!" }, { 1 << 20, "220|421 4.7.0!" },
	};
	struct str said = {0};

	str_add_text(&said, "NOOP ");
	while (said.len < rows[_i].len - 2)
		str_add_char(&said, 'x');
	str_add_text(&said, "\r\nNOOP\r\n");
	struct dialogue row = { "a long line", str_span(&said), rows[_i].heard, NULL };
	play_all_ways(&row, &usual);
	str_free(&said);
}
END_TEST

/* DATA-04: limit - 1, the limit, one more, twice. */
START_TEST(size_is_enforced_on_what_comes)
{
	static const struct { size_t len; const char *heard; bool kept; } rows[] = {
		{ 999, GO "354|250|250", true }, { 1000, GO "354|250|250", true },
		{ 1001, GO "354|552 5.3.4|250", false }, { 1999, GO "354|552 5.3.4|250", false },
		{ 2000, GO "354|552 5.3.4!", false }, { 20000, GO "354|552 5.3.4!", false },
	};
	struct str said = {0}, kept = {0};

	str_add_text(&kept, KEPT);
	for (size_t i = 0; i < rows[_i].len - 2; i++)
		str_add_char(&kept, 'x');
	str_add_text(&kept, "\r\n");
	str_add_text(&said, START "DATA\r\n");
	str_add_span(&said, span_from(str_span(&kept), sizeof KEPT - 1));
	str_add_text(&said, ".\r\nNOOP\r\n");
	struct dialogue row = { "size", str_span(&said), rows[_i].heard, rows[_i].kept ? str_c(&kept) : NULL };
	play_all_ways(&row, &usual);
	str_free(&said);
	str_free(&kept);
}
END_TEST

/* SMTP-11: fed in one piece, as it came in one segment. */
START_TEST(running_ahead_closes)
{
	static const struct dialogue rows[] = {
		{ "behind EHLO", SAID(EHLO "MAIL FROM:<a@b>\r\n"), "220|554 5.5.1!", NULL },
		{ "behind DATA", SAID("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n"),
		  "220|250|250|554 5.5.1!", NULL },
		{ "a group of RFC 2920", SAID("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
		  "220|250|250|354", NULL },
		{ "commands behind a chunk", SAID("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\nxQUIT\r\n"),
		  "220|250|250|250|221!", "MAIL FROM:<a@b>\nRCPT TO:<c@d>\n\nx" },
	};
	struct smtp_server_options options = usual;
	struct fake fake = {0};

	options.any_pace = false;
	fake_start(&fake, &options);
	if (_i > 0) {
		fake_feed(&fake, span_of("HELO x\r\n"), 0);
		str_clear(&fake.server.out);
		str_add_text(&fake.server.out, "220\r\n");
	}
	fake_feed(&fake, rows[_i].said, 0);
	compare(&rows[_i], &fake, 0);
	smtp_server_eof(&fake.server);
	ck_assert_str_eq(str_c(&fake.messages), rows[_i].kept != NULL ? rows[_i].kept : "");
	fake_free(&fake);
}
END_TEST

/* SMTP-07, with the limits lifted. */
START_TEST(fifty_thousand_recipients_are_no_trouble)
{
	struct smtp_server_options options = { .host = "mx.example", .any_pace = true };
	struct fake fake = {0};
	struct str said = {0};

	fake_start(&fake, &options);
	str_add_text(&said, START);
	for (int i = 1; i < 50000; i++)
		str_printf(&said, "RCPT TO:<c%d@d.example>\r\n", i);
	str_add_text(&said, "DATA\r\n.\r\n");
	fake_feed(&fake, str_span(&said), 1000);
	ck_assert_uint_eq(fake.accepted, 1);
	ck_assert_uint_eq(fake.env.rcpts, 50000);
	fake_free(&fake);
	str_free(&said);
}
END_TEST

/* SMTP-13 and the relay's deadlines. */
START_TEST(one_who_never_stops_naming_recipients_is_ended)
{
	struct fake fake = {0};
	unsigned said = 0;

	fake_start(&fake, &usual);
	fake_feed(&fake, SAID_SPAN(EHLO "MAIL FROM:<a@b.example>\r\n"), 0);
	for (; !fake.server.closing && said < 2 * SMTP_BEYOND_MAX; said++) {
		fake_feed(&fake, SAID_SPAN("RCPT TO:<c@d.example>\r\n"), 0);
		str_clear(&fake.server.out);
	}
	ck_assert_uint_eq(said, usual.max_recipients + SMTP_BEYOND_MAX + usual.max_errors + 1);
	ck_assert_str_eq(fake.server.last_reply, "421 4.7.0 too many errors");
	fake_free(&fake);
}
END_TEST

START_TEST(a_peer_that_is_gone_leaves_nothing)
{
	static const char *const cuts[] = {
		"", "EHLO", EHLO, START, START "DATA\r\n", START "DATA\r\nx\r\n.", START "BDAT 9\r\nx",
		START "BDAT 1\r\nx", START "BDAT 0\r\n",
	};
	struct fake fake = {0};

	fake_start(&fake, &usual);
	fake_feed(&fake, span_of(cuts[_i]), 0);
	smtp_server_close(&fake.server, "421 4.4.2 too slow");
	ck_assert(fake.server.closing && !fake.open && fake.accepted == 0);
	fake_feed(&fake, span_of("\r\n.\r\n" EVIL ".\r\n"), 0);
	ck_assert_uint_eq(fake.accepted, 0);
	ck_assert_uint_eq(fake.aborted, _i > 3 ? 1 : 0);
	fake_free(&fake);
}
END_TEST

START_TEST(what_comes_while_a_hook_thinks_is_kept_within_bounds)
{
	static char much[200 << 10];
	struct fake fake = { .slow = true };

	fake_start(&fake, &usual);
	smtp_server_feed(&fake.server, EHLO "MAIL FROM:<a@b>\r\n", sizeof EHLO "MAIL FROM:<a@b>\r\n" - 1);
	ck_assert(fake.server.waiting);
	smtp_server_feed(&fake.server, much, sizeof much);
	ck_assert(!fake.server.closing);
	smtp_server_feed(&fake.server, much, sizeof much);
	ck_assert(fake.server.closing && !fake.server.waiting);
	smtp_server_answer(&fake.server, 0, NULL);	/* too late; no harm */
	fake_free(&fake);
}
END_TEST

START_TEST(notes_in_a_batch_reach_the_hook)
{
	struct fake fake = {0};

	fake_start(&fake, &batch);
	fake_feed(&fake, span_of("NOOP mochila=1 id=x\nNOOP\nNOOP  end  sum=1\n"), 0);
	ck_assert_str_eq(str_c(&fake.notes), "mochila=1 id=x\n\nend  sum=1\n");
	fake_free(&fake);
}
END_TEST

/* SMTP-08: counters that were too narrow.  So much is not sent here: the counts begin high. */
static const struct { const char *chunk; const char *heard; } huge[] = {
	{ "BDAT 18446744073709551616 LAST\r\n", "501" },	/* 2^64 */
	{ "BDAT 99999999999999999999999999 LAST\r\n", "501" },
	{ "BDAT -1 LAST\r\n", "501" },
	{ "BDAT 18446744073709551615 LAST\r\n", "552 5.3.4" },
	{ "BDAT 4294967297 LAST\r\n", "552 5.3.4" },	/* 2^32 + 1: no 1 */
};

START_TEST(what_is_announced_is_counted_in_full)
{
	struct fake fake = {0};

	fake_start(&fake, &usual);
	fake_feed(&fake, SAID_SPAN(START), 0);
	size_t from = fake.server.out.len;
	fake_feed(&fake, span_of(huge[_i].chunk), 0);
	ck_assert_msg(strncmp(fake.server.out.p + from, huge[_i].heard, strlen(huge[_i].heard)) == 0, "%.80s",
	    fake.server.out.p + from);
	ck_assert(fake.server.closing);
	fake_free(&fake);
}
END_TEST

START_TEST(a_body_of_more_than_four_gigabytes_is_counted)
{
	struct smtp_server_options wide = usual;
	struct fake fake = {0};

	wide.max_size = (UINT64_C(1) << 32) + 2;
	fake_start(&fake, &wide);
	fake_feed(&fake, SAID_SPAN(START "BDAT 2\r\na\r"), 0);
	fake.server.work->size = (UINT64_C(1) << 32) - 2;
	fake_feed(&fake, SAID_SPAN("BDAT 4\r\n\nb\r\n"), 0);
	ck_assert(strncmp(fake.server.last_reply, "250", 3) == 0);
	ck_assert(fake.server.work->size == (UINT64_C(1) << 32) + 2);
	fake_feed(&fake, SAID_SPAN("BDAT 1 LAST\r\nc"), 0);
	ck_assert_str_eq(fake.server.last_reply, "552 5.3.4 more than the 4294967298 bytes taken here");
	ck_assert_uint_eq(fake.accepted, 0);
	/* Near the end of all counting nothing runs round. */
	fake_feed(&fake, SAID_SPAN("RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 2\r\na\r"), 0);
	fake.server.work->size = UINT64_MAX - 1;
	fake_feed(&fake, SAID_SPAN("BDAT 4 LAST\r\n\nb\r\n"), 0);
	ck_assert(strncmp(fake.server.last_reply, "552 5.3.4", 9) == 0);
	ck_assert_uint_eq(fake.accepted, 0);
	fake_free(&fake);
}
END_TEST

UNIT("smtp-server",
	{ sessions_go_as_the_rows_say, ROWS(sessions) },
	{ batches_go_as_the_rows_say, ROWS(batches) },
	{ ehlo_tells_every_extension, 1 },
	{ long_lines_are_answered_and_the_session_stays_in_step, 9 },
	{ size_is_enforced_on_what_comes, 6 },
	{ running_ahead_closes, 4 },
	{ fifty_thousand_recipients_are_no_trouble, 1 },
	{ one_who_never_stops_naming_recipients_is_ended, 1 },
	{ a_peer_that_is_gone_leaves_nothing, 9 },
	{ what_comes_while_a_hook_thinks_is_kept_within_bounds, 1 },
	{ notes_in_a_batch_reach_the_hook, 1 },
	{ what_is_announced_is_counted_in_full, ROWS(huge) },
	{ a_body_of_more_than_four_gigabytes_is_counted, 1 })
