/*
 * codec zstd: one zstd frame (RFC 8878), by itself, against a dictionary, or with a
 * prefix of history.  The stock tool reads each: zstd -d, zstd -d -D DICTIONARY and
 * zstd -d --patch-from=HISTORY.
 *
 * Up to GATHER bytes are gathered before any is packed, because a frame whose length is
 * known in advance is smaller, is made faster, and asks its reader for no more memory
 * than that.  With both a dictionary and a history, the dictionary is the older part of the
 * history, so that a young one has words from the first day; and both are one dictionary, with
 * the tables of frequencies that stand at its beginning, which saves a mail that travels alone
 * some twenty bytes for tables of its own.  Before label version 4 they were a mere prefix, without
 * the first DICTIONARY_MARK bytes by which the dictionary is known.  Neither check sum nor
 * dictionary's number are in the frame: the label has both.
 *
 * What a few mails become is one block.  In front of that there is nothing that is not known:
 * in brief it is left out, six bytes of each batch, and put back by its reader.
 */
#include "bsmtp/codec.h"

#include <stdlib.h>
#define ZSTD_STATIC_LINKING_ONLY	/* ZSTD_c_forceAttachDict */
#include <zstd.h>
#include <zstd_errors.h>

#include "spool/dictionary.h"

extern const struct codec codec_zstd, codec_zstd_plain;

enum { GATHER = 4 << 20, HISTORY_MIN = 1 << 20, SHORT = 1 << 17, SHORT_LEVEL = 17, LONG_LEVEL = 2,
	PIECE = 1 << 17 };

struct zstd {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	struct str gathered, joined;	/* joined: dictionary and history */
	struct str frame;	/* of a bare stream that may be one block, or is */
	bool begun;
	bool brief;		/* what is made goes into frame first */
	size_t bare;		/* bytes of the magic number still to be left out, or to be put back */
	char piece[PIECE];
};

/* Our own arguments are right, so what libzstd refuses is its lack of memory, or the
 * other's bytes. */
static int
failed(const struct codec_stream *stream, size_t result, struct err *err)
{
	switch (ZSTD_getErrorCode(result)) {
	case ZSTD_error_memory_allocation:
		return err_set(err, ERR_TEMP, "zstd: out of memory");
	case ZSTD_error_frameParameter_windowTooLarge:
		return err_set(err, ERR_PERM, "its zstd stream asks for a window of more than the %u MiB given here",
		    1u << (stream->setup.window_log - 20));
	default:
		return err_set(err, ERR_PERM, "damaged zstd stream near byte %llu: %s",
		    (unsigned long long)stream->in, ZSTD_getErrorName(result));
	}
}

/* Dictionary, history, or one behind the other; *raw: it is no dictionary to libzstd. */
static struct span
past_of(const struct codec_stream *stream, bool *raw)
{
	const struct codec_setup *setup = &stream->setup;
	struct zstd *z = stream->state;

	*raw = setup->prefix.len > 0 && (setup->dictionary.len == 0 || !setup->tables);
	if (setup->prefix.len == 0)
		return setup->dictionary;
	if (setup->dictionary.len == 0)
		return setup->prefix;
	str_add_span(&z->joined, span_from(setup->dictionary, setup->tables ? 0 : DICTIONARY_MARK));
	str_add_span(&z->joined, setup->prefix);
	return str_span(&z->joined);
}

/* A dictionary is copied by libzstd, anything else is not. */
static void
forget_joined(const struct codec_stream *stream, bool raw)
{
	struct zstd *z = stream->state;

	if (!raw)
		str_free(&z->joined);
}

/* With history most of the time goes into reading it; to search longer in it costs only the
 * batch's own bytes.  Measured: what level 12 saves, in half of its time. */
enum { SEARCH_LOG = 6 };

