#include "lib/proto/smtp-verb.h"

#include "lib/mail/address.h"
#include "lib/mail/utf8.h"
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-ext.h"

enum { NAME_MAX_BYTES = 255 };

/* "250-SIZE 1000" for each extension; the last line's '-' becomes a blank. */
static void
announce(struct smtp_server *server)
{
	struct str *out = &server->out;
	size_t from = out->len, last = from;
	unsigned offered = smtp_offered(server);

	str_printf(out, "250-%s\r\n", server->options.host);
	for (const struct smtp_ext *const *ext = smtp_exts; *ext != NULL; ext++) {
		if (((*ext)->offer & offered) == 0)
			continue;
		last = out->len;
		str_printf(out, "250-%s", (*ext)->keyword);
		if ((*ext)->announce != NULL)
			(*ext)->announce(server, out);
		str_add_text(out, "\r\n");
	}
	out->p[last + 3] = ' ';
	smtp_show(server, from);
}

static void
hello(struct smtp_server *server, struct span args, bool esmtp)
{
	struct span name = span_word(&args);

	if (name.len == 0 || name.len > NAME_MAX_BYTES || span_trim(args).len > 0) {
		smtp_error(server, "501 5.5.4 one name belongs behind it");
		return;
	}
	str_set_span(&server->helo, name);
	server->esmtp = esmtp;
	smtp_forget(server);
	if (esmtp)
		announce(server);
	else
		smtp_reply(server, "250 %s", server->options.host);
}

/* RFC 2033 4.1: LHLO in LMTP, and there only. */
static bool
is_other_protocol(struct smtp_server *server, bool lmtp)
{
	if (server->options.lmtp == lmtp)
		return false;
	smtp_error(server, lmtp ? "500 5.5.1 this is SMTP" : "500 5.5.1 this is LMTP, say LHLO");
	return true;
}

static void
verb_lhlo(struct smtp_server *server, struct span args)
{
	if (!is_other_protocol(server, true))
		hello(server, args, true);
}

static void
verb_ehlo(struct smtp_server *server, struct span args)
{
	if (!is_other_protocol(server, false))
		hello(server, args, true);
}

static void
verb_helo(struct smtp_server *server, struct span args)
{
	if (!is_other_protocol(server, false))
		hello(server, args, false);
}

/* Syntax that is wrong: 501, unless err knows better.  A batch says all of a message, whatever
 * a part of its envelope is worth: then it is told to the hook, and that was it. */
static bool
passed_over(struct smtp_server *server, bool rcpt, struct span args, struct err *err)
{
	if (err->reply == 0)
		err_as_reply(err, 501, err->code[0] != '\0' ? NULL : rcpt ? "5.1.3" : "5.1.7");
	if (!server->options.batch || server->hooks->bad == NULL)
		return false;
	server->hooks->bad(server->ctx, rcpt, args, err);
	return true;
}

static unsigned
allowed(const struct smtp_server *server, unsigned allow)
{
	return server->options.batch ? allow | ADDRESS_BARE | ADDRESS_UTF8 : allow;
}

/* "FROM:<path>" off the front of args; blanks before the path are common. */
static int
take_path(struct span *args, const char *keyword, unsigned allow, struct span *address,
    struct err *err)
{
	if (!span_begins_case(*args, keyword)) {
		err_set(err, ERR_PERM, "%s<address> is what belongs here", keyword);
		return err_as(err, 0, "5.5.4");
	}
	*args = span_trim(span_from(*args, span_of(keyword).len));
	if (address_path(args, allow, address, err) < 0)
		return -1;
	if (args->len > 0 && args->p[0] != ' ')
		return err_set(err, ERR_PERM, "address: something hangs on behind it");
	return 0;
}

static void
refused_by_hook(struct smtp_server *server, const struct err *err)
{
	unsigned most = server->options.max_refused;

	smtp_reply_err(server, err);
	if (++server->work->refused > most && most > 0)
		smtp_die(server, "421 4.7.0 too much was refused");
}

static void
mail_answered(struct smtp_server *server, int result, const struct err *err)
{
	server->work->spoilt = result < 0 ? SMTP_SPOILT_MAX : 0;
	if (result < 0) {
		envelope_clear(&server->env);
		refused_by_hook(server, err);
		return;
	}
	server->state = SMTP_FROM;
	if (err->text[0] != '\0')
		smtp_reply_err(server, err);
	else
		smtp_reply(server, "250 2.1.0 sender ok");
}

static uint64_t
declared_size(const struct envelope *env)
{
	struct span value;
	uint64_t size = 0;

	if (envelope_arg(str_span(&env->args), "SIZE", &value))
		span_number(value, UINT64_MAX, &size);
	return size;
}

static bool
has_utf8(const struct envelope *env)
{
	struct span value;

	return envelope_arg(str_span(&env->args), "SMTPUTF8", &value);
}

