/*
 * Which report is due, for every combination that RFC 3461 tells apart, and what is in it:
 * messages go through a spool, and what their senders are told is read from there.
 */
#include "spool/queue.h"

#include <stdio.h>

#include "lib/mail/header.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#define OK(call) do {							\
	err = (struct err){0};						\
	ck_assert_msg((call) >= 0, #call ": %s", err.text);		\
} while (0)

enum { HOUR = 3600, DAY = 86400 };

static const char *const said[] = {
	"spool.host=hub.example", "spool.site=hub", "spool.min-free=0", "spool.bounce-size=2K",
	"spool.delay-after=4h", "spool.expire-after=5d",
	"site carry.delay-after=4h", "site carry.expire-after=5d",
	"site old.delay-after=4h", "site old.expire-after=5d", "site back.link=",
	"routes.hop.example=smtp:mx.hop.example:25", "routes.plain.example=smtp:mx.plain.example:25",
	"routes.carry.example=site:carry", "routes.old.example=site:old",
	"routes.box.example=maildir:mail/%u", "routes.ann.example=site:back",
	"routes.no.example=reject:they moved away",
};
static struct scratch s;
static struct err err;
static const int64_t start = 1795373102 * CLOCK_SECOND;

static void
setup(void)
{
	scratch_open(&s, said, sizeof said / sizeof said[0]);
	clock_set(start);
}

static void
teardown(void)
{
	scratch_close(&s);
}

/* messages */

struct asked {			/* what came with a message */
	const char *from, *args, *to, *rcpt_args, *body;
};

static void
settle(void)
{
	struct settled settled;
	OK(spool_settle(&s.spool, &settled, &err));
}

static void
add_rcpt(struct envelope *env, const struct asked *asked)
{
	struct span rest = span_of(asked->to), word;

	while ((word = span_word(&rest)).len > 0)
		envelope_add(env, word, span_of(asked->rcpt_args));
}

static void
accept_mail(const struct asked *asked)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};

	envelope_from(&env, span_of(asked->from), span_of(asked->args));
	add_rcpt(&env, asked);
	OK(arrival_open(&a, &s.spool, NULL, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, asked->body, strlen(asked->body), &err));
	OK(arrival_end(&a, &err));
	OK(arrival_commit(&a, &err));
	arrival_close(&a);
	envelope_free(&env);
	settle();
}

/* The first message that waits in a folder of out/ is with the far end: false, there is none. */
static bool
take(const char *folder, struct queue *q, struct message *m)
{
	OK(queue_open(q, &s.spool, folder, false, &err));
	int got = queue_next(q, m, &err);
	ck_assert_int_ge(got, 0);
	if (got == 0)
		queue_close(q);
	return got > 0;
}

static void
give_back(struct queue *q, struct message *m)
{
	OK(message_settle(m, &err));
	message_close(m);
	queue_close(q);
	settle();
}

/* Everybody in it gets this outcome. */
static void
answer(const char *folder, enum rcpt_state state, const char *reply, enum dsn_kind kind)
{
	struct queue q;
	struct message m;

	ck_assert_msg(take(folder, &q, &m), "nothing for %s", folder);
	for (size_t i = 0; i < m.entry.env.rcpts; i++) {
		message_rcpt(&m, i, state, reply);
		message_report(&m, i, kind);
	}
	give_back(&q, &m);
}

/* A look at the queue after so much time: delays and expiries are due. */
static void
later(const char *folder, int64_t seconds)
{
	struct queue q;
	struct message m;

	clock_set(start + seconds * CLOCK_SECOND);
	if (take(folder, &q, &m)) {
		message_close(&m);
		queue_close(&q);
	}
	settle();
}

/* reports */

struct reports {		/* all that came back to ann, in their order */
	char actions[100];	/* "delayed failed" */
	struct str text;	/* the last one */
	struct envelope env;	/* and its envelope */
};

