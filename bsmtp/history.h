/*
 * history - what a batch is packed against, and what becomes of it (spool/ring.h).
 *
 * Packing for a site, with its lock held:
 *
 *	history_begin(&h, spool, site, class, &setup)	sets prefix, label and travels
 *	... the writer is given the entries ...
 *	history_label(&h, &writer.label)		before writer_end()
 *	history_offer(&h, &batch, &writer.label, err)	before batch_offer()
 *	history_end(&h)
 *
 * A batch that refers to history is not done when it is acknowledged, but when the peer has
 * said that it has it; one that does not is done as ever.  Both become history for the
 * next ones once the peer has said in which order it has them.
 *
 * Unpacking what came from a site:
 *
 *	past_open(&p, spool, site)
 *	past_find, past_travelled			for the reader's hooks
 *	past_committed(&p, &label, err)			it is in in/, durably
 *	past_refused(&p, &label, &err)			or it could not be read: 1 when it was asked
 *							for again, and is done with here
 *	past_heard(&p, &label, err)			its words of the other direction
 *	past_close(&p)
 *
 * A batch that refers to what is not here is dropped: its sender has the messages still.  It
 * is told so by a batch of no messages, which is durable before the exit status 0 that lets
 * the job go.  The other way round an acknowledgement needs no such care: it says all that
 * the peer is not known to know, each time.
 */
#ifndef BSMTP_HISTORY_H
#define BSMTP_HISTORY_H

#include "bsmtp/reader.h"
#include "bsmtp/writer.h"
#include "spool/queue.h"
#include "spool/ring.h"

struct history {
	const struct spool *spool;
	const struct site_settings *site;
	struct ring ring;
	bool open, said;	/* said: the batch tells what we have */
	const char *class;
	struct str travels;	/* what will be history */
	uint64_t most;		/* of it; more is none */
	bool too_large;
};

/* Where there is none, or it cannot be read, the batch is packed without: that is no error. */
void history_begin(struct history *h, const struct spool *spool, const struct site_settings *site,
    const char *class, struct writer_setup *setup);
void history_label(const struct history *h, struct label *label);
int history_offer(struct history *h, struct batch *batch, const struct label *label, struct err *err);
void history_end(struct history *h);

/* Tells the site, in batches of no messages, what it was not told of what we have. */
int history_tell_all(const struct spool *spool, const struct site_settings *site, struct err *err);

struct past {
	const struct spool *spool;
	const struct site_settings *site;	/* NULL: it is none of ours */
	struct ring ring;
	bool open, lost;	/* lost: what it refers to is not here */
	struct str travelled;
	bool too_large;
};

void past_open(struct past *p, const struct spool *spool, const struct site_settings *site);
int past_find(struct past *p, const struct label *label, struct codec_setup *setup, struct err *err);
void past_travelled(struct past *p, const void *bytes, size_t len);
void past_read(struct past *p);		/* the reader is freed: nothing points into history now */
void past_committed(struct past *p, const struct label *label);
int past_refused(struct past *p, const struct label *label, struct err *err);
int past_heard(struct past *p, const struct label *label, struct err *err);
void past_close(struct past *p);

/* The bytes that a batch refers to, to look at: our own batch, or one that came from the site. */
int history_of(struct ring *ring, const struct spool *spool, const char *site, enum ring_way way,
    const struct label *label, struct span *history, struct err *err);

#endif
