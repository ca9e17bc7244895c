/*
 * binary - a message that came as BINARYMIME (RFC 3030) becomes lines.
 *
 *	binary_open(&b, spool, err)		a scratch file
 *	binary_body(&b, bytes, len, err)	as they come, lines or not
 *	binary_end(&b, &arrival, err)		into the arrival, recoded (lib/mail/recode.h)
 *	binary_close(&b)
 *
 * Everything behind us is lines: Maildirs, batches, most next hops.  So parts that are not
 * become base64 here, where the sender still hears it if that cannot be done rightly.
 */
#ifndef RELAY_BINARY_H
#define RELAY_BINARY_H

#include "spool/spool.h"

struct binary {
	int fd;			/* -1: there is none */
	uint64_t len;
};

int binary_open(struct binary *b, const struct spool *spool, struct err *err);
int binary_body(struct binary *b, const char *bytes, size_t len, struct err *err);
int binary_end(struct binary *b, struct arrival *arrival, struct err *err);
void binary_close(struct binary *b);

#endif