static size_t
start_packing(const struct codec_stream *stream, ZSTD_CCtx *pack)
{
	static const int levels[] = {
		[LEVEL_FAST] = 3, [LEVEL_DEFAULT] = 9, [LEVEL_METERED] = 19,
	};
	const struct codec_setup *setup = &stream->setup;
	bool raw;
	struct span past = past_of(stream, &raw);
	size_t result = ZSTD_CCtx_setParameter(pack, ZSTD_c_compressionLevel, levels[setup->level]);

	if (!ZSTD_isError(result))
		result = ZSTD_CCtx_setParameter(pack, ZSTD_c_checksumFlag, 0);
	if (!ZSTD_isError(result))
		result = ZSTD_CCtx_setParameter(pack, ZSTD_c_dictIDFlag, 0);
	if (!ZSTD_isError(result))
		result = ZSTD_CCtx_setParameter(pack, ZSTD_c_windowLog, (int)setup->window_log);
	if (!ZSTD_isError(result) && setup->prefix.len > 0 && setup->level == LEVEL_DEFAULT)
		result = ZSTD_CCtx_setParameter(pack, ZSTD_c_searchLog, SEARCH_LOG);
	if (!ZSTD_isError(result) && past.len > 0)
		result = raw ? ZSTD_CCtx_refPrefix(pack, past.p, past.len) :
		    ZSTD_CCtx_loadDictionary(pack, past.p, past.len);
	forget_joined(stream, raw);
	return result;
}

static size_t
start_unpacking(const struct codec_stream *stream, ZSTD_DCtx *unpack)
{
	const struct codec_setup *setup = &stream->setup;
	bool raw;
	struct span past = past_of(stream, &raw);
	size_t result = ZSTD_DCtx_setParameter(unpack, ZSTD_d_windowLogMax, (int)setup->window_log);

	if (!ZSTD_isError(result) && past.len > 0)
		result = raw ? ZSTD_DCtx_refPrefix(unpack, past.p, past.len) :
		    ZSTD_DCtx_loadDictionary(unpack, past.p, past.len);
	forget_joined(stream, raw);
	return result;
}

static int
zstd_start(struct codec_stream *stream, struct err *err)
{
	struct zstd *z = mem_get(sizeof *z);
	size_t result = 0;

	stream->state = z;
	z->bare = stream->setup.bare ? stream->codec->magic.len : 0;
	if (stream->setup.window_log == 0)
		stream->setup.window_log = CODEC_WINDOW;
	if (stream->setup.window_log > CODEC_WINDOW_MAX)
		return err_set(err, ERR_CONFIG, "a window of 2^%u is too large", stream->setup.window_log);
	if (stream->way == CODEC_PACK && (z->pack = ZSTD_createCCtx()) != NULL)
		result = start_packing(stream, z->pack);
	else if (stream->way == CODEC_UNPACK && (z->unpack = ZSTD_createDCtx()) != NULL)
		result = start_unpacking(stream, z->unpack);
	else
		return err_set(err, ERR_TEMP, "zstd: out of memory");
	return ZSTD_isError(result) ? failed(stream, result, err) : 0;
}

static int
squeeze(struct codec_stream *stream, struct span bytes, ZSTD_EndDirective how, struct err *err)
{
	struct zstd *z = stream->state;
	ZSTD_inBuffer in = { bytes.p, bytes.len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { z->piece, sizeof z->piece, 0 };
		left = ZSTD_compressStream2(z->pack, &out, &in, how);
		if (ZSTD_isError(left))
			return failed(stream, left, err);
		size_t bare = out.pos < z->bare ? out.pos : z->bare;
		if (z->brief)
			str_add(&z->frame, z->piece, out.pos);
		else if (codec_out(stream, z->piece + bare, out.pos - bare, err) < 0)
			return -1;
		z->bare -= bare;
	} while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);
	return 0;
}

/* in brief */

enum {
	MAGIC = 4, BLOCK_HEAD = 3, LAST_COMPRESSED = 5,
	NOTHING_SAID = 0, WINDOW_17 = (17 - 10) << 3,	/* of a frame: RFC 8878 3.1.1.1 */
};

