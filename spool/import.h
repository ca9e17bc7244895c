/*
 * import - another program's configuration becomes ours: mochila import, of mochila(1).
 *
 * A reader goes through what the other program was told, and says of each word what becomes of
 * it: a key of mochila.conf, a file of its own (a password, a user), or nothing, and why.
 *
 *	import_key(im, "site hub", "link", "tcp:hub.example", "sys:12: address hub.example");
 *	import_no(im, "sys:14: phone 5551212", "there is no modem here: ...");
 *
 * With dry set nothing is changed, and the same is said.  What the other program says is
 * hostile: it is bounded, and it is shown escaped.
 */
#ifndef SPOOL_IMPORT_H
#define SPOOL_IMPORT_H

#include "spool/door.h"

struct import {
	struct door *door;
	bool dry;
	struct door_conf_line *line;	/* to be said in mochila.conf */
	char **old;			/* and what each comes from; owned, as the lines' texts are */
	size_t lines, kept, not_taken;
	struct str out;			/* what is told */
	char *mail;			/* a spool of E-MailRelay to be taken over, once the rest is done */
};

enum { IMPORT_FILE_MAX = 1 << 20, IMPORT_LINES_MAX = 20000, IMPORT_VALUE_MAX = 2000 };

/* A reader: operands are what the person named. */
struct import_kind {
	const char *name, *operands, *help;
	int (*run)(struct import *im, int argc, char **argv, struct err *err);
};
extern const struct import_kind import_taylor, import_emailrelay;

/* section.key = value because of `old`; the first word on a key counts.  What no value can be
 * (control characters, too long) is import_no(). */
int import_key(struct import *im, const char *section, const char *key, struct span value, const char *old,
    struct err *err);
void import_no(struct import *im, const char *old, const char *why);
void import_note(struct import *im, const char *old, const char *what);	/* done, or said another way */
/* ROOT/keys/NAME.login with a name and a password, 0600; one that is there stays. */
int import_login(struct import *im, const char *section, const char *name, struct span login, struct span password,
    const char *old, struct err *err);
/* Regular files only, IMPORT_FILE_MAX at most; 0: it is not there. */
int import_load(const char *path, struct str *text, struct err *err);

/* ---- Times of Taylor UUCP as windows of ours (import-hours.c) ---- */

struct import_table { struct span name, times; };	/* "timetable Evening Wk1705-0755,Sa,Su" */
/* "Wk2305-0855,Sa" with a grade (0: any) added to out as "Mon-Fri 00:00-08:55 grade<=C, ...".
 * 1: at no time.  -1: it is no such text. */
int import_hours(struct span times, char grade, const struct import_table *tables, size_t count, struct str *out);

/* ---- The spool of E-MailRelay (import-mail.c) ---- */

int import_mail(struct import *im, const char *folder, struct err *err);

#endif
