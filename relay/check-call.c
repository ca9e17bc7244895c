/*
 * check call: - the next hop is asked by SMTP or LMTP, when it is up; when it is not, there is
 * no opinion, and the mail waits for it as ever.
 */
#include "relay/check.h"

#include <stdlib.h>
#include <string.h>

#include "relay/lines.h"

static const char default_port[] = ":25";

/* The code of a reply, of one line or several; its last text.  -1: there is none. */
static int
reply(struct lines *hop, struct str *text)
{
	struct err ignored;
	struct str line = {0};
	uint64_t code = 0;
	bool more = true;

	for (int lines = 0; more && lines < 100; lines++) {
		if (lines_hear(hop, &line, &ignored) < 0 || line.len < 3 ||
		    span_number(span_to(str_span(&line), 3), 599, &code) < 0 || code < 200) {
			code = 0;
			break;
		}
		more = line.len > 3 && line.p[3] == '-';
		str_set_span(text, span_trim(span_from(str_span(&line), 4)));
	}
	str_free(&line);
	return more || code == 0 ? -1 : (int)code;
}

static int
command(struct lines *hop, const char *verb, struct span argument, const char *end, struct str *text)
{
	struct str line = {0};
	struct err ignored;

	str_printf(&line, "%s%.*s%s\r\n", verb, (int)argument.len, argument.p, end);
	int code = lines_say(hop, str_span(&line), &ignored) < 0 ? -1 : reply(hop, text);
	str_free(&line);
	return code;
}

/* What it says of the address: a code, or -1 when it does not come to that. */
static int
dialogue(struct lines *hop, const struct checking *c, bool lmtp, struct str *text)
{
	static const struct span nothing = { "", 0 };
	int code = -1;

	if (reply(hop, text) / 100 != 2)
		return -1;
	if (command(hop, lmtp ? "LHLO " : "EHLO ", c->host, "", text) / 100 != 2 &&
	    (lmtp || command(hop, "HELO ", c->host, "", text) / 100 != 2))
		return -1;
	if (command(hop, "MAIL FROM:<", nothing, ">", text) / 100 == 2)
		code = command(hop, "RCPT TO:<", c->address, ">", text);
	struct str ignored = {0};
	command(hop, "QUIT", nothing, "", &ignored);
	str_free(&ignored);
	return code;
}

static enum check_result
call_ask(const char *rest, const struct checking *c, struct str *said)
{
	struct lines hop = { .fd = -1 };
	struct err err = {0};
	struct span where = c->route, kind;
	struct str at = {0};
	int code = -1;

	(void)rest;
	if (c->route.len == 0 || c->sender || !span_cut(&where, ':', &kind) || where.len == 0)
		return CHECK_NONE;
	bool lmtp = span_is(kind, "lmtp");
	if (!lmtp && !span_is(kind, "smtp"))
		return CHECK_NONE;
	str_add_span(&at, where);
	if (where.p[0] != '/' && memchr(where.p, ':', where.len) == NULL)
		str_add_text(&at, default_port);
	if (lines_dial(&hop, str_c(&at), CHECK_ONE / 2, &err) == 0)
		code = dialogue(&hop, c, lmtp, said);
	lines_close(&hop);
	str_free(&at);
	if (code / 100 == 5)
		return CHECK_NO;
	str_clear(said);
	return code / 100 == 2 ? CHECK_YES : CHECK_NONE;
}

const struct check_row check_call = { "call:", true, call_ask };
