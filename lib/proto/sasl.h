/*
 * sasl - one exchange by which somebody proves who he is (RFC 4422), the serving side,
 * without I/O.  POP3 and SMTP carry its messages, each in its own words.
 *
 *	sasl_step(&sasl, "PLAIN", response, &challenge, &err)	then with mechanism NULL
 *		SASL_MORE	send the challenge, come back with the answer to it
 *		SASL_CHECK	is sasl.pass right for sasl.user?  (with sasl.token: a token of his)
 *		SASL_YES	it is sasl.user
 *		SASL_NO		it is not
 *	sasl_free(&sasl);
 *
 * Mechanisms are rows: those that hand over a password or a token leave it to the caller to
 * check it, which may take time; those that prove a shared secret without telling it
 * (libgsasl) ask hook secret for what is stored of it.  Of a user that is not there they ask
 * as of any other, and fail at the end.
 *
 * Whoever logs in acts for himself: another authorization identity is refused.
 */
#ifndef LIB_PROTO_SASL_H
#define LIB_PROTO_SASL_H

#include "lib/base/err.h"

enum { SASL_YES = 0, SASL_NO = -1, SASL_MORE = 2, SASL_CHECK = 3 };

struct sasl_hooks {
	/* What is stored of the user's secret for a scheme: "{SCRAM-SHA-256}", "{SCRAM-SHA-1}" (behind
	 * it ITERATIONS,SALT,STORED,SERVER, the last three in base64), "{PLAIN}" (the password itself) or
	 * "{HMAC-MD5}" (digest_hmac_md5_states() in base64); appended without the scheme.  1, 0 there is none, -1 err. */
	int (*secret)(void *ctx, struct span user, const char *scheme, struct str *secret, struct err *err);
	/* Whom the client's certificate names, for EXTERNAL; NULL or "": nobody. */
	const char *(*external)(void *ctx);
	/* What both ends of this TLS connection know and nobody between them (RFC 9266,
	 * tls-exporter), for -PLUS; appended in base64.  NULL, or nothing appended: there is none. */
	void (*binding)(void *ctx, struct str *base64);
};

struct sasl_row;

struct sasl {
	const struct sasl_hooks *hooks;
	void *ctx;
	const struct sasl_row *row;
	struct str user, pass;
	struct str challenge;	/* of CRAM-MD5 */
	bool token;		/* pass is an OAuth token, not a password */
	int steps;
	bool proven;		/* all that is left is that the client hears our own proof */
	void *work;		/* the library's */
	struct err *err;	/* of the step under way */
	bool failed;		/* a hook did */
};

/* Mechanisms, best first, ended by one without a name: what a caller may choose from. */
struct sasl_row {
	const char *name;
	bool clear;		/* a password or a token is said: with TLS, or not at all */
	bool bound;		/* only with TLS, to which it is bound */
	const char *scheme;	/* what must be stored for it; NULL: nothing of ours */
	int (*step)(struct sasl *sasl, struct span response, struct str *challenge);
};
extern const struct sasl_row sasl_rows[];

/* Salts of users that are not there come of this key: without it they are others after a restart, which
 * would tell who is there. */
enum { SASL_KEY_SIZE = 32 };
void sasl_nobody(const unsigned char key[SASL_KEY_SIZE]);

int sasl_step(struct sasl *sasl, const char *mechanism, struct span response, struct str *challenge,
    struct err *err);	/* response.p NULL at the first step: the client said nothing yet */
void sasl_free(struct sasl *sasl);	/* hooks and ctx stay */

#endif
