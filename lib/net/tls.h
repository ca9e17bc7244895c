/*
 * tls - certificates: what we show, and whose we believe.
 *
 * A struct tls is one side of all the connections that use it (stream.h begins TLS on one
 * of them).  It is shared, and lives as long as the last that holds it; so new
 * certificates are a new struct tls, and connections that stand are not touched.
 *
 *	tls = tls_new(TLS_SERVER, &err);
 *	tls_show(tls, "mx.pem", "mx.key", &err);	the first is for callers that name none of ours
 *	tls_show(tls, "mail.pem", "mail.key", &err);
 *
 * Protocols and ciphers are Mozilla's "intermediate": TLS 1.2 with forward secrecy and
 * AEAD, and 1.3.  There is no renegotiation, no compression, no ticket, no early data.
 */
#ifndef LIB_NET_TLS_H
#define LIB_NET_TLS_H

#include "lib/base/err.h"

struct tls;

enum tls_side { TLS_SERVER, TLS_CLIENT };

/* What a caller wants of a server. */
enum tls_policy {
	TLS_OPPORTUNISTIC,	/* any certificate; whoever wants plain text instead calls again */
	TLS_REQUIRED,		/* the same, and never plain text */
	TLS_VERIFIED,		/* a certificate of a CA that is believed, for the name */
	TLS_PINNED,		/* one of these certificates or keys, whatever it says */
};

struct tls *tls_new(enum tls_side side, struct err *err);
struct tls *tls_hold(struct tls *tls);
void tls_drop(struct tls *tls);		/* NULL is fine */

/* Adds a certificate with its chain, and its key; key "": it is in the same file. */
int tls_show(struct tls *tls, const char *cert, const char *key, struct err *err);
/* Peers' CAs in a file; "": those of the system.  A server that believes any asks its
 * clients for a certificate, and takes them without one all the same. */
int tls_believe(struct tls *tls, const char *file, struct err *err);
/* A server asks for a certificate though it believes nobody: for pins. */
void tls_ask(struct tls *tls);

/* Pins are words, blank-separated: "sha256:" and 64 hex digits (":" between them is passed
 * over), of the whole certificate or of its public key. */
int tls_check_pins(const char *pins, struct err *err);	/* ERR_CONFIG: not so */

#endif
