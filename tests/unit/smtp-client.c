/* The client engine: what servers say, what they hear from us, and what becomes of
 * the message.  Each reply is fed whole and in steps of 1, 2 and 3 bytes. */
#include "lib/proto/smtp-client.h"

#include <string.h>

#include "tests/talk/sender.h"
#include "tests/unit/unit.h"

#define ALL "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8bitmime\r\n250-CHUNKING\r\n" \
	"250-DSN\r\n250-X-OTHER\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
#define PIPE "250-mx\r\n250 PIPELINING\r\n"
#define PLAIN "250 mx\r\n"
#define MAIL "MAIL FROM:<a@b>\r\n"
#define MAIL5 "MAIL FROM:<a@b> SIZE=5\r\n"
#define TO1 "RCPT TO:<c@d>\r\n"
#define TO2 "RCPT TO:<e@f>\r\n"
#define OK "250 2.0.0 ok\r\n"
#define NO "550 5.1.1 no such user\r\n"
#define LATER "450 4.2.1 not today\r\n"
#define GO "354 go\r\n"

enum { MORE = 8 };

struct exchange {
	const char *server;	/* says this */
	const char *client;	/* and hears this */
};

struct dialogue {
	const char *name;
	const char *ehlo;
	const char *args;	/* of MAIL */
	size_t rcpts;
	const char *body;
	struct exchange talk[MORE];
	const char *events;
	bool chunks, failed;
};

