/*
 * One zstd stream each way, of one class at a time: what went before in this call, and
 * the history of earlier ones, is what an object is compressed against.  STREAM begins it,
 * and begins it anew: for another class, after a NOREF, and when so much went through it
 * that the history has left its window.
 */
#include <stdlib.h>
#include <string.h>

#include "uucico-ssh/m-parts.h"

enum { SEARCH_LOG = 6, SEARCH_FROM = 5, SEARCH_TO = 12 };	/* as in bsmtp/codec-zstd.c, and levels
								   that it is for */
enum { UNUSED_MAX = 16 };

/* --- the name of a class --- */

void
m_stream_class(struct str *body, const char *class)
{
	struct span name = span_of(class);

	if (span_is(name, "main"))
		name.len = 0;
	str_add_char(body, (char)name.len);
	str_add_span(body, name);
}

static bool
shaped(struct span name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	for (size_t i = 0; i < name.len; i++)
		if (memchr(letters, name.p[i], sizeof letters - 1) == NULL)
			return false;
	return name.len > 0 && name.len <= M_CLASS_MAX && name.p[0] != '.' && name.p[0] != '-';
}

bool
m_get_class(struct m_cursor *c, char class[M_CLASS_MAX + 1])
{
	size_t len = (size_t)m_get_number(c, 1);
	const unsigned char *p = m_get_bytes(c, len);
	struct span name = { (const char *)p, len };

	if (p == NULL)
		return false;
	if (len == 0)
		name = SPAN("main");
	if (!shaped(name))
		return false;
	memcpy(class, name.p, name.len);
	class[name.len] = '\0';
	return true;
}

/* --- ours --- */

static int
zstd_failed(struct m *m, size_t result)
{
	struct err err;

	err_set(&err, ERR_TEMP, "zstd: %s", ZSTD_getErrorName(result));
	return m_hook_failed(m, &err);
}

static unsigned
log_of(const struct m *m)
{
	unsigned log = M_WINDOW_LOG_MIN;

	while (log < m->own->peer.window_log && (size_t)1 << (log + 1) <= m->config.window)
		log++;
	return log;
}

static size_t
set_up(struct m *m, unsigned log, const struct m_prefix *prefix, struct span bytes)
{
	const struct { ZSTD_cParameter parameter; int value; } set[] = {
		{ ZSTD_c_compressionLevel, m->config.level },
		{ ZSTD_c_checksumFlag, 0 },
		{ ZSTD_c_contentSizeFlag, 0 },
		{ ZSTD_c_dictIDFlag, 0 },
		{ ZSTD_c_windowLog, (int)log },
		{ ZSTD_c_searchLog, SEARCH_LOG },
	};
	bool search = prefix->mark.k > 0 && m->config.level >= SEARCH_FROM && m->config.level <= SEARCH_TO;
	size_t count = sizeof set / sizeof set[0] - (search ? 0 : 1), result = 0;
	ZSTD_CCtx *zstd = m->own->out.zstd;

	for (size_t i = 0; i < count && !ZSTD_isError(result); i++)
		result = ZSTD_CCtx_setParameter(zstd, set[i].parameter, set[i].value);
	if (ZSTD_isError(result) || bytes.len == 0)
		return result;
	return prefix->mark.k > 0 ? ZSTD_CCtx_refPrefix(zstd, bytes.p, bytes.len) :
	    ZSTD_CCtx_loadDictionary(zstd, bytes.p, bytes.len);
}

bool
m_stream_fits(const struct m *m, const char *class)
{
	const struct m_stream_out *out = &m->own->out;

	return out->zstd != NULL && strcmp(out->class, class) == 0 &&
	    out->depths[out->number % M_STREAMS_KEPT] >= out->fallen;
}

