/*
 * heldback - mail that a site wants to be asked about before it comes (hold-over, welcome): it lies
 * in hold/ at its sender, with the reason
 *
 *	held back for SITE: why
 *
 * and a summary of it went to the site (uucico-ssh/m-hold.h).  The site asks for it in a call, or one
 * of its recipients by a mail that the site brought (relay/transport-release.c).
 */
#ifndef SPOOL_HELDBACK_H
#define SPOOL_HELDBACK_H

#include "spool/spool.h"

void heldback_reason(const char *site, const char *why, struct str *out);
/* hold/ID, open, with its entry: 1; 0: it is not there, or not held back for that site; -1. */
int heldback_open(const struct spool *spool, const char *site, const char *id, int *fd, struct entry *entry,
    struct err *err);
/* To out/SITE, durably: it goes in the next call, asked for. */
int heldback_release(const struct spool *spool, const char *site, const char *id, int fd,
    const struct entry *entry, struct err *err);

#endif