static const struct dialogue dialogues[] = {
	{ "one flight, one body", ALL, NULL, 1, "hi\r\n.x\r\n",
	  { { NULL, "MAIL FROM:<a@b> SIZE=8\r\n" TO1 "DATA\r\n" }, { OK OK GO, "hi\r\n..x\r\n.\r\n" }, { OK, "" } },
	  "commit\ndone OK 250 2.0.0 ok\n", false, false },
	{ "step by step without PIPELINING", PLAIN, NULL, 2, "hi\r\n",
	  { { NULL, MAIL }, { OK, TO1 }, { OK, TO2 }, { OK, "DATA\r\n" }, { GO, "hi\r\n.\r\n" }, { OK, "" } },
	  "commit\ndone OK 250 2.0.0 ok\n", false, false },
	{ "a missing last line end is added", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "hi\r\n.\r\n" }, { OK, "" } },
	  "commit\ndone OK 250 2.0.0 ok\n", false, false },
	{ "parameters go where they are offered", ALL, "SIZE=9 BODY=8BITMIME RET=HDRS ENVID=Q+2B X=y", 2, "hi\r\n.",
	  { { NULL, "MAIL FROM:<a@b> BODY=8BITMIME RET=HDRS ENVID=Q+2B SIZE=5\r\n" TO1 TO2 "DATA\r\n" } },
	  "", false, false },
	{ "and stay where they are not", PIPE, "SIZE=9 BODY=8BITMIME RET=HDRS ENVID=Q+2B", 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" } }, "", false, false },
	{ "SMTPUTF8 cannot be left out", PIPE, "SMTPUTF8", 1, "hi",
	  { { NULL, "" } },
	  "done PERM the next host does not offer SMTPUTF8, which this message needs\n", false, false },
	{ "what was asked for goes where it is offered", "250-mx\r\n250-DELIVERBY\r\n250-MT-PRIORITY\r\n250 FUTURERELEASE 9 2026-01-01T00:00:00Z\r\n",
	  "BY=5;R MT-PRIORITY=3 HOLDFOR=5", 1, "hi", { { NULL, "MAIL FROM:<a@b> BY=5;R MT-PRIORITY=3\r\n" } }, "", false, false },
	{ "and what may be left out, is", PLAIN, "BY=5;N MT-PRIORITY=3 HOLDUNTIL=2026-01-01T00:00:00Z", 1, "hi",
	  { { NULL, MAIL } }, "", false, false },
	{ "who gives up does not go where nobody would", PLAIN, "BY=5;RT", 1, "hi", { { NULL, "" } },
	  "done PERM the next host does not offer DELIVERBY, and this message is to come back if it is late\n", false, false },
	{ "REQUIRETLS does not go in plain text", "250-mx\r\n250 REQUIRETLS\r\n", "REQUIRETLS", 1, "hi", { { NULL, "" } },
	  "done PERM this message needs REQUIRETLS, and the next host was not verified by TLS\n", false, false },
	{ "larger than SIZE", "250-mx\r\n250 SIZE 4\r\n", NULL, 1, "hello",
	  { { NULL, "" } }, "done PERM 5 bytes is more than the 4 the next host takes\n", false, false },
	{ "a control character in the envelope", PLAIN, "X=\nRSET", 1, "hi",
	  { { NULL, "" } }, "done PERM the envelope has control characters\n", false, false },
	{ "some recipients are refused", PIPE, NULL, 3, "hi\r\n",
	  { { NULL, MAIL TO1 TO2 "RCPT TO:<g@h>\r\n" "DATA\r\n" }, { OK NO OK LATER GO, "hi\r\n.\r\n" }, { OK, "" } },
	  "rcpt 0 PERM 550 5.1.1 no such user\nrcpt 2 TEMP 450 4.2.1 not today\ncommit\ndone OK 250 2.0.0 ok\n",
	  false, false },
	{ "552 to the first recipient is about it", PIPE, NULL, 2, "hi\r\n",
	  { { NULL, MAIL TO1 TO2 "DATA\r\n" }, { OK "552 5.5.3 enough\r\n", "" } },
	  "rcpt 0 PERM 552 5.5.3 enough\n", false, false },
	{ "552 to a further recipient is about how many (RFC 5321 4.5.3.1.10)", PIPE, NULL, 2, "hi\r\n",
	  { { NULL, MAIL TO1 TO2 "DATA\r\n" }, { OK OK "552 5.5.3 enough\r\n", "" } },
	  "rcpt 1 TEMP 552 5.5.3 enough\n", false, false },
	{ "all are refused, DATA too", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK NO "503 5.5.1 no\r\n", "" } },
	  "rcpt 0 PERM 550 5.1.1 no such user\ndone OK\n", false, false },
	{ "all are refused, DATA is not: an empty one (RFC 2920 3.1)", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK NO GO, ".\r\n" }, { "554 5.5.1 no\r\n", "" } },
	  "rcpt 0 PERM 550 5.1.1 no such user\ndone OK\n", false, false },
	{ "all are refused, no DATA without PIPELINING", PLAIN, NULL, 1, "hi\r\n",
	  { { NULL, MAIL }, { OK, TO1 }, { NO, "" } },
	  "rcpt 0 PERM 550 5.1.1 no such user\ndone OK\n", false, false },
	{ "MAIL is refused", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { "550 5.7.1 go\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n", "" } },
	  "done PERM 550 5.7.1 go\n", false, false },
	{ "DATA is refused", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK "452 4.3.1 full\r\n", "" } },
	  "done TEMP 452 4.3.1 full\n", false, false },
	{ "the end is refused", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "hi\r\n.\r\n" }, { "554-5.6.0 no\r\n554 5.6.0 spam\r\n", "" } },
	  "commit\ndone PERM 554 5.6.0 no spam\n", false, false },
	{ "421 in the middle", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK "421 4.3.2 shutting down\r\n", "" } },
	  "done TEMP 421 4.3.2 shutting down\n", false, true },
	{ "421 behind the dot", PIPE, NULL, 1, "hi\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "hi\r\n.\r\n" }, { "421 4.4.2 slow\r\n", "" } },
	  "commit\ndone TEMP 421 4.4.2 slow\n", false, true },
	{ "a lone LF is not sent (DATA-02)", PIPE, NULL, 1, "hi\n.\nx\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "hi" } },
	  "done PERM a CR or LF stands alone in the message\n", false, true },
	{ "a dot behind a lone CR is not sent (DATA-02)", PIPE, NULL, 1, "hi\r.\r\nx\r\n",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "hi\r" } },
	  "done PERM a CR or LF stands alone in the message\n", false, true },
	{ "nor is a CR that ends it (DATA-02)", PIPE, NULL, 1, "hi\r",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "hi\r" } },
	  "done PERM a CR or LF stands alone in the message\n", false, true },
	{ "a body that ends in CR is not sent by BDAT either", ALL, NULL, 1, "a\r\n.\r",
	  { { NULL, MAIL5 TO1 }, { OK OK, "" } },
	  "done PERM a CR or LF stands alone in the message\n", true, false },
	{ "BDAT in the flight of its envelope", ALL, NULL, 1, "a\r\n.b",
	  { { NULL, MAIL5 TO1 "BDAT 5 LAST\r\na\r\n.b" }, { OK OK OK, "" } },
	  "commit\ndone OK 250 2.0.0 ok\n", true, false },
	{ "BDAT in vain", ALL, NULL, 1, "a\r\n.b",
	  { { NULL, MAIL5 TO1 "BDAT 5 LAST\r\na\r\n.b" }, { OK NO "503 5.5.1 no\r\n", "" } },
	  "commit\nrcpt 0 PERM 550 5.1.1 no such user\ndone OK\n", true, false },
	{ "BDAT is refused", ALL, NULL, 1, "a\r\n.b",
	  { { NULL, MAIL5 TO1 "BDAT 5 LAST\r\na\r\n.b" }, { OK OK "552 5.3.4 big\r\n", "" } },
	  "commit\ndone PERM 552 5.3.4 big\n", true, false },
	{ "a 2xx to DATA", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK OK, "" } },
	  "done TEMP the server's reply makes no sense here\n", false, true },
	{ "a 354 to MAIL", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { GO, "" } },
	  "done TEMP the server's reply makes no sense here\n", false, true },
	{ "a reply before the command (CLI-01)", PLAIN, NULL, 1, "hi",
	  { { NULL, MAIL }, { OK OK OK, TO1 "DATA\r\n" } },
	  "done TEMP the server's reply makes no sense here\n", false, true },
	{ "two codes in a reply (CLI-01)", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { "250-a\r\n550 b\r\n", "" } },
	  "done TEMP the server's reply has two codes\n", false, true },
	{ "no code (CLI-01)", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { "what?\r\n", "" } },
	  "done TEMP the server's answer is no reply\n", false, true },
	{ "code 999 (CLI-01)", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { "999 x\r\n", "" } },
	  "done TEMP the server's answer is no reply\n", false, true },
	{ "250 without words, LF only (CLI-01)", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { "250\n250 \n354\n", "hi\r\n.\r\n" }, { "250\n", "" } },
	  "commit\ndone OK 250\n", false, false },
	{ "controls in the server's words (CLI-02)", PIPE, NULL, 1, "hi",
	  { { NULL, MAIL TO1 "DATA\r\n" }, { "550 \x1b[2J%s%n\r\xff\r\n" "503\r\n503\r\n", "" } },
	  "done PERM 550 \\x1B[2J%s%n\\x0D\\xFF\n", false, false },
};

