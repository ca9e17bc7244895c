/*
 * incoming - the peer's jobs, from the call into xqt/PEER/: the hooks offered, write,
 * stored and dropped of struct uucp_hooks.
 */
#ifndef UUCICO_SSH_INCOMING_H
#define UUCICO_SSH_INCOMING_H

#include "spool/spool.h"
#include "uucico-ssh/uucp.h"

struct incoming {
	const struct spool *spool;
	const struct site_settings *site;
};

enum uucp_answer incoming_offered(const struct incoming *in, bool restart, struct uucp_job *job);
int incoming_write(struct uucp_job *job, const void *bytes, size_t len, struct err *err);
int incoming_stored(const struct incoming *in, struct uucp_job *job, struct err *err);
void incoming_dropped(struct uucp_job *job);

#endif
