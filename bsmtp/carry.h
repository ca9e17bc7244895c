/*
 * carry - can this format, and this site, carry this message?
 *
 *	carry_look(&carry, format, site, fd, &entry, err)	reads the message once
 *	carry_rcpt(&carry, i, err)				and this recipient of it?
 *
 * A no is ERR_PERM with the reply that the sender gets to read: nothing is ever left out in
 * silence, and nothing changed but the encoding of MIME parts that could not go otherwise
 * (lib/mail/recode.h); then carry.recodes, and what is written goes through carry.recode.  What is lost without harm to the mail is named in carry.lost; reports
 * of success that the peer can no longer make, pack makes (batch_relayed).
 */
#ifndef BSMTP_CARRY_H
#define BSMTP_CARRY_H

#include "bsmtp/format.h"
#include "lib/mail/recode.h"

/* What a body is made of. */
struct texture {
	bool eight_header, eight_body;	/* bytes above 127 */
	bool binary;		/* NUL, or a CR or LF alone */
	size_t longest;		/* line, without its end */
};
void texture_of(struct span message, struct texture *texture);
int texture_read(int fd, off_t at, uint64_t len, struct texture *texture, struct err *err);

struct carry {
	const struct format *format;
	const struct site_settings *site;
	const struct entry *entry;
	struct texture texture;
	bool recodes;
	struct recode recode;	/* has looked; recode_again() comes before the bytes do */
	struct str lost;	/* the parameters that cannot be told: "RET=HDRS NOTIFY=SUCCESS" */
};

int carry_look(struct carry *carry, const struct format *format, const struct site_settings *site,
    int fd, const struct entry *entry, struct err *err);
int carry_rcpt(const struct carry *carry, size_t rcpt, struct err *err);
void carry_free(struct carry *carry);

#endif