static void
feed(struct sender *sender, const char *text, size_t step)
{
	struct span rest = span_of(text);

	while (rest.len > 0) {
		struct span piece = span_to(rest, step > 0 ? step : rest.len);
		smtp_client_feed(&sender->client, piece.p, piece.len);
		rest = span_from(rest, piece.len);
	}
}

static void
greet(struct sender *sender, const char *ehlo, size_t step)
{
	sender_start(sender);
	feed(sender, "220-mx ESMTP\r\n220 hello\r\n", step);
	ck_assert_str_eq(str_c(&sender->client.out), "EHLO home.example\r\n");
	str_clear(&sender->client.out);
	feed(sender, ehlo, step);
	ck_assert(sender->client.ready);
}

static void
play(const struct dialogue *row, size_t step)
{
	static const char *const to[] = { "c@d", "e@f", "g@h" };
	struct sender sender = { .piece = step };

	greet(&sender, row->ehlo, step);
	sender.client.chunks = row->chunks;
	sender_mail(&sender, "a@b", row->args);
	for (size_t i = 0; i < row->rcpts; i++)
		sender_rcpt(&sender, to[i], NULL);
	sender_send(&sender, span_of(row->body));
	for (const struct exchange *now = row->talk; now->client != NULL; now++) {
		feed(&sender, now->server, step);
		ck_assert_msg(strcmp(str_c(&sender.client.out), now->client) == 0,
		    "%s (step %zu): said \"%s\", not \"%s\"", row->name, step,
		    str_c(&sender.client.out), now->client);
		str_clear(&sender.client.out);
	}
	ck_assert_msg(sender.client.failed == row->failed, "%s: failed", row->name);
	if (row->events[0] != '\0')
		ck_assert_msg(strcmp(str_c(&sender.events), row->events) == 0,
		    "%s (step %zu): %s", row->name, step, str_c(&sender.events));
	sender_free(&sender);
}

START_TEST(dialogues_go_as_the_rows_say)
{
	for (size_t step = 0; step <= 3; step++)
		play(&dialogues[_i], step);
}
END_TEST

START_TEST(a_server_without_ehlo_gets_helo)
{
	struct sender sender = {0};

	sender_start(&sender);
	feed(&sender, "220 mx\r\n502 what?\r\n", 0);
	ck_assert_str_eq(str_c(&sender.client.out), "EHLO home.example\r\nHELO home.example\r\n");
	feed(&sender, "250 mx\r\n", 0);
	ck_assert(sender.client.ready && sender.client.offers == 0);
	sender_free(&sender);
}
END_TEST

START_TEST(a_greeting_that_is_none_is_temporary)
{
	static const char *const rows[] = {
		"554 go away\r\n", "421 busy\r\n", "450 x\r\n", "250 hi\r\n", "SSH-2.0-x\r\n", "* OK imap\r\n",
		"220 hi\r\n421 x\r\n", "220 hi\r\n450 x\r\n", "220 hi\r\n502 x\r\n502 x\r\n",
	};
	struct sender sender = {0};

	sender_start(&sender);
	feed(&sender, rows[_i], 1);
	ck_assert(sender.client.failed && sender.client.closing && !sender.client.ready);
	ck_assert_int_eq(sender.client.err.kind, ERR_TEMP);
	ck_assert_str_eq(str_c(&sender.events), "");
	sender_free(&sender);
}
END_TEST

START_TEST(what_was_left_open_is_reset_first)
{
	struct sender sender = {0};

	greet(&sender, PIPE, 0);
	sender_mail(&sender, "a@b", NULL);
	sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, span_of("1\r\n"));
	feed(&sender, OK NO "503 no\r\n", 0);
	ck_assert(sender.client.ready);
	str_clear(&sender.client.out);
	sender_send(&sender, span_of("2\r\n"));
	ck_assert_str_eq(str_c(&sender.client.out), "RSET\r\n" MAIL TO1 "DATA\r\n");
	feed(&sender, OK OK OK GO OK, 0);
	str_clear(&sender.client.out);
	sender_send(&sender, span_of("3\r\n"));
	ck_assert_str_eq(str_c(&sender.client.out), MAIL TO1 "DATA\r\n");
	feed(&sender, OK OK GO OK, 0);
	smtp_client_quit(&sender.client);
	feed(&sender, "221 bye\r\n", 0);
	ck_assert(sender.client.closing && !sender.client.failed);
	ck_assert_str_eq(str_c(&sender.events), "rcpt 0 PERM 550 5.1.1 no such user\ndone OK\n"
	    "commit\ndone OK 250 2.0.0 ok\ncommit\ndone OK 250 2.0.0 ok\n");
	sender_free(&sender);
}
END_TEST

