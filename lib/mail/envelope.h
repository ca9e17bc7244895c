/*
 * envelope - who sent it, who gets it, and what was asked for with them.
 *
 * Parameters are kept as the text that came ("BODY=8BITMIME RET=HDRS"), checked
 * once by the row of their extension (lib/proto/smtp-ext.h) and carried on
 * verbatim: what was absent stays absent, what was said is never re-encoded
 * (RFC 3461 5.2.1).  An envelope owns its strings; {0} is an empty one.
 */
#ifndef LIB_MAIL_ENVELOPE_H
#define LIB_MAIL_ENVELOPE_H

#include "lib/base/str.h"

struct rcpt {
	struct str to;		/* without the angle brackets */
	struct str args;	/* "NOTIFY=FAILURE ORCPT=rfc822;bob@home.example", or empty */
};

struct envelope {
	bool begun;		/* a MAIL was seen: tells "<>" from no sender at all */
	struct str from;	/* without the angle brackets; "" is the null sender */
	struct str args;
	struct rcpt *rcpt;
	size_t rcpts;
};

void envelope_from(struct envelope *env, struct span from, struct span args);	/* begins */
struct rcpt *envelope_add(struct envelope *env, struct span to, struct span args);
void envelope_copy(struct envelope *to, const struct envelope *from);	/* to is emptied first */
void envelope_clear(struct envelope *env);	/* begun = false, no recipients */
void envelope_free(struct envelope *env);

/* A parameter's value by its keyword, in any case of letters: true when there,
 * with value empty for a bare keyword ("SMTPUTF8"). */
bool envelope_arg(struct span args, const char *keyword, struct span *value);

/* The domain behind the last '@' outside quotes, "" when there is none. */
struct span envelope_domain(struct span address);

/* "MAIL FROM:<...> args" and "RCPT TO:<...> args" without line ends. */
void envelope_mail_line(const struct envelope *env, struct str *out);
void envelope_rcpt_line(const struct rcpt *rcpt, struct str *out);

#endif
