/*
 * sasl-line - the lines of a SASL exchange: a mechanism with its first response, then
 * responses to challenges, all in base64.  What stands around them is POP3's (RFC 5034) or
 * SMTP's (RFC 4954); what they mean is sasl.h's.
 *
 *	sasl_line_first(listed, args, &said)	"PLAIN dGVzdA==" behind AUTH
 *	sasl_line_next(line, &said)		the answer to a challenge
 *		SASL_LINE_SAID			hand sasl_said(&said) on, with said.mechanism
 *	sasl_line_free(&said)			wipes it: a password may have been in it
 */
#ifndef LIB_PROTO_SASL_LINE_H
#define LIB_PROTO_SASL_LINE_H

#include "lib/base/str.h"

enum { SASL_MECHANISM_MAX = 20 };	/* RFC 4422 3.1 */

enum sasl_line {
	SASL_LINE_SAID,
	SASL_LINE_CANCELLED,	/* "*" */
	SASL_LINE_NO_BASE64,
	SASL_LINE_NO_MECHANISM,	/* none of those listed */
};

struct sasl_said {
	char mechanism[SASL_MECHANISM_MAX + 1];	/* in capitals; "" behind the first line */
	bool nothing;		/* the client waits for a challenge */
	struct str bytes;
};

/* listed: "SCRAM-SHA-256 PLAIN", or NULL.  args is not empty. */
enum sasl_line sasl_line_first(const char *listed, struct span args, struct sasl_said *said);
enum sasl_line sasl_line_next(struct span line, struct sasl_said *said);
struct span sasl_said(const struct sasl_said *said);	/* p is NULL when nothing was said */
const char *sasl_said_mechanism(const struct sasl_said *said);	/* NULL behind the first line */
void sasl_line_free(struct sasl_said *said);		/* {0} is fine */

/* "334 PDE4..." with its end */
void sasl_line_challenge(struct str *out, const char *before, struct span challenge);

#endif