/* RFC 1047: after the dot nobody knows; the message is kept. */
START_TEST(a_lost_connection_is_temporary)
{
	static const char *const said[] = { "", OK, OK OK, OK OK GO };
	struct sender sender = {0};

	greet(&sender, PIPE, 0);
	sender_mail(&sender, "a@b", NULL);
	sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, span_of("1\r\n"));
	feed(&sender, said[_i], 0);
	smtp_client_eof(&sender.client);
	smtp_client_eof(&sender.client);
	ck_assert(sender.client.failed);
	ck_assert(strstr(str_c(&sender.events), "done TEMP the server closed the connection\n") != NULL);
	sender_free(&sender);
}
END_TEST

START_TEST(a_message_that_was_moved_away_is_not_committed)
{
	struct sender sender = { .no_commit = true };

	greet(&sender, _i ? ALL : PIPE, 0);
	sender.client.chunks = _i;
	sender_mail(&sender, "a@b", NULL);
	sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, span_of("1\r\n"));
	feed(&sender, _i ? OK OK : OK OK GO, 0);
	ck_assert(strstr(str_c(&sender.client.out), ".\r\n") == NULL);
	ck_assert(strstr(str_c(&sender.client.out), "LAST") == NULL);
	ck_assert_int_eq(sender.client.failed, !_i);
	ck_assert_str_eq(str_c(&sender.events), "commit\ndone TEMP it was moved away\n");
	sender_free(&sender);
}
END_TEST

START_TEST(a_body_that_cannot_be_read_is_not_ended)
{
	struct sender sender = { .bad_read = true, .piece = 1 };

	greet(&sender, PIPE, 0);
	sender_mail(&sender, "a@b", NULL);
	sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, span_of("1\r\n"));
	feed(&sender, OK OK GO, 0);
	ck_assert(strstr(str_c(&sender.client.out), ".\r\n") == NULL);
	ck_assert_str_eq(str_c(&sender.events), "done TEMP cannot read it\n");
	sender_free(&sender);
}
END_TEST

/* CLI-01: a line, a reply, for ever. */
START_TEST(replies_are_bounded)
{
	struct sender sender = {0};
	struct str said = {0};

	if (_i == 0) {
		str_add_text(&said, "220 ");
		while (said.len < 9 << 10)
			str_add_char(&said, 'x');
	} else {
		for (int i = 0; i < 201; i++)
			str_add_text(&said, "220-x\r\n");
	}
	sender_start(&sender);
	feed(&sender, str_c(&said), 100);
	ck_assert(sender.client.failed && sender.client.err.kind == ERR_TEMP);
	sender_free(&sender);
	str_free(&said);
}
END_TEST

START_TEST(a_large_body_leaves_in_pieces)
{
	struct sender sender = {0};
	struct str body = {0};
	size_t left = 0, most = 0;

	while (body.len < 1 << 20)
		str_add_text(&body, ".a line of mail\r\n");
	greet(&sender, "250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n", 0);
	sender.client.chunks = _i;
	sender_mail(&sender, "a@b", NULL);
	sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, str_span(&body));
	feed(&sender, _i ? OK OK : OK OK GO, 0);
	while (sender.client.out.len > 0) {
		left += sender.client.out.len;
		most = sender.client.out.len > most ? sender.client.out.len : most;
		str_clear(&sender.client.out);
		smtp_client_pump(&sender.client);
	}
	ck_assert_uint_gt(left, body.len);
	ck_assert_uint_lt(most, 160 << 10);
	ck_assert_str_eq(str_c(&sender.events), "commit\n");
	sender_free(&sender);
	str_free(&body);
}
END_TEST

START_TEST(many_recipients_leave_in_flights)
{
	struct sender sender = {0};

	greet(&sender, PIPE, 0);
	sender_mail(&sender, "a@b", NULL);
	for (int i = 0; i < 1000; i++)
		sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, span_of("1\r\n"));
	ck_assert_uint_lt(sender.client.out.len, 2000);
	for (int i = 0; i < 1001; i++)
		feed(&sender, OK, 0);
	feed(&sender, GO OK, 0);
	ck_assert_str_eq(str_c(&sender.events), "commit\ndone OK 250 2.0.0 ok\n");
	sender_free(&sender);
}
END_TEST

