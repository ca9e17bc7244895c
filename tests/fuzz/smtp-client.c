/*
 * Fuzz target: the SMTP client engine against any server.
 *
 * The first byte's bits choose: 1 BDAT where offered, 2 a body with a bare LF, 4 a
 * message without recipients, 8 the spool says no to the commit, 16 STARTTLS where it is
 * offered, 32 or nothing, 64 each next message as soon as it may go, before the last is answered.
 * The rest is what the server says, a line at a time, while up to three messages are sent.  Held:
 * hook done once for each message; a refused recipient is one of ours and told once;
 * nothing is called sent without a commit; what leaves has CRLF line ends only; words
 * handed on are one printable line; and whole lines give the same as single bytes.
 */
#include <string.h>

#include "lib/mail/dot.h"
#include "lib/proto/smtp-client.h"
#include "tests/fuzz/fuzz.h"

enum { RCPTS = 3, MESSAGES = 3 };

struct run;

struct mail {
	struct run *run;
	size_t at;
	bool under_way, committed;
	unsigned told;		/* a bit for each recipient */
};

struct run {
	struct smtp_client client;
	struct envelope env;
	struct span body;
	struct mail mail[MESSAGES];
	size_t given;
	bool no_commit, ahead;
	struct str events;
};

static void
hold_words(const char *words)
{
	for (; *words != '\0'; words++)
		HOLD(*words >= ' ' && *words <= '~');
}

static void
hook_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct mail *mail = ctx;
	struct run *run = mail->run;

	HOLD(mail->under_way && rcpt < run->env.rcpts && (mail->told & 1u << rcpt) == 0);
	HOLD(err->kind == ERR_TEMP || err->kind == ERR_PERM);
	hold_words(reply);
	mail->told |= 1u << rcpt;
	str_printf(&run->events, "rcpt %zu %s\n", rcpt, reply);
}

static int
hook_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct mail *mail = ctx;
	struct run *run = mail->run;
	struct span rest = span_from(run->body, mail->at);

	(void)err;
	HOLD(mail->under_way && !mail->committed);
	*got = rest.len < room ? rest.len : room;
	if (*got > 0)
		memcpy(bytes, rest.p, *got);
	mail->at += *got;
	return 0;
}

static int
hook_commit(void *ctx, struct err *err)
{
	struct mail *mail = ctx;
	struct run *run = mail->run;

	HOLD(mail->under_way && !mail->committed && mail->at == run->body.len);
	if (run->no_commit)
		return err_set(err, ERR_TEMP, "moved away");
	mail->committed = true;
	return 0;
}

static void
hook_done(void *ctx, const struct err *err, const char *reply)
{
	struct mail *mail = ctx;
	struct run *run = mail->run;
	bool none_left = mail->told == (1u << run->env.rcpts) - 1;

	HOLD(mail->under_way);
	HOLD(err->kind != ERR_NONE || mail->committed || none_left);
	hold_words(reply);
	hold_words(err->text);
	mail->under_way = false;
	str_printf(&run->events, "done %d %s %s\n", err->kind, err->text, reply);
}

static const struct smtp_client_hooks hooks = { hook_rcpt, hook_read, hook_commit, hook_done };

static void
start(struct run *run, uint8_t choice)
{
	*run = (struct run){ .no_commit = choice & 8, .ahead = choice & 64 };
	smtp_client_start(&run->client, "home.example", &hooks, run);
	run->client.chunks = choice & 1;
	run->client.tls = choice & 16;
	run->client.must_tls = choice & 32;
	run->body = choice & 2 ? SPAN("a\n.\r\nb\r\n") : SPAN("..a\r\n.\r\nb");
	envelope_from(&run->env, SPAN("a@b"), SPAN("BODY=8BITMIME RET=HDRS ENVID=x SIZE=1"));
	for (int i = 0; i < RCPTS && (choice & 4) == 0; i++)
		envelope_add(&run->env, SPAN("c@d"), SPAN("NOTIFY=NEVER"));
}

/* What a caller does between reads. */
static void
act(struct run *run)
{
	if (run->client.handshake)
		smtp_client_secured(&run->client);
	HOLD(!run->client.must_tls || run->client.secured || !run->client.ready);
	while (run->given < MESSAGES && (run->client.ready || (run->ahead && smtp_client_more(&run->client)))) {
		struct mail *mail = &run->mail[run->given++];
		*mail = (struct mail){ .run = run, .under_way = true };
		smtp_client_send_for(&run->client, &run->env, run->body.len, mail);
	}
	if (run->client.ready)
		smtp_client_quit(&run->client);
}

static void
talk(struct run *run, struct span said, bool bytes)
{
	while (said.len > 0) {
		const char *lf = memchr(said.p, '\n', said.len);
		size_t len = lf != NULL ? (size_t)(lf - said.p) + 1 : said.len;
		for (size_t i = 0; i < len; i += bytes ? 1 : len)
			smtp_client_feed(&run->client, said.p + i, bytes ? 1 : len);
		act(run);
		said = span_from(said, len);
	}
	smtp_client_eof(&run->client);
	for (size_t i = 0; i < run->given; i++)
		HOLD(!run->mail[i].under_way);
	HOLD(run->client.closing);
	bool cr = false;
	HOLD(dot_lines_ok(str_span(&run->client.out), &cr));
}

static void
stop(struct run *run)
{
	smtp_client_free(&run->client);
	envelope_free(&run->env);
	str_free(&run->events);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run lines, bytes;

	if (size == 0)
		return 0;
	struct span said = { (const char *)data + 1, size - 1 };
	start(&lines, data[0]);
	talk(&lines, said, false);
	start(&bytes, data[0]);
	talk(&bytes, said, true);
	HOLD(span_same(str_span(&lines.client.out), str_span(&bytes.client.out)));
	HOLD(span_same(str_span(&lines.events), str_span(&bytes.events)));
	stop(&lines);
	stop(&bytes);
	return 0;
}
