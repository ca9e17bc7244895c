/*
 * sink - where the messages of a batch go, once the batch is proved whole.
 *
 *	spool:			our own spool, from where they are routed
 *	smtp:HOST:PORT		one by one to that server
 *	lmtp:HOST:PORT, lmtp:/SOCKET
 *	maildir:DIR		one by one into that folder
 *	sendmail:PROGRAM	one by one to that program
 *
 * A batch enters our spool by one rename, whatever its sink: from then on it is done, a
 * repeat of it is known, and each message is an ordinary one.  For spool: that is all.  For
 * the others they wait in out/SINK, and the sink works that queue message by message
 * (sink_work): what became of each recipient is on disk before the next is begun, so that who
 * is killed goes on behind the last one done; 4xx waits there for the next run or the
 * relay, 5xx becomes a report to the sender.
 *
 * Adding a sink: sink-NAME.c, one X() in SINKS, one name in local.mk.
 */
#ifndef BSMTP_SINK_H
#define BSMTP_SINK_H

#include "spool/queue.h"

/* A small box has a Maildir, or a mail system of its own. */
#if MOCHILA_SMALL
#define SINKS(X) X(spool) X(maildir) X(sendmail)
#else
#define SINKS(X) X(spool) X(smtp) X(lmtp) X(maildir) X(sendmail)
#endif

struct sink {
	const char *name;	/* before the colon */
	const char *form;	/* the whole, as people are told it */
	int (*check)(const char *where, struct err *err);	/* the text behind the colon */
	/* The rest is NULL for spool:.  Opened before a batch is taken: one that cannot be
	 * reached leaves the batch where it is. */
	int (*open)(const struct settings *settings, const char *where, void **work, struct err *err);
	int (*send)(void *work, struct message *m, struct err *err);
			/* 0: each recipient that waits was told of by message_rcpt();
			 * -1: no more goes now, nothing was said of this one */
	void (*close)(void *work);
};

/* The sink of "NAME:where", and *where. */
const struct sink *sink_of(const char *text, const char **where, struct err *err);
void sink_folder(const struct sink *sink, const char *where, struct str *folder);	/* below out/ */

/* Gives the sink what waits for it.  -1: trouble of ours, or the sink is gone; the rest waits. */
struct sunk {
	size_t done, later, failed;	/* messages; one counts for each */
};
int sink_work(const struct sink *sink, void *work, const struct spool *spool, const char *folder,
    struct sunk *sunk, struct err *err);

/* For the sinks: the recipients that wait, as an envelope, and where in the message's each is. */
struct waiting {
	struct envelope env;
	size_t *at;
};
void waiting_of(const struct message *m, struct waiting *w);
void waiting_drop(struct waiting *w);
void sink_failed(struct message *m, size_t rcpt, const struct err *err, const char *reply);
			/* reply NULL or "": made of err */

#endif
