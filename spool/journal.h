/*
 * journal - small messages accepted together: in/ID.open, one sync for all who wait.
 *
 *	struct journal j = { .spool = spool };
 *	arrival_join(&a, &j)			instead of arrival_open
 *	... begin, body, end ...
 *	arrival_post(&a, err)	1: in the journal, promised after the next journal_sync;
 *				0: too large for it, committed as a file of its own
 *	journal_sync(&j, err)	0: all that was posted is accepted; -1: none of it is
 *	or, by who has something else to do meanwhile:
 *	journal_write(&j, err)	1: it is written to j.fd, which is to be synced; 0: there was nothing;
 *				-1: none of it is accepted.  More may be posted, for the next one.
 *	journal_written(&j, result, err)	what the sync said, and of the caller's: as journal_sync
 *	journal_turn(&j, err)	the file becomes in/ID, for settle
 *
 * The file is zero-filled ahead, so that a sync need not commit a new size; a reader
 * stops at the zeros.  A failed write or sync makes the file suspect: it is cut back to
 * its last good end, handed to settle and never synced again.  Others may not touch
 * the file while its lock is held; a dead writer's is turned by settle.
 */
#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H

#include "spool/spool.h"

enum {
	JOURNAL_BODY_MAX = 64 << 10,	/* larger entries go by a file of their own */
	JOURNAL_AHEAD = 64 << 10,	/* zeros written ahead at first: then as much as the file
					   before has held, doubled where it was less */
	JOURNAL_MAX = 8 << 20,		/* a file as large as this is turned */
};

struct journal {
	const struct spool *spool;
	int fd;			/* 0 or -1: not open ({0} is fine) */
	struct fs_file file;	/* which that is */
	struct str name;	/* ID.open */
	off_t good;		/* behind the last entry that was promised */
	off_t filled;		/* behind the zeros */
	size_t ahead;
	struct str pending;	/* entries posted and not yet synced */
	size_t posted;		/* how many */
	size_t under_way, under_way_count;	/* bytes and entries written, and not yet synced */
	size_t count;		/* entries promised in this file */
	int64_t opened;		/* clock_mono() */
};

void journal_post(struct journal *j, struct span entry);	/* one whole entry */
int journal_sync(struct journal *j, struct err *err);
int journal_write(struct journal *j, struct err *err);
int journal_written(struct journal *j, int synced, struct err *err);	/* of the sync; -1: *err is why */
bool journal_due(const struct journal *j, bool idle);	/* time to turn: idle, a second old, full */
int journal_turn(struct journal *j, struct err *err);
void journal_close(struct journal *j);		/* turns what was promised */

#endif
