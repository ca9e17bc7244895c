/*
 * cert - certificates and keys as files: PEM, read with care.
 *
 * A path may be a link (where certbot keeps them it is), but what it leads to is a regular
 * file of sane size; a file with a key must be closed to others (CFG-01).  What a message
 * says names the file and its fault, never its content.
 */
#ifndef LIB_BASE_CERT_H
#define LIB_BASE_CERT_H

#include "lib/base/err.h"

int cert_load(const char *path, bool secret, struct str *out, struct err *err);	/* appends it */
void cert_wipe(struct str *pem);	/* and frees */

/* The first certificate in a file: the names it is for, blank-separated, and until when. */
struct cert_facts {
	struct str names;
	int64_t since, until;	/* microseconds, as clock_now() */
};
int cert_facts(const char *path, struct cert_facts *facts, struct err *err);
void cert_facts_free(struct cert_facts *facts);

#endif
