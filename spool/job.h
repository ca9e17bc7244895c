/*
 * job - what a peer sends us to run: a command and its standard input.
 *
 * One file, xqt/PEER/KEY, KEY being 16 hex digits of SHA-256 over (temp name, size,
 * command), so that a name reused for something else is something else:
 *
 *	job=1 peer=hub user=uucp temp=D.hubZ9k2 size=12345 boot=1c9a0f27
 *	command rgsmtp
 *	(empty line)
 *	...size bytes...
 *
 * While it arrives it is KEY.open; when the line drops, its data is synced and it is
 * KEY.part, and the next call goes on behind the last byte.  (KEY=TOKEN.open where several
 * hosts share the spool: spool/lease.h.)  A KEY.open that nobody
 * writes was left by a crash: where only the process died, since boot says that the machine has not
 * started anew, it is synced and whole; else it is cut back to what was certainly synced (each 64
 * KB, or a sixteenth of what there is).  A job
 * received whole is remembered in seen/, so that the same (peer, temp, size, command)
 * is known and not run twice.
 *
 * Old peers send a job in two files, the data and what to do with it, in any order.
 * Each waits as a job file under a name of its own (job_commit_as) until both are
 * there (uucico-ssh/pair.h).
 */
#ifndef SPOOL_JOB_H
#define SPOOL_JOB_H

#include "spool/spool.h"

enum {
	JOB_HEAD_MAX = 40000,	/* the lines before the data */
	JOBS_MAX = 10000,	/* files of one peer; more are put off */
};

struct job {
	const struct spool *spool;
	struct str peer, key, user, temp, command;
	struct str open;	/* the ending of its name while it arrives */
	uint64_t size;		/* of the data, as announced; UINT64_MAX: unknown */
	int fd;
	off_t data_at;		/* where the data begins */
	uint64_t have;		/* bytes of it that are there */
};

/* 1: had it already (answer EN8).  0: open for the rest from job->have on.  With
 * restart false what is there already is thrown away. */
int job_begin(struct job *job, const struct spool *spool, const char *peer, const char *user,
    const char *temp, uint64_t size, const char *command, bool restart, struct err *err);
int job_write(struct job *job, const void *bytes, size_t len, struct err *err);
int job_commit(struct job *job, struct err *err);	/* data, name, seen/ are on disk: CY */
int job_commit_as(struct job *job, const char *name, struct err *err);
/* Instead of these: a file that is one already, dir/file open as fd, becomes it by one rename.
 * 1: had it already, and the file stays. */
int job_adopt(struct job *job, const struct spool *spool, const char *peer, int fd, int dir, const char *file,
    struct err *err);
void job_drop(struct job *job);		/* what came of it is thrown away */
void job_close(struct job *job);	/* not committed: the part stays for the next call */

/* Whole jobs of a peer, oldest first (by time of arrival); job_load opens one. */
int job_names(const struct spool *spool, const char *peer, struct fs_names *names, struct err *err);
int job_load(struct job *job, const struct spool *spool, const char *peer, const char *key,
    struct err *err);		/* fd stands at the data */
int job_seen(const struct job *job, struct err *err);	/* notes it in seen/ unless it is:
				a crash may have come between its name and the note */
int job_done(struct job *job, struct err *err);		/* removed */
int job_hold(struct job *job, const char *reason, struct err *err);	/* to hold/PEER-KEY.job,
				with .reason */

/* Parts that no call went on with for so long are removed; halves of jobs go to hold/. */
int job_expire(const struct spool *spool, const char *peer, int64_t seconds, struct err *err);

#endif
