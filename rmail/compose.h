/*
 * compose - what a submission's header says, and what it lacks.
 */
#ifndef RMAIL_COMPOSE_H
#define RMAIL_COMPOSE_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/mail/envelope.h"

struct composing {
	const char *host;	/* ours: completes addresses without a domain */
	const char *from;	/* "ann@hub.example": for a From field that is missing */
	const char *full_name;	/* NULL: none */
	bool strip_bcc;
	int64_t now;
};

/* Appends the addresses of To, Cc and Bcc, or, when the message is sent on, of
 * Resent-To, Resent-Cc and Resent-Bcc, to the envelope. */
int compose_recipients(struct span body, const char *host, struct envelope *env, struct err *err);

/* address, with "@host" where it has no domain. */
void compose_qualify(struct span address, const char *host, struct str *out);

/* The message as it goes out: a From_ line on top and Bcc taken off, From, Date and
 * Message-ID added when missing, an empty line behind the header. */
void compose_message(const struct composing *c, struct span body, struct str *out);

#endif
