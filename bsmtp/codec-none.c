/* codec none: the batch as it is; only the limit on its size applies. */
#include "bsmtp/codec.h"

extern const struct codec codec_none;

static int
none_start(struct codec_stream *stream, struct err *err)
{
	(void)err;
	stream->whole = true;
	return 0;
}

static int
none_end(struct codec_stream *stream, struct err *err)
{
	(void)stream;
	(void)err;
	return 0;
}

static void
none_free(struct codec_stream *stream)
{
	(void)stream;
}

const struct codec codec_none = {
	.name = "none", .command = "rsmtp", .says = "the text itself", .magic = { "", 0 }, .alone = true,
	.start = none_start, .feed = codec_out, .end = none_end, .free = none_free,
};
