#include "tests/talk/fake-pop3.h"

#include <stdlib.h>
#include <string.h>

const char *const fake_pop3_messages[3] = {
	"Subject: one\r\n\r\nhello\r\n",
	"Subject: two\r\nX: y\r\n\r\n.dot\r\n..\r\n\r\nlast\r\n",
	"Subject: three\r\n\r\nno end",
};

const struct pop3_server_options fake_pop3_options = {
	.host = "pop.example", .stls = true, .clear = true, .mechanisms = "PLAIN SLOW-LOGIN",
	.clear_mechanisms = "PLAIN SLOW-LOGIN", .stamp = "<1@pop.example>", .max_errors = 6,
	.max_junk = 8,
};

static int
say(struct fake_pop3 *fake, int result, const struct err *err)
{
	if (!fake->slow)
		return result;
	fake->result = result;
	fake->err = *err;
	return POP3_LATER;
}

static int
refuse(struct err *err)
{
	return err_set(err, ERR_PERM, "no such user, or another password");
}

static int
hook_pass(void *ctx, struct span user, struct span pass, struct err *err)
{
	int result = 0;

	if (span_is(user, "broken"))
		result = err_set(err, ERR_TEMP, "the password file cannot be read");
	else if (!span_is(user, "bob") || !span_is(pass, "secret word "))
		result = refuse(err);
	return say(ctx, result, err);
}

static int
hook_apop(void *ctx, struct span user, struct span digest, struct err *err)
{
	bool right = span_is(user, "bob") && span_begins(digest, "c4c9334bac560ecc979e58001b3e22fb");

	return say(ctx, right ? 0 : refuse(err), err);
}

static int
hook_sasl(void *ctx, const char *mechanism, struct span response, struct str *challenge, struct err *err)
{
	static const char plain[] = "\0bob\0secret word ";
	struct fake_pop3 *fake = ctx;

	if (mechanism != NULL && strcmp(mechanism, "SLOW-LOGIN") == 0) {
		str_add_text(challenge, "who?");
		str_set(&fake->challenge, "who?");
		fake->asked = true;
		return say(fake, POP3_MORE, err);
	}
	if (mechanism != NULL && response.p == NULL) {
		str_clear(&fake->challenge);
		return say(fake, POP3_MORE, err);
	}
	bool right = fake->asked ? span_is(response, "bob") :
	    span_same(response, (struct span){ plain, sizeof plain - 1 });
	fake->asked = false;
	return say(fake, right ? 0 : refuse(err), err);
}

static void
hook_sasl_end(void *ctx)
{
	struct fake_pop3 *fake = ctx;

	fake->asked = false;
}

static int
hook_open(void *ctx, size_t *count, struct err *err)
{
	struct fake_pop3 *fake = ctx;

	(void)err;
	if (fake->held)
		return POP3_IN_USE;
	if (fake->slow && !fake->listed) {
		fake->listed = true;
		fake->result = 0;
		return POP3_LATER;
	}
	fake->open = true;
	*count = 3;
	return 0;
}

static uint64_t
hook_size(void *ctx, size_t message)
{
	(void)ctx;
	return strlen(fake_pop3_messages[message]);
}

static void
hook_uid(void *ctx, size_t message, struct str *uid)
{
	(void)ctx;
	str_printf(uid, "uid-%zu", message + 1);
}

static int
hook_begin(void *ctx, size_t message, struct err *err)
{
	struct fake_pop3 *fake = ctx;

	(void)err;
	if (!fake->open || fake->reading)
		abort();
	fake->reading = true;
	fake->message = message;
	fake->at = 0;
	return 0;
}

/* In pieces of three bytes, so that every line end is cut somewhere. */
static ssize_t
hook_read(void *ctx, void *to, size_t len, struct err *err)
{
	struct fake_pop3 *fake = ctx;
	struct span left = span_from(span_of(fake_pop3_messages[fake->message]), fake->at);

	if (!fake->reading)
		abort();
	if (fake->broken && fake->message == 1 && fake->at > 6)
		return err_set(err, ERR_TEMP, "it cannot be read");
	left = span_to(left, len < 3 ? len : 3);
	if (left.len > 0)
		memcpy(to, left.p, left.len);
	fake->at += left.len;
	return (ssize_t)left.len;
}

static void
hook_end(void *ctx)
{
	struct fake_pop3 *fake = ctx;

	if (!fake->reading)
		abort();
	fake->reading = false;
}

static int
hook_remove(void *ctx, const bool *marked, size_t count, struct err *err)
{
	struct fake_pop3 *fake = ctx;

	if (fake->stuck)
		return err_set(err, ERR_TEMP, "the disk is read-only");
	for (size_t i = 0; i < count; i++)
		fake->gone[i] |= marked[i];
	return 0;
}

static const struct pop3_server_hooks hooks = {
	.pass = hook_pass, .apop = hook_apop, .sasl = hook_sasl, .sasl_end = hook_sasl_end,
	.open = hook_open, .size = hook_size, .uid = hook_uid, .begin = hook_begin,
	.read = hook_read, .end = hook_end, .remove = hook_remove,
};

static void
deliver(struct fake_pop3 *fake)
{
	str_add_span(&fake->heard, str_span(&fake->server.out));
	str_clear(&fake->server.out);
}

/* As a relay does: what is said is sent, what is waited for comes, TLS begins. */
static void
attend(struct fake_pop3 *fake)
{
	do {
		deliver(fake);
		if (fake->server.start_tls)
			pop3_server_tls(&fake->server);
		if (fake->slow && fake->result != POP3_LATER) {
			int result = fake->result;
			fake->result = POP3_LATER;
			pop3_server_answer(&fake->server, result, str_span(&fake->challenge), &fake->err);
		}
		pop3_server_fill(&fake->server);
	} while (fake->server.out.len > 0 || (fake->slow && fake->result != POP3_LATER));
}

void
fake_pop3_start(struct fake_pop3 *fake, const struct pop3_server_options *options)
{
	fake->result = POP3_LATER;
	pop3_server_start(&fake->server, options, &hooks, fake);
	attend(fake);
}

void
fake_pop3_feed(struct fake_pop3 *fake, struct span bytes, size_t step)
{
	while (bytes.len > 0) {
		struct span piece = span_to(bytes, step > 0 ? step : bytes.len);
		pop3_server_feed(&fake->server, piece.p, piece.len);
		attend(fake);
		bytes = span_from(bytes, piece.len);
	}
}

void
fake_pop3_free(struct fake_pop3 *fake)
{
	pop3_server_free(&fake->server);
	str_free(&fake->heard);
	str_free(&fake->challenge);
}