static void
add_action(struct reports *r)
{
	const char *action = strstr(str_c(&r->text), "\r\nAction: ");

	ck_assert_msg(action != NULL, "no report: %s", str_c(&r->text));
	action += strlen("\r\nAction: ");
	size_t len = strlen(r->actions);
	snprintf(r->actions + len, sizeof r->actions - len, "%s%.*s", len > 0 ? " " : "",
	    (int)strcspn(action, "\r"), action);
}

static void
reports_read(struct reports *r)
{
	struct queue q;
	struct message m;

	*r = (struct reports){0};
	while (take("back", &q, &m)) {
		str_clear(&r->text);
		ssize_t got = fs_pread(m.fd, str_room(&r->text, m.entry.body_len), m.entry.body_len,
		    m.entry.body_at, &err);
		ck_assert_int_eq(got, (ssize_t)m.entry.body_len);
		r->text.len += m.entry.body_len;
		envelope_copy(&r->env, &m.entry.env);
		add_action(r);
		message_rcpt(&m, 0, RCPT_DONE, "250 ok");
		give_back(&q, &m);
	}
}

static void
reports_free(struct reports *r)
{
	str_free(&r->text);
	envelope_free(&r->env);
}

#define HAS(r, what) ck_assert_msg(strstr(str_c(&(r).text), (what)) != NULL, "no %s in\n%s", (what), \
    str_c(&(r).text))
#define LACKS(r, what) ck_assert_msg(strstr(str_c(&(r).text), (what)) == NULL, "%s in\n%s", (what), \
    str_c(&(r).text))

/* The matrix: NOTIFY | what is told when it is taken, by each of the five takers below |
 * refused, at RCPT or at the end | not delivered until it was too late. */
static const struct { const char *notify, *taken[5], *refused, *late; } matrix[] = {
	/*				DSN hop, plain hop, batch, plain batch, mailbox */
	{ "",				{ "", "", "", "", "" }, "failed", "delayed failed" },
	{ "NOTIFY=NEVER",		{ "", "", "", "", "" }, "", "" },
	{ "NOTIFY=SUCCESS",		{ "", "relayed", "", "relayed", "delivered" }, "", "" },
	{ "NOTIFY=FAILURE",		{ "", "", "", "", "" }, "failed", "failed" },
	{ "NOTIFY=DELAY",		{ "", "", "", "", "" }, "", "delayed" },
	{ "NOTIFY=SUCCESS,FAILURE",	{ "", "relayed", "", "relayed", "delivered" }, "failed", "failed" },
	{ "NOTIFY=SUCCESS,DELAY",	{ "", "relayed", "", "relayed", "delivered" }, "", "delayed" },
	{ "NOTIFY=FAILURE,DELAY",	{ "", "", "", "", "" }, "failed", "delayed failed" },
	{ "notify=success,Failure,DELAY", { "", "relayed", "", "relayed", "delivered" }, "failed",
	    "delayed failed" },
};

static const struct { const char *domain, *folder; enum dsn_taker taker; } takers[5] = {
	{ "hop.example", "smtp:mx.hop.example:25", DSN_BY_HOP },
	{ "plain.example", "smtp:mx.plain.example:25", DSN_BY_PLAIN_HOP },
	{ "carry.example", "carry", DSN_BY_BATCH },
	{ "old.example", "old", DSN_BY_PLAIN_BATCH },
	{ "box.example", "maildir:mail%2F%25u", DSN_BY_MAILBOX },
};

enum outcome { TAKEN, REFUSED_AT_RCPT, REFUSED_AT_END, LATE, OUTCOMES };

static void
happens(enum outcome outcome, const char *folder, enum dsn_taker taker)
{
	switch (outcome) {
	case TAKEN:
		answer(folder, RCPT_DONE, "250 2.0.0 ok", dsn_of_success(taker));
		break;
	case REFUSED_AT_RCPT:
		answer(folder, RCPT_FAILED, "550 5.1.1 no such user", DSN_NONE);
		break;
	case REFUSED_AT_END:
		answer(folder, RCPT_FAILED, "554 5.6.0 not that", DSN_NONE);
		break;
	default:
		answer(folder, RCPT_DEFERRED, "451 4.2.0 busy", DSN_NONE);
		later(folder, 4 * HOUR + 1);
		later(folder, 5 * DAY - HOUR);
		answer(folder, RCPT_DEFERRED, "451 4.2.0 busy", DSN_NONE);
		later(folder, 5 * DAY + 1);
		break;
	}
}

