/*
 * refit - what filters made of a message is written anew.
 */
#ifndef RELAY_REFIT_H
#define RELAY_REFIT_H

#include "spool/queue.h"

/* The entries of fd instead of what the arrival had; those that filters hold go to hold/, at once
 * and durably.  filtered: by the filters of where they go, too.  Returns how many are left, to be
 * posted or committed, or -1. */
int refit_arrival(struct arrival *arrival, const struct spool *spool, struct journal *journal, int fd,
    bool filtered, struct err *err);
/* The message as it is, under its id, to hold/. */
int refit_hold(struct arrival *arrival, const struct spool *spool, const char *reason, struct err *err);

/* A message that waits: the entry of fd takes its place, under its id, as one that was filtered, and
 * what is held beside it is then seen in hold/.  1: it says of itself that it is held; move it. */
int refit_message(struct message *message, int fd, struct err *err);
int refit_show(struct message *message, struct err *err);	/* that, of one that died right before */
/* When nobody is at work: what is hidden beside a message that is nowhere any more is seen, too.  It is
 * not known whether that one was changed before a person took it away, and nothing is to be lost. */
int refit_left(const struct spool *spool, struct err *err);

void refit_mark(struct arrival *arrival);	/* its last entry was filtered so */

#endif
