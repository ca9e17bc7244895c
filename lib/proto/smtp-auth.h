/*
 * smtp-auth - a client tells a server who he is (RFC 4954): PLAIN (RFC 4616), LOGIN, CRAM-MD5
 * (RFC 2195); or, where it is no password but a token that he has, OAUTHBEARER (RFC 7628) or XOAUTH2.
 *
 * A name and password go only where nobody can listen, unless the caller allows it: PLAIN
 * first, then LOGIN.  CRAM-MD5 does not show the password, but whoever listens can guess at it:
 * without TLS it is as forbidden as the others, and where they are allowed it comes first.
 */
#ifndef LIB_PROTO_SMTP_AUTH_H
#define LIB_PROTO_SMTP_AUTH_H

#include "lib/base/err.h"

struct smtp_login {		/* borrowed */
	const char *name, *password;
	bool clear;		/* also without TLS */
	bool token;		/* what stands in password is an OAuth token */
};

struct smtp_mech;

/* The mechanism to be used of those that EHLO has named ("PLAIN LOGIN"); NULL with err: none. */
const struct smtp_mech *smtp_auth_choose(const struct smtp_login *login, struct span offered, bool secured,
    struct err *err);
/* Returns the step that comes next: 1 where all that the first one says fits into the command. */
unsigned smtp_auth_begin(const struct smtp_mech *mech, const struct smtp_login *login, struct str *out);
/* What is said to a 334 with its words.  -1: it makes no sense. */
int smtp_auth_answer(const struct smtp_mech *mech, const struct smtp_login *login, unsigned step,
    struct span challenge, struct str *out, struct err *err);

/* Is the password, as it is or as it was said, among a server's words?  They are not for the log then. */
bool smtp_auth_tells(const struct smtp_login *login, struct span words);

#endif
