/*
 * sequence - the numbers of conversations with a site (UUCP's -Q), in spool/sequence/SITE.
 *
 * Who calls counts up and says the number; who is called takes one only that is larger than
 * the last.  So a call in a site's name by somebody else shows: either his or the next real
 * one has a number that was there already.  Both ends write it down before they go on.
 */
#ifndef UUCICO_SSH_SEQUENCE_H
#define UUCICO_SSH_SEQUENCE_H

#include "spool/spool.h"

enum { SEQUENCE_LEAP = 1000 };	/* calls that may have been cut before we heard of them */

int sequence_next(const struct spool *spool, const char *site, uint64_t *number, struct err *err);
/* 0: it can come now, and is noted; -1: not, or it cannot be noted. */
int sequence_take(const struct spool *spool, const char *site, uint64_t number, struct err *err);

#endif
