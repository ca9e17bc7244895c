/*
 * trailer - the last two lines of our own batches, which prove them whole:
 *
 *	NOOP mochila-batch count=12 sum=9f86d081884c7d65
 *	QUIT
 *
 * To any other reader of batch SMTP they are a NOOP and the end.  The sum is
 * the first 8 bytes of SHA-256 over every byte before them, count the messages
 * there.  Whoever writes or reads a batch adds its bytes here as they pass; the
 * reader's watch holds back the last few, because where the trailer begins is known only
 * at the end.
 */
#ifndef BSMTP_TRAILER_H
#define BSMTP_TRAILER_H

#include "lib/base/digest.h"
#include "lib/base/err.h"

enum { TRAILER_MAX = 96 };	/* the longest there can be is shorter */

void trailer_lines(uint64_t count, const struct digest *digest, struct str *out);
bool trailer_noop(struct span text);	/* what follows NOOP: is it a trailer's? */

struct trailer {
	struct digest digest;
	char tail[TRAILER_MAX];
	size_t held;
};

void trailer_start(struct trailer *trailer);
void trailer_add(struct trailer *trailer, const void *bytes, size_t len);
/* The batch has ended: 1 and *count when it ends in a trailer that is true, 0 when in
 * none, -1 with err when it does not tell the truth. */
int trailer_end(struct trailer *trailer, uint64_t *count, struct err *err);
void trailer_free(struct trailer *trailer);

#endif
