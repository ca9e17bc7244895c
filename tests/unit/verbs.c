/*
 * Every verb in every state of a session: what is answered, and what state is next (SMTP-09).
 *
 * A cell is the reply's code and the state behind it: F no EHLO yet, R ready for MAIL, M there is
 * a sender, T and a recipient, C between two chunks; D in DATA, A in AUTH, S hands are to be
 * shaken, "!" closed.
 */
#include "lib/proto/smtp-server.h"

#include <string.h>

#include "lib/proto/smtp-verb.h"
#include "tests/talk/fake.h"
#include "tests/unit/unit.h"

#define EHLO "EHLO c.example\r\n"
#define MAIL EHLO "MAIL FROM:<a@b.example>\r\n"
#define RCPT MAIL "RCPT TO:<c@d.example>\r\n"

static const struct smtp_server_options usual = {
	.host = "mx.example", .any_pace = true, .max_size = 1000, .max_recipients = 3, .tls = true,
	.clear_mechanisms = "PLAIN", .mechanisms = "PLAIN",
};
static const struct smtp_server_options strict = {
	.host = "mx.example", .any_pace = true, .max_size = 1000, .max_recipients = 3, .tls = true, .must_tls = true,
	.mechanisms = "PLAIN",
};
static const struct smtp_server_options spokesman = {
	.host = "mx.example", .any_pace = true, .max_size = 1000, .max_recipients = 3, .xclient = true,
};
static const struct smtp_server_options lmtp = {
	.host = "mx.example", .any_pace = true, .max_size = 1000, .max_recipients = 3, .lmtp = true,
};

static const struct state { const char *name; const struct smtp_server_options *options; const char *said; } states[] = {
	{ "fresh", &usual, "" },
	{ "ready", &usual, EHLO },
	{ "HELO", &usual, "HELO c.example\r\n" },
	{ "sender", &usual, MAIL },
	{ "recipient", &usual, RCPT },
	{ "chunks", &usual, RCPT "BDAT 2\r\nab" },
	{ "taken", &usual, RCPT "DATA\r\n.\r\n" },
	{ "must TLS", &strict, EHLO },
	{ "XCLIENT", &spokesman, EHLO },
	{ "LMTP fresh", &lmtp, "" },
	{ "LMTP", &lmtp, "LHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n" },
};
enum { STATES = ROWS(states) };

