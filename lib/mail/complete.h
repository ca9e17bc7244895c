/*
 * complete - a message's header as it goes on: what it must have and lacks is added, what
 * is not for other eyes, or was put there to deceive, is left out.
 */
#ifndef LIB_MAIL_COMPLETE_H
#define LIB_MAIL_COMPLETE_H

#include <stdint.h>

#include "lib/base/str.h"

struct completing {
	const char *host;	/* ours, in a Message-ID */
	const char *from;	/* "ann@hub.example": for a From field that is missing */
	const char *full_name;	/* NULL: none */
	bool add_missing;	/* Date, From, Message-ID (RFC 6409 8) */
	bool strip_bcc;
	const char *results;	/* a name whose Authentication-Results only we may write (RFC 8601 5): theirs
				 * are left out; NULL: all stay */
	int64_t now;
};

/* Takes the header off text, what is left begins with the empty line if there is one, and
 * appends it to out: what is new, then what was there, in its order. */
void complete_header(const struct completing *c, struct span *text, struct str *out);

#endif
