/*
 * sendmail -bs: SMTP on standard input and output, for mail readers that know
 * nothing else.  Each message is a submission like any other.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/proto/smtp-server.h"
#include "rmail/compose.h"
#include "rmail/rmail.h"

enum { SILENCE_SECONDS = 300, ERRORS_MAX = 20 };

static int
on_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err)
{
	(void)ctx;
	(void)size;	/* the engine compares it with max_size */
	return submit_sender_ok(str_span(&env->from), err);
}

static int
on_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	(void)ctx;
	(void)env;
	return submit_address_ok(str_span(&rcpt->to), err);
}

static int
on_begin(void *ctx, const struct envelope *env, struct err *err)
{
	struct submission *s = ctx;

	(void)err;
	envelope_copy(&s->env, env);
	str_clear(&s->body);
	return 0;
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct submission *s = ctx;

	(void)err;
	str_add(&s->body, bytes, len);
	return 0;
}

/* A submission like any other: it gets what it lacks. */
static int
on_end(void *ctx, struct err *err)
{
	struct submission *s = ctx;
	struct str whole = {0};
	struct composing composing = {
		.host = s->settings->spool.host, .from = str_c(&s->env.from), .strip_bcc = true, .now = clock_now(),
	};

	compose_message(&composing, str_span(&s->body), &whole);
	str_free(&s->body);
	s->body = whole;
	return submit(s, err);
}

static void
on_abort(void *ctx)
{
	struct submission *s = ctx;

	str_clear(&s->body);
}

static int
answer(struct smtp_server *server, struct err *err)
{
	int result = fs_write(STDOUT_FILENO, server->out.p, server->out.len, err);

	str_clear(&server->out);
	return result;
}

static int
hear(struct smtp_server *server, struct err *err)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char piece[16384];

	if (poll(&input, 1, SILENCE_SECONDS * 1000) == 0) {
		smtp_server_close(server, "421 4.4.2 no command for too long");
		return 0;
	}
	ssize_t got = read(STDIN_FILENO, piece, sizeof piece);
	if (got < 0)
		return errno == EINTR ? 0 : err_sys(err, "standard input");
	if (got == 0) {
		smtp_server_eof(server);
		server->closing = true;
		return 0;
	}
	smtp_server_feed(server, piece, (size_t)got);
	return 0;
}

int
talk(struct submission *s, struct err *err)
{
	static const struct smtp_server_hooks hooks = {
		.mail = on_mail, .rcpt = on_rcpt, .begin = on_begin, .body = on_body, .end = on_end,
		.abort = on_abort,
	};
	const struct smtp_server_options options = {
		.host = s->settings->spool.host, .max_size = s->settings->spool.max_size,
		.max_recipients = s->settings->spool.max_recipients, .max_errors = ERRORS_MAX,
		.any_pace = true,	/* a program on this host, that may well write all at once */
	};
	struct smtp_server server;
	int result;

	smtp_server_start(&server, &options, &hooks, s);
	while ((result = answer(&server, err)) == 0 && !server.closing)
		if ((result = hear(&server, err)) < 0)
			break;
	smtp_server_free(&server);
	return result;
}
