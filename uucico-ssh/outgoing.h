/*
 * outgoing - our batches, sent/SITE/B, and what uux queued, as jobs of a call: the hooks
 * next, read and sent.
 *
 * A batch is one E job of grade C whose command unpacks it; the best grade goes first.  For
 * a peer without E it is two files, D. and then X., so that the command cannot come before
 * its data; and so is a command of uux with files, each of which is a D.  The names
 * that the peer sees come from the batch's name and a secret of this spool, so that an
 * offer made again has the same name, and another spool's batch never has it:
 * peers remember names (uucp-wire, duplicates).
 */
#ifndef UUCICO_SSH_OUTGOING_H
#define UUCICO_SSH_OUTGOING_H

#include "spool/queue.h"
#include "uucico-ssh/uucp.h"

struct outgoing {
	const struct spool *spool;
	const struct site_settings *site;
	unsigned char salt[16];
	struct outgoing_item {
		char grade;
		bool queued;		/* by uux; else a batch */
		bool due;		/* its next part is, before anything else */
		unsigned part;		/* which is the next: files, the data, an X. file */
		char *name;
	} *items;			/* best grade first, then the oldest */
	size_t count, next;
	size_t due;		/* so many items have a part behind one that is there */
	uint64_t total;		/* bytes of all of them, for the progress line */
	int64_t since;		/* when the call began (clock_now()): an older batch was tried */
	size_t refused, later;
	bool whole;		/* the far end takes a command and its files as one job (m) */
	const struct queue *queue;	/* NULL, or the site's, whose lock we hold */
};

/* Once, while it may be written: the secret of the spool. */
int outgoing_ready(const struct spool *spool, struct err *err);
int outgoing_open(struct outgoing *out, const struct spool *spool,
    const struct site_settings *site, struct err *err);
int outgoing_next(struct outgoing *out, bool exec, struct uucp_job *job, struct err *err);
int outgoing_read(struct uucp_job *job, void *to, size_t len, struct err *err);
int outgoing_sent(struct outgoing *out, struct uucp_job *job, enum uucp_fate fate,
    const char *why, struct err *err);
/* What unpacks a file that begins so; NULL: it is not packed. */
enum { OUTGOING_FIRST = 8 };
const char *outgoing_unpacker(struct span first);
const char *outgoing_name(const struct uucp_job *job);	/* of the batch, or what uux queued */
int outgoing_over(struct outgoing *out, const char *name, struct err *err);	/* the peer has it, as we
			   hear now: nothing of it was under way in this call */
void outgoing_close(struct outgoing *out);

#endif
