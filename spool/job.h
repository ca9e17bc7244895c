/*
 * job - what a peer sends us to run: a command and its standard input.
 *
 * One file, xqt/PEER/KEY, KEY being 16 hex digits of SHA-256 over (temp name, size,
 * command), so that a name reused for something else is something else:
 *
 *	job=1 peer=hub user=uucp temp=D.hubZ9k2 size=12345
 *	command rgsmtp
 *	(empty line)
 *	...size bytes...
 *
 * While it arrives it is KEY.part, kept between calls; its length beyond the head is
 * the offset at which the peer goes on.  A job received whole is remembered in
 * seen/, so that the same (peer, temp, size, command) is known and not run twice.
 */
#ifndef SPOOL_JOB_H
#define SPOOL_JOB_H

#include "spool/spool.h"

struct job {
	const struct spool *spool;
	struct str peer, key, user, temp, command;
	uint64_t size;		/* of the data, as announced; UINT64_MAX: unknown */
	int fd;
	off_t data_at;		/* where the data begins */
	uint64_t have;		/* bytes of it that are there */
};

/* 1: had it already (answer EN8).  0: open for the rest from job->have on. */
int job_begin(struct job *job, const struct spool *spool, const char *peer, const char *user,
    const char *temp, uint64_t size, const char *command, struct err *err);
int job_write(struct job *job, const void *bytes, size_t len, struct err *err);
int job_commit(struct job *job, struct err *err);	/* data, name, seen/ are on disk: CY */
void job_close(struct job *job);	/* not committed: the part stays for the next call */

/* Whole jobs of a peer, oldest first (by time of arrival); job_load opens one. */
int job_names(const struct spool *spool, const char *peer, struct fs_names *names, struct err *err);
int job_load(struct job *job, const struct spool *spool, const char *peer, const char *key,
    struct err *err);		/* fd stands at the data */
int job_done(struct job *job, struct err *err);		/* removed */
int job_hold(struct job *job, const char *reason, struct err *err);	/* to hold/, with .reason */

#endif
