/*
 * output - what a peer's command printed, and where that is to be.
 *
 * Here it is a file as any that the peer sends, below its "receive".  At the peer's own site, or at
 * one that the peer's "forward-to" names, it is queued as a file, and that site decides.
 */
#ifndef UUCICO_SSH_OUTPUT_H
#define UUCICO_SSH_OUTPUT_H

#include "spool/job.h"
#include "uucico-ssh/filed.h"

/* Before it runs: may it be there?  -1: ERR_PERM. */
int output_check(const struct spool *spool, const struct site_settings *site, const struct filed *filed,
    struct err *err);
/* fd holds all of it. */
int output_put(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct filed *filed, int fd, struct err *err);

#endif
