/*
 * maildrop - a Maildir as a reader by POP3 has it: locked, listed once, and what was read
 * is removed at the end.
 *
 *	maildrop_open(&drop, folder, err)	1: another session has it
 *	... drop.item[i].octets, maildrop_uid(&drop, i, &uid) ...
 *	maildrop_begin(&drop, i, err)
 *	  maildrop_read(&drop, to, len, err)	0: that was all
 *	maildrop_end(&drop)
 *	maildrop_remove(&drop, marked, err)	unlinked, and new/ and cur/ synced
 *	maildrop_close(&drop)			gives the lock back
 *
 * A folder that is not there yet has no mail in it.  Items are in the order of their names,
 * which begin with a time.  octets counts each line end as two bytes, which needs the file to
 * be read; so what was counted stands in .pop3-sizes, a line a file, for the next time, and
 * a name that says ",W=octets" is believed.  The lock is .pop3-lock (flock).  Other readers, and
 * deliveries, need no lock: a file that was moved to cur/, or got other flags, is found
 * again by what stands before its ":", and one that is gone is gone.
 *
 * A uid is the name before its ":", so that it outlives moves and restarts; one that POP3
 * could not say (RFC 1939: 1 to 70 of 0x21 to 0x7E) is 32 digits of its SHA-256.
 */
#ifndef SPOOL_MAILDROP_H
#define SPOOL_MAILDROP_H

#include <sys/types.h>

#include "lib/base/err.h"

enum { MAILDROP_MAX = 1000000 };	/* files; what is beyond waits for another session */

struct maildrop_item {
	char *name;		/* in new/ or cur/ */
	bool fresh;		/* in new/ */
	bool counted;
	uint64_t octets;	/* lines ended by CRLF */
	uint64_t bytes;		/* of the file when that was counted; 0: not known */
};

struct maildrop {
	int dir[2];		/* cur, new; -1: there is no such folder */
	int top, lock;
	size_t known;		/* of so many items octets were counted */
	bool news;		/* some were read for it */
	struct maildrop_item *item;
	size_t count;
	int fd;			/* of the message that is being read, -1 */
	bool cr;		/* its last byte so far */
};

int maildrop_open(struct maildrop *drop, const char *folder, struct err *err);
/* The same for who must not be away for long: octets are not counted yet; then, until that moment
 * of clock_mono(), some of them.  true: there are more. */
int maildrop_look(struct maildrop *drop, const char *folder, struct err *err);
bool maildrop_count(struct maildrop *drop, int64_t until);
void maildrop_uid(const struct maildrop *drop, size_t item, struct str *uid);	/* appends */
int maildrop_begin(struct maildrop *drop, size_t item, struct err *err);
ssize_t maildrop_read(struct maildrop *drop, void *to, size_t len, struct err *err);	/* len > 1 */
void maildrop_end(struct maildrop *drop);
int maildrop_remove(struct maildrop *drop, const bool *marked, struct err *err);
void maildrop_close(struct maildrop *drop);

#endif
