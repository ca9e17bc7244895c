/*
 * codec - what a batch is wrapped in on its way: nothing, gzip, zstd ...
 *
 *	struct codec_setup setup = { .level = LEVEL_DEFAULT, .max = limit };
 *	codec_start(&stream, codec, CODEC_UNPACK, &setup, sink, ctx, err)
 *	codec_feed(&stream, bytes, len, err)	what comes out goes to sink(ctx, ...)
 *	codec_end(&stream, err)			no more comes: was it whole?
 *	codec_free(&stream)			always
 *
 * Bytes in, bytes out, in pieces of any size and in bounded memory.  Unpacking
 * stops at max bytes: honest mail may be a thousand times as long as what is packed,
 * so only how much comes out can tell a bomb.  One
 * layer is taken off and never two; a stream that is cut, wrong in its check sum
 * or followed by anything else is ERR_PERM.
 *
 * A codec with a label has a line in front of its stream (bsmtp/label.h), which
 * reader and writer take off and put on: here is only the stream behind it.  It can
 * be packed against bytes that both ends have, a dictionary, a prefix of history or both, which must be given again to unpack it.  A codec that had no use for them says so after
 * codec_end(): they are gone from stream->setup.  One that is not made for
 * what it was given has become another by then, stream->codec.
 *
 * Adding a codec: codec-NAME.c, one X() in CODECS, one name in local.mk.
 */
#ifndef BSMTP_CODEC_H
#define BSMTP_CODEC_H

#include "lib/base/err.h"

#define CODECS(X) \
	X(gz) \
	X(bz2) \
	X(Z) \
	X(zstd) \
	X(zstd_plain) \
	X(mix) \
	X(none)		/* last: it has no magic, so whatever is left is this */

enum codec_way { CODEC_PACK, CODEC_UNPACK };
enum codec_level { LEVEL_DEFAULT, LEVEL_FAST, LEVEL_METERED };
enum {
	CODEC_MAGIC_MAX = 8,
	CODEC_WINDOW = 23,	/* 8 MiB: the most anybody's stream may ask for */
	CODEC_WINDOW_MAX = 27,	/* and the most that two sites can agree on */
};

/* How a stream is to be made, or how it was.  All zero is fine. */
struct codec_setup {
	enum codec_level level;	/* packing: how hard to try */
	uint64_t max;		/* unpacking: most bytes that may come out; 0: no limit */
	struct span dictionary;	/* borrowed until codec_free(): a dictionary of zstd's, or nothing;
				   with a prefix as well it is the older part of that */
	struct span prefix;	/* borrowed likewise: raw bytes, of which the last ones are the best */
	bool tables;		/* with a prefix, the dictionary's tables of frequencies count as well */
	unsigned window_log;	/* memory that unpacking may take is 2^this; 0: CODEC_WINDOW.  Both
				   ends must say the same, or the reader more */
	bool bare;		/* without the first bytes, which are always the same: a label says it all */
	bool first;		/* reading mix: by its first model, which is no more written */
	bool brief;		/* and without all else in front of what is one block.  Packing sets it, where
				   the codec can do that; unpacking must be told */
};

typedef int codec_sink(void *ctx, const void *bytes, size_t len, struct err *err);

struct codec_stream {
	const struct codec *codec;
	enum codec_way way;
	struct codec_setup setup;
	codec_sink *sink;
	void *ctx;
	uint64_t in, out;	/* bytes so far */
	bool whole;		/* the codec saw the end of its stream */
	void *state;		/* the codec's own */
};

struct codec {
	const char *name;	/* in "[site] codec" and --codec */
	const char *command;	/* the job that unpacks it at a peer */
	const char *says;	/* what it is, for people */
	struct span magic;	/* how its streams begin */
	const char *label;	/* its word in the label in front of what is packed; NULL: none is */
	unsigned number;	/* and its number there */
	bool alone;		/* packed against nothing: whoever has the tool reads it */
	bool read_only;
	int (*start)(struct codec_stream *stream, struct err *err);
	int (*feed)(struct codec_stream *stream, const void *bytes, size_t len, struct err *err);
	int (*end)(struct codec_stream *stream, struct err *err);	/* set stream->whole first
				   when unpacking; flush what is left when packing */
	void (*free)(struct codec_stream *stream);
	void (*head)(size_t len, struct str *out);	/* what brief leaves out in front of so many
				   bytes; NULL: it knows of none */
};

extern const struct codec *const codecs[];	/* NULL-ended */

const struct codec *codec_named(const char *name, struct err *err);
const struct codec *codec_of_command(const char *command);	/* NULL: none has it */
const struct codec *codec_of_magic(struct span first);		/* never NULL */
int codec_level_named(const char *name, enum codec_level *level, struct err *err);
const char *codec_level_name(enum codec_level level);		/* fast, default, metered */

int codec_start(struct codec_stream *stream, const struct codec *codec, enum codec_way way,
    const struct codec_setup *setup, codec_sink *sink, void *ctx, struct err *err);
int codec_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err);
int codec_end(struct codec_stream *stream, struct err *err);
void codec_free(struct codec_stream *stream);

/* Appends what is missing in front of a bare stream, which is so long: for other tools. */
void codec_head(const struct codec *codec, bool brief, size_t len, struct str *out);

/* For the codecs: hands on what came out, within the limits. */
int codec_out(struct codec_stream *stream, const void *bytes, size_t len, struct err *err);

#endif
