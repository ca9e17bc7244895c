/*
 * sink - where the messages of a batch go, once the batch is proved whole.
 *
 *	spool:			all of them, by one rename; settle routes them
 *	smtp:HOST:PORT		one by one to that server
 *	maildir:DIR		one by one into that folder
 *
 * The batch was read into an arrival, a file of entries in the spool's tmp/, and
 * nothing is promised yet.  Sinks that take one message at a time work under
 * sink_each(), which knows what becomes of those that fail: refused for now, they
 * go into our own spool and are routed from there; refused for good, into hold/
 * with the reason.  So the batch as a whole is done, and a peer's ids already done
 * are passed over when it comes again.
 *
 * Adding a sink: sink-NAME.c, one X() in SINKS, one name in local.mk.
 */
#ifndef BSMTP_SINK_H
#define BSMTP_SINK_H

#include "spool/spool.h"

#define SINKS(X) X(spool) X(smtp) X(maildir)

struct delivery {
	const struct settings *settings;
	struct spool spool;
	struct arrival batch;	/* every message of it */
	struct arrival kept;	/* those to try later; open when kept.fd >= 0 */
	const char *peer;	/* NULL: nobody vouches for it */
	size_t done, later, held, repeats;
};

struct sink {
	const char *name;	/* before the colon */
	int (*check)(const char *where, struct err *err);	/* the text behind it */
	int (*deliver)(struct delivery *d, const char *where, struct err *err);
};

/* The sink of "NAME:where", and *where. */
const struct sink *sink_of(const char *text, const char **where, struct err *err);

/* What became of one recipient; of all of them by outcome[0 .. rcpts - 1]. */
struct outcome {
	enum err_kind kind;	/* ERR_NONE: delivered */
	struct str reply;
};
/* Delivers one entry of fd and fills outcome, which starts as all ERR_NONE.  -1 is
 * trouble of ours that ends the whole. */
typedef int sink_one(void *ctx, const struct entry *entry, int fd, struct outcome *outcome,
    struct err *err);
int sink_each(struct delivery *d, sink_one *one, void *ctx, struct err *err);

#endif
