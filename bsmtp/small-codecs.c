/* Codecs: mix takes 70 MiB, and zstd stands in for it where one packs; what compress made is of old sites. */
#include "bsmtp/codec.h"
#include "lib/base/small.h"

extern const struct codec codec_zstd, codec_mix, codec_Z;

static int
start(struct codec_stream *stream, struct err *err)
{
	if (stream->way == CODEC_UNPACK)
		return small_without(err, stream->codec == &codec_mix ? "reading codec mix, which level metered packs with" :
		    "reading codec Z");
	stream->codec = &codec_zstd;
	return codec_zstd.start(stream, err);
}

/* Nothing comes here, as no stream of theirs is ever begun. */

static int
feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	(void)bytes;
	(void)len;
	return start(stream, err);
}

static void
give_back(struct codec_stream *stream)
{
	(void)stream;
}

const struct codec codec_mix = {
	.name = "mix", .command = "rzsmtp", .says = "not here: packed as zstd", .label = "mix", .number = 1,
	.start = start, .feed = feed, .end = start, .free = give_back,
};

const struct codec codec_Z = {
	.name = "Z", .command = "rcsmtp", .says = "not here", .magic = { "\x1f\x9d", 2 }, .alone = true, .read_only = true,
	.start = start, .feed = feed, .end = start, .free = give_back,
};
