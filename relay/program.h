/*
 * program - runs a program for a filter and waits for it: for mochila-filter only.
 *
 * No shell; PATH and IFS are all of its environment; it reads nothing, and 8 KB of what it prints
 * are kept.  It and what it has started are killed when it has ended, or at the deadline, which is
 * ERR_TEMP.
 */
#ifndef RELAY_PROGRAM_H
#define RELAY_PROGRAM_H

#include "lib/base/err.h"

int program_run(const char *const *argv, const char *folder, int64_t deadline, struct str *said, int *status,
    struct err *err);		/* deadline: of clock_mono() */

#endif
