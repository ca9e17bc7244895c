/*
 * codec - what a batch is wrapped in on its way: nothing, or gzip.
 *
 *	codec_start(&stream, &codec_gz, CODEC_UNPACK, sink, ctx, max)
 *	codec_feed(&stream, bytes, len, err)	what comes out goes to sink(ctx, ...)
 *	codec_end(&stream, err)			no more comes: was it whole?
 *	codec_free(&stream)			always
 *
 * Bytes in, bytes out, in pieces of any size and in bounded memory.  Unpacking
 * stops at max bytes, and when more than 200 times as much comes out as went
 * in (beyond the first MiB): a bomb is told long before it fills a disk.  One
 * layer is taken off and never two; a stream that is cut, wrong in its check sum
 * or followed by anything else is ERR_PERM.
 *
 * Adding a codec: codec-NAME.c, one X() in CODECS, one name in local.mk.
 */
#ifndef BSMTP_CODEC_H
#define BSMTP_CODEC_H

#include "lib/base/err.h"

#define CODECS(X) \
	X(gz) \
	X(none)		/* last: it has no magic, so whatever is left is this */

enum codec_way { CODEC_PACK, CODEC_UNPACK };
enum { CODEC_MAGIC_MAX = 8, CODEC_RATIO = 200, CODEC_FREE = 1 << 20 };

typedef int codec_sink(void *ctx, const void *bytes, size_t len, struct err *err);

struct codec_stream {
	const struct codec *codec;
	enum codec_way way;
	codec_sink *sink;
	void *ctx;
	uint64_t in, out, max;	/* bytes so far; max 0: no limit */
	bool whole;		/* the codec saw the end of its stream */
	void *state;		/* the codec's own */
};

struct codec {
	const char *name;	/* in "[site] codec" and --codec */
	const char *command;	/* the job that unpacks it at a peer */
	struct span magic;	/* how its streams begin */
	int (*start)(struct codec_stream *stream, struct err *err);
	int (*feed)(struct codec_stream *stream, const void *bytes, size_t len, struct err *err);
	int (*end)(struct codec_stream *stream, struct err *err);	/* set stream->whole first
				   when unpacking; flush what is left when packing */
	void (*free)(struct codec_stream *stream);
};

extern const struct codec *const codecs[];	/* NULL-ended */

const struct codec *codec_named(const char *name, struct err *err);
const struct codec *codec_of_command(const char *command);	/* NULL: none has it */
const struct codec *codec_of_magic(struct span first);		/* never NULL */

int codec_start(struct codec_stream *stream, const struct codec *codec, enum codec_way way,
    codec_sink *sink, void *ctx, uint64_t max, struct err *err);
int codec_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err);
int codec_end(struct codec_stream *stream, struct err *err);
void codec_free(struct codec_stream *stream);

/* For the codecs: hands on what came out, within the limits. */
int codec_out(struct codec_stream *stream, const void *bytes, size_t len, struct err *err);

#endif
