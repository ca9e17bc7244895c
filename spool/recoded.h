/*
 * recoded - a body that stands in a file, recoded (lib/mail/recode.h) for readers of less.
 *
 *	recoded_pass(&recode, fd, at, len, NULL, NULL, err)	looks: can it be done, and need it be?
 *	recode_again(&recode)
 *	recoded_pass(&recode, fd, at, len, put, ctx, err)	what comes of it
 */
#ifndef SPOOL_RECODED_H
#define SPOOL_RECODED_H

#include "lib/mail/recode.h"
#include "spool/body.h"
#include "spool/spool.h"

int recoded_pass(struct recode *recode, int fd, off_t at, uint64_t len, body_piece *put, void *ctx,
    struct err *err);

/* For a host that takes no 8 bits (RFC 6152 3).  1: *to is a scratch file with *to_len bytes, for the
 * caller to close; 0: it has no such bytes, or says nothing that hangs on them; ERR_PERM (554 5.6.3):
 * it cannot be done rightly. */
int recoded_seven(const struct spool *spool, int fd, off_t at, uint64_t len, int *to, uint64_t *to_len,
    struct err *err);

#endif
