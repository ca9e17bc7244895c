/*
 * gather - bsmtp pack --mbox, --maildir, --files: a batch of mail that lies elsewhere.
 */
#ifndef BSMTP_GATHER_H
#define BSMTP_GATHER_H

#include "bsmtp/bsmtp.h"

int gather(const struct bsmtp *b, int count, char **args, struct err *err);

#endif
