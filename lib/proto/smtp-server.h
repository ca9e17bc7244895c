/*
 * smtp-server - the receiving side of SMTP (RFC 5321), without I/O.
 *
 *	smtp_server_start(&server, &options, &hooks, ctx);	the banner is in server.out
 *	smtp_server_feed(&server, bytes, len);			replies gather in server.out
 *
 * The relay runs it on a socket, the unbatcher on a batch with the replies thrown
 * away, tests on strings in steps of one byte, the fuzzer on anything.  Replies are
 * in server.out; the caller sends and clears them.  When server.closing is set it
 * sends what is there and closes.
 *
 * The hooks decide.  Each returns 0 (the engine's own good reply), -1 with *err (its
 * err_reply is sent), or SMTP_LATER: nothing is answered and no more input is read
 * until smtp_server_answer() says how it ended; what is fed meanwhile is kept,
 * at most 256 KiB, and server.waiting is true (stop reading the socket).  With 0
 * a hook may leave words in err->text: "queued as X" makes "250 2.0.0 queued as X".
 * A hook never calls back into the server.
 *
 * Only CRLF ends a line and only CRLF.CRLF ends DATA.  In DATA a bare CR or LF is read
 * to the true end and answered 550 5.5.2, then the connection closes; hook abort is
 * called and nothing was accepted.  In BDAT, where the count is the end, it is 554 5.6.0
 * and the session goes on.  A command that ends in a bare LF closes the connection.
 *
 * With options.batch LF ends a line too, and DATA's lines reach the hook as CRLF all the
 * same; what BDAT brings stays byte for byte.  Greeting and EHLO may be missing, empty
 * lines are passed over, addresses may lack a domain, or SMTPUTF8, NOOP lines go to hook
 * noop, and QUIT starts over rather than closing: batches may stand one behind the other.
 * Its writer heard no reply, so with hook bad a MAIL or RCPT that cannot be is told and
 * passed over: what follows belongs to the message all the same.
 *
 * Behind the 220 of STARTTLS server.handshake is set: the caller sends what is in out, has TLS
 * begun, and calls smtp_server_secured().  Nothing that came in plain text is known any more
 * then (RFC 3207 4.2); whatever is fed before it, or came behind STARTTLS, closes.
 *
 * What the verbs do is in smtp-verb.c, bodies in smtp-body.c, extensions are the rows
 * of smtp-ext.h.
 */
#ifndef LIB_PROTO_SMTP_SERVER_H
#define LIB_PROTO_SMTP_SERVER_H

#include "lib/base/err.h"
#include "lib/base/shown.h"
#include "lib/mail/envelope.h"
#include "lib/proto/smtp-ext.h"

enum {
	SMTP_LATER = 1,
	SMTP_MORE = 2,		/* hook auth: the challenge is to be answered */
	SMTP_AUTH_MAX = 16384,	/* RFC 4954 section 4: 12288 at least */
};
enum { SMTP_LINE_MAX = 4096 };	/* RFC 5321 4.5.3.1.4 and RFC 3461 5: 1036 at least */

struct smtp_server_options {
	const char *host;	/* our name in the banner; borrowed */
	bool batch;
	uint64_t max_size;	/* announced by SIZE, enforced on what comes; 0 = none */
	size_t max_recipients;	/* beyond: 452 4.5.3 */
	unsigned max_errors;	/* commands not understood; beyond: 421 and close; 0 = never */
	unsigned max_junk;	/* NOOP, VRFY, RSET, empty chunks ... since the last message; the same */
	unsigned max_refused;	/* senders and recipients that hooks refused (OR-75); the same */
	bool lmtp;		/* RFC 2033: LHLO, and behind a body a reply for each recipient */
	bool xclient;		/* this client may speak for others: hook xclient */
	bool binary;		/* BINARYMIME: hook body may get bytes that are no lines */
	uint64_t max_hold;	/* seconds: FUTURERELEASE; 0: it is not offered */
	bool tls, must_tls;	/* STARTTLS is offered; nothing is done for mail before it: 530 */
	const char *mechanisms;	/* of AUTH, once TLS is on; NULL or "": none */
	const char *clear_mechanisms;	/* and without it */
	unsigned withhold;	/* smtp_offer bits (smtp-ext.h) that this client is not offered */
	struct shown shown;	/* who looks on */
	bool any_pace;		/* input may run ahead of our replies to EHLO and DATA; without
				 * it that is 554 and close (RFC 2920 3.1, SMTP-11); always in batch */
};