static const struct { const char *said; const char *cells[STATES]; } verbs[] = {
	{ "EHLO c.example\r\n",
	  { "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "500F", "500T" } },
	{ "HELO c.example\r\n",
	  { "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "500F", "500T" } },
	{ "LHLO c.example\r\n",
	  { "500F", "500R", "500R", "500M", "500T", "500C", "500R", "500R", "500R", "250R", "250R" } },
	{ "EHLO\r\n",
	  { "501F", "501R", "501R", "501M", "501T", "501C", "501R", "501R", "501R", "500F", "500T" } },
	{ "MAIL FROM:<a@b.example>\r\n",
	  { "503F", "250M", "250M", "503M", "503T", "503C", "250M", "530R", "250M", "503F", "503T" } },
	{ "MAIL FROM:<>\r\n",
	  { "503F", "250M", "250M", "503M", "503T", "503C", "250M", "530R", "250M", "503F", "503T" } },
	{ "MAIL FROM:a@b.example\r\n",
	  { "503F", "501R", "501R", "503M", "503T", "503C", "501R", "530R", "501R", "503F", "503T" } },
	{ "MAIL\r\n",
	  { "503F", "501R", "501R", "503M", "503T", "503C", "501R", "530R", "501R", "503F", "503T" } },
	{ "RCPT TO:<c@d.example>\r\n",
	  { "503F", "503R", "503R", "250T", "250T", "503C", "503R", "530R", "503R", "503F", "250T" } },
	{ "RCPT TO:<refused@d.example>\r\n",
	  { "503F", "503R", "503R", "550M", "550T", "503C", "503R", "530R", "503R", "503F", "550T" } },
	{ "RCPT TO:<>\r\n",
	  { "503F", "503R", "503R", "501M", "501T", "503C", "503R", "530R", "503R", "503F", "501T" } },
	{ "DATA\r\n",
	  { "503F", "503R", "503R", "503M", "354D", "503C", "503R", "530R", "503R", "503F", "354D" } },
	{ "DATA now\r\n",
	  { "503F", "503R", "503R", "503M", "501T", "503C", "503R", "530R", "503R", "503F", "501T" } },
	{ "BDAT 0 LAST\r\n",
	  { "503F", "503R", "503R", "503R", "250R", "250R", "503R", "530!", "503R", "503F", "250R" } },
	{ "BDAT 2\r\nab",
	  { "503F", "503R", "503R", "503R", "250C", "250C", "503R", "530!", "503R", "503F", "250C" } },
	{ "BDAT\r\n",
	  { "501!", "501!", "501!", "501!", "501!", "501!", "501!", "530!", "501!", "501!", "501!" } },
	{ "RSET\r\n",
	  { "250F", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250F", "250R" } },
	{ "RSET now\r\n",
	  { "250F", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250R", "250F", "250R" } },
	{ "NOOP\r\n",
	  { "250F", "250R", "250R", "250M", "250T", "250C", "250R", "250R", "250R", "250F", "250T" } },
	{ "QUIT\r\n",
	  { "221!", "221!", "221!", "221!", "221!", "221!", "221!", "221!", "221!", "221!", "221!" } },
	{ "VRFY c\r\n",
	  { "252F", "252R", "252R", "252M", "252T", "252C", "252R", "530R", "252R", "252F", "252T" } },
	{ "VRFY\r\n",
	  { "501F", "501R", "501R", "501M", "501T", "501C", "501R", "530R", "501R", "501F", "501T" } },
	{ "HELP\r\n",
	  { "214F", "214R", "214R", "214M", "214T", "214C", "214R", "214R", "214R", "214F", "214T" } },
	{ "EXPN c\r\n",
	  { "502F", "502R", "502R", "502M", "502T", "502C", "502R", "530R", "502R", "502F", "502T" } },
	{ "TURN\r\n",
	  { "502F", "502R", "502R", "502M", "502T", "502C", "502R", "530R", "502R", "502F", "502T" } },
	{ "ETRN d.example\r\n",
	  { "502F", "502R", "502R", "502M", "502T", "502C", "502R", "530R", "502R", "502F", "502T" } },
	{ "ATRN\r\n",
	  { "502F", "502R", "502R", "502M", "502T", "502C", "502R", "530R", "502R", "502F", "502T" } },
	{ "STARTTLS\r\n",
	  { "503F", "220S", "220S", "503M", "503T", "503C", "220S", "220S", "502R", "502F", "502T" } },
	{ "STARTTLS now\r\n",
	  { "503F", "501R", "501R", "503M", "503T", "503C", "501R", "501R", "502R", "502F", "502T" } },
	{ "AUTH PLAIN\r\n",
	  { "503F", "334A", "334A", "503M", "503T", "503C", "334A", "502R", "502R", "502F", "502T" } },
	{ "AUTH PLAIN AGJvYgB3cm9uZw==\r\n",
	  { "503F", "535R", "535R", "503M", "503T", "503C", "535R", "502R", "502R", "502F", "502T" } },
	{ "AUTH NONE\r\n",
	  { "503F", "504R", "504R", "503M", "503T", "503C", "504R", "502R", "502R", "502F", "502T" } },
	{ "XCLIENT ADDR=192.0.2.1\r\n",
	  { "502F", "502R", "502R", "502M", "502T", "502C", "502R", "502R", "220F", "502F", "502T" } },
	{ "GET / HTTP/1.0\r\n",
	  { "421!", "421!", "421!", "421!", "421!", "421!", "421!", "421!", "421!", "421!", "421!" } },
	{ "WIZ\r\n",
	  { "500F", "500R", "500R", "500M", "500T", "500C", "500R", "500R", "500R", "500F", "500T" } },
	{ "\r\n",
	  { "500F", "500R", "500R", "500M", "500T", "500C", "500R", "500R", "500R", "500F", "500T" } },
	{ "mail from:<a@b.example>\r\n",
	  { "503F", "250M", "250M", "503M", "503T", "503C", "250M", "530R", "250M", "503F", "503T" } },
	{ " NOOP\r\n",
	  { "250F", "250R", "250R", "250M", "250T", "250C", "250R", "250R", "250R", "250F", "250T" } },
};

static void
read_state(const struct fake *fake, size_t from, struct str *cell)
{
	const struct smtp_server *server = &fake->server;
	static const char letters[] = "FRMTC";
	const char *last = server->out.p + from;

	/* The last line of the replies; nothing where none is due. */
	for (const char *c = last; c + 4 < server->out.p + server->out.len; c++)
		if (c[0] == '\n' && c[1] >= '0' && c[1] <= '9')
			last = c + 1;
	if (server->out.len > from)
		str_add(cell, last, 3);
	if (server->closing)
		str_add_char(cell, '!');
	else if (server->handshake)
		str_add_char(cell, 'S');
	else if (server->mode == SMTP_DATA)
		str_add_char(cell, 'D');
	else if (cell->len >= 3 && memcmp(cell->p, "334", 3) == 0)
		str_add_char(cell, 'A');
	else
		for (unsigned i = 0; i < 5; i++)
			if (server->state & 1U << i)
				str_add_char(cell, letters[i]);
}

static void
ask(const struct state *state, const char *said, bool slow, struct str *cell)
{
	struct fake fake = {0};

	fake_start(&fake, state->options);
	fake.slow = slow;
	fake_feed(&fake, span_of(state->said), 0);
	size_t from = fake.server.out.len;
	fake_feed(&fake, span_of(said), slow ? 1 : 0);
	read_state(&fake, from, cell);
	fake_free(&fake);
}

START_TEST(each_verb_is_answered_in_each_state)
{
	for (int state = 0; state < STATES; state++) {
		struct str quick = {0}, slow = {0};
		ask(&states[state], verbs[_i].said, false, &quick);
		ask(&states[state], verbs[_i].said, true, &slow);
		ck_assert_msg(strcmp(str_c(&quick), verbs[_i].cells[state]) == 0, "%s in state %s: %s, not %s",
		    verbs[_i].said, states[state].name, str_c(&quick), verbs[_i].cells[state]);
		ck_assert_str_eq(str_c(&quick), str_c(&slow));
		str_free(&quick);
		str_free(&slow);
	}
}
END_TEST

/* A verb that nobody has thought of here would be one that is not tried. */
START_TEST(all_verbs_are_here)
{
	static const char *const names[] = { "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT",
		"VRFY", "HELP", "EXPN", "TURN", "ETRN", "ATRN", "STARTTLS", "AUTH", "XCLIENT", "GET" };
	struct fake fake = {0};
	struct str help = {0};

	fake_start(&fake, &usual);
	size_t from = fake.server.out.len;
	fake_feed(&fake, SPAN("HELP\r\n"), 0);
	str_set_span(&help, span_from(str_span(&fake.server.out), from));
	for (struct span rest = span_from(str_span(&help), 4), word; (word = span_word(&rest)).len > 0;) {
		bool known = false, upper = word.len >= 4;
		for (size_t i = 0; i < word.len; i++)
			upper = upper && word.p[i] >= 'A' && word.p[i] <= 'Z';
		for (int i = 0; i < ROWS(names); i++)
			known = known || span_is(word, names[i]);
		ck_assert_msg(known || !upper, "%.*s is not tried", (int)word.len, word.p);
	}
	for (int i = 0; i < ROWS(names); i++) {
		bool tried = false;
		for (int v = 0; v < ROWS(verbs); v++)
			tried = tried || strncmp(verbs[v].said, names[i], strlen(names[i])) == 0;
		ck_assert_msg(tried, "%s", names[i]);
	}
	str_free(&help);
	fake_free(&fake);
}
END_TEST

UNIT("verbs",
	{ each_verb_is_answered_in_each_state, ROWS(verbs) },
	{ all_verbs_are_here, 1 })
