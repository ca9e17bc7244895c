/*
 * pop3-server - the serving side of POP3 (RFC 1939), without I/O.
 *
 *	pop3_server_start(&server, &options, &hooks, ctx);	the greeting is in server.out
 *	pop3_server_feed(&server, bytes, len);			replies gather in server.out
 *	pop3_server_fill(&server);		more of a message, when little waits to be sent
 *
 * The caller sends and clears server.out.  While server.waiting is true it stops reading the
 * socket: a hook thinks, or a message is on its way out; what is fed all the same is kept,
 * at most 64 KiB.  A message is read in pieces, whenever server.out holds less than
 * POP3_OUT_LOW, so its size costs no memory: the caller calls pop3_server_fill() each time
 * that what it sent has gone.  When server.closing is set it sends what is there and
 * closes.  When server.start_tls is set it sends what is there, begins TLS, and says so by
 * pop3_server_tls().
 *
 * What is marked by DELE is removed by QUIT and by nothing else: a session that ends in any
 * other way removes nothing (RFC 1939 section 6).  When that fails, QUIT is answered -ERR.
 *
 * Besides RFC 1939: CAPA and PIPELINING (RFC 2449), RESP-CODES and AUTH-RESP-CODE (RFC 3206),
 * STLS (RFC 2595), AUTH (RFC 5034), UTF8 (RFC 6856), a message in which a line is long, or
 * is no text, as it is.  A password may have blanks in it, at either end too.
 */
#ifndef LIB_PROTO_POP3_SERVER_H
#define LIB_PROTO_POP3_SERVER_H

#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/shown.h"

enum {
	POP3_LATER = 1,		/* pop3_server_answer() will say */
	POP3_MORE = 2,		/* hook sasl: the challenge is to be answered */
	POP3_IN_USE = 3,	/* hook open: another session has it */
};
enum {
	POP3_LINE_MAX = 1024,	/* RFC 2449 section 4: 255; a password may be long */
	POP3_SASL_MAX = 16384,	/* of a response to a challenge */
	POP3_OUT_LOW = 32 << 10,
};

struct pop3_server_options {
	const char *host;	/* our name in the greeting; borrowed */
	bool stls;		/* STLS is offered; not any more when TLS is on */
	bool clear;		/* USER and PASS are taken without TLS, too */
	bool tls;		/* TLS is on from the first byte */
	const char *mechanisms;	/* of SASL, as CAPA lists them; NULL or "": no AUTH */
	const char *clear_mechanisms;	/* those that are offered without TLS; NULL: none */
	const char *stamp;	/* "<1896.697170952@dbc.mtview.ca.us>", for APOP; NULL: no APOP */
	struct shown shown;	/* who looks on */
	unsigned max_errors;	/* commands not understood, and logins that failed; beyond: closed */
	unsigned max_junk;	/* CAPA, USER, AUTH ... before somebody is logged in; the same; 0: never */
};

/* Each returns 0, -1 with *err, or one of the words above.  A hook never calls back
 * into the server. */
struct pop3_server_hooks {
	int (*pass)(void *ctx, struct span user, struct span pass, struct err *err);
	int (*apop)(void *ctx, struct span user, struct span digest, struct err *err);	/* hex */
	/* mechanism: at the first call, then NULL; response: what the client said, decoded; at
	 * the first call its p is NULL when he said nothing yet.  POP3_MORE: challenge is filled. */
	int (*sasl)(void *ctx, const char *mechanism, struct span response, struct str *challenge,
	    struct err *err);
	void (*sasl_end)(void *ctx);	/* cancelled; may be NULL */
	/* Whoever logged in: locks and lists his mail.  POP3_LATER: it is called once more when
	 * pop3_server_answer() has said 0. */
	int (*open)(void *ctx, size_t *count, struct err *err);
	uint64_t (*size)(void *ctx, size_t message);	/* octets, lines ended by CRLF */
	void (*uid)(void *ctx, size_t message, struct str *uid);	/* 1 to 70 of 0x21 to 0x7E */
	int (*begin)(void *ctx, size_t message, struct err *err);	/* it is going to be read */
	ssize_t (*read)(void *ctx, void *to, size_t len, struct err *err);	/* the next bytes of
			   it, lines ended by CRLF; 0: that was all */
	void (*end)(void *ctx);		/* no more of it */
	/* QUIT: those marked are to go, durably.  -1: not all did. */
	int (*remove)(void *ctx, const bool *marked, size_t count, struct err *err);
};

struct pop3_server_work;

struct pop3_server {
	struct pop3_server_options options;
	const struct pop3_server_hooks *hooks;
	void *ctx;
	struct str out;		/* for the caller to send */
	bool closing;		/* send out, then close */
	bool waiting;		/* do not read for now */
	bool start_tls;		/* send out, then begin TLS */
	bool in;		/* somebody is logged in */
	unsigned errors;
	size_t sent, removed;	/* messages of this session, for the log */
	struct pop3_server_work *work;
};

void pop3_server_start(struct pop3_server *server, const struct pop3_server_options *options,
    const struct pop3_server_hooks *hooks, void *ctx);
void pop3_server_feed(struct pop3_server *server, const void *bytes, size_t len);
void pop3_server_fill(struct pop3_server *server);
void pop3_server_answer(struct pop3_server *server, int result, struct span challenge,
    const struct err *err);	/* ends a POP3_LATER, as if the hook had returned result */
void pop3_server_tls(struct pop3_server *server);	/* TLS is on */
void pop3_server_close(struct pop3_server *server, const char *why);	/* "-ERR why", closing */
void pop3_server_free(struct pop3_server *server);

#endif
