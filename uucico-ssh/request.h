/*
 * request - a file of ours that a peer asks for in a call: the hooks requested, read and
 * sent of struct uucp_hooks for jobs of kind R.
 *
 * What may be asked for says the site's "requests"; nothing, by preset.
 */
#ifndef UUCICO_SSH_REQUEST_H
#define UUCICO_SSH_REQUEST_H

#include "spool/spool.h"
#include "uucico-ssh/uucp.h"

enum uucp_answer request_admit(const struct spool *spool, const struct site_settings *site,
    struct uucp_job *job);
int request_read(struct uucp_job *job, void *to, size_t len, struct err *err);
void request_sent(const struct site_settings *site, struct uucp_job *job, enum uucp_fate fate,
    const char *why);

#endif
