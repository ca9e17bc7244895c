/*
 * quick-host - the server's side of ssh, as far as uucico-ssh/quick.h hears one: for its unit test and
 * its fuzzer.  It packs and opens packets by quick-wire.c, and makes keys by itself.
 */
#ifndef TESTS_UNIT_QUICK_HOST_H
#define TESTS_UNIT_QUICK_HOST_H

#include "uucico-ssh/quick.h"

struct quick_host {
	struct quick side;		/* its ways, what waits, what came */
	const char *version;
	bool ctr;			/* it has no gcm */
	bool lies;			/* its signature is none */
	bool strict;			/* it knows strict kex */
	bool nothing;			/* its half of the secret is zero */
	const char *exchange, *types;	/* name-lists */
	struct str init, heard_init, heard_version, types_heard;	/* "5 50 90 ": what came behind the exchange */
	struct str data, signed_text, signature, signer;	/* of the channel; of the login */
	unsigned char session[DIGEST_SIZE];
	bool has_session, keyed;
};

extern const unsigned char quick_host_seed[QUICK_KEY];
void quick_host_public(const unsigned char *seed, unsigned char out[QUICK_KEY]);

void quick_host_start(struct quick_host *host, const char *version);	/* version and KEXINIT wait */
void quick_host_hear(struct quick_host *host, struct str *bytes);	/* all of it, and answers the exchange */
void quick_host_say(struct quick_host *host, struct span payload);
void quick_host_offer(struct quick_host *host);				/* another exchange */
void quick_host_free(struct quick_host *host);

#endif
