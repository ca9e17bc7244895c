/*
 * enclose - a program that reads what strangers write gives away what it will not need:
 * lib/base/sandbox.h, as the settings say where it has work.
 *
 *	enclose(&settings, &args, NULL, NULL, &err)	no way back
 *	helper_stop()				at the end
 *
 * A daemon does it in two steps, enclose_prepare() and enclose_enter(), with what needs more
 * rights between them, and descriptors that the helper should not have.
 *
 * Programs that the settings name, and our own, are started by the helper
 * (lib/base/helper.h), which reads the settings for itself: what is not named there it does
 * not start, whoever asks.  The command of a link, or one that prints a passphrase, is started
 * with the words that stand there and no others: it may be ssh, which would run anything.
 */
#ifndef SPOOL_ENCLOSE_H
#define SPOOL_ENCLOSE_H

#include "spool/settings.h"

/* written: as below; program: one more that may be run, by its whole path; or NULL.  Where the settings
 * say sandbox = no, nothing is done. */
int enclose(const struct settings *settings, const struct settings_args *args, const char *written,
    const char *program, struct err *err);

/* args must live on. */
int enclose_prepare(const struct settings *settings, const struct settings_args *args, struct err *err);
/* written: one more file or folder that is written; NULL: none.
 * said: what it got, as "landlock=7 seccomp=yes". */
void enclose_enter(const struct settings *settings, const char *written, struct str *said);
/* Afterwards: do these settings name what only a restart lets us open?  The first such path. */
bool enclose_misses(const struct settings *settings, struct str *path);

#endif