/* What it shall be compressed against, by how much they could follow so far. */
static int
choose(struct m *m, const char *class, struct m_prefix *prefix, struct span *bytes)
{
	unsigned fallen = m->own->out.fallen;
	struct m_mark theirs = fallen == 0 ? m_theirs(m, class) : (struct m_mark){0};
	struct err err = {0};

	*prefix = (struct m_prefix){0};
	*bytes = (struct span){0};
	if (fallen < 2 && m->hooks->refer(m->arg, class, theirs, m->config.window, prefix, bytes, &err) < 0)
		return m_hook_failed(m, &err);
	if (bytes->len == 0 || (fallen > 0 && prefix->mark.k > 0)) {
		*prefix = (struct m_prefix){0};
		*bytes = (struct span){0};
	}
	return 0;
}

static void
say_stream(struct m *m, unsigned log, const struct m_prefix *prefix)
{
	struct str body = {0};

	str_add_char(&body, (char)(prefix->mark.k > 0 ? M_CODEC_ZSTD + prefix->dictionary : M_CODEC_ZSTD));
	str_add_char(&body, (char)log);
	m_stream_class(&body, m->own->out.class);
	m_put_v(&body, prefix->mark.k);
	if (prefix->mark.k == 0) {
		m_put_v(&body, prefix->dictionary);
	} else {
		m_put_number(&body, prefix->mark.link, 8);
		m_put_v(&body, prefix->length);
	}
	m_frame(m, M_STREAM, str_span(&body));
	str_free(&body);
}

int
m_stream_begin(struct m *m, const char *class)
{
	struct m_stream_out *out = &m->own->out;
	struct m_prefix prefix;
	struct span bytes;
	unsigned log = log_of(m);

	ZSTD_freeCCtx(out->zstd);	/* it may not outlive its history */
	out->zstd = NULL;
	if (choose(m, class, &prefix, &bytes) < 0)
		return -1;
	out->zstd = ZSTD_createCCtx();
	size_t result = out->zstd == NULL ? (size_t)-1 : set_up(m, log, &prefix, bytes);
	if (ZSTD_isError(result))
		return zstd_failed(m, result);
	out->number++;
	out->depths[out->number % M_STREAMS_KEPT] = prefix.mark.k > 0 ? 0 : prefix.dictionary > 0 ? 1 : 2;
	out->history = prefix.mark.k > 0;
	out->plain = 0;
	out->window = (uint64_t)1 << log;
	out->ratio = 2 * 256;
	memmove(out->class, class, strlen(class) + 1);
	say_stream(m, log, &prefix);
	return 0;
}

int
m_stream_pack(struct m *m, const void *bytes, size_t len, struct str *to)
{
	struct m_stream_out *out = &m->own->out;
	ZSTD_inBuffer in = { bytes, len, 0 };
	size_t before = to->len, room = ZSTD_compressBound(len) + 64, left;

	do {
		ZSTD_outBuffer piece = { str_room(to, room), room, 0 };
		left = ZSTD_compressStream2(out->zstd, &piece, &in, ZSTD_e_flush);
		if (ZSTD_isError(left))
			return zstd_failed(m, left);
		to->len += piece.pos;
	} while (left > 0);
	out->plain += len;
	size_t packed = to->len - before;
	out->ratio = (3 * out->ratio + 256 * len / (packed > 0 ? packed : 1)) / 4;
	return 0;
}

/* --- theirs --- */

static int
prefix_of(struct m *m, const struct m_prefix *prefix, struct span *bytes)
{
	struct err err = {0};

	*bytes = (struct span){0};
	if (prefix->mark.k == 0 && prefix->dictionary == 0)
		return 1;
	int got = m->hooks->history(m->arg, m->own->stream.class, prefix, bytes, &err);
	return got < 0 ? m_hook_failed(m, &err) : got;
}

static size_t
set_down(ZSTD_DCtx *zstd, unsigned log, bool history, struct span bytes)
{
	size_t result = ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, (int)log);

	if (ZSTD_isError(result) || bytes.len == 0)
		return result;
	return history ? ZSTD_DCtx_refPrefix(zstd, bytes.p, bytes.len) :
	    ZSTD_DCtx_loadDictionary(zstd, bytes.p, bytes.len);
}

