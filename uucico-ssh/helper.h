/*
 * helper - our other programs around a call: "bsmtp pack" before it, uuxqt behind it.
 */
#ifndef UUCICO_SSH_HELPER_H
#define UUCICO_SSH_HELPER_H

#include <sys/types.h>

#include "spool/settings.h"

/* Leaves of the environment what we and our children may know, and puts the settings'
 * place into it, so that they find the same ones. */
void helper_environment(const struct settings *settings, const struct settings_args *args);

/* Runs NAME WORD WORD2 (word2 may be NULL); a failure is logged and returned. */
int helper_run(const char *name, const char *word, const char *word2, int64_t seconds);

int helper_run_words(const char *const *argv, int64_t seconds);	/* the same, ended by NULL */

/* Starts it and leaves it to itself: we are about to end, or look after it; -1. */
pid_t helper_leave(const char *name, const char *word, const char *word2);

#endif
