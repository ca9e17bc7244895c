/*
 * smtp-verb - what a client may say, when, and who answers.
 *
 * A verb's row has the states it is in order in; out of order is answered in one
 * place (smtp-server.c).  Verbs of an extension are in the extension's row.
 */
#ifndef LIB_PROTO_SMTP_VERB_H
#define LIB_PROTO_SMTP_VERB_H

#include "lib/proto/smtp-server.h"

enum smtp_state {
	SMTP_FRESH = 1,		/* no EHLO or HELO yet */
	SMTP_READY = 2,		/* for MAIL */
	SMTP_FROM = 4,		/* MAIL was taken, no RCPT yet */
	SMTP_TO = 8,		/* there is a recipient */
	SMTP_CHUNKS = 16,	/* between one BDAT and the next */
	SMTP_ANY = 31,
};

enum smtp_verb_flag {
	VERB_JUNK = 1,		/* brings no mail on its way: counted (SMTP-16) */
	VERB_UTF8 = 2,		/* its text may be beyond ASCII */
	VERB_PACED = 4,		/* nothing may be sent behind it before our reply */
	VERB_PLAIN = 16,	/* answered as ever before TLS, where that must come first (RFC 3207 4) */
	VERB_BODY = 8,		/* bytes follow that are no commands: not offered, it closes */
};

struct smtp_verb {
	const char *name;
	unsigned states;
	void (*run)(struct smtp_server *server, struct span args);
	unsigned flags;
};

/* NULL: no such verb.  *offered is false for those of withheld extensions. */
const struct smtp_verb *smtp_verb_find(const struct smtp_server *server, struct span name,
    bool *offered);

#endif
