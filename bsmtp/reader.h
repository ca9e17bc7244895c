/*
 * reader - reads a batch, whoever wrote it: codec, dialogue, proof.
 *
 *	reader_start(&r, codec, max, &hooks, ctx)	codec NULL: by its first bytes
 *	reader_feed(&r, bytes, len, err)		any number of times
 *	reader_end(&r, err)				is it whole and true?
 *	reader_free(&r)
 *
 * The decoded text runs line by line through the SMTP server engine, so the
 * hooks see messages as a relay would.  They must promise nothing before
 * reader_end() said 0: until then the batch may turn out to be cut or altered.
 *
 * Ours begins with a label (bsmtp/label.h) or ends in a trailer (bsmtp/trailer.h), either
 * of which must be true.  A foreign batch
 * (Exim, sendmail, fetchmail, bsmtpd) has none; it may begin with "#! rsmtp",
 * lack HELO and QUIT, end its lines in LF or CRLF, and stand behind another; what does
 * not stand between two messages when it ends was cut.
 *
 * A MAIL or RCPT with a wrong address or parameter concerns its message or its recipient
 * alone: hook begin is told.  Anything else that is no SMTP refuses the whole batch, because
 * what follows could be a body that is taken for commands.
 *
 * All in memory and bounded; nothing here opens a file.
 */
#ifndef BSMTP_READER_H
#define BSMTP_READER_H

#include "bsmtp/codec.h"
#include "bsmtp/label.h"
#include "bsmtp/trailer.h"
#include "lib/mail/plain.h"
#include "lib/proto/smtp-server.h"
#include "spool/entry.h"

/* What of an envelope could not be taken. */
struct reader_refused {
	const char *all;	/* the reply to MAIL: nobody gets it; NULL: MAIL was fine */
	struct refused_rcpt {
		struct str to;	/* as it stood there, without what no envelope can hold */
		struct str reply;
	} *rcpt;
	size_t rcpts;
};

struct reader_hooks {	/* each may be NULL, and returns 0 or -1 with *err */
	int (*begin)(void *ctx, const struct entry_info *info, const struct envelope *env,
	    const struct reader_refused *refused, struct err *err);
			/* info: what the batch says of it; NULL where it says nothing */
	int (*body)(void *ctx, const char *bytes, size_t len, struct err *err);	/* CRLF lines */
	int (*end)(void *ctx, struct err *err);		/* the message is whole */
	int (*text)(void *ctx, const char *bytes, size_t len, struct err *err);	/* decoded bytes */
	int (*travelled)(void *ctx, const char *bytes, size_t len, struct err *err);	/* what was in
	    the frame of a labelled batch: once it is committed they join the history */
	int (*history)(void *ctx, const struct label *label, struct codec_setup *setup, struct err *err);
	    /* label->has_ref: sets prefix (borrowed until reader_free) and window_log.  NULL, or
	       ERR_TEMP: we do not have it, the sender must pack it again against nothing */
};

struct reader {
	const struct reader_hooks *hooks;
	void *ctx, *past;	/* past: ctx of the hooks history and travelled, where it is another */
	const struct codec *codec;
	uint64_t max;
	struct str first;	/* held until the codec can be told */
	bool decoding;
	struct codec_stream decode;
	struct plain plain;		/* behind it, when labelled */
	struct smtp_server server;
	struct trailer trailer;
	bool labelled;
	struct label label;		/* when labelled */
	struct str dictionary;		/* that it names */
	struct digest digest;		/* of what is delivered, which the label vouches for */
	uint64_t raw;
	unsigned char sum[DIGEST_SIZE];	/* that digest, once reader_end() was 0 */
	uint64_t line;		/* being read, from 1 */
	char word[12];		/* the beginning of that line */
	size_t word_len;
	bool in_line, comment, quit, at_proof;	/* at_proof: the last NOOP was a trailer's */
	bool said;		/* info was said for the next message */
	bool begun;		/* a message, and not ended */
	struct entry_info info;
	struct envelope env;	/* of the message, as hook begin gets it */
	uint64_t head;		/* bytes of the envelope so far */
	struct str mail_reply;	/* of a MAIL that could not be; empty: it could */
	struct reader_refused refused;
	uint64_t messages, entries;	/* all; those with an info of ours */
	struct err err;		/* a hook's */
};

void reader_start(struct reader *r, const struct codec *codec, uint64_t max,
    const struct reader_hooks *hooks, void *ctx);
int reader_feed(struct reader *r, const void *bytes, size_t len, struct err *err);
int reader_end(struct reader *r, struct err *err);
void reader_free(struct reader *r);

/* For files: feeds all that fd gives, then ends. */
int reader_run(struct reader *r, int fd, struct err *err);

#endif
