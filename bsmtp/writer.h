/*
 * writer - makes a batch: entries, trailer, codec, file.
 *
 *	struct writer_setup setup = { .pack.level = LEVEL_FAST, .scratch = dir };
 *	writer_start(&w, codec, &setup, fd, err)
 *	  writer_entry(&w, &info, &env, body_len, err)	the head; then exactly body_len bytes:
 *	  writer_body(&w, bytes, len, err)
 *	  writer_entry_end(&w, err)
 *	writer_end(&w, err)			label or trailer; nothing is synced here
 *	writer_free(&w)
 *
 * What is written is batch(5): entries as in the spool, without their end and
 * state lines, of the first line only id, time and grade.  A codec that has a label says
 * there what the others say in a trailer, so its frame waits in a file without a name until
 * all is known.
 *
 * To pack against history, set .pack.prefix to the bytes (borrowed until writer_free()),
 * .pack.window_log to what was agreed, and in .label has_ref, mark, units and class.
 * At the metered level that is packed by codec mix, and so is what only travels, set, is to make
 * history of.
 * While that is short, and without it, a labelled codec takes the shipped dictionary too,
 * where there is one.
 */
#ifndef BSMTP_WRITER_H
#define BSMTP_WRITER_H

#include "bsmtp/codec.h"
#include "bsmtp/format.h"
#include "bsmtp/label.h"
#include "lib/base/digest.h"
#include "lib/mail/plain.h"
#include "spool/entry.h"

struct writer_setup {
	const struct format *format;	/* NULL: full */
	const struct settings *settings;	/* for formats that tell our names; else NULL */
	struct codec_setup pack;
	codec_sink *travels;	/* is told every byte that goes into the codec; may be NULL */
	void *ctx;
	struct label label;	/* ref and class; the writer fills in the rest */
	int scratch;		/* folder for the file without a name */
};

struct writer {
	const struct format *format;
	const struct settings *settings;
	struct format_body body;
	struct str text;	/* of the format, on its way */
	int fd, scratch;	/* scratch: the frame that waits for its label, or -1 */
	struct codec_stream pack;
	struct plain plain;	/* in front of it, where there is a label */
	struct label label;
	struct str dictionary;
	codec_sink *travels;
	void *ctx;
	struct digest digest;	/* of all entry bytes so far */
	uint64_t raw, packed;	/* bytes before and behind the codec, all told */
	uint64_t count;		/* entries begun */
	unsigned char sum[DIGEST_SIZE];	/* SHA-256 of all entry bytes, after writer_end() */
};

int writer_start(struct writer *w, const struct codec *codec, const struct writer_setup *setup, int fd,
    struct err *err);
int writer_entry(struct writer *w, const struct entry_info *info, const struct envelope *env,
    uint64_t body_len, struct err *err);
int writer_body(struct writer *w, const void *bytes, size_t len, struct err *err);
int writer_entry_end(struct writer *w, struct err *err);
int writer_end(struct writer *w, struct err *err);
void writer_free(struct writer *w);

#endif
