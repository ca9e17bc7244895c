/* XCLIENT (Postfix's): a peer of ours tells whom it speaks for.  It is offered to those that the
 * caller knows as such (options.xclient), and begins the session anew. */
#include "lib/mail/xtext.h"
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-verb.h"

static const char nowhere[] = "0.0.0.0";

static bool
here(const struct smtp_server *server)
{
	return server->options.xclient && !server->options.batch;
}

static void
announce(const struct smtp_server *server, struct str *out)
{
	(void)server;
	str_add_text(out, " NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
}

static int
bad(struct err *err, const char *text)
{
	err_set(err, ERR_PERM, "%s", text);
	return err_as_reply(err, 501, "5.5.4");
}

static bool
is_unknown(struct span value)
{
	return span_is_case(value, "[UNAVAILABLE]") || span_is_case(value, "[TEMPUNAVAIL]");
}

/* Only address and port change anything here; the rest is checked and passed over. */
static int
take_word(struct span word, struct str *addr, struct str *port, struct err *err)
{
	static const char *const others[] = { "NAME", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", NULL };
	struct span value = word, key;
	uint64_t number;

	span_cut(&value, '=', &key);
	if (value.p == NULL || value.len == 0 || !xtext_ok(value))
		return bad(err, "XCLIENT has NAME=VALUE, in xtext");
	if (span_is_case(key, "ADDR")) {
		str_set_span(addr, span_begins_case(value, "IPV6:") ? span_from(value, 5) : value);
		return 0;
	}
	if (span_is_case(key, "PORT")) {
		if (!is_unknown(value) && span_number(value, 65535, &number) < 0)
			return bad(err, "PORT is a number");
		str_set_span(port, is_unknown(value) ? SPAN("0") : value);
		return 0;
	}
	for (const char *const *other = others; *other != NULL; other++)
		if (span_is_case(key, *other))
			return 0;
	return bad(err, "no such attribute of XCLIENT");
}

static void
xclient(struct smtp_server *server, struct span args)
{
	struct str addr = {0}, port = {0};
	struct span word;
	struct err err = {0};
	int result = args.len > 0 ? 0 : bad(&err, "XCLIENT needs something to say");

	while (result == 0 && (word = span_word(&args)).len > 0)
		result = take_word(word, &addr, &port, &err);
	/* Whoever it is, he has none of the rights of who speaks for him. */
	if (is_unknown(str_span(&addr)))
		str_set(&addr, nowhere);
	if (result == 0 && addr.len > 0)
		result = server->hooks->xclient(server->ctx, str_c(&addr), port.len > 0 ? str_c(&port) : "0", &err);
	if (result < 0) {
		smtp_error_err(server, &err);
	} else {
		str_clear(&server->helo);
		smtp_forget(server);
		smtp_greet(server);
	}
	str_free(&addr);
	str_free(&port);
}

static const struct smtp_verb verbs[] = {
	{ "XCLIENT", SMTP_FRESH | SMTP_READY, xclient, VERB_JUNK | VERB_PLAIN },
	{0},
};

extern const struct smtp_ext ext_xclient;
const struct smtp_ext ext_xclient = {
	.keyword = "XCLIENT",
	.offer = OFFER_XCLIENT,
	.here = here,
	.announce = announce,
	.verbs = verbs,
};
