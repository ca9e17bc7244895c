/* The POP3 server: each dialogue whole and in small steps, with quick hooks and slow ones. */
#include "lib/proto/pop3-server.h"

#include <string.h>

#include "tests/talk/fake-pop3.h"
#include "tests/unit/unit.h"

#define LOGIN "USER bob\r\nPASS secret word \r\n"
#define IN "+OK pop.example POP3 ready <1@pop.example>\r\n"
#define LOGGED_IN IN "+OK and the password?\r\n+OK 3 messages, 87 octets\r\n"

static const struct {
	const char *said, *heard;
	bool closed;
} rows[] = {
	{ "", IN, false },
	{ "QUIT\r\n", IN "+OK goodbye\r\n", true },
	{ "quit\n", IN "+OK goodbye\r\n", true },
	{ LOGIN, LOGGED_IN, false },
	{ LOGIN "STAT\r\n", LOGGED_IN "+OK 3 87\r\n", false },
	{ LOGIN "LIST\r\n", LOGGED_IN "+OK\r\n1 23\r\n2 40\r\n3 24\r\n.\r\n", false },
	{ LOGIN "LIST 2\r\nLIST 4\r\nLIST 0\r\nLIST x\r\n",
	  LOGGED_IN "+OK 2 40\r\n-ERR no such message\r\n-ERR no such message\r\n-ERR no such message\r\n", false },
	{ LOGIN "UIDL\r\nUIDL 3\r\n", LOGGED_IN "+OK\r\n1 uid-1\r\n2 uid-2\r\n3 uid-3\r\n.\r\n+OK 3 uid-3\r\n", false },
	{ LOGIN "RETR 1\r\n", LOGGED_IN "+OK 23 octets\r\nSubject: one\r\n\r\nhello\r\n.\r\n", false },
	{ LOGIN "RETR 2\r\nNOOP\r\n", LOGGED_IN
	  "+OK 40 octets\r\nSubject: two\r\nX: y\r\n\r\n..dot\r\n...\r\n\r\nlast\r\n.\r\n+OK\r\n", false },
	{ LOGIN "RETR 3\r\n", LOGGED_IN "+OK 24 octets\r\nSubject: three\r\n\r\nno end\r\n.\r\n", false },
	{ LOGIN "TOP 2 0\r\n", LOGGED_IN "+OK 40 octets\r\nSubject: two\r\nX: y\r\n\r\n.\r\n", false },
	{ LOGIN "TOP 2 1\r\n", LOGGED_IN "+OK 40 octets\r\nSubject: two\r\nX: y\r\n\r\n..dot\r\n.\r\n", false },
	{ LOGIN "TOP 2 3\r\n", LOGGED_IN
	  "+OK 40 octets\r\nSubject: two\r\nX: y\r\n\r\n..dot\r\n...\r\n\r\n.\r\n", false },
	{ LOGIN "TOP 1 99\r\n", LOGGED_IN "+OK 23 octets\r\nSubject: one\r\n\r\nhello\r\n.\r\n", false },
	{ LOGIN "TOP 1\r\nTOP 1 x\r\nTOP 9 1\r\n", LOGGED_IN
	  "-ERR a message number and a number of lines belong behind it\r\n"
	  "-ERR a message number and a number of lines belong behind it\r\n-ERR no such message\r\n", false },
	/* marks */
	{ LOGIN "DELE 2\r\nSTAT\r\nRETR 2\r\nDELE 2\r\nLIST\r\n", LOGGED_IN
	  "+OK it goes when you QUIT\r\n+OK 2 47\r\n-ERR no such message\r\n-ERR no such message\r\n"
	  "+OK\r\n1 23\r\n3 24\r\n.\r\n", false },
	{ LOGIN "DELE 2\r\nRSET\r\nSTAT\r\n", LOGGED_IN
	  "+OK it goes when you QUIT\r\n+OK nothing is marked\r\n+OK 3 87\r\n", false },
	{ LOGIN "DELE\r\nDELE 1 2\r\n", LOGGED_IN
	  "-ERR one message number belongs behind it\r\n-ERR one message number belongs behind it\r\n", false },
	{ LOGIN "LAST\r\n", LOGGED_IN "-ERR no such command\r\n", false },
	/* order */
	{ "STAT\r\nPASS x\r\n", IN "-ERR log in first\r\n-ERR say USER first\r\n", false },
	{ LOGIN "USER bob\r\n", LOGGED_IN "-ERR you are logged in already\r\n", false },
	{ "USER\r\nUSER bob\r\nPASS secret word\r\nPASS secret word \r\n",
	  IN "-ERR a name belongs behind it\r\n+OK and the password?\r\n-ERR [AUTH] no\r\n-ERR say USER first\r\n",
	  false },
	{ "USER nobody\r\nPASS x\r\n", IN "+OK and the password?\r\n-ERR [AUTH] no\r\n", false },
	{ "USER broken\r\nPASS x\r\n",
	  IN "+OK and the password?\r\n-ERR [SYS/TEMP] the password file cannot be read\r\n", false },
	{ "APOP bob c4c9334bac560ecc979e58001b3e22fb\r\n", IN "+OK 3 messages, 87 octets\r\n", false },
	{ "APOP bob c4c9334bac560ecc979e58001b3e22ff\r\nAPOP bob\r\n",
	  IN "-ERR [AUTH] no\r\n-ERR a name and 32 digits belong behind it\r\n", false },
	/* capabilities */
	{ "CAPA\r\n", IN "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
	  "UTF8\r\nUSER\r\nSASL PLAIN SLOW-LOGIN\r\nSTLS\r\n.\r\n", false },
	{ "STLS\r\n", IN "+OK begin TLS\r\n", false },
	{ "UTF8\r\n", IN "+OK\r\n", false },
	/* SASL */
	{ "AUTH\r\n", IN "+OK\r\nPLAIN\r\nSLOW-LOGIN\r\n.\r\n", false },
	{ "AUTH plain AGJvYgBzZWNyZXQgd29yZCA=\r\n", IN "+OK 3 messages, 87 octets\r\n", false },
	{ "AUTH PLAIN\r\nAGJvYgBzZWNyZXQgd29yZCA=\r\nNOOP\r\n", IN "+ \r\n+OK 3 messages, 87 octets\r\n+OK\r\n", false },
	{ "AUTH PLAIN =\r\n", IN "-ERR [AUTH] no\r\n", false },
	{ "AUTH PLAIN\r\n*\r\nQUIT\r\n", IN "+ \r\n-ERR cancelled\r\n+OK goodbye\r\n", true },
	{ "AUTH PLAIN\r\nnot base64\r\nQUIT\r\n", IN "+ \r\n-ERR that is no base64\r\n+OK goodbye\r\n", true },
	{ "AUTH SLOW-LOGIN\r\nYm9i\r\n", IN "+ d2hvPw==\r\n+OK 3 messages, 87 octets\r\n", false },
	{ "AUTH KERBEROS_V4\r\nAUTH a-mechanism-with-a-very-long-name\r\n",
	  IN "-ERR no such mechanism here\r\n-ERR no such mechanism here\r\n", false },
	/* what nobody should say */
	{ "A\1B\r\n", IN "-ERR control characters do not belong here\r\n", false },
	{ "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\n", IN "-ERR no such command\r\n-ERR no such command\r\n"
	  "-ERR no such command\r\n-ERR no such command\r\n-ERR no such command\r\n-ERR no such command\r\n"
	  "-ERR no such command\r\n-ERR too many errors\r\n", true },
	{ "UTF8\r\nUSER bob\r\nUTF8\r\nUSER bob\r\nUTF8\r\nUTF8\r\nUTF8\r\nUTF8\r\nUTF8\r\nQUIT\r\n",
	  IN "+OK\r\n+OK and the password?\r\n+OK\r\n+OK and the password?\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n"
	  "-ERR too many commands without a login\r\n", true },
};

