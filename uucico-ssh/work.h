/*
 * work - the folder in which a peer's command finds the files that came with it:
 * run/xqt.PEER.files, made for it and removed behind it.  Whoever makes one holds the lock of
 * the peer's jobs.
 */
#ifndef UUCICO_SSH_WORK_H
#define UUCICO_SSH_WORK_H

#include "spool/job.h"
#include "uucico-ssh/filed.h"

struct work {
	char *folder;		/* NULL: none, and the command is run where we are */
};

/* job->fd stands at the standard input behind it. */
int work_make(struct work *work, const struct settings *settings, struct job *job,
    const struct filed *filed, struct err *err);
void work_remove(struct work *work);	/* {0} is fine */

#endif