static const struct {	/* TLS-02, TLS-03: what the server says behind our first EHLO */
	bool must;
	const char *server;
	const char *client;	/* said in plain text */
	const char *why;	/* NULL: it goes on */
	bool ready;
} tls_rows[] = {
	{ false, "250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n", NULL, false },
	{ false, PIPE, "", NULL, true },
	{ true, PIPE, "", "4.7.4 the server does not offer STARTTLS, and no mail goes there without", false },
	{ false, "250-mx\r\n250 STARTTLS\r\n454 4.7.0 not now\r\n", "STARTTLS\r\n", NULL, true },
	{ true, "250-mx\r\n250 STARTTLS\r\n454 4.7.0 not now\r\n", "STARTTLS\r\n", "4.7.0 not now", false },
	{ true, "250-mx\r\n250 STARTTLS\r\n502 what?\r\n", "STARTTLS\r\n", "5.0.0 what?", false },
	{ false, "250-mx\r\n250 STARTTLS\r\n421 bye\r\n", "STARTTLS\r\n", "4.0.0 bye", false },
	{ true, "502 what?\r\n250 mx\r\n", "HELO home.example\r\n",
	  "4.7.4 the server does not offer STARTTLS, and no mail goes there without", false },
	{ false, "250-mx\r\n250 STARTTLS\r\n220 go\r\n250 evil\r\n", "STARTTLS\r\n",
	  "4.5.0 the server goes on in plain text behind its answer to STARTTLS", false },
	{ false, "250-mx\r\n250 STARTTLS\r\n220 go\r\n2", "STARTTLS\r\n",
	  "4.5.0 the server goes on in plain text behind its answer to STARTTLS", false },
};

static void
play_tls(int row, size_t step)
{
	struct sender sender = {0};
	struct str said = {0};

	sender_start(&sender);
	sender.client.tls = true;
	sender.client.must_tls = tls_rows[row].must;
	feed(&sender, "220 mx\r\n", step);
	str_clear(&sender.client.out);
	feed(&sender, tls_rows[row].server, step);
	ck_assert_str_eq(str_c(&sender.client.out), tls_rows[row].client);
	ck_assert_int_eq(sender.client.failed, tls_rows[row].why != NULL);
	ck_assert_int_eq(sender.client.ready, tls_rows[row].ready);
	if (sender.client.failed) {
		ck_assert_int_eq(sender.client.err.kind, ERR_TEMP);
		str_printf(&said, "%s %s", sender.client.err.code, sender.client.err.text);
		ck_assert_str_eq(str_c(&said), tls_rows[row].why);
	}
	str_free(&said);
	sender_free(&sender);
}

START_TEST(without_tls_mail_goes_only_where_it_may)
{
	for (size_t step = 0; step <= 3; step++)
		play_tls(_i, step);
}
END_TEST

START_TEST(what_was_offered_in_plain_text_is_forgotten)
{
	struct sender sender = {0};

	sender_start(&sender);
	sender.client.tls = true;
	feed(&sender, "220 mx\r\n250-mx\r\n250-SIZE 10\r\n250-DSN\r\n250 STARTTLS\r\n220 go\r\n", 0);
	ck_assert(sender.client.handshake && !sender.client.ready);
	str_clear(&sender.client.out);
	smtp_client_secured(&sender.client);
	ck_assert_str_eq(str_c(&sender.client.out), "EHLO home.example\r\n");
	feed(&sender, "250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n", 0);
	ck_assert(sender.client.ready && sender.client.max_size == 0);
	ck_assert_uint_eq(sender.client.offers, OFFER_PIPELINING | OFFER_STARTTLS);
	sender_free(&sender);
}
END_TEST

START_TEST(a_login_is_not_by_what_plain_text_offered)		/* RFC 3207 4.2 */
{
	static const struct smtp_login login = { .name = "ann", .password = "secret" };
	struct sender sender = {0};

	sender_start(&sender);
	sender.client.tls = true;
	sender.client.login = &login;
	feed(&sender, "220 mx\r\n250-mx\r\n250-AUTH PLAIN\r\n250-LIMITS MAILMAX=1\r\n250 STARTTLS\r\n220 go\r\n", 0);
	smtp_client_secured(&sender.client);
	str_clear(&sender.client.out);
	feed(&sender, "250-mx\r\n250 PIPELINING\r\n", 0);
	ck_assert_str_eq(str_c(&sender.client.out), "");
	ck_assert(sender.client.failed && sender.client.max_mails == 0);
	sender_free(&sender);
}
END_TEST

static const struct { bool verified; const char *ehlo; const char *said; } required[] = {
	{ true, "250-mx\r\n250 REQUIRETLS\r\n", "MAIL FROM:<a@b> REQUIRETLS\r\n" },
	{ true, "250 mx\r\n", "" }, { false, "250-mx\r\n250 REQUIRETLS\r\n", "" },
};

START_TEST(requiretls_goes_to_the_verified_who_offer_it)		/* RFC 8689 4.2.1 */
{
	struct sender sender = {0};

	sender_start(&sender);
	sender.client.secured = true;
	sender.client.verified = required[_i].verified;
	feed(&sender, "220 mx\r\n", 0);
	str_clear(&sender.client.out);
	feed(&sender, required[_i].ehlo, 0);
	sender_mail(&sender, "a@b", "REQUIRETLS");
	sender_rcpt(&sender, "c@d", NULL);
	sender_send(&sender, span_of("1\r\n"));
	ck_assert_str_eq(str_c(&sender.client.out), required[_i].said);
	sender_free(&sender);
}
END_TEST

