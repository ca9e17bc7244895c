/*
 * filter-exit - what an exit status means, by E-MailRelay's contract (filter-exec.c).
 */
#ifndef RELAY_FILTER_EXIT_H
#define RELAY_FILTER_EXIT_H

#include "relay/filter.h"

/* 1: the message goes on; 0: it is gone; -1 with err.  said: what was printed. */
int filter_exit_means(struct filter_job *job, int status, struct span said, struct err *err);

/* Refused in the words of text: "550 5.7.1 no", "450 later" or "no". */
int filter_refuse(struct span text, struct err *err);

#endif