/* What else was asked for, in turn: none of it changes whether a report is due. */
static const char *const extras[] = {
	"", "RET=HDRS", "RET=FULL ENVID=QQ+2B314", "ENVID=", "BODY=8BITMIME RET=FULL", "SIZE=100 RET=HDRS ENVID=x",
};

/* A row and a taker, all outcomes; with a sender, and with none, who is never told. */
START_TEST(the_matrix_of_rfc_3461_holds)
{
	size_t row = (size_t)_i / 5, to = (size_t)_i % 5;
	char rcpt[60], args[200];

	snprintf(rcpt, sizeof rcpt, "Bob@%s", takers[to].domain);
	for (int turn = 0; turn < 2 * OUTCOMES; turn++) {
		enum outcome outcome = turn % OUTCOMES;
		bool null = turn >= OUTCOMES;
		const char *want = null ? "" : outcome == TAKEN ? matrix[row].taken[to] :
		    outcome == LATE ? matrix[row].late : matrix[row].refused;
		struct reports got;
		snprintf(args, sizeof args, "%s%sORCPT=rfc822;B+2Bob@Orig.example", matrix[row].notify,
		    matrix[row].notify[0] != '\0' ? " " : "");
		struct asked asked = { null ? "" : "ann@ann.example", extras[(_i + turn) % ROWS(extras)], rcpt, args,
			"Subject: x\r\n\r\nx\r\n" };
		clock_set(start);
		size_t failed = scratch_count(s.spool.failed, ".");
		accept_mail(&asked);
		happens(outcome, takers[to].folder, takers[to].taker);
		reports_read(&got);
		ck_assert_msg(strcmp(got.actions, want) == 0, "%s, outcome %d at %s%s: \"%s\", not \"%s\"",
		    args, outcome, takers[to].domain, null ? " from nobody" : "", got.actions, want);
		/* Of nobody's mail that failed a person hears, and of no other. */
		ck_assert_uint_eq(scratch_count(s.spool.failed, ".") - failed, null && outcome != TAKEN);
		reports_free(&got);
	}
}
END_TEST

START_TEST(parameters_are_passed_on_as_they_came)
{
	size_t row = (size_t)_i / 5, to = (size_t)_i % 5;
	char rcpt[60];
	struct queue q;
	struct message m;

	snprintf(rcpt, sizeof rcpt, "Bob@%s", takers[to].domain);
	for (int i = 0; i < ROWS(extras); i++) {
		struct asked asked = { "Ann@ann.example", extras[i], rcpt, matrix[row].notify, "x\r\n" };
		accept_mail(&asked);
		ck_assert(take(takers[to].folder, &q, &m));
		ck_assert_str_eq(str_c(&m.entry.env.args), extras[i]);
		ck_assert_str_eq(str_c(&m.entry.env.rcpt[0].args), matrix[row].notify);
		ck_assert_str_eq(str_c(&m.entry.env.rcpt[0].to), rcpt);
		message_rcpt(&m, 0, RCPT_DONE, "250 ok");
		give_back(&q, &m);
	}
}
END_TEST

/* RET, the size of the body | what comes back with a failure, and with the others */
static const struct { const char *ret; size_t body; const char *failed, *others; } returned[] = {
	{ "", 100, "text/rfc822-headers", "text/rfc822-headers" },
	{ "RET=HDRS", 100, "text/rfc822-headers", "text/rfc822-headers" },
	{ "RET=FULL", 100, "message/rfc822", "text/rfc822-headers" },
	{ "ret=full", 100, "message/rfc822", "text/rfc822-headers" },
	{ "RET=FULL", 3000, "text/rfc822-headers", "text/rfc822-headers" },	/* bounce-size */
};

