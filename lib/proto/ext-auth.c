/* AUTH (RFC 4954): a SASL exchange in lines of base64; who it is, hooks decide. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/base64.h"
#include "lib/mail/xtext.h"
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-verb.h"

enum { MECHANISM_MAX = 20 };	/* RFC 4422 3.1 */

static const char *
mechanisms(const struct smtp_server *server)
{
	return server->secured ? server->options.mechanisms : server->options.clear_mechanisms;
}

static bool
here(const struct smtp_server *server)
{
	return mechanisms(server) != NULL && mechanisms(server)[0] != '\0' && server->hooks->auth != NULL;
}

static void
announce(const struct smtp_server *server, struct str *out)
{
	str_printf(out, " %s", mechanisms(server));
}

static void
answered(struct smtp_server *server, int result, const struct err *err)
{
	struct err why = *err;

	if (result == 0) {
		server->authenticated = true;
		smtp_reply(server, "235 2.7.0 welcome");
		return;
	}
	if (why.kind == ERR_PERM) {	/* the same words whatever was wrong */
		err_set(&why, ERR_PERM, "no");
		err_as_reply(&why, 535, "5.7.8");
	} else {
		err_as_reply(&why, 454, "4.7.0");
	}
	smtp_error_err(server, &why);
}

static void
step(struct smtp_server *server, const char *mechanism, struct span response)
{
	struct str challenge = {0};
	struct err err = {0};
	int result = server->hooks->auth(server->ctx, mechanism, response, &challenge, &err);

	if (result == SMTP_MORE) {
		str_add_text(&server->out, "334 ");
		base64_add(&server->out, challenge.p, challenge.len);
		str_add_text(&server->out, "\r\n");
		server->work->exchange = true;
	} else {
		smtp_ask(server, result, &err, answered);
	}
	str_free(&challenge);
}

static void
cancelled(struct smtp_server *server, const char *reply)
{
	if (server->hooks->auth_end != NULL)
		server->hooks->auth_end(server->ctx);
	smtp_error(server, reply);
}

/* "=" is an initial response of no bytes. */
static void
said(struct smtp_server *server, const char *mechanism, struct span text)
{
	size_t room = BASE64_BYTES(text.len) + 1;
	unsigned char *bytes = mem_get(room);
	int len = mechanism != NULL && span_is(text, "=") ? 0 : base64_read(text, bytes);

	if (len < 0)
		cancelled(server, "501 5.5.2 that is no base64");
	else
		step(server, mechanism, (struct span){ (const char *)bytes, (size_t)len });
	explicit_bzero(bytes, room);
	free(bytes);
}

void
smtp_auth_line(struct smtp_server *server, struct span line)
{
	server->work->exchange = false;
	if (span_is(line, "*"))
		cancelled(server, "501 5.0.0 cancelled");
	else
		said(server, NULL, line);
}

void
smtp_auth_too_long(struct smtp_server *server)
{
	if (server->work->exchange && server->hooks->auth_end != NULL)
		server->hooks->auth_end(server->ctx);
	server->work->exchange = false;
}

static bool
is_listed(const char *listed, struct span name)
{
	struct span rest = span_of(listed), word;

	while ((word = span_word(&rest)).len > 0)
		if (word.len == name.len && strncasecmp(word.p, name.p, name.len) == 0)
			return true;
	return false;
}

static void
auth(struct smtp_server *server, struct span args)
{
	struct span name = span_word(&args), initial = span_trim(args);
	char mechanism[MECHANISM_MAX + 1] = "";

	if (server->authenticated) {
		smtp_error(server, "503 5.5.1 you have done that");
		return;
	}
	if (name.len == 0) {
		smtp_error(server, "501 5.5.4 a mechanism belongs behind it");
		return;
	}
	if (name.len > MECHANISM_MAX || !is_listed(mechanisms(server), name)) {
		smtp_error(server, "504 5.5.4 no such mechanism here");
		return;
	}
	memcpy(mechanism, name.p, name.len);
	if (initial.len > 0)
		said(server, mechanism, initial);
	else
		step(server, mechanism, (struct span){0});
}

/* RFC 4954 section 5: who gave it to whoever gives it to us.  It is read, and believed of nobody. */
static int
check_from(const struct smtp_server *server, struct span value, struct err *err)
{
	struct str address = {0};

	(void)server;
	int result = value.len == 0 || xtext_decode(value, &address) < 0 ?
	    err_set(err, ERR_PERM, "AUTH= takes an address in xtext, or <>") : 0;
	str_free(&address);
	return result;
}

static const struct smtp_verb verbs[] = {
	{ "AUTH", SMTP_READY, auth, 0 },
	{0},
};

extern const struct smtp_ext ext_auth;
const struct smtp_ext ext_auth = {
	.keyword = "AUTH",
	.offer = OFFER_AUTH,
	.here = here,
	.announce = announce,
	.mail = (const struct smtp_param[]){ { "AUTH", check_from, smtp_never_on }, {0} },
	.verbs = verbs,
};
