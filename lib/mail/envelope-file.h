/*
 * envelope-file - an envelope as E-MailRelay keeps it, for programs that were written for it.
 *
 *	X-MailRelay-Format: #2821.8
 *	X-MailRelay-Content: 8bit
 *	X-MailRelay-From: ann@example.org
 *	X-MailRelay-ToCount: 2
 *	X-MailRelay-To-Local: bob@home.example
 *	X-MailRelay-To-Remote: eve@far.example
 *	...
 *	X-MailRelay-End: 1
 *
 * Lines end in CRLF; what is read may have lost the CR, since people edit with what they
 * have.  Behind End nothing counts.  What no line can hold is not taken.
 */
#ifndef LIB_MAIL_ENVELOPE_FILE_H
#define LIB_MAIL_ENVELOPE_FILE_H

#include "lib/base/err.h"
#include "lib/mail/envelope.h"

struct envelope_file {
	struct envelope env;		/* when read: addresses only */
	bool *local;			/* of each recipient; NULL: none is */
	struct str client;		/* the address it came from */
	struct str user;		/* who logged in */
	struct str forward_to, forward_to_address;
	struct str selector;		/* ClientAccountSelector */
};

void envelope_file_write(const struct envelope_file *file, struct str *out);
int envelope_file_read(struct span text, struct envelope_file *file, struct err *err);
void envelope_file_free(struct envelope_file *file);

#endif