static void
play(struct fake_pop3 *fake, const char *said, size_t step)
{
	fake_pop3_start(fake, &fake_pop3_options);
	fake_pop3_feed(fake, span_of(said), step);
}

START_TEST(dialogues_go_as_the_rows_say)
{
	for (int way = 0; way < 8; way++) {
		struct fake_pop3 fake = { .slow = way % 2 };
		play(&fake, rows[_i].said, (size_t)way / 2);
		ck_assert_str_eq(str_c(&fake.heard), rows[_i].heard);
		ck_assert_int_eq(fake.server.closing, rows[_i].closed);
		fake_pop3_free(&fake);
	}
}
END_TEST

START_TEST(who_is_logged_in_may_ask_as_often_as_he_likes)
{
	struct fake_pop3 fake = {0};

	play(&fake, LOGIN, 0);
	for (int i = 0; i < 100; i++)
		fake_pop3_feed(&fake, SPAN("CAPA\r\n"), 0);
	ck_assert(!fake.server.closing);
	ck_assert_ptr_null(strstr(str_c(&fake.heard), "-ERR"));
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(only_quit_removes_and_only_what_is_marked)
{
	struct fake_pop3 fake = {0};

	play(&fake, LOGIN "DELE 1\r\nDELE 3\r\nQUIT\r\n", 0);
	ck_assert(fake.gone[0] && !fake.gone[1] && fake.gone[2]);
	ck_assert_uint_eq(fake.server.removed, 2);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(a_session_cut_anywhere_before_quit_removes_nothing)
{
	static const char said[] = LOGIN "DELE 1\r\nRETR 2\r\nDELE 3\r\nQUIT\r\n";

	for (size_t len = 0; len < sizeof said - 1; len++) {
		struct fake_pop3 fake = {0};
		fake_pop3_start(&fake, &fake_pop3_options);
		fake_pop3_feed(&fake, (struct span){ said, len }, 0);
		ck_assert(!fake.gone[0] && !fake.gone[1] && !fake.gone[2]);
		fake_pop3_free(&fake);
	}
}
END_TEST

START_TEST(quit_says_so_when_not_all_is_gone)
{
	struct fake_pop3 fake = { .stuck = true };

	play(&fake, LOGIN "DELE 1\r\nQUIT\r\n", 0);
	ck_assert_ptr_nonnull(strstr(str_c(&fake.heard), "-ERR [SYS/TEMP] not all that was marked is gone"));
	ck_assert(fake.server.closing);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(a_maildrop_in_use_is_said_to_be_and_can_be_asked_for_again)
{
	struct fake_pop3 fake = { .held = true };

	play(&fake, LOGIN, 0);
	ck_assert_ptr_nonnull(strstr(str_c(&fake.heard), "-ERR [IN-USE] "));
	fake.held = false;
	fake_pop3_feed(&fake, span_of(LOGIN), 0);
	ck_assert(fake.server.in);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(a_message_that_breaks_off_closes_the_connection_without_its_end)
{
	struct fake_pop3 fake = { .broken = true };

	play(&fake, LOGIN "RETR 2\r\nDELE 1\r\nQUIT\r\n", 0);
	ck_assert(fake.server.closing);
	ck_assert_ptr_null(strstr(str_c(&fake.heard), "\r\n.\r\n"));
	ck_assert(!fake.gone[0]);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(without_tls_a_password_is_not_taken_where_it_must_not_be_said)
{
	struct pop3_server_options options = fake_pop3_options;
	struct fake_pop3 fake = {0};

	options.clear = false;
	options.clear_mechanisms = NULL;
	fake_pop3_start(&fake, &options);
	fake_pop3_feed(&fake, span_of("CAPA\r\nUSER bob\r\nAUTH PLAIN =\r\n"), 0);
	ck_assert_ptr_null(strstr(str_c(&fake.heard), "\r\nUSER\r\n"));
	ck_assert_ptr_null(strstr(str_c(&fake.heard), "\r\nSASL"));
	ck_assert_ptr_nonnull(strstr(str_c(&fake.heard), "-ERR [SYS/PERM] not without TLS"));
	ck_assert_ptr_nonnull(strstr(str_c(&fake.heard), "-ERR no such mechanism here"));
	str_clear(&fake.heard);
	fake_pop3_feed(&fake, span_of("STLS\r\n"), 0);
	fake_pop3_feed(&fake, span_of("CAPA\r\n" LOGIN), 0);
	ck_assert_ptr_nonnull(strstr(str_c(&fake.heard), "\r\nUSER\r\nSASL PLAIN SLOW-LOGIN\r\n.\r\n"));
	ck_assert(fake.server.in);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(what_follows_stls_in_the_same_flight_is_not_believed)
{
	struct fake_pop3 fake = {0};

	play(&fake, "STLS\r\nUSER bob\r\nPASS secret word \r\n", 0);
	ck_assert_ptr_nonnull(strstr(str_c(&fake.heard), "-ERR nothing may follow STLS"));
	ck_assert(fake.server.closing && !fake.server.start_tls && !fake.server.in);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(a_name_said_before_tls_is_forgotten)
{
	struct fake_pop3 fake = {0};

	fake_pop3_start(&fake, &fake_pop3_options);
	fake_pop3_feed(&fake, span_of("USER bob\r\n"), 0);
	fake_pop3_feed(&fake, span_of("STLS\r\n"), 0);
	fake_pop3_feed(&fake, span_of("PASS secret word \r\n"), 0);
	ck_assert(!fake.server.in);
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(lines_without_end_cost_no_memory_and_one_error)
{
	struct fake_pop3 fake = {0};
	char piece[1000];

	memset(piece, 'x', sizeof piece);
	fake_pop3_start(&fake, &fake_pop3_options);
	for (int i = 0; i < 1000; i++)
		fake_pop3_feed(&fake, (struct span){ piece, sizeof piece }, 0);
	fake_pop3_feed(&fake, span_of("\r\nQUIT\r\n"), 0);
	ck_assert_str_eq(str_c(&fake.heard), IN "-ERR line too long\r\n+OK goodbye\r\n");
	fake_pop3_free(&fake);
}
END_TEST

START_TEST(a_large_message_is_read_as_fast_as_it_is_taken)
{
	struct fake_pop3 fake = {0};

	play(&fake, LOGIN, 0);
	for (int i = 0; i < 2000; i++)	/* asked for at once, and nothing is sent meanwhile */
		pop3_server_feed(&fake.server, "RETR 1\r\n", 8);
	ck_assert_uint_lt(fake.server.out.len, POP3_OUT_LOW + 20000);
	ck_assert(fake.server.waiting);
	fake_pop3_free(&fake);
}
END_TEST

UNIT("pop3-server",
	{ dialogues_go_as_the_rows_say, ROWS(rows) },
	{ who_is_logged_in_may_ask_as_often_as_he_likes, 1 },
	{ only_quit_removes_and_only_what_is_marked, 1 },
	{ a_session_cut_anywhere_before_quit_removes_nothing, 1 },
	{ quit_says_so_when_not_all_is_gone, 1 },
	{ a_maildrop_in_use_is_said_to_be_and_can_be_asked_for_again, 1 },
	{ a_message_that_breaks_off_closes_the_connection_without_its_end, 1 },
	{ without_tls_a_password_is_not_taken_where_it_must_not_be_said, 1 },
	{ what_follows_stls_in_the_same_flight_is_not_believed, 1 },
	{ a_name_said_before_tls_is_forgotten, 1 },
	{ lines_without_end_cost_no_memory_and_one_error, 1 },
	{ a_large_message_is_read_as_fast_as_it_is_taken, 1 })
