/*
 * hop-secrets - how a next hop is spoken with, as [hop] says: TLS, and who we are.
 *
 * Files are read when a connection needs them first, and again under a new setup (SIGHUP).
 */
#ifndef RELAY_HOP_SECRETS_H
#define RELAY_HOP_SECRETS_H

#include "lib/net/tls.h"
#include "lib/proto/smtp-auth.h"

struct setup;

struct hop_secrets {
	struct setup *setup;	/* held; NULL: nothing is loaded */
	struct tls *tls;	/* NULL: tls = off */
	enum tls_policy policy;
	bool must;		/* no mail goes without TLS */
	const char *pins;	/* borrowed from the setup */
	struct smtp_login login;	/* name NULL: none */
	char *name, *password;
	bool by_token;		/* login has a name, and its password is yet to be asked for (token.h) */
	uint64_t max_messages;
};

int hop_secrets_load(struct hop_secrets *secrets, struct setup *setup, const char *kind, const char *rest,
    struct err *err);
void hop_secrets_free(struct hop_secrets *secrets);

#endif
