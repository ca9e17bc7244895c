/*
 * tls-side - what tls.c and tls-link.c share; nobody else's business, since it shows OpenSSL.
 */
#ifndef LIB_NET_TLS_SIDE_H
#define LIB_NET_TLS_SIDE_H

#include <openssl/ssl.h>

#include "lib/net/tls.h"

struct tls {
	enum tls_side side;
	unsigned holders;
	SSL_CTX **ctx;		/* one for each certificate; one at least */
	size_t shows;		/* certificates */
	X509_STORE *believed;	/* CAs */
	bool asks;		/* a server wants to see a certificate */
};

void tls_need(bool ok);		/* memory, or the process ends */
int tls_err(struct err *err, enum err_kind kind, const char *what);	/* with OpenSSL's reason */
bool tls_cert_is(X509 *cert, const char *names, bool verified);	/* one of names (if it is
			 * verified) or pins */

#endif
