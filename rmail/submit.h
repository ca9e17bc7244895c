/*
 * submit - the last step of rmail and sendmail: one message, taken or refused.
 *
 *	submit_read(STDIN_FILENO, ...)		the text, bounded in size and time
 *	submit(&s, err)				0: it is on disk
 *
 * It goes into the spool; by mochila-drop where we may not write there, as for an
 * ordinary user; or to a sendmail-compatible program, whose exit status is then
 * ours.  Nothing is said to be taken before it is.
 */
#ifndef RMAIL_SUBMIT_H
#define RMAIL_SUBMIT_H

#include "lib/mail/envelope.h"
#include "spool/settings.h"

struct submission {
	const struct settings *settings;
	const char *as;		/* "rmail", "sendmail": from= of the entry */
	const char *client;	/* the user, for the trace; "" if none */
	const char *peer;	/* the site that UUCP vouches for; NULL: none */
	const char *job;	/* of that peer, to know it again; NULL: not said */
	const char *program;	/* NULL: the spool */
	bool as_it_is;		/* nothing of it is changed */
	struct envelope env;
	struct str body;	/* header and all, CRLF lines */
};

/* Appends what fd gives, with CRLF lines, until its end or, with dot_ends, a line ".".
 * Silence is ERR_TEMP, more than max bytes ERR_PERM. */
int submit_read(int fd, uint64_t max, bool dot_ends, struct str *body, struct err *err);

/* May this be a recipient?  Not what begins as an option, program or file does: -, |, /,
 * :include: (hostile-inputs ARG-01, ARG-02). */
int submit_address_ok(struct span address, struct err *err);
int submit_sender_ok(struct span address, struct err *err);

int submit(struct submission *s, struct err *err);
void submission_free(struct submission *s);

#endif
