/*
 * auth - who is it, at one session: what POP3 and SMTP have in common of it.
 *
 *	auth_open(&auth, session, "pop3", done)
 *	auth.mechanisms, auth.clear_mechanisms		what the engine may offer
 *	auth_step(&auth, mechanism, response, &challenge, err)	hook of both engines
 *	auth_password(&auth, user, pass, err)
 *	auth_close(&auth)
 *
 * The mechanisms are those of [relay] login-mechanisms (lib/proto/sasl.h); passwords and tokens
 * are checked by mochila-login (verify.h), what proves a secret without telling it against
 * what the files of [relay] login store for that.  Each failure is a line in the log, and is
 * told late.
 */
#ifndef RELAY_AUTH_H
#define RELAY_AUTH_H

#include "lib/proto/sasl.h"
#include "relay/verify.h"

struct session;
struct settings;

enum { AUTH_LATER = 1, AUTH_MORE = 2 };	/* as both engines have it */

struct auth {
	struct session *session;
	const char *service;
	struct sasl sasl;
	struct verify_question question;
	struct str user, mailbox;	/* once it is somebody; mailbox may be empty */
	struct str shown;		/* the user as one word, for logs: others read them by words */
	struct str certificate;		/* whom the client's names */
	const char *how;		/* the mechanism by which he is asked or was known; "" */
	bool anybody;			/* may log in here */
	struct str mechanisms, clear_mechanisms;
	void (*done)(struct auth *auth, int result, const struct err *err);	/* of an AUTH_LATER: 0 or -1 */
};

/* At the start: ROOT/login-key, of which what is told of nobody comes, so that it stays. */
int auth_key(const struct settings *settings, struct err *err);
int auth_check(const char *mechanisms, struct err *err);	/* of the settings: are they known? */
/* Appends the networks that the files of [relay] login say may send anywhere. */
int auth_networks(const struct settings *settings, const char *login, struct str *networks, struct err *err);
void auth_open(struct auth *auth, struct session *session, const char *service,
    void (*done)(struct auth *auth, int result, const struct err *err));
void auth_secured(struct auth *auth);	/* TLS stands: there may be a certificate, and mechanisms is anew */
/* 0: auth.user; -1, AUTH_LATER, AUTH_MORE */
int auth_step(struct auth *auth, const char *mechanism, struct span response, struct str *challenge,
    struct err *err);
int auth_password(struct auth *auth, struct span user, struct span pass, struct err *err);
/* APOP, where it is among the mechanisms: what the greeting ends with, or false; then as auth_password(). */
bool auth_stamp(const struct auth *auth, struct str *stamp);
int auth_apop(struct auth *auth, struct span user, struct span stamp, struct span digest, struct err *err);
void auth_cancel(struct auth *auth);
void auth_close(struct auth *auth);

#endif
