#include "bsmtp/codec.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/conf.h"

#define X(name) extern const struct codec codec_##name;
CODECS(X)
#undef X

const struct codec *const codecs[] = {
#define X(name) &codec_##name,
	CODECS(X)
#undef X
	NULL
};

static const char *
name_at(const void *list, size_t i)
{
	const struct codec *const *row = list;
	return row[i] != NULL ? row[i]->name : NULL;
}

const struct codec *
codec_named(const char *name, struct err *err)
{
	for (size_t i = 0; codecs[i] != NULL; i++)
		if (strcmp(codecs[i]->name, name) == 0)
			return codecs[i];
	const char *nearest = conf_nearest(name, name_at, codecs);
	err_set(err, ERR_CONFIG, nearest != NULL ? "no codec %.40s; did you mean %s?" :
	    "no codec %.40s", name, nearest);
	return NULL;
}

const struct codec *
codec_of_command(const char *command)
{
	for (size_t i = 0; codecs[i] != NULL; i++)
		if (strcmp(codecs[i]->command, command) == 0)
			return codecs[i];
	return NULL;
}

static bool
has_magic(const struct codec *codec, struct span first)
{
	if (codec->magic.len == 0)
		return codec->label == NULL;
	return first.len >= codec->magic.len && memcmp(first.p, codec->magic.p, codec->magic.len) == 0;
}

const struct codec *
codec_of_magic(struct span first)
{
	size_t i = 0;

	while (!has_magic(codecs[i], first))
		i++;
	return codecs[i];
}

static const char *const levels[] = {
	[LEVEL_DEFAULT] = "default", [LEVEL_FAST] = "fast", [LEVEL_METERED] = "metered",
};

int
codec_level_named(const char *name, enum codec_level *level, struct err *err)
{
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
		if (strcmp(levels[i], name) == 0) {
			*level = (enum codec_level)i;
			return 0;
		}
	return err_set(err, ERR_CONFIG, "no level %.40s; there are fast, default and metered", name);
}

const char *
codec_level_name(enum codec_level level)
{
	return levels[level];
}

int
codec_start(struct codec_stream *stream, const struct codec *codec, enum codec_way way,
    const struct codec_setup *setup, codec_sink *sink, void *ctx, struct err *err)
{
	*stream = (struct codec_stream){
		.codec = codec, .way = way, .setup = *setup, .sink = sink, .ctx = ctx,
	};
	if (codec->read_only && way == CODEC_PACK)
		return err_set(err, ERR_CONFIG, "codec %s is for reading only; gz is what old sites read too",
		    codec->name);
	return codec->start(stream, err);
}

int
codec_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	stream->in += len;
	return len > 0 ? stream->codec->feed(stream, bytes, len, err) : 0;
}

int
codec_end(struct codec_stream *stream, struct err *err)
{
	if (stream->codec->end(stream, err) < 0)
		return -1;
	if (stream->way == CODEC_UNPACK && !stream->whole)
		return err_set(err, ERR_PERM, "cut: the %s stream ends too early, after %llu bytes",
		    stream->codec->name, (unsigned long long)stream->in);
	return 0;
}

void
codec_free(struct codec_stream *stream)
{
	if (stream->codec != NULL)
		stream->codec->free(stream);
	*stream = (struct codec_stream){0};
}

void
codec_head(const struct codec *codec, bool brief, size_t len, struct str *out)
{
	str_add_span(out, codec->magic);
	if (brief && codec->head != NULL)
		codec->head(len, out);
}

static int
check_limits(const struct codec_stream *stream, struct err *err)
{
	uint64_t max = stream->setup.max;

	if (stream->way == CODEC_PACK)
		return 0;
	if (max > 0 && stream->out > max)
		return err_set(err, ERR_PERM, "unpacks to more than %llu bytes, by its label or "
		    "by max-batch-unpacked", (unsigned long long)max);
	return 0;
}

int
codec_out(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	stream->out += len;
	if (check_limits(stream, err) < 0)
		return -1;
	return len > 0 ? stream->sink(stream->ctx, bytes, len, err) : 0;
}
