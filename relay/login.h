/*
 * login - is this password the user's?  Rows of a table, in a process of its own.
 *
 * mochila-login is started by the relay with the sources that [relay] login names, and asked
 * by standard input, one question after the other; the relay starts some of them, so that a slow
 * hash holds nobody up, and kills one that does not answer (relay/verify.h).  What a question is:
 *
 *	NUMBER LENGTH\n		and LENGTH bytes: user NUL password NUL service NUL client NUL
 *				"password" or "token": what the second one is
 *
 * and the answer, one line:
 *
 *	NUMBER yes MAILBOX	or nothing behind "yes": the settings say which
 *	NUMBER no
 *	NUMBER later WHY	a source could not be asked, and no other said yes
 *
 * The sources are asked in their order until one says yes.
 */
#ifndef RELAY_LOGIN_H
#define RELAY_LOGIN_H

#include "lib/base/err.h"

enum { LOGIN_SECONDS = 20 };

struct login {
	struct span user, pass, service, client;
	bool token;		/* pass is an OAuth token */
};

struct login_row {
	const char *scheme;	/* "file:" */
	bool alone;		/* it starts no program, and opens no file but what stands behind it */
	/* rest: what stands behind the scheme.  1 yes (and mailbox, or nothing), 0 no, -1 err. */
	int (*check)(const char *rest, const struct login *who, struct str *mailbox, struct err *err);
};

extern const struct login_row login_file, login_command, login_dovecot, login_checkpassword, login_emailrelay,
	login_pam;
extern const struct login_row *const login_rows[];	/* NULL-ended */

const struct login_row *login_row_of(const char *source, const char **rest);	/* NULL: no such scheme */

#endif
