/*
 * copying - plain files to and from a site, queued as commands are (uucico-ssh/queued.h):
 *
 *	@copy ~/in/report.txt report.txt	the data are the file; it is to be put there
 *	@fetch ~/out/report.txt ~/report.txt	that file there is wanted, and is to be put here
 *
 * By the UUCP protocols the first is an S, the second an R.  By protocol m both are jobs as
 * commands are, and whoever gets one answers a @fetch with a @copy, in this call or the next.
 * Where a peer's may be put, and what it may fetch, say its "receive" and "requests"
 * (uucico-ssh/files.h), whatever way they come.
 */
#ifndef UUCICO_SSH_COPYING_H
#define UUCICO_SSH_COPYING_H

#include "spool/job.h"

struct copying {
	bool fetch;
	struct span from, to;	/* of a @copy: its name at the sender */
};

/* 0: it is a command like others; 1; -1: it begins so, but is none. */
int copying_parse(struct span command, struct copying *copying);
void copying_print(const struct copying *copying, struct str *out);
/* May stand in one: no blanks, no control characters. */
bool copying_path_ok(struct span path);

/* What a peer's job asks for is done here.  -1: ERR_PERM where it may not. */
int copying_run(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct copying *copying, struct err *err);

#endif
