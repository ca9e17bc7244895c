/*
 * codec gz: one gzip member (RFC 1952) and nothing around it, which is what
 * every rgsmtp since 1990 has read.  The header's name, comment and time are
 * not written, and not looked at.
 */
#include "bsmtp/codec.h"

#include <stdlib.h>
#include <zlib.h>

extern const struct codec codec_gz;

/* deflateInit2: 16 + window bits = gzip.  Its tables are as large as gzip's own: with the next larger
 * ones they do not fit the processor's first caches, and it takes half as long again. */
enum { GZIP = 16, TABLES = 8, PIECE = 32768 };

static int
gz_start(struct codec_stream *stream, struct err *err)
{
	static const int levels[] = {
		[LEVEL_FAST] = 1, [LEVEL_DEFAULT] = 9, [LEVEL_METERED] = 9,
	};
	z_stream *z = mem_get(sizeof *z);

	stream->state = z;
	int result = stream->way == CODEC_UNPACK ? inflateInit2(z, GZIP + MAX_WBITS) :
	    deflateInit2(z, levels[stream->setup.level], Z_DEFLATED, GZIP + MAX_WBITS, TABLES, Z_DEFAULT_STRATEGY);
	return result == Z_OK ? 0 : err_set(err, ERR_TEMP, "gzip: out of memory");
}

static int
squeeze(struct codec_stream *stream, const void *bytes, size_t len, int flush, struct err *err)
{
	z_stream *z = stream->state;
	unsigned char piece[PIECE];

	z->next_in = (unsigned char *)(uintptr_t)bytes;
	z->avail_in = (unsigned)len;
	do {
		z->next_out = piece;
		z->avail_out = sizeof piece;
		deflate(z, flush);
		if (codec_out(stream, piece, sizeof piece - z->avail_out, err) < 0)
			return -1;
	} while (z->avail_out == 0);
	return 0;
}

static int
expand(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	z_stream *z = stream->state;
	unsigned char piece[PIECE];

	z->next_in = (unsigned char *)(uintptr_t)bytes;
	z->avail_in = (unsigned)len;
	while (!stream->whole) {
		z->next_out = piece;
		z->avail_out = sizeof piece;
		int result = inflate(z, Z_NO_FLUSH);
		if (result == Z_MEM_ERROR)
			return err_set(err, ERR_TEMP, "gzip: out of memory");
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return err_set(err, ERR_PERM, "damaged gzip stream near byte %llu: %s",
			    (unsigned long long)(stream->in - z->avail_in), z->msg != NULL ? z->msg : "?");
		if (codec_out(stream, piece, sizeof piece - z->avail_out, err) < 0)
			return -1;
		stream->whole = result == Z_STREAM_END;
		if (!stream->whole && z->avail_in == 0 && z->avail_out > 0)
			return 0;
	}
	return z->avail_in == 0 ? 0 :
	    err_set(err, ERR_PERM, "bytes after the end of the gzip stream");
}

/* zlib counts input in unsigned int, so a piece must not be larger. */
static int
gz_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	const char *at = bytes;

	for (size_t piece; len > 0; at += piece, len -= piece) {
		piece = len < (1u << 30) ? len : 1u << 30;
		int result = stream->way == CODEC_PACK ? squeeze(stream, at, piece, Z_NO_FLUSH, err) :
		    expand(stream, at, piece, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int
gz_end(struct codec_stream *stream, struct err *err)
{
	return stream->way == CODEC_PACK ? squeeze(stream, "", 0, Z_FINISH, err) : 0;
}

static void
gz_free(struct codec_stream *stream)
{
	if (stream->state != NULL && stream->way == CODEC_PACK)
		deflateEnd(stream->state);
	else if (stream->state != NULL)
		inflateEnd(stream->state);
	free(stream->state);
}

const struct codec codec_gz = {
	.name = "gz", .command = "rgsmtp", .says = "one gzip member", .magic = { "\x1f\x8b", 2 }, .alone = true,
	.start = gz_start, .feed = gz_feed, .end = gz_end, .free = gz_free,
};
