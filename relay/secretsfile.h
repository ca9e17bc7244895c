/*
 * secretsfile - E-MailRelay's file of secrets, read as it is.
 *
 *	server|client TYPE USER SECRET [SELECTOR]
 *
 * a line each, "#" begins a comment.  TYPE is plain (USER and SECRET in xtext), plain:b (both in
 * base64), md5 (SECRET is the state of an HMAC-MD5, in base64), oauth (of a client: SECRET is a
 * token, in xtext) or none (of a server: USER is an address or network that may send, SECRET a
 * word for it).  What is no such line is passed over.
 */
#ifndef RELAY_SECRETSFILE_H
#define RELAY_SECRETSFILE_H

#include "lib/base/err.h"

enum { SECRETSFILE_MAX = 1 << 20, SECRETSFILE_STATES = 32 };

struct secrets_line {
	bool server;
	struct span type, user, secret, selector;	/* as they stand there */
};

/* ERR_CONFIG when everybody may read it. */
int secretsfile_load(const char *path, struct str *text, struct err *err);
bool secretsfile_next(struct span *text, struct secrets_line *line);
/* The user's password, appended: 1, or 0: there is none, or it is not kept in clear. */
int secretsfile_password(struct span text, struct span user, struct str *password);
/* The states from which an HMAC-MD5 goes on (lib/base/digest.h): 1 or 0. */
int secretsfile_states(struct span text, struct span user, unsigned char states[SECRETSFILE_STATES]);
bool secretsfile_check(struct span text, struct span user, struct span password);
/* What a client is to say: "" selects lines without a selector.  1 (and whether it is a token; both
 * stay empty where the line says "= =": nothing), or 0. */
int secretsfile_client(struct span text, struct span selector, struct str *user, struct str *secret, bool *token);
/* The networks of a server's none lines, apart by blanks, as relay-from has them. */
void secretsfile_networks(struct span text, struct str *networks);

#endif