static int
follow(struct m *m, unsigned codec, unsigned log, const struct m_prefix *prefix)
{
	struct m_stream_in *in = &m->own->stream;
	struct span bytes;

	ZSTD_freeDCtx(in->zstd);	/* it may not outlive its history */
	in->zstd = NULL;
	if (codec < M_CODEC_ZSTD || codec > (prefix->mark.k > 0 ? M_CODEC_LAST : M_CODEC_ZSTD))
		return m_lost(m);
	if (log < M_WINDOW_LOG_MIN || log > M_WINDOW_LOG_MAX ||
	    (log > M_WINDOW_LOG && (size_t)1 << log > m->config.window))
		return m_lost(m);
	int got = prefix_of(m, prefix, &bytes);
	if (got <= 0)
		return got < 0 ? -1 : m_lost(m);
	in->zstd = ZSTD_createDCtx();
	if (in->zstd == NULL || ZSTD_isError(set_down(in->zstd, log, prefix->mark.k > 0, bytes)))
		return m_lost(m);
	if (in->room == NULL)
		in->room = mem_get(M_PLAIN_MAX);
	return 0;
}

int
m_stream_heard(struct m *m, struct m_cursor body)
{
	struct m_stream_in *in = &m->own->stream;
	unsigned codec = (unsigned)m_get_number(&body, 1), log = (unsigned)m_get_number(&body, 1);
	struct m_prefix prefix = {0};

	bool named = m_get_class(&body, in->class);
	prefix.mark.k = m_get_v(&body);
	if (prefix.mark.k == 0) {
		prefix.dictionary = m_get_v(&body);
	} else {
		prefix.dictionary = codec - M_CODEC_ZSTD;
		prefix.mark.link = m_get_number(&body, 8);
		prefix.length = m_get_v(&body);
	}
	in->unused = in->used ? 0 : in->unused + 1;
	if (!named || body.bad || body.left > 0 || in->unused > UNUSED_MAX)
		return m_wrong(m, "a STREAM that cannot be");
	in->number++;
	in->lost = in->used = false;
	return follow(m, codec, log, &prefix);
}

/* All that these bytes give, into in->room; more than may be is -1. */
static int
unpack_all(struct m_stream_in *in, ZSTD_inBuffer *bytes, size_t *got)
{
	char beyond;
	ZSTD_outBuffer piece = { in->room, M_PLAIN_MAX, 0 }, more = { &beyond, 1, 0 };
	size_t left;

	do {
		left = ZSTD_decompressStream(in->zstd, piece.pos < piece.size ? &piece : &more, bytes);
		if (ZSTD_isError(left) || left == 0 || more.pos > 0)
			return -1;
	} while (bytes->pos < bytes->size);
	if (piece.pos == piece.size) {
		left = ZSTD_decompressStream(in->zstd, &more, bytes);
		if (ZSTD_isError(left) || more.pos > 0)
			return -1;
	}
	*got = piece.pos;
	return 0;
}

int
m_stream_unpack(struct m *m, const void *bytes, size_t len, struct span *plain)
{
	struct m_stream_in *in = &m->own->stream;
	ZSTD_inBuffer input = { bytes, len, 0 };

	in->used = true;
	*plain = (struct span){ in->room, 0 };
	if (in->lost)
		return 1;
	if (in->zstd == NULL)
		return m_wrong(m, "compressed DATA before a STREAM");
	if (unpack_all(in, &input, &plain->len) == 0)
		return 0;
	return m_lost(m) < 0 ? -1 : 1;	/* perhaps our histories differ: from nothing, then */
}

void
m_stream_free(struct m *m)
{
	ZSTD_freeCCtx(m->own->out.zstd);
	ZSTD_freeDCtx(m->own->stream.zstd);
	free(m->own->stream.room);
	str_free(&m->own->out.pending);
}