/* Sender and parameters into server->env. */
static int
parse_mail(struct smtp_server *server, struct span args, struct err *err)
{
	struct span address = {0};
	struct envelope *env = &server->env;

	/* SMTPUTF8 stands behind the address that needs it: looked for afterwards. */
	if (take_path(&args, "FROM:", allowed(server, ADDRESS_NULL | ADDRESS_UTF8), &address, err) < 0)
		return -1;
	envelope_from(env, address, (struct span){0});
	if (smtp_params_check(server, false, args, &env->args, err) < 0)
		return -1;
	if (!has_utf8(env))
		return address_check(address, allowed(server, ADDRESS_NULL), err);
	return 0;
}

static void
verb_mail(struct smtp_server *server, struct span args)
{
	struct err err = {0};

	server->work->spoilt = SMTP_SPOILT_MAX;	/* until the hook says yes */
	if (parse_mail(server, args, &err) < 0) {
		if (passed_over(server, false, args, &err)) {
			if (!server->env.begun)
				envelope_from(&server->env, (struct span){0}, (struct span){0});
			mail_answered(server, 0, &(struct err){0});
			return;
		}
		envelope_clear(&server->env);
		smtp_error_err(server, &err);
		return;
	}
	int result = server->hooks->mail(server->ctx, &server->env, declared_size(&server->env), &err);
	smtp_ask(server, result, &err, mail_answered);
}

/* A client that sends ahead says DATA all the same, when nobody is left. */
static void
excuse_data(struct smtp_server *server)
{
	server->work->spoilt = SMTP_SPOILT_MAX;
}

static void
rcpt_answered(struct smtp_server *server, int result, const struct err *err)
{
	struct rcpt *rcpt = &server->work->rcpt;

	if (result < 0) {
		excuse_data(server);
		refused_by_hook(server, err);
		return;
	}
	envelope_add(&server->env, str_span(&rcpt->to), str_span(&rcpt->args));
	server->state = SMTP_TO;
	smtp_reply(server, "250 2.1.5 recipient ok");
}

/* The recipient asked for into work->rcpt. */
static int
parse_rcpt(struct smtp_server *server, struct span args, struct err *err)
{
	struct rcpt *rcpt = &server->work->rcpt;
	unsigned allow = ADDRESS_POSTMASTER | (has_utf8(&server->env) ? ADDRESS_UTF8 : 0);
	struct span address = {0};

	if (take_path(&args, "TO:", allowed(server, allow), &address, err) < 0)
		return -1;
	str_set_span(&rcpt->to, address);
	str_clear(&rcpt->args);
	return smtp_params_check(server, true, args, &rcpt->args, err);
}

/* SMTP-07.  Who sends ahead says all he has, and hears it for each; who never stops is ended. */
static void
too_many_recipients(struct smtp_server *server)
{
	static const char reply[] = "452 4.5.3 that many recipients are enough for one message";

	if (++server->work->beyond > SMTP_BEYOND_MAX)
		smtp_error(server, reply);
	else
		smtp_reply(server, "%s", reply);
}

static void
verb_rcpt(struct smtp_server *server, struct span args)
{
	size_t most = server->options.max_recipients;
	struct err err = {0};

	if (parse_rcpt(server, args, &err) < 0) {
		if (passed_over(server, true, args, &err)) {
			server->state = SMTP_TO;
			smtp_reply(server, "250 2.1.5 passed over");
			return;
		}
		excuse_data(server);
		smtp_error_err(server, &err);
		return;
	}
	if (most > 0 && server->env.rcpts >= most) {
		too_many_recipients(server);
		return;
	}
	int result = server->hooks->rcpt(server->ctx, &server->env, &server->work->rcpt, &err);
	smtp_ask(server, result, &err, rcpt_answered);
}

static void
verb_data(struct smtp_server *server, struct span args)
{
	if (args.len > 0)
		smtp_error(server, "501 5.5.4 DATA stands alone");
	else if (smtp_is_binary(server))	/* RFC 3030 3 */
		smtp_error(server, "503 5.5.1 BINARYMIME comes by BDAT");
	else
		smtp_body_data(server);
}

static void
verb_rset(struct smtp_server *server, struct span args)
{
	(void)args;
	smtp_forget(server);
	server->work->spoilt = 0;
	smtp_reply(server, "250 2.0.0 forgotten");
}

static void
verb_noop(struct smtp_server *server, struct span args)
{
	/* Our own words in a NOOP count only where a batch is read: from a stranger's
	 * session it is just NOOP. */
	if (server->options.batch && server->hooks->noop != NULL)
		server->hooks->noop(server->ctx, args);
	smtp_reply(server, "250 2.0.0 ok");
}

static void
vrfy_answered(struct smtp_server *server, int result, const struct err *err)
{
	if (result < 0)
		smtp_reply_err(server, err);
	else
		smtp_reply(server, "250 2.1.5 known here");
}

static void
verb_vrfy(struct smtp_server *server, struct span args)
{
	struct err err = {0};

	if (args.len == 0)
		smtp_error(server, "501 5.5.4 VRFY whom?");
	else if (server->hooks->vrfy == NULL)
		smtp_reply(server, "252 2.5.0 send the message and see");
	else
		smtp_ask(server, server->hooks->vrfy(server->ctx, args, &err), &err, vrfy_answered);
}