struct smtp_server_hooks {
	int (*mail)(void *ctx, const struct envelope *env, uint64_t size, struct err *err);
			/* env has sender and parameters; size: declared, 0 if not.  Words that
			 * are left with 0 are said, with err->code if that is set */
	int (*rcpt)(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err);
			/* not yet in env; added when this says 0 */
	int (*begin)(void *ctx, const struct envelope *env, struct err *err);
			/* a body follows: before 354, or before the first BDAT's bytes.
			 * After -1 there will be neither end nor abort */
	int (*body)(void *ctx, const char *bytes, size_t len, struct err *err);
			/* unstuffed bytes with CRLF line ends; not SMTP_LATER.  After -1 the
			 * rest is swallowed and err answers the end */
	int (*end)(void *ctx, struct err *err);
			/* the body is whole: make it durable, then 0 -> 250 */
	void (*abort)(void *ctx);	/* after begin, when there will be no end */
	int (*xclient)(void *ctx, const char *addr, const char *port, struct err *err);
			/* the session is that of this address; only with options.xclient */
	int (*vrfy)(void *ctx, struct span what, struct err *err);	/* NULL: 252 */
	void (*noop)(void *ctx, struct span text);	/* batch only; may be NULL */
	void (*quit)(void *ctx);	/* QUIT was said; may be NULL */
	/* One step of AUTH, as pop3-server.h has it: mechanism at the first one, then NULL;
	 * response.p NULL where the client said nothing yet.  0: it is somebody, SMTP_MORE with the
	 * challenge, SMTP_LATER, or -1: ERR_PERM is 535, any other 454.  NULL: no AUTH. */
	int (*auth)(void *ctx, const char *mechanism, struct span response, struct str *challenge,
	    struct err *err);
	void (*auth_end)(void *ctx);	/* it was cancelled; may be NULL */
	void (*bad)(void *ctx, bool rcpt, struct span args, const struct err *err);
			/* batch only; NULL: it is refused as ever.  args: what stands behind
			 * MAIL or RCPT.  The message goes on with the sender as far as he
			 * could be read, else "", and without that recipient */
};

enum smtp_server_mode { SMTP_COMMANDS, SMTP_DATA, SMTP_CHUNK, SMTP_SWALLOW, SMTP_DEAD };

struct smtp_server {
	struct smtp_server_options options;
	const struct smtp_server_hooks *hooks;
	void *ctx;
	struct str out;		/* replies, for the caller to send */
	bool closing;		/* send out, then close */
	bool waiting;		/* a hook said SMTP_LATER */
	bool handshake;		/* send out, then shake hands */
	bool secured;		/* they are shaken */
	struct str helo;	/* what the client called itself */
	bool authenticated;	/* hook auth said yes */
	bool esmtp;		/* EHLO rather than HELO */
	unsigned state;		/* SMTP_READY ... bits, in smtp-verb.h */
	struct envelope env;
	unsigned errors;
	char last_reply[64];	/* beginning of the last reply: for logs */
	/* the rest is the engine's own */
	enum smtp_server_mode mode;
	struct str in;
	struct smtp_server_work *work;
};

void smtp_server_start(struct smtp_server *server, const struct smtp_server_options *options,
    const struct smtp_server_hooks *hooks, void *ctx);
uint64_t smtp_server_chunk(const struct smtp_server *server);	/* bytes of it that are to come; 0: it is in none */
void smtp_server_feed(struct smtp_server *server, const void *bytes, size_t len);
void smtp_server_answer(struct smtp_server *server, int result, const struct err *err);
			/* ends a SMTP_LATER: as if the hook had returned result */
void smtp_server_secured(struct smtp_server *server);	/* also right behind start: TLS comes first */
void smtp_server_eof(struct smtp_server *server);	/* the peer is gone: aborts */
void smtp_server_close(struct smtp_server *server, const char *reply);	/* 421 and closing */
void smtp_server_free(struct smtp_server *server);

#endif
