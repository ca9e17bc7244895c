/*
 * smtp-client - the sending side of SMTP, without I/O: many messages a session.
 *
 *	smtp_client_start(&client, "home.example", &hooks, ctx);
 *	smtp_client_feed(&client, bytes, len);		what the server said
 *	... client.out is sent and cleared by the caller, who then calls
 *	smtp_client_pump(&client);			more of the body, while out is small
 *
 * When client.ready is true a message may be given with smtp_client_send(); its
 * envelope must live until hook done was called.  Hooks never call back into the client:
 * the next message is given when feed or pump has returned.
 *
 * Where the server has PIPELINING a message may be given before the last one is answered: when all
 * that is to be said of that one is said, and smtp_client_more() is true, smtp_client_send_for()
 * begins the next behind it.  By BDAT several are under way then, by DATA two.  Each has hooks
 * of its own (ctx) and is done in its turn; where the session fails all of them are.
 *
 * MAIL, RCPTs and DATA leave in one flight where the server has PIPELINING.  With
 * client.chunks set and CHUNKING offered the body goes by BDAT, a small one in the same
 * flight as its envelope: one round trip less on a slow link.  DSN, SIZE, BODY and
 * SMTPUTF8 parameters go to servers that announced them; what was not offered is left
 * out, and client.offers tells the caller so that he can answer for it.  A message that
 * cannot go without (SMTPUTF8), or is larger than SIZE, is refused before MAIL.
 *
 * With client.tls set STARTTLS is said where it is offered; with client.must_tls no mail
 * goes without.  Behind the server's 220 client.handshake is set: the caller has TLS begun on
 * the connection and calls smtp_client_secured(), and the client says EHLO once more; what
 * was offered in plain text is forgotten.  A server that goes on in plain text behind its 220
 * (TLS-02) fails the session, so words slipped in by others are never its own.
 *
 * With client.login set no mail goes before the server has taken a name and password, told by
 * AUTH (smtp-auth.h) when TLS has begun, or without where the caller allows that.
 *
 * With client.lmtp set it is LMTP (RFC 2033): LHLO, and behind the body one reply for each
 * recipient that was accepted; hook rcpt is called for those refused there too.
 *
 * A body leaves with CRLF line ends and dots stuffed, and a bare CR or LF never does: where
 * hook read brings one, the message is refused (554 5.6.0), and in DATA the connection
 * closes before the end, since SMTP has no other way to take a message back.
 */
#ifndef LIB_PROTO_SMTP_CLIENT_H
#define LIB_PROTO_SMTP_CLIENT_H

#include "lib/base/err.h"
#include "lib/base/shown.h"
#include "lib/mail/envelope.h"
#include "lib/proto/smtp-auth.h"
#include "lib/proto/smtp-ext.h"

enum { SMTP_CLIENT_FLIGHT = 16 };	/* messages under way at most */

struct smtp_client_hooks {
	void (*rcpt)(void *ctx, size_t rcpt, const struct err *err, const char *reply);
			/* refused: err->kind TEMP or PERM; called only for those */
	int (*read)(void *ctx, void *bytes, size_t room, size_t *got, struct err *err);
			/* next bytes of the body, CRLF lines; got 0: the end */
	int (*commit)(void *ctx, struct err *err);	/* may be NULL; asked right before the byte
			 * that commits (final dot, BDAT LAST), with BDAT maybe before the
			 * recipients are answered: -1 takes the message back, in DATA by
			 * dropping the connection */
	void (*done)(void *ctx, const struct err *err, const char *reply);
			/* the transaction ended; err speaks of the recipients that hook rcpt did
			 * not tell of: ERR_NONE = all of them are accepted (also when there are
			 * none left), TEMP or PERM = none is.  reply may be "" */
};

struct smtp_client {
	struct str out;		/* for the caller to send */
	bool chunks;		/* set by the caller: BDAT where it is offered */
	bool lmtp;		/* set by the caller, before the first feed */
	bool tls, must_tls;	/* set by the caller, the same */
	const struct smtp_login *login;	/* the same; NULL: no AUTH */
	struct shown shown;	/* the same: who looks on */
	bool handshake;		/* shake hands, then smtp_client_secured() */
	bool secured;		/* they are shaken; a caller who had them before the first feed sets it */
	bool verified;		/* set by the caller: secured, and the server is who it should be */
	uint64_t max_rcpts, max_mails;	/* of LIMITS; 0 = not said */
	bool ready;		/* greeted, nothing under way: a message may be given */
	bool closing;		/* send out, then close */
	bool failed;		/* the session is useless; err says why */
	bool refused;		/* and that is because the login was, by a 5xx */
	struct err err;
	unsigned offers;	/* smtp_offer bits */
	uint64_t max_size;	/* of SIZE; 0 = not said */
	struct smtp_client_work *work;	/* the engine's own */
};

void smtp_client_start(struct smtp_client *client, const char *helo,
    const struct smtp_client_hooks *hooks, void *ctx);
void smtp_client_feed(struct smtp_client *client, const void *bytes, size_t len);
void smtp_client_secured(struct smtp_client *client);
void smtp_client_pump(struct smtp_client *client);
void smtp_client_send(struct smtp_client *client, const struct envelope *env, uint64_t size);
			/* size: bytes of the body as hook read will give them; 0 = not known.
			 * Hook done may be called before it returns */
bool smtp_client_more(const struct smtp_client *client);	/* not ready, but one more may be given */
void smtp_client_send_for(struct smtp_client *client, const struct envelope *env, uint64_t size, void *ctx);
			/* the same; ctx is for the hooks */
void smtp_client_quit(struct smtp_client *client);
void smtp_client_eof(struct smtp_client *client);	/* the connection is gone: TEMP to done */
void smtp_client_free(struct smtp_client *client);

#endif