static void verb_help(struct smtp_server *server, struct span args);

static void
verb_quit(struct smtp_server *server, struct span args)
{
	(void)args;
	if (server->hooks->quit != NULL)
		server->hooks->quit(server->ctx);
	if (!server->options.batch) {
		smtp_die(server, "221 2.0.0 bye");
		return;
	}
	str_clear(&server->helo);	/* another batch may stand behind this one */
	smtp_forget(server);
	smtp_reply(server, "221 2.0.0 bye");
}

/* Known, and not done here: telling so is friendlier than "no such command". */
static void
verb_not_done(struct smtp_server *server, struct span args)
{
	(void)args;
	smtp_error(server, "502 5.5.1 that is not done here");
}

/* A web page that makes a browser talk to us: nothing it sends may be read as
 * commands, and what follows is not for us. */
static void
verb_of_http(struct smtp_server *server, struct span args)
{
	(void)args;
	if (server->options.batch)
		smtp_error(server, "500 5.5.2 no such command");
	else
		smtp_die(server, "421 4.7.0 this is SMTP");
}

static const struct smtp_verb verbs[] = {
	{ "EHLO", SMTP_ANY, verb_ehlo, VERB_JUNK | VERB_PACED | VERB_PLAIN },
	{ "LHLO", SMTP_ANY, verb_lhlo, VERB_JUNK | VERB_PACED | VERB_PLAIN },
	{ "HELO", SMTP_ANY, verb_helo, VERB_JUNK | VERB_PACED | VERB_PLAIN },
	{ "MAIL", SMTP_READY, verb_mail, VERB_UTF8 },
	{ "RCPT", SMTP_FROM | SMTP_TO, verb_rcpt, VERB_UTF8 },
	{ "DATA", SMTP_TO, verb_data, 0 },	/* paced too, at its 354: smtp-body.c */
	{ "RSET", SMTP_ANY, verb_rset, VERB_JUNK | VERB_PLAIN },
	{ "NOOP", SMTP_ANY, verb_noop, VERB_JUNK | VERB_PLAIN },
	{ "QUIT", SMTP_ANY, verb_quit, VERB_PLAIN },
	{ "VRFY", SMTP_ANY, verb_vrfy, VERB_JUNK | VERB_UTF8 },
	{ "HELP", SMTP_ANY, verb_help, VERB_JUNK | VERB_PLAIN },
	{ "EXPN", SMTP_ANY, verb_not_done, VERB_JUNK | VERB_UTF8 },
	{ "TURN", SMTP_ANY, verb_not_done, 0 },
	{ "ETRN", SMTP_ANY, verb_not_done, 0 },
	{ "ATRN", SMTP_ANY, verb_not_done, 0 },
	{ "GET", SMTP_ANY, verb_of_http, VERB_UTF8 | VERB_PLAIN },
	{ "PUT", SMTP_ANY, verb_of_http, VERB_UTF8 | VERB_PLAIN },
	{ "POST", SMTP_ANY, verb_of_http, VERB_UTF8 | VERB_PLAIN },
	{ "HEAD", SMTP_ANY, verb_of_http, VERB_UTF8 | VERB_PLAIN },
	{ "OPTIONS", SMTP_ANY, verb_of_http, VERB_UTF8 | VERB_PLAIN },
	{ "CONNECT", SMTP_ANY, verb_of_http, VERB_UTF8 | VERB_PLAIN },
	{0},
};

static void
verb_help(struct smtp_server *server, struct span args)
{
	struct str names = {0};

	(void)args;
	for (const struct smtp_verb *verb = verbs; verb->name != NULL; verb++) {
		if (verb->run != verb_not_done && verb->run != verb_of_http &&
		    (verb->run != verb_lhlo || server->options.lmtp))
			str_printf(&names, " %s", verb->name);
	}
	for (const struct smtp_ext *const *ext = smtp_exts; *ext != NULL; ext++) {
		const struct smtp_verb *verb = (*ext)->verbs;
		for (; ((*ext)->offer & smtp_offered(server)) != 0 && verb != NULL && verb->name != NULL; verb++)
			str_printf(&names, " %s", verb->name);
	}
	smtp_reply(server, "214 2.0.0%s", str_c(&names));
	str_free(&names);
}

static const struct smtp_verb *
find(const struct smtp_verb *verb, struct span name)
{
	while (verb != NULL && verb->name != NULL && !span_is_case(name, verb->name))
		verb++;
	return verb != NULL && verb->name != NULL ? verb : NULL;
}

const struct smtp_verb *
smtp_verb_find(const struct smtp_server *server, struct span name, bool *offered)
{
	const struct smtp_verb *verb = find(verbs, name);

	*offered = true;
	for (const struct smtp_ext *const *ext = smtp_exts; verb == NULL && *ext != NULL; ext++) {
		verb = find((*ext)->verbs, name);
		*offered = ((*ext)->offer & smtp_offered(server)) != 0;
	}
	return verb;
}
