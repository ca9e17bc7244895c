#include "tests/talk/fake.h"

#include <stdlib.h>

/* The answer now, or kept for later. */
static int
say(struct fake *fake, int result, struct err *err)
{
	if (!fake->slow)
		return result;
	fake->result = result;
	fake->err = *err;
	return SMTP_LATER;
}

static int
refuse(struct err *err, enum err_kind kind, int reply, const char *code, const char *text)
{
	err_set(err, kind, "%s", text);
	return err_as_reply(err, reply, code);
}

static bool
any_rcpt(const struct envelope *env, const char *local)
{
	for (size_t i = 0; i < env->rcpts; i++) {
		if (span_begins(str_span(&env->rcpt[i].to), local))
			return true;
	}
	return false;
}

static int
hook_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err)
{
	int result = 0;

	(void)size;
	if (span_begins(str_span(&env->from), "nobody@"))
		result = refuse(err, ERR_PERM, 550, "5.1.8", "not from there");
	return say(ctx, result, err);
}

static int
hook_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	struct span to = str_span(&rcpt->to);
	int result = 0;

	(void)env;
	if (span_begins(to, "refused@"))
		result = refuse(err, ERR_PERM, 550, "5.1.1", "no such user");
	else if (span_begins(to, "later@"))
		result = refuse(err, ERR_TEMP, 450, "4.2.1", "not today");
	return say(ctx, result, err);
}

static int
hook_begin(void *ctx, const struct envelope *env, struct err *err)
{
	struct fake *fake = ctx;
	int result = 0;

	if (fake->open)
		abort();	/* the engine forgot an end or an abort */
	if (any_rcpt(env, "shy@"))
		result = refuse(err, ERR_TEMP, 0, "4.3.1", "no room");
	fake->open = result == 0;
	envelope_copy(&fake->env, env);
	str_clear(&fake->body);
	return say(fake, result, err);
}

static int
hook_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct fake *fake = ctx;

	if (!fake->open)
		abort();
	str_add(&fake->body, bytes, len);
	return any_rcpt(&fake->env, "full@") ? refuse(err, ERR_TEMP, 0, "4.3.1", "disk full") : 0;
}

static void
keep(struct fake *fake)
{
	envelope_mail_line(&fake->env, &fake->messages);
	str_add_char(&fake->messages, '\n');
	for (size_t i = 0; i < fake->env.rcpts; i++) {
		envelope_rcpt_line(&fake->env.rcpt[i], &fake->messages);
		str_add_char(&fake->messages, '\n');
	}
	str_add_char(&fake->messages, '\n');
	str_add_span(&fake->messages, str_span(&fake->body));
	fake->accepted++;
}

static int
hook_end(void *ctx, struct err *err)
{
	struct fake *fake = ctx;
	int result = 0;

	if (!fake->open)
		abort();
	fake->open = false;
	if (any_rcpt(&fake->env, "lost@"))
		result = refuse(err, ERR_TEMP, 0, NULL, "sync failed");
	else
		keep(fake);
	return say(fake, result, err);
}

static void
hook_abort(void *ctx)
{
	struct fake *fake = ctx;

	fake->open = false;
	fake->aborted++;
}

static int
hook_xclient(void *ctx, const char *addr, const char *port, struct err *err)
{
	struct fake *fake = ctx;

	(void)err;
	str_printf(&fake->notes, "%s %s\n", addr, port);
	return 0;
}

/* PLAIN knows bob, whose word is "secret"; ASK asks who it is, and "bob" will do. */
static int
hook_auth(void *ctx, const char *mechanism, struct span response, struct str *challenge, struct err *err)
{
	static const char plain[] = "\0bob\0secret", broken[] = "\0bob\0broken";
	bool asks = mechanism != NULL && span_begins_case(span_of(mechanism), "ASK");

	if (asks)
		str_add_text(challenge, "who?");
	if (asks || response.p == NULL)
		return SMTP_MORE;
	if (span_same(response, (struct span){ broken, sizeof broken - 1 }))
		return say(ctx, refuse(err, ERR_TEMP, 0, NULL, "the file cannot be read"), err);
	if (span_is(response, "bob") || span_same(response, (struct span){ plain, sizeof plain - 1 }))
		return say(ctx, 0, err);
	return say(ctx, refuse(err, ERR_PERM, 0, NULL, "no such user"), err);
}

static void
hook_noop(void *ctx, struct span text)
{
	struct fake *fake = ctx;

	str_add_span(&fake->notes, text);
	str_add_char(&fake->notes, '\n');
}

static const struct smtp_server_hooks hooks = {
	.mail = hook_mail, .rcpt = hook_rcpt, .begin = hook_begin, .body = hook_body,
	.end = hook_end, .abort = hook_abort, .noop = hook_noop, .xclient = hook_xclient, .auth = hook_auth,
};

void
fake_start(struct fake *fake, const struct smtp_server_options *options)
{
	bool slow = fake->slow;

	*fake = (struct fake){ .slow = slow };
	smtp_server_start(&fake->server, options, &hooks, fake);
}

static void
feed(struct fake *fake, struct span bytes)
{
	smtp_server_feed(&fake->server, bytes.p, bytes.len);
	while (fake->server.waiting)
		smtp_server_answer(&fake->server, fake->result, &fake->err);
}

void
fake_feed(struct fake *fake, struct span bytes, size_t step)
{
	while (bytes.len > 0) {
		struct span piece = span_to(bytes, step > 0 ? step : bytes.len);
		feed(fake, piece);
		bytes = span_from(bytes, piece.len);
	}
}

void
fake_free(struct fake *fake)
{
	smtp_server_free(&fake->server);
	envelope_free(&fake->env);
	str_free(&fake->body);
	str_free(&fake->messages);
	str_free(&fake->notes);
}