static void
expect_part(const char *to, const struct asked *like, enum outcome outcome, size_t taker, const char *part)
{
	struct asked asked = *like;
	struct reports got;
	char line[80];

	asked.to = to;
	clock_set(start);
	accept_mail(&asked);
	happens(outcome, takers[taker].folder, takers[taker].taker);
	reports_read(&got);
	snprintf(line, sizeof line, "\r\nContent-Type: %s\r\n", part);
	HAS(got, line);
	HAS(got, "\r\nSubject: probe\r\n");
	ck_assert_int_eq(strstr(str_c(&got.text), "BODY") != NULL, strcmp(part, "message/rfc822") == 0);
	reports_free(&got);
}

START_TEST(ret_counts_for_a_failure_only)
{
	struct str body = {0};

	str_add_text(&body, "Subject: probe\r\n\r\n");
	while (body.len < returned[_i].body)
		str_add_text(&body, "BODY\r\n");
	struct asked asked = { "ann@ann.example", returned[_i].ret, NULL, "NOTIFY=SUCCESS,FAILURE", str_c(&body) };
	expect_part("b@hop.example", &asked, REFUSED_AT_END, 0, returned[_i].failed);
	expect_part("b@plain.example", &asked, TAKEN, 1, returned[_i].others);
	expect_part("b@box.example", &asked, TAKEN, 4, returned[_i].others);
	asked.rcpt_args = "NOTIFY=DELAY";
	expect_part("b@carry.example", &asked, LATE, 2, returned[_i].others);
	str_free(&body);
}
END_TEST

/* What came with it | fields that are there, and that are not */
static const struct { const char *args, *rcpt_args, *has, *has_not; } fields[] = {
	{ "", "", "Final-Recipient: rfc822; Bob@hop.example\r\n", "Original-Recipient" },
	{ "", "", "Reporting-MTA: dns; hub.example\r\n", "Original-Envelope-Id" },
	{ "ENVID=QQ+2B314", "", "Original-Envelope-Id: QQ+314\r\n", "QQ+2B" },
	{ "ENVID=", "", "Original-Envelope-Id: \r\n", "\r\n\r\nReporting-MTA" },
	{ "", "ORCPT=rfc822;Bo+2Bb@Orig.Example", "Original-Recipient: rfc822; Bo+b@Orig.Example\r\n", "+2B" },
	{ "", "ORCPT=x400;/C+3Dat/", "Original-Recipient: x400; /C=at/\r\n", "+3D" },
	{ "", "", "Remote-MTA: dns; mx.hop.example\r\n", "Will-Retry-Until" },
	{ "", "", "Diagnostic-Code: smtp;\r\n    554 5.6.0 not that\r\n", "x-mochila" },
	{ "", "", "Status: 5.6.0\r\n", "DSN-Gateway" },
	{ "", "", "mx.hop.example said:\r\n        554 5.6.0 not that\r\n", "said:\r\n        5.6" },
	{ "", "", "From: Mail delivery <postmaster@hub.example>\r\n", "@localhost" },
	{ "", "", "Auto-Submitted: auto-replied\r\n", "Precedence" },
	{ "", "", "Arrival-Date: Sun, 22 Nov 2026 18:45:02 +0000\r\n", "GMT" },
	{ "SMTPUTF8", "", "report-type=global-delivery-status", "message/delivery-status" },
	{ "SMTPUTF8", "ORCPT=utf-8;b\\x{E4}@o.example", "Original-Recipient: utf-8; b\\x{E4}@o.example\r\n", "rfc822;" },
};

