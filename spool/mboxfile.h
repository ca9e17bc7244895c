/*
 * mboxfile - one message to the end of a mailbox file (mboxrd), or nothing of it.
 *
 *	mboxfile_open(&box, path, err)		1: somebody else has it locked: later
 *	  mboxfile_begin(&box, sender, when)	the From_ line
 *	  mboxfile_field(&box, "Delivered-To", rcpt, err)	on top, any number
 *	  mboxfile_body(&box, bytes, len, err)	any number of times; CRLF becomes LF
 *	mboxfile_commit(&box, err)		on disk
 *	mboxfile_close(&box)			always; without a commit the file is as it was
 *
 * Others know a file to be in use by FILE.lock, or by a lock of fcntl(2): both are held.  Ours has
 * our process id in it, and "mochila", and is itself locked (flock): one of ours that nobody
 * locks was left by somebody dead, and is taken over.  Of others this is known of one that is
 * STALE seconds old.  Lines of the message that
 * look like a From_ line get a ">".
 */
#ifndef SPOOL_MBOXFILE_H
#define SPOOL_MBOXFILE_H

#include <sys/types.h>

#include "lib/base/err.h"

enum { MBOXFILE_STALE = 600 };

struct mboxfile {
	int fd;
	off_t start;		/* its size before us; what is behind is taken back */
	struct str path, lock;	/* lock: FILE.lock while we have it */
	int lock_fd;
	struct str buffer;	/* not written yet */
	struct str text, begin;	/* text: with LF; begin: of a line, while it may be a From_ line */
	bool cr, in_line;	/* in_line: and it is known not to be one */
	bool fresh;		/* the file is new: its folder is to be synced */
	bool committed;
};

int mboxfile_open(struct mboxfile *box, const char *path, struct err *err);
void mboxfile_begin(struct mboxfile *box, struct span sender, int64_t when);
int mboxfile_field(struct mboxfile *box, const char *name, struct span value, struct err *err);
int mboxfile_body(struct mboxfile *box, const void *bytes, size_t len, struct err *err);
int mboxfile_commit(struct mboxfile *box, struct err *err);
void mboxfile_close(struct mboxfile *box);

#endif
