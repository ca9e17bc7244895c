/*
 * users - the file of who may log in, mochila-users(5): a line each,
 *
 *	NAME:SECRET[:MAILBOX]
 *
 * NAME is what a mail program says, with or without a domain; ASCII letters are the same in
 * either case.  SECRET is a password as crypt(3) has hashed it, and behind blanks what other
 * ways to log in need of it ("{SCRAM-SHA-256}...", "{PLAIN}..."); "!" in front: nobody.  MAILBOX is
 * a Maildir, below the root unless it is absolute; without it the settings say.  Lines that are
 * empty or begin with # are kept as they are.
 *
 * The file is replaced as a whole (users_put), under a lock of its own, so a reader needs none.
 */
#ifndef SPOOL_USERS_H
#define SPOOL_USERS_H

#include "lib/base/err.h"

enum { USERS_MAX = 16 << 20, USERS_NAME_MAX = 320, USERS_PASS_MAX = 500 };

struct user {			/* views into the text of the file */
	struct span name, secret, mailbox;
};

/* The next user of the text; false: no more.  What is no such line is passed over. */
bool users_next(struct span *text, struct user *user);
bool users_find(struct span text, struct span name, struct user *user);
bool users_name_ok(struct span name);	/* fit to stand in the file */

int users_load(const char *file, struct str *text, struct err *err);	/* one that is not there is empty */
/* Replaces the user's line, adds it, or (secret NULL) removes it.  mailbox NULL: as it was.
 * must: he has to be there already, or must not.  ERR_PERM: he is not, or is. */
enum users_must { USERS_THERE, USERS_NEW, USERS_EITHER };
int users_put(const char *file, const char *name, const char *secret, const char *mailbox,
    enum users_must must, struct err *err);

/* Hashes by crypt(3), yescrypt where the library has it.  Takes about a tenth of a second. */
int users_hash(struct span pass, struct str *secret, struct err *err);
/* What a way to log in without telling needs stored: "{SCRAM-SHA-256}" or "{SCRAM-SHA-1}" and
 * ITERATIONS,SALT,STORED,SERVER (RFC 5802, the last three in base64), or "{PLAIN}" and the password. */
int users_scheme(struct span pass, const char *scheme, struct str *secret, struct err *err);
bool users_secret(const struct user *user, const char *scheme, struct str *secret);	/* what is behind it */
/* Is that the password?  When there is no such user (NULL) it takes as long as for the first one of the
 * file's text. */
bool users_check(struct span text, const struct user *user, struct span pass);

#endif
