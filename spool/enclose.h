/*
 * enclose - a program that reads what strangers write gives away what it will not need:
 * lib/base/sandbox.h, as the settings say where it has work.
 *
 *	const struct enclosing mine = { .needs = ENCLOSE_BOXES };
 *	enclose(&settings, &args, &mine, &err)	no way back
 *	helper_stop()				at the end
 *
 * A daemon does it in two steps, enclose_prepare() and enclose_enter(), with what needs more
 * rights between them, and descriptors that the helper should not have.
 *
 * Below the root each program writes only where it has work, and never the settings, the keys or
 * the users, and reads the folders that are there but the keys'.  Outside of it, it reads, or
 * writes, the folders that the settings name by a whole path.
 *
 * Programs that the settings name, and our own, are started by the helper
 * (lib/base/helper.h), which reads the settings for itself: what is not named there it does
 * not start, whoever asks.  The command of a link, or one that prints a passphrase, is started
 * with the words that stand there and no others: it may be ssh, which would run anything.
 * It also opens for reading, by fs_open(), the one file that stands somewhere else and that the
 * settings name: a table, a key.  Files may so be replaced at any time.
 */
#ifndef SPOOL_ENCLOSE_H
#define SPOOL_ENCLOSE_H

#include "spool/settings.h"

enum enclose_needs {	/* what else it has to do with */
	ENCLOSE_SPOOL = 1,	/* the spool, and run/ */
	ENCLOSE_BOXES = 2,	/* it delivers to Maildirs and mailboxes of the settings */
	ENCLOSE_DOORS = 4,	/* it is the relay: sockets, certificates, logins, what it knows of clients */
	ENCLOSE_CALLS = 8,	/* it calls sites: the keys */
	ENCLOSE_ANSWERS = 16,	/* it is called: what proves both ends of a line in the clear; who calls sees the end of
				   our standard error when we close it */
	ENCLOSE_FILES = 32,	/* it takes files for folders that the settings name */
	ENCLOSE_LISTS = 64,	/* it takes lists of recipients */
	ENCLOSE_NEW = 128,	/* with the spool: there may be none yet */
	ENCLOSE_ANY_BOX = 256,	/* mailboxes may be in any folder of the root, but that of the keys */
};

struct enclosing {
	unsigned needs;
	const char *site;	/* the only one whose queue it works; NULL: any */
	const char *written;	/* one more file or folder that is written; or NULL */
	const char *boxes;	/* mailboxes that no setting names, a line each; or NULL */
	const char *removed;	/* one more file that it removes at its end; or NULL */
	const char *program;	/* one more that may be run, by its whole path; or NULL */
};

/* Where the settings say sandbox = no, nothing is done. */
int enclose(const struct settings *settings, const struct settings_args *args, const struct enclosing *what,
    struct err *err);

/* args and what it says must live on. */
int enclose_prepare(const struct settings *settings, const struct settings_args *args, const struct enclosing *what,
    struct err *err);
/* said: what it got, as "landlock=7 seccomp=yes". */
void enclose_enter(const struct settings *settings, const struct enclosing *what, struct str *said);
/* Afterwards: do these settings name what only a restart lets us open?  The first such path. */
bool enclose_misses(const struct settings *settings, const struct enclosing *what, struct str *path);

#endif
