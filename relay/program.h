/*
 * program - runs a program for a filter and waits for it: for mochila-filter only.
 *
 * No shell; PATH and IFS are all of its environment; it reads nothing, and 8 KB of what it prints
 * are kept.  limits bound what it may use.  It and what it has started are killed when it has ended, or at the deadline, which is
 * ERR_TEMP.
 */
#ifndef RELAY_PROGRAM_H
#define RELAY_PROGRAM_H

#include "lib/base/child.h"

int program_run(const char *const *argv, const char *folder, const struct child_limits *limits, int64_t deadline,
    struct str *said, int *status, struct err *err);	/* deadline: of clock_mono() */

#endif
