/*
 * pair - jobs that came in two files or more, and what a peer may run here.
 *
 * A D. file waits as xqt/PEER/d-HASH, HASH being of its name; an X. file as x-HASH of the
 * first D. that it names.  Names from the wire are never names here.  When all are there
 * they become one job under its key (uucico-ssh/filed.h).  Doing it twice changes nothing.
 */
#ifndef UUCICO_SSH_PAIR_H
#define UUCICO_SSH_PAIR_H

#include "spool/job.h"

/* The received job is on disk: its D. or X. is kept under its waiting name, and made a
 * job when the other one is there.  to: the name it was sent to.  -1: ERR_PERM where
 * it can never be run. */
int pair_arrived(struct job *job, struct span to, struct err *err);
int pair_all(const struct spool *spool, const char *peer, struct err *err);	/* after a crash */

/* Is the first word of command in the site's "commands", or is it a file (uucico-ssh/copying.h) and
 * may it send or fetch any?  program, unless NULL: what stands
 * behind its "=" there, or nothing. */
bool pair_may_run(const struct site_settings *site, struct span command, struct span *program);

#endif
