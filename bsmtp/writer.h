/*
 * writer - makes a batch: entries, trailer, codec, file.
 *
 *	writer_start(&w, codec, fd, err)
 *	  writer_entry(&w, &info, &env, body_len, err)	the head; then exactly body_len bytes:
 *	  writer_body(&w, bytes, len, err)
 *	writer_end(&w, err)			the trailer; nothing is synced here
 *	writer_free(&w)
 *
 * What is written is batch(5): entries as in the spool, without their end and
 * state lines, of the first line only id, time and grade.
 */
#ifndef BSMTP_WRITER_H
#define BSMTP_WRITER_H

#include "bsmtp/codec.h"
#include "lib/base/digest.h"
#include "spool/entry.h"

struct writer {
	int fd;
	struct codec_stream pack;
	struct digest digest;	/* of all entry bytes so far */
	uint64_t raw, packed;	/* bytes before and behind the codec */
	uint64_t count;		/* entries begun */
};

int writer_start(struct writer *w, const struct codec *codec, int fd, struct err *err);
int writer_entry(struct writer *w, const struct entry_info *info, const struct envelope *env,
    uint64_t body_len, struct err *err);
int writer_body(struct writer *w, const void *bytes, size_t len, struct err *err);
int writer_body_of(struct writer *w, int fd, off_t at, uint64_t len, struct err *err);
int writer_end(struct writer *w, struct err *err);
void writer_free(struct writer *w);

#endif
