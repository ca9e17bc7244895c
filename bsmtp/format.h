/*
 * format - how messages stand in a batch: what a peer reads, "[site] format".
 *
 *	full	every parameter of ESMTP, bodies by length	our own, RFC 2442 readers
 *	reduced	no parameter, DATA, dots stuffed, CRLF	exim -bS, sendmail, bsmtpd
 *	rmail	one message, recipients in the command	any UUCP
 *
 * A row says what it can carry and how a message is written; what it cannot carry is
 * told by carry.h, and answered for by pack.
 *
 * Adding a format: format-NAME.c, one X() in FORMATS, one name in local.mk.
 */
#ifndef BSMTP_FORMAT_H
#define BSMTP_FORMAT_H

#include "lib/base/digest.h"
#include "lib/mail/dot.h"
#include "lib/proto/smtp-ext.h"
#include "spool/entry.h"
#include "spool/settings.h"

#define FORMATS(X) X(full) X(reduced) X(rmail)

/* A body on its way into a batch. */
struct format_body {
	struct dot_out dot;
	bool cr;
};

struct format {
	const char *name;
	const char *says;	/* what it is, for people */
	unsigned carries;	/* enum smtp_offer: parameters that it has a place for */
	bool binary;		/* any bytes; else lines of text, without NUL and lone CR or LF */
	bool plain;		/* no codec is put around it */
	uint64_t most;		/* messages in one batch; 0: as many as the site takes */
	/* Before the first message; NULL: nothing. */
	void (*begin)(const struct settings *settings, struct str *out);
	void (*head)(const struct entry_info *info, const struct envelope *env, uint64_t body_len,
	    const struct settings *settings, struct str *out);
	void (*body)(struct format_body *body, struct span bytes, struct str *out);	/* NULL: as it is.
			   Text only comes when !binary: carry.h has seen to it */
	void (*tail)(struct format_body *body, struct str *out);	/* NULL: nothing */
	void (*end)(uint64_t count, const struct digest *digest, struct str *out);	/* the same */
	bool (*takes)(struct span recipient);	/* may it be one?  NULL: all may */
};

extern const struct format *const formats[];	/* NULL-ended; the first is the preset */

const struct format *format_named(const char *name, struct err *err);

#endif
