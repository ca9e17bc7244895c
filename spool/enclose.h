/*
 * enclose - a program that reads what strangers write gives away what it will not need:
 * lib/base/sandbox.h, as the settings say where it has work.
 *
 *	enclose_prepare(&settings, &args, &err)
 *	... descriptors that the helper should not have, or that need more rights ...
 *	enclose_enter(&settings, NULL, &said)		no way back
 *	helper_stop()				at the end
 *
 * Programs that the settings name, and our own, are started by the helper
 * (lib/base/helper.h), which reads the settings for itself: what is not named there it does
 * not start, whoever asks.
 */
#ifndef SPOOL_ENCLOSE_H
#define SPOOL_ENCLOSE_H

#include "spool/settings.h"

/* args must live on. */
int enclose_prepare(const struct settings *settings, const struct settings_args *args, struct err *err);
/* written: one more file or folder that is written, by its whole path; NULL: none.
 * said: what it got, as "landlock=7 seccomp=yes". */
void enclose_enter(const struct settings *settings, const char *written, struct str *said);
/* Afterwards: do these settings name what only a restart lets us open?  The first such path. */
bool enclose_misses(const struct settings *settings, struct str *path);

#endif
