/*
 * codec bz2: one bzip2 stream and nothing around it, as some old sites send and take
 * it.  It pays only from some twenty mails a batch up.
 */
#include "bsmtp/codec.h"

#if HAVE_BZ2
#include <bzlib.h>
#include <stdlib.h>

extern const struct codec codec_bz2;

enum { PIECE = 32768 };

static int
failed(const struct codec_stream *stream, int result, struct err *err)
{
	if (result == BZ_MEM_ERROR)
		return err_set(err, ERR_TEMP, "bzip2: out of memory");
	return err_set(err, ERR_PERM, "damaged bzip2 stream near byte %llu (%d)",
	    (unsigned long long)stream->in, result);
}

static int
bz2_start(struct codec_stream *stream, struct err *err)
{
	static const int levels[] = {
		[LEVEL_FAST] = 1, [LEVEL_DEFAULT] = 9, [LEVEL_METERED] = 9,
	};
	bz_stream *bz = mem_get(sizeof *bz);

	stream->state = bz;
	int result = stream->way == CODEC_UNPACK ? BZ2_bzDecompressInit(bz, 0, 0) :
	    BZ2_bzCompressInit(bz, levels[stream->setup.level], 0, 0);
	return result == BZ_OK ? 0 : failed(stream, result, err);
}

static int
squeeze(struct codec_stream *stream, struct span bytes, int action, struct err *err)
{
	bz_stream *bz = stream->state;
	char piece[PIECE];
	int result;

	bz->next_in = (char *)(uintptr_t)bytes.p;
	bz->avail_in = (unsigned)bytes.len;
	do {
		bz->next_out = piece;
		bz->avail_out = sizeof piece;
		result = BZ2_bzCompress(bz, action);
		if (result < 0)
			return failed(stream, result, err);
		if (codec_out(stream, piece, sizeof piece - bz->avail_out, err) < 0)
			return -1;
	} while (action == BZ_FINISH ? result != BZ_STREAM_END : bz->avail_in > 0);
	return 0;
}

static int
expand(struct codec_stream *stream, struct span bytes, struct err *err)
{
	bz_stream *bz = stream->state;
	char piece[PIECE];

	bz->next_in = (char *)(uintptr_t)bytes.p;
	bz->avail_in = (unsigned)bytes.len;
	while (!stream->whole) {
		bz->next_out = piece;
		bz->avail_out = sizeof piece;
		int result = BZ2_bzDecompress(bz);
		if (result != BZ_OK && result != BZ_STREAM_END)
			return failed(stream, result, err);
		if (codec_out(stream, piece, sizeof piece - bz->avail_out, err) < 0)
			return -1;
		stream->whole = result == BZ_STREAM_END;
		if (!stream->whole && bz->avail_in == 0 && bz->avail_out > 0)
			return 0;
	}
	return bz->avail_in == 0 ? 0 : err_set(err, ERR_PERM, "bytes after the end of the bzip2 stream");
}

/* libbz2 counts in unsigned int, so a piece must not be larger. */
static int
bz2_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	struct span rest = { bytes, len };

	for (struct span piece; rest.len > 0; rest = span_from(rest, piece.len)) {
		piece = span_to(rest, 1u << 30);
		int result = stream->way == CODEC_PACK ? squeeze(stream, piece, BZ_RUN, err) :
		    expand(stream, piece, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int
bz2_end(struct codec_stream *stream, struct err *err)
{
	return stream->way == CODEC_PACK ? squeeze(stream, (struct span){ "", 0 }, BZ_FINISH, err) : 0;
}

static void
bz2_free(struct codec_stream *stream)
{
	if (stream->state != NULL && stream->way == CODEC_PACK)
		BZ2_bzCompressEnd(stream->state);
	else if (stream->state != NULL)
		BZ2_bzDecompressEnd(stream->state);
	free(stream->state);
}

#else

static int
bz2_start(struct codec_stream *stream, struct err *err)
{
	(void)stream;
	return err_set(err, ERR_CONFIG, "bzip2 is not spoken here: mochila was built --without-bz2; let the sender "
	    "take gz");
}

static int
bz2_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	(void)bytes, (void)len;
	return bz2_start(stream, err);
}

static int
bz2_end(struct codec_stream *stream, struct err *err)
{
	return bz2_start(stream, err);
}

static void
bz2_free(struct codec_stream *stream)
{
	(void)stream;
}

#endif

const struct codec codec_bz2 = {
	.name = "bz2", .command = "rbsmtp", .says = "one bzip2 stream", .magic = { "BZh", 3 }, .alone = true,
	.read_only = !HAVE_BZ2, .start = bz2_start, .feed = bz2_feed, .end = bz2_end, .free = bz2_free,
};
