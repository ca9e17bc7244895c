/*
 * report - what the sender of a message is told of it (RFC 3461; lib/mail/dsn.h).
 */
#ifndef SPOOL_REPORT_H
#define SPOOL_REPORT_H

#include "spool/spool.h"

struct report {			/* a message of its own, from nobody to the sender */
	struct entry_info info;
	struct envelope env;
	struct str text;
};

/* 1: made, of all recipients for whom this kind is due and was asked for.  0: nothing is,
 * or the message has no sender.  -1: the original, read from fd, cannot be. */
int report_make(const struct spool *spool, int fd, const struct entry *entry, enum dsn_kind kind,
    struct report *report, struct err *err);
void report_free(struct report *report);

#endif
