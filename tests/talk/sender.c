#include "tests/talk/sender.h"

#include <string.h>

static const char *const kinds[] = {
	[ERR_NONE] = "OK", [ERR_TEMP] = "TEMP", [ERR_PERM] = "PERM", [ERR_CONFIG] = "CONFIG",
};

static void
hook_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct sender *sender = ctx;

	str_printf(&sender->events, "rcpt %zu %s %s\n", rcpt, kinds[err->kind], reply);
}

static int
hook_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct sender *sender = ctx;
	struct span rest = span_from(sender->body, sender->at);

	if (sender->bad_read && sender->at > 0)
		return err_set(err, ERR_TEMP, "cannot read it");
	*got = rest.len < room ? rest.len : room;
	if (sender->piece > 0 && *got > sender->piece)
		*got = sender->piece;
	if (*got > 0)
		memcpy(bytes, rest.p, *got);
	sender->at += *got;
	return 0;
}

static int
hook_commit(void *ctx, struct err *err)
{
	struct sender *sender = ctx;

	str_add_text(&sender->events, "commit\n");
	return sender->no_commit ? err_set(err, ERR_TEMP, "it was moved away") : 0;
}

static void
hook_done(void *ctx, const struct err *err, const char *reply)
{
	struct sender *sender = ctx;
	const char *words = reply[0] != '\0' ? reply : err->text;

	str_printf(&sender->events, "done %s%s%s\n", kinds[err->kind], words[0] != '\0' ? " " : "", words);
}

static const struct smtp_client_hooks hooks = { hook_rcpt, hook_read, hook_commit, hook_done };

void
sender_start(struct sender *sender)
{
	smtp_client_start(&sender->client, "home.example", &hooks, sender);
}

void
sender_mail(struct sender *sender, const char *from, const char *args)
{
	envelope_from(&sender->env, span_of(from), span_of(args));
}

void
sender_rcpt(struct sender *sender, const char *to, const char *args)
{
	envelope_add(&sender->env, span_of(to), span_of(args));
}

void
sender_send(struct sender *sender, struct span body)
{
	sender->body = body;
	sender->at = 0;
	smtp_client_send(&sender->client, &sender->env, body.len);
}

void
sender_join(struct sender *sender, struct sender *first, struct span body)
{
	sender->body = body;
	sender->at = 0;
	smtp_client_send_for(&first->client, &sender->env, body.len, sender);
}

void
sender_free(struct sender *sender)
{
	smtp_client_free(&sender->client);
	envelope_free(&sender->env);
	str_free(&sender->events);
}