START_TEST(a_report_has_what_it_must_and_not_what_it_must_not)
{
	struct asked asked = { "ann@ann.example", fields[_i].args, "Bob@hop.example", fields[_i].rcpt_args, "S: x\r\n\r\n" };
	struct reports got;
	char host[256] = "";

	accept_mail(&asked);
	happens(REFUSED_AT_END, takers[0].folder, DSN_BY_HOP);
	reports_read(&got);
	HAS(got, fields[_i].has);
	LACKS(got, fields[_i].has_not);
	gethostname(host, sizeof host - 1);	/* of this machine, which is nobody's business */
	if (strlen(host) > 4)
		LACKS(got, host);
	ck_assert_str_eq(str_c(&got.env.from), "");
	ck_assert_str_eq(str_c(&got.env.rcpt[0].to), "ann@ann.example");
	ck_assert_str_eq(str_c(&got.env.rcpt[0].args), "NOTIFY=NEVER");
	struct span ret;
	ck_assert(!envelope_arg(str_span(&got.env.args), "RET", &ret));
	ck_assert_int_eq(envelope_arg(str_span(&got.env.args), "SMTPUTF8", &ret), fields[_i].args[0] == 'S');
	reports_free(&got);
}
END_TEST

START_TEST(what_waited_too_long_is_told_with_the_peers_last_words)
{
	struct asked asked = { "ann@ann.example", "", "b@hop.example", "NOTIFY=FAILURE", "S: x\r\n\r\n" };
	struct reports got;

	accept_mail(&asked);
	happens(LATE, takers[0].folder, DSN_BY_HOP);
	reports_read(&got);
	ck_assert_str_eq(got.actions, "failed");
	HAS(got, "mx.hop.example said:\r\n        451 4.2.0 busy\r\n");
	HAS(got, "Remote-MTA: dns; mx.hop.example\r\n");
	HAS(got, "Status: 4.2.0\r\n");
	HAS(got, "it has been tried\r\nfor as long as this system does.");
	reports_free(&got);
}
END_TEST

START_TEST(a_delay_says_who_is_waited_for_and_until_when)
{
	struct asked asked = { "ann@ann.example", "", "b@hop.example", "NOTIFY=DELAY", "S: x\r\n\r\n" };
	struct reports got;

	accept_mail(&asked);
	answer(takers[0].folder, RCPT_DEFERRED, "451 4.2.0 busy", DSN_NONE);
	later(takers[0].folder, 4 * HOUR + 1);
	later(takers[0].folder, 9 * HOUR);		/* and never again */
	reports_read(&got);
	ck_assert_str_eq(got.actions, "delayed");
	HAS(got, "Remote-MTA: dns; mx.hop.example\r\n");
	HAS(got, "Will-Retry-Until: Fri, 27 Nov 2026 ");
	HAS(got, "Status: 4.2.0\r\n");
	reports_free(&got);
}
END_TEST

/* RFC 3464 2.3.5: who was asked, when a remote host was, and only then. */
static const struct { enum outcome outcome; size_t taker; const char *remote; } remotes[] = {
	{ TAKEN, 1, "mx.plain.example" }, { TAKEN, 4, NULL }, { REFUSED_AT_RCPT, 0, "mx.hop.example" },
	{ REFUSED_AT_END, 1, "mx.plain.example" }, { LATE, 0, "mx.hop.example" }, { REFUSED_AT_END, 2, NULL },
};

START_TEST(a_report_names_the_remote_host_if_there_was_one)
{
	struct reports got;
	char to[60], line[60];

	snprintf(to, sizeof to, "b@%s", takers[remotes[_i].taker].domain);
	struct asked asked = { "ann@ann.example", "", to, "NOTIFY=SUCCESS,FAILURE", "S: x\r\n\r\n" };
	accept_mail(&asked);
	happens(remotes[_i].outcome, takers[remotes[_i].taker].folder, takers[remotes[_i].taker].taker);
	reports_read(&got);
	snprintf(line, sizeof line, "\r\nRemote-MTA: dns; %s\r\n", remotes[_i].remote);
	if (remotes[_i].remote != NULL)
		HAS(got, line);
	else
		LACKS(got, "Remote-MTA");
	reports_free(&got);
}
END_TEST