START_TEST(limits_are_read)		/* RFC 9422 */
{
	struct sender sender = {0};

	greet(&sender, "250-mx\r\n250 LIMITS RCPTMAX=20 X=1 MAILMAX=5 RCPTDOMAINMAX=2 RCPTMAX\r\n", 0);
	ck_assert_uint_eq(sender.client.max_rcpts, 20);
	ck_assert_uint_eq(sender.client.max_mails, 5);
	sender_free(&sender);
}
END_TEST

/* Several under way: what is said when each next one is given as soon as it may be. */

#define CHUNKS "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
#define BDAT3(body) "BDAT 3 LAST\r\n" body "\r\n"
#define BYE "421 4.3.2 shutting down\r\n"

enum { FLIGHT = 3 };

static const struct flight {
	const char *name;
	const char *ehlo;
	bool chunks, lmtp;
	struct exchange talk[MORE];
	const char *events[FLIGHT];
	bool failed;
} flights[] = {
	{ "by BDAT all of them", CHUNKS, true, false,
	  { { NULL, MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") },
	    { OK OK "250 first\r\n" OK OK, "" }, { OK "250 second\r\n" OK OK OK "250 third\r\n", "" } },
	  { "commit\ndone OK 250 first\n", "commit\ndone OK 250 second\n", "commit\ndone OK 250 third\n" }, false },
	{ "what is refused of one is not of the others", CHUNKS, true, false,
	  { { NULL, MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") },
	    { OK NO "503 5.5.1 no\r\n" OK OK OK "452 4.3.1 full\r\n" OK OK OK OK, "" } },
	  { "commit\nrcpt 0 PERM 550 5.1.1 no such user\ndone OK\n", "commit\ndone TEMP 452 4.3.1 full\n",
	    "commit\ndone OK 250 2.0.0 ok\n" }, false },
	{ "a second sender is refused", CHUNKS, true, false,
	  { { NULL, MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") },
	    { OK OK OK OK LATER "503 no\r\n503 no\r\n" OK OK OK OK, "" } },
	  { "commit\ndone OK 250 2.0.0 ok\n", "commit\ndone TEMP 450 4.2.1 not today\n", "commit\ndone OK 250 2.0.0 ok\n" },
	  false },
	{ "421 between them", CHUNKS, true, false,
	  { { NULL, MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") },
	    { OK OK OK OK BYE, "" } },
	  { "commit\ndone OK 250 2.0.0 ok\n", "commit\ndone TEMP 421 4.3.2 shutting down\n",
	    "commit\ndone TEMP 421 4.3.2 shutting down\n" }, true },
	{ "a RSET that is refused", CHUNKS, true, false,
	  { { NULL, MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") },
	    { OK OK OK "502 5.5.1 what?\r\n", "" } },
	  { "commit\ndone OK 250 2.0.0 ok\n", "commit\ndone TEMP 502 5.5.1 what?\n", "commit\ndone TEMP 502 5.5.1 what?\n" },
	  true },
	{ "without PIPELINING one", "250-mx\r\n250 CHUNKING\r\n", true, false,
	  { { NULL, MAIL }, { OK, TO1 }, { OK, BDAT3("1") }, { OK, MAIL }, { OK, TO1 } },
	  { "commit\ndone OK 250 2.0.0 ok\n", "", "" }, false },
	{ "by DATA the next envelope", PIPE, true, false,
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "1\r\n.\r\n" MAIL TO1 "DATA\r\n" },
	    { "250 first\r\n" OK OK GO, "2\r\n.\r\n" MAIL TO1 "DATA\r\n" },
	    { "250 second\r\n" OK OK GO, "3\r\n.\r\n" }, { OK, "" } },
	  { "commit\ndone OK 250 first\n", "commit\ndone OK 250 second\n", "commit\ndone OK 250 2.0.0 ok\n" }, false },
	{ "by DATA one that nobody wants, in the middle", PIPE, false, false,
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "1\r\n.\r\n" MAIL TO1 "DATA\r\n" },
	    { OK OK NO GO, ".\r\n" }, { "554 5.5.1 no\r\n", "RSET\r\n" MAIL TO1 "DATA\r\n" },
	    { OK OK OK GO, "3\r\n.\r\n" }, { OK, "" } },
	  { "commit\ndone OK 250 2.0.0 ok\n", "rcpt 0 PERM 550 5.1.1 no such user\ndone OK\n",
	    "commit\ndone OK 250 2.0.0 ok\n" }, false },
	{ "by DATA one is refused behind its dot", PIPE, false, false,
	  { { NULL, MAIL TO1 "DATA\r\n" }, { OK OK GO, "1\r\n.\r\n" MAIL TO1 "DATA\r\n" },
	    { "554 5.6.0 spam\r\n" OK OK GO, "2\r\n.\r\n" MAIL TO1 "DATA\r\n" }, { BYE, "" } },
	  { "commit\ndone PERM 554 5.6.0 spam\n", "commit\ndone TEMP 421 4.3.2 shutting down\n",
	    "done TEMP 421 4.3.2 shutting down\n" }, true },
	{ "LMTP answers for each", CHUNKS, true, true,
	  { { NULL, MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") },
	    { OK OK NO OK OK OK OK OK OK OK LATER, "" } },
	  { "commit\nrcpt 0 PERM 550 5.1.1 no such user\ndone OK\n", "commit\ndone OK 250 2.0.0 ok\n",
	    "commit\nrcpt 0 TEMP 450 4.2.1 not today\ndone OK\n" }, false },
};

struct fleet {
	struct sender sender[FLIGHT];
	size_t given;
};

static void
give_all(struct fleet *fleet)
{
	static const char *const bodies[] = { "1\r\n", "2\r\n", "3\r\n" };
	struct sender *first = &fleet->sender[0];

	while (fleet->given < FLIGHT && (first->client.ready || smtp_client_more(&first->client))) {
		struct sender *next = &fleet->sender[fleet->given];
		sender_mail(next, "a@b", NULL);
		sender_rcpt(next, "c@d", NULL);
		sender_join(next, first, span_of(bodies[fleet->given++]));
	}
}

static void
free_fleet(struct fleet *fleet)
{
	for (size_t i = FLIGHT; i-- > 0;)
		sender_free(&fleet->sender[i]);
}

static void
play_flight(const struct flight *row, size_t step)
{
	struct fleet fleet = {0};
	struct sender *first = &fleet.sender[0];

	sender_start(first);
	first->client.chunks = row->chunks;
	first->client.lmtp = row->lmtp;
	feed(first, "220 mx\r\n", step);
	feed(first, row->ehlo, step);
	str_clear(&first->client.out);
	for (const struct exchange *now = row->talk; now->client != NULL; now++) {
		feed(first, now->server, step);
		give_all(&fleet);
		ck_assert_msg(strcmp(str_c(&first->client.out), now->client) == 0, "%s (step %zu): said \"%s\", not \"%s\"",
		    row->name, step, str_c(&first->client.out), now->client);
		str_clear(&first->client.out);
	}
	ck_assert_msg(first->client.failed == row->failed, "%s: failed", row->name);
	for (size_t i = 0; i < FLIGHT; i++)
		ck_assert_msg(strcmp(str_c(&fleet.sender[i].events), row->events[i]) == 0, "%s (step %zu): %zu: %s", row->name,
		    step, i, str_c(&fleet.sender[i].events));
	free_fleet(&fleet);
}

START_TEST(flights_go_as_the_rows_say)
{
	for (size_t step = 0; step <= 3; step++)
		play_flight(&flights[_i], step);
}
END_TEST

static void
start_fleet(struct fleet *fleet, const char *ehlo)
{
	*fleet = (struct fleet){0};
	greet(&fleet->sender[0], ehlo, 0);
	fleet->sender[0].client.chunks = true;
}

/* RFC 1047: none of those is known that are not answered; each is told so once. */
START_TEST(a_connection_is_lost_under_a_flight)
{
	static const char *const said[] = { "", OK OK, OK OK OK, OK OK OK OK OK, OK OK OK OK OK OK OK };
	static const size_t known[] = { 0, 0, 1, 1, 2 };
	struct fleet fleet;

	start_fleet(&fleet, CHUNKS);
	give_all(&fleet);
	feed(&fleet.sender[0], said[_i], 0);
	smtp_client_eof(&fleet.sender[0].client);
	smtp_client_eof(&fleet.sender[0].client);
	for (size_t i = 0; i < FLIGHT; i++)
		ck_assert_str_eq(str_c(&fleet.sender[i].events), i < known[_i] ? "commit\ndone OK 250 2.0.0 ok\n" :
		    "commit\ndone TEMP the server closed the connection\n");
	free_fleet(&fleet);
}
END_TEST

START_TEST(what_is_taken_back_of_a_flight_stops_nobody)
{
	struct fleet fleet;

	start_fleet(&fleet, CHUNKS);
	fleet.sender[1].no_commit = true;
	give_all(&fleet);
	ck_assert_uint_eq(fleet.given, 2);	/* it is over when those before it are */
	ck_assert_str_eq(str_c(&fleet.sender[0].client.out), MAIL TO1 BDAT3("1") "RSET\r\n" MAIL TO1);
	feed(&fleet.sender[0], OK OK OK OK OK OK, 0);
	ck_assert_str_eq(str_c(&fleet.sender[1].events), "commit\ndone TEMP it was moved away\n");
	str_clear(&fleet.sender[0].client.out);
	give_all(&fleet);
	ck_assert_str_eq(str_c(&fleet.sender[0].client.out), "RSET\r\n" MAIL TO1 BDAT3("3"));
	feed(&fleet.sender[0], OK OK OK OK, 0);
	ck_assert_str_eq(str_c(&fleet.sender[2].events), "commit\ndone OK 250 2.0.0 ok\n");
	free_fleet(&fleet);
}
END_TEST

/* Nothing is said of it, and the others are not disturbed. */
START_TEST(one_that_cannot_go_is_done_at_once)
{
	struct sender first = {0}, large = {0};

	greet(&first, "250-mx\r\n250-PIPELINING\r\n250-SIZE 4\r\n250 CHUNKING\r\n", 0);
	first.client.chunks = true;
	sender_mail(&first, "a@b", NULL);
	sender_rcpt(&first, "c@d", NULL);
	sender_send(&first, span_of("1\r\n"));
	str_clear(&first.client.out);
	ck_assert(smtp_client_more(&first.client));
	sender_mail(&large, "a@b", NULL);
	sender_join(&large, &first, span_of("large\r\n"));
	ck_assert_str_eq(str_c(&large.events), "done PERM 7 bytes is more than the 4 the next host takes\n");
	ck_assert_str_eq(str_c(&first.client.out), "");
	ck_assert(smtp_client_more(&first.client) && !first.client.ready);
	feed(&first, OK OK OK, 0);
	ck_assert_str_eq(str_c(&first.events), "commit\ndone OK 250 2.0.0 ok\n");
	ck_assert(first.client.ready && !smtp_client_more(&first.client));
	sender_free(&large);
	sender_free(&first);
}
END_TEST

START_TEST(a_flight_has_an_end)
{
	static struct sender many[2 * SMTP_CLIENT_FLIGHT];
	struct str body = {0};
	size_t given = 0;

	memset(many, 0, sizeof many);
	while (body.len < (_i ? 15 << 10 : 10))
		str_add_text(&body, "a line\r\n");
	greet(&many[0], CHUNKS, 0);
	many[0].client.chunks = true;
	do {
		sender_mail(&many[given], "a@b", NULL);
		sender_rcpt(&many[given], "c@d", NULL);
		sender_join(&many[given++], &many[0], str_span(&body));
		str_clear(&many[0].client.out);
	} while (smtp_client_more(&many[0].client));
	ck_assert_uint_eq(given, _i ? 6 : SMTP_CLIENT_FLIGHT);
	for (size_t i = given; i-- > 0;)
		sender_free(&many[i]);
	str_free(&body);
}
END_TEST

/* Large ones leave behind each other, never into each other. */
START_TEST(behind_a_large_body_the_next_begins)
{
	struct fleet fleet;
	struct str body = {0};

	while (body.len < 300 << 10)
		str_add_text(&body, "a line of mail\r\n");
	start_fleet(&fleet, _i ? CHUNKS : PIPE);
	sender_mail(&fleet.sender[0], "a@b", NULL);
	sender_rcpt(&fleet.sender[0], "c@d", NULL);
	sender_send(&fleet.sender[0], str_span(&body));
	fleet.given = 1;
	feed(&fleet.sender[0], _i ? OK OK : OK OK GO, 0);
	for (size_t left = 0; left < body.len; smtp_client_pump(&fleet.sender[0].client)) {
		ck_assert(fleet.sender[0].client.out.len > 0);
		left += fleet.sender[0].client.out.len;
		ck_assert(left > body.len || !smtp_client_more(&fleet.sender[0].client));
		str_clear(&fleet.sender[0].client.out);
	}
	give_all(&fleet);
	ck_assert_str_eq(str_c(&fleet.sender[0].client.out), _i ? "RSET\r\n" MAIL TO1 BDAT3("2") "RSET\r\n" MAIL TO1 BDAT3("3") :
	    MAIL TO1 "DATA\r\n");
	free_fleet(&fleet);
	str_free(&body);
}
END_TEST

UNIT("smtp-client",
	{ flights_go_as_the_rows_say, ROWS(flights) },
	{ a_connection_is_lost_under_a_flight, 5 },
	{ what_is_taken_back_of_a_flight_stops_nobody, 1 },
	{ one_that_cannot_go_is_done_at_once, 1 },
	{ a_flight_has_an_end, 2 },
	{ behind_a_large_body_the_next_begins, 2 },
	{ requiretls_goes_to_the_verified_who_offer_it, ROWS(required) },
	{ limits_are_read, 1 },
	{ without_tls_mail_goes_only_where_it_may, ROWS(tls_rows) },
	{ what_was_offered_in_plain_text_is_forgotten, 1 },
	{ a_login_is_not_by_what_plain_text_offered, 1 },
	{ dialogues_go_as_the_rows_say, ROWS(dialogues) },
	{ a_server_without_ehlo_gets_helo, 1 },
	{ a_greeting_that_is_none_is_temporary, 9 },
	{ what_was_left_open_is_reset_first, 1 },
	{ a_lost_connection_is_temporary, 4 },
	{ a_message_that_was_moved_away_is_not_committed, 2 },
	{ a_body_that_cannot_be_read_is_not_ended, 1 },
	{ replies_are_bounded, 2 },
	{ a_large_body_leaves_in_pieces, 2 },
	{ many_recipients_leave_in_flights, 1 })