static void
zstd_head(size_t len, struct str *out)
{
	const uint32_t block = (uint32_t)len << 3 | LAST_COMPRESSED;
	const char head[] = { NOTHING_SAID, WINDOW_17, (char)block, (char)(block >> 8), (char)(block >> 16) };

	str_add(out, head, sizeof head);
}

/* Its one block, as long as that says; or nothing, when it is none such. */
static struct span
only_block(struct span frame)
{
	static const size_t lengths[] = { 0, 2, 4, 8 };
	const unsigned char *p = (const unsigned char *)frame.p;
	struct span none = {0};

	if (frame.len < MAGIC + 1 || frame.len > SHORT)
		return none;
	bool single = (p[MAGIC] & 32) != 0;
	size_t said = p[MAGIC] >> 6, at = MAGIC + 1 + !single + (said == 0 ? single : lengths[said]);
	if ((p[MAGIC] & 15) != 0 || frame.len < at + BLOCK_HEAD)	/* no dictionary, no check sum */
		return none;
	uint32_t block = p[at] | (uint32_t)p[at + 1] << 8 | (uint32_t)p[at + 2] << 16;
	struct span rest = span_from(frame, at + BLOCK_HEAD);
	return (block & 7) == LAST_COMPRESSED && block >> 3 == rest.len ? rest : none;
}

static int
end_bare(struct codec_stream *stream, struct err *err)
{
	struct zstd *z = stream->state;
	struct span frame = str_span(&z->frame), block = only_block(frame);

	stream->setup.brief = block.len > 0;
	if (block.len == 0)
		block = span_from(frame, MAGIC);
	return codec_out(stream, block.p, block.len, err);
}

/* How long it will be is not known, and the gathering ends.  Of a dictionary or a young
 * history a stream that long has nothing, but libzstd would make its tables as small as
 * these: so it stands by itself.  At the fast level that is mostly a backlog, of which level 2
 * makes as much with this window as level 3 with the tool's own, in half of the time. */
static int
begin(struct codec_stream *stream, struct err *err)
{
	struct zstd *z = stream->state;

	z->begun = true;
	if (stream->setup.prefix.len < HISTORY_MIN) {
		ZSTD_CCtx_refPrefix(z->pack, NULL, 0);
		stream->setup.dictionary = stream->setup.prefix = (struct span){0};
		if (stream->setup.level == LEVEL_FAST)
			ZSTD_CCtx_setParameter(z->pack, ZSTD_c_compressionLevel, LONG_LEVEL);
	}
	int result = squeeze(stream, str_span(&z->gathered), ZSTD_e_continue, err);
	str_free(&z->gathered);
	return result;
}

static int
pack(struct codec_stream *stream, struct span bytes, struct err *err)
{
	struct zstd *z = stream->state;

	if (!z->begun && z->gathered.len + bytes.len <= GATHER) {
		str_add_span(&z->gathered, bytes);
		return 0;
	}
	if (!z->begun && begin(stream, err) < 0)
		return -1;
	return squeeze(stream, bytes, ZSTD_e_continue, err);
}

static int
unpack(struct codec_stream *stream, struct span bytes, struct err *err)
{
	struct zstd *z = stream->state;
	ZSTD_inBuffer in = { bytes.p, bytes.len, 0 };
	bool full = false;

	while (!stream->whole && (in.pos < in.size || full)) {
		ZSTD_outBuffer out = { z->piece, sizeof z->piece, 0 };
		size_t left = ZSTD_decompressStream(z->unpack, &out, &in);
		if (ZSTD_isError(left))
			return failed(stream, left, err);
		if (codec_out(stream, z->piece, out.pos, err) < 0)
			return -1;
		stream->whole = left == 0;
		full = out.pos == out.size;
	}
	return in.pos == in.size ? 0 : err_set(err, ERR_PERM, "bytes after the end of the zstd stream");
}

static int
put_magic_back(struct codec_stream *stream, struct err *err)
{
	struct zstd *z = stream->state;

	if (z->bare == 0)
		return 0;
	z->bare = 0;
	return unpack(stream, stream->codec->magic, err);
}