/* One report of a kind for all of a message's recipients that are due, and of no others. */
START_TEST(one_report_tells_of_all_who_are_due)
{
	struct asked asked = { "ann@ann.example", "", "a@plain.example b@plain.example c@plain.example d@plain.example",
		"NOTIFY=SUCCESS,FAILURE", "S: x\r\n\r\n" };
	struct reports got;
	struct queue q;
	struct message m;

	accept_mail(&asked);
	ck_assert(take(takers[1].folder, &q, &m));
	message_rcpt(&m, 0, RCPT_FAILED, "550 5.1.1 no");
	message_rcpt(&m, 1, RCPT_FAILED, "550 5.7.1 never");
	message_rcpt(&m, 2, RCPT_DONE, "250 ok");
	message_report(&m, 2, dsn_of_success(DSN_BY_PLAIN_HOP));
	message_rcpt(&m, 3, RCPT_DEFERRED, "451 later");
	give_back(&q, &m);
	ck_assert(take(takers[1].folder, &q, &m));	/* who was deferred still waits */
	ck_assert_uint_eq(m.entry.env.rcpts, 1);
	message_close(&m);
	queue_close(&q);
	ck_assert(take("back", &q, &m));
	message_close(&m);
	queue_close(&q);
	reports_read(&got);
	ck_assert(strcmp(got.actions, "failed relayed") == 0 || strcmp(got.actions, "relayed failed") == 0);
	HAS(got, "\r\n\r\nFinal-Recipient: ");
	LACKS(got, "d@plain.example");
	reports_free(&got);
}
END_TEST

/* A report that cannot be delivered is kept for a person: no report of a report. */
START_TEST(a_report_is_never_reported)
{
	struct asked asked = { "ann@ann.example", "", "b@no.example", "NOTIFY=FAILURE", "S: x\r\n\r\n" };
	struct reports got;

	accept_mail(&asked);
	answer("back", RCPT_FAILED, "550 5.1.1 no such user", DSN_NONE);
	ck_assert_uint_eq(scratch_count(s.spool.failed, "."), 1);
	ck_assert_uint_eq(scratch_count(s.spool.in, "."), 0);
	reports_read(&got);
	ck_assert_str_eq(got.actions, "");
	reports_free(&got);
}
END_TEST

/* host, bounce-from | From, Reporting-MTA */
static const struct { const char *host, *from, *want, *mta; } senders[] = {
	{ "hub.example", "", "<postmaster@hub.example>", "dns; hub.example" },
	{ "box.lan", "mail@example.org", "<mail@example.org>", "dns; box.lan" },
	{ "boat", "", "<postmaster@boat>", "x-local-hostname; boat" },	/* RFC 3464 2.1.1 */
};

START_TEST(who_bounces_can_be_said)
{
	struct asked asked = { "ann@ann.example", "", "b@no.example", "", "S: x\r\n\r\n" };
	struct reports got;
	char line[100];

	conf_text.set(&s.settings.spool.host, senders[_i].host);
	conf_text.set(&s.settings.spool.bounce_from, senders[_i].from);
	accept_mail(&asked);
	reports_read(&got);
	snprintf(line, sizeof line, "\r\nFrom: Mail delivery %s\r\n", senders[_i].want);
	HAS(got, line);
	snprintf(line, sizeof line, "\r\nReporting-MTA: %s\r\n", senders[_i].mta);
	HAS(got, line);
	LACKS(got, "Remote-MTA");	/* our own routes said so */
	reports_free(&got);
}
END_TEST

UNIT_WITH("reports", setup, teardown,
    { the_matrix_of_rfc_3461_holds, 5 * ROWS(matrix) },
    { parameters_are_passed_on_as_they_came, 5 * ROWS(matrix) },
    { ret_counts_for_a_failure_only, ROWS(returned) },
    { a_report_has_what_it_must_and_not_what_it_must_not, ROWS(fields) },
    { what_waited_too_long_is_told_with_the_peers_last_words, 1 },
    { a_delay_says_who_is_waited_for_and_until_when, 1 },
    { a_report_names_the_remote_host_if_there_was_one, ROWS(remotes) },
    { one_report_tells_of_all_who_are_due, 1 },
    { a_report_is_never_reported, 1 },
    { who_bounces_can_be_said, ROWS(senders) })
