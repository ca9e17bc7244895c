/* AUTH (RFC 4954): a SASL exchange in lines of base64; who it is, hooks decide. */
#include "lib/mail/xtext.h"
#include "lib/proto/sasl-line.h"
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-verb.h"

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
step(struct smtp_server *server, const struct sasl_said *said)
{
	struct str challenge = {0};
	struct err err = {0};
	int result = server->hooks->auth(server->ctx, sasl_said_mechanism(said), sasl_said(said), &challenge, &err);

	if (result == SMTP_MORE) {
		sasl_line_challenge(&server->out, "334 ", str_span(&challenge));
		shown_text(&server->options.shown, true, "334 ****");
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

static void
heard(struct smtp_server *server, enum sasl_line line, struct sasl_said *said)
{
	if (line == SASL_LINE_SAID)
		step(server, said);
	else if (line == SASL_LINE_NO_MECHANISM)
		smtp_error(server, "504 5.5.4 no such mechanism here");
	else
		cancelled(server, line == SASL_LINE_CANCELLED ? "501 5.0.0 cancelled" :
		    "501 5.5.2 that is no base64");
	sasl_line_free(said);
}

void
smtp_auth_line(struct smtp_server *server, struct span line)
{
	struct sasl_said said;

	server->work->exchange = false;
	heard(server, sasl_line_next(line, &said), &said);
}

void
smtp_auth_too_long(struct smtp_server *server)
{
	if (server->work->exchange && server->hooks->auth_end != NULL)
		server->hooks->auth_end(server->ctx);
	server->work->exchange = false;
}

static void
auth(struct smtp_server *server, struct span args)
{
	struct sasl_said said;

	args = span_trim(args);
	if (server->authenticated)
		smtp_error(server, "503 5.5.1 you have done that");
	else if (args.len == 0)
		smtp_error(server, "501 5.5.4 a mechanism belongs behind it");
	else
		heard(server, sasl_line_first(mechanisms(server), args, &said), &said);
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