/* Its length is told by its end. */
static int
gather_brief(struct codec_stream *stream, struct span piece, struct err *err)
{
	struct zstd *z = stream->state;

	if (z->frame.len + piece.len > SHORT)
		return err_set(err, ERR_PERM, "damaged: a zstd stream in brief is no longer than %d bytes", SHORT);
	str_add_span(&z->frame, piece);
	return 0;
}

static int
unpack_brief(struct codec_stream *stream, struct err *err)
{
	struct zstd *z = stream->state;
	struct str head = {0};

	codec_head(stream->codec, true, z->frame.len, &head);
	int result = unpack(stream, str_span(&head), err);
	if (result == 0)
		result = unpack(stream, str_span(&z->frame), err);
	str_free(&head);
	return result;
}

static int
zstd_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	struct span piece = { bytes, len };

	if (stream->way == CODEC_PACK)
		return pack(stream, piece, err);
	if (stream->setup.brief)
		return gather_brief(stream, piece, err);
	return put_magic_back(stream, err) < 0 ? -1 : unpack(stream, piece, err);
}

/* A few mails are worth the milliseconds that a larger batch would make seconds. */
static void
try_harder(struct codec_stream *stream)
{
	struct zstd *z = stream->state;

	if (!z->begun && z->gathered.len <= SHORT && stream->setup.prefix.len == 0 &&
	    stream->setup.level == LEVEL_DEFAULT)
		ZSTD_CCtx_setParameter(z->pack, ZSTD_c_compressionLevel, SHORT_LEVEL);
}

/* Behind a small dictionary, or a young history, libzstd makes its tables as small as these; a
 * batch of some hundred kilobytes then becomes a tenth larger than it would without.  A libzstd
 * that takes no such wish makes them so, and the frame can be read all the same. */
static void
own_tables(struct codec_stream *stream)
{
	struct zstd *z = stream->state;

	if (!z->begun && z->gathered.len > SHORT && stream->setup.prefix.len < HISTORY_MIN)
		ZSTD_CCtx_setParameter(z->pack, ZSTD_c_forceAttachDict, ZSTD_dictForceLoad);
}

/* With the whole of a short one in one call, libzstd knows its length. */
static int
zstd_end(struct codec_stream *stream, struct err *err)
{
	struct zstd *z = stream->state;

	if (stream->way == CODEC_UNPACK)
		return stream->setup.brief ? unpack_brief(stream, err) : 0;
	try_harder(stream);
	own_tables(stream);
	z->brief = z->bare > 0 && z->gathered.len <= SHORT;
	int result = squeeze(stream, str_span(&z->gathered), ZSTD_e_end, err);
	return result == 0 && z->brief ? end_bare(stream, err) : result;
}

static void
zstd_free(struct codec_stream *stream)
{
	struct zstd *z = stream->state;

	if (z == NULL)		/* mix that became this has none */
		return;
	ZSTD_freeCCtx(z->pack);
	ZSTD_freeDCtx(z->unpack);
	str_free(&z->gathered);
	str_free(&z->joined);
	str_free(&z->frame);
	free(z);
}

const struct codec codec_zstd = {
	.name = "zstd", .command = "rzsmtp", .says = "a label and one zstd frame, against what both ends have",
	.magic = { "\x28\xb5\x2f\xfd", 4 }, .label = "zstd",
	.start = zstd_start, .feed = zstd_feed, .end = zstd_end, .free = zstd_free, .head = zstd_head,
};

/* Reading, the label says it all, and it is the same codec. */
const struct codec codec_zstd_plain = {
	.name = "zstd-plain", .command = "rzsmtp", .says = "the same against nothing",
	.magic = { "\x28\xb5\x2f\xfd", 4 }, .label = "zstd", .alone = true,
	.start = zstd_start, .feed = zstd_feed, .end = zstd_end, .free = zstd_free, .head = zstd_head,
};
