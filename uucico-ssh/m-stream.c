/*
 * One stream each way, of one class at a time, by zstd or by mix (m-mix.c): what went before in this
 * call, and the history of earlier ones, is what an object is compressed against.  STREAM begins it,
 * and begins it anew: for another class or the other kind, after a NOREF, and when so much went through
 * it that the history has left its window.
 */
#include <stdlib.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY	/* ZSTD_c_forceAttachDict */
#include "spool/dictionary.h"
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
	return span_has_only(name, "-_.") && name.len > 0 && name.len <= M_CLASS_MAX && name.p[0] != '.' && name.p[0] != '-';
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

/* Behind a dictionary libzstd makes its tables as small as that, as if little came: a backlog of
 * megabytes becomes a tenth larger then.  Larger ones cost memory and milliseconds, which a few mails are
 * not worth.  A libzstd that takes no such wish makes them so, and the stream is read all the same. */
static void
own_tables(struct m *m)
{
	if (m_much_waits(m))
		ZSTD_CCtx_setParameter(m->own->out.zstd, ZSTD_c_forceAttachDict, ZSTD_dictForceLoad);
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
	if (prefix->mark.k > 0)
		return ZSTD_CCtx_refPrefix(zstd, bytes.p, bytes.len);
	own_tables(m);
	return ZSTD_CCtx_loadDictionary(zstd, bytes.p, bytes.len);
}

bool
m_stream_fits(const struct m *m, const struct m_sending *s)
{
	const struct m_stream_out *out = &m->own->out;
	bool stands = out->mixed ? m_mix_takes(m, s) : out->zstd != NULL;

	return stands && strcmp(out->class, s->object.class) == 0 &&
	    out->depths[out->number % M_STREAMS_KEPT] >= out->fallen;
}

/* What it shall be compressed against, by how much they could follow so far. */
static int
choose(struct m *m, const char *class, size_t most, bool kept, struct m_prefix *prefix, struct span *bytes)
{
	unsigned fallen = m->own->out.fallen;
	struct m_mark theirs = fallen == 0 ? m_theirs(m, class) : (struct m_mark){0};
	struct err err = {0};

	*prefix = (struct m_prefix){ .kept = kept };
	*bytes = (struct span){0};
	if (fallen < 2 && m->hooks->refer(m->arg, class, theirs, most, prefix, bytes, &err) < 0)
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
	const struct m_stream_out *out = &m->own->out;
	unsigned codec = out->mixed ? M_CODEC_MIX : M_CODEC_ZSTD;
	struct str body = {0};

	str_add_char(&body, (char)(prefix->mark.k > 0 ? codec + prefix->dictionary : codec));
	str_add_char(&body, (char)log);
	m_stream_class(&body, m->own->out.class);
	m_put_v(&body, prefix->mark.k);
	if (prefix->mark.k == 0) {
		m_put_v(&body, prefix->dictionary);
	} else {
		m_put_number(&body, prefix->mark.link, 8);
		m_put_v(&body, prefix->length);
	}
	if (out->mixed)
		m_put_v(&body, out->mixing.taught);
	m_frame(m, M_STREAM, str_span(&body));
	str_free(&body);
}

static void
drop(struct m_stream_out *out)
{
	ZSTD_freeCCtx(out->zstd);
	out->zstd = NULL;
	m_mix_drop(&out->mixing);
	out->mixed = false;
}

/* What a mix stream is made from is text, without what zstd knows a dictionary by. */
static struct span
text_of(const struct m_prefix *prefix, struct span bytes)
{
	return prefix->mark.k == 0 && bytes.len >= DICTIONARY_MARK ? span_from(bytes, DICTIONARY_MARK) : bytes;
}

static int
set_up_either(struct m *m, unsigned *log, const struct m_prefix *prefix, struct span bytes)
{
	struct m_stream_out *out = &m->own->out;

	if (out->mixed) {
		*log = m_mix_begin(m, text_of(prefix, bytes), prefix->kept);
		return 0;
	}
	*log = log_of(m);
	out->zstd = ZSTD_createCCtx();
	size_t result = out->zstd == NULL ? (size_t)-1 : set_up(m, *log, prefix, bytes);
	return ZSTD_isError(result) ? zstd_failed(m, result) : 0;
}

/* How far they may fall back from it.  One of mix, whatever it refers to, they may leave to zstd. */
static unsigned
depth_of(const struct m_prefix *prefix, bool mixed)
{
	if (prefix->mark.k > 0)
		return 0;
	return prefix->dictionary > 0 || mixed ? 1 : 2;
}

/* The kind of stream, and what it refers to. */
static int
choose_kind(struct m *m, const struct m_sending *s, struct m_prefix *prefix, struct span *bytes)
{
	struct m_stream_out *out = &m->own->out;
	const char *class = out->class;

	out->mixed = m_mix_pays(m, s);
	bool kept = out->mixed && m_mix_wants_kept(m, class);
	int result = choose(m, class, out->mixed ? m_mix_past(m) : m->config.window, kept, prefix, bytes);
	if (result < 0 || !kept || (prefix->kept && m_mix_goes_on(m, text_of(prefix, *bytes))))
		return result;
	out->kept = (struct m_kept){0};		/* it cannot go on any more */
	return choose_kind(m, s, prefix, bytes);
}

int
m_stream_begin(struct m *m, const struct m_sending *s)
{
	struct m_stream_out *out = &m->own->out;
	struct m_prefix prefix;
	struct span bytes;
	unsigned log;

	drop(out);	/* it may not outlive its history */
	memmove(out->class, s->object.class, strlen(s->object.class) + 1);
	if (choose_kind(m, s, &prefix, &bytes) < 0 || set_up_either(m, &log, &prefix, bytes) < 0)
		return -1;
	out->number++;
	out->depths[out->number % M_STREAMS_KEPT] = (unsigned char)depth_of(&prefix, out->mixed);
	out->history = prefix.mark.k > 0;
	out->plain = 0;
	out->window = (uint64_t)1 << log;
	out->ratio = (out->mixed ? 3 : 2) * 256;
	say_stream(m, log, &prefix);
	return 0;
}

static int
pack_zstd(struct m *m, struct span bytes, struct str *to)
{
	ZSTD_inBuffer in = { bytes.p, bytes.len, 0 };
	size_t room = ZSTD_compressBound(bytes.len) + 64, left;

	do {
		ZSTD_outBuffer piece = { str_room(to, room), room, 0 };
		left = ZSTD_compressStream2(m->own->out.zstd, &piece, &in, ZSTD_e_flush);
		if (ZSTD_isError(left))
			return zstd_failed(m, left);
		to->len += piece.pos;
	} while (left > 0);
	return 0;
}

int
m_stream_pack(struct m *m, struct span bytes, bool all, struct str *to)
{
	struct m_stream_out *out = &m->own->out;
	size_t before = to->len;
	int result = out->mixed ? m_mix_pack(m, bytes, all, to) : pack_zstd(m, bytes, to);

	if (result > 0) {
		out->unmixed = true;
		drop(out);
	}
	size_t packed = to->len - before;
	out->plain += bytes.len;
	out->ratio = (3 * out->ratio + 256 * bytes.len / (packed > 0 ? packed : 1)) / 4;
	return result;
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

/* Is it a kind and a window that we follow? */
static bool
known(const struct m *m, unsigned codec, unsigned log, const struct m_prefix *prefix)
{
	unsigned first = m->own->stream.mixed ? M_CODEC_MIX : M_CODEC_ZSTD;
	unsigned last = m->own->stream.mixed ? M_CODEC_MIX_LAST : M_CODEC_LAST;

	if (codec < first || codec > (prefix->mark.k > 0 ? last : first))
		return false;
	if (m->own->stream.mixed)
		return m_mix_offers(m);
	return log >= M_WINDOW_LOG_MIN && log <= M_WINDOW_LOG_MAX &&
	    (log <= M_WINDOW_LOG || (size_t)1 << log <= m->config.window);
}

static int
follow(struct m *m, unsigned codec, unsigned log, const struct m_prefix *prefix, uint64_t taught)
{
	struct m_stream_in *in = &m->own->stream;
	struct span bytes;

	ZSTD_freeDCtx(in->zstd);	/* it may not outlive its history */
	in->zstd = NULL;
	m_mix_drop(&in->mixing);
	int got = known(m, codec, log, prefix) ? prefix_of(m, prefix, &bytes) : 0;
	if (got <= 0)
		return got < 0 ? -1 : m_lost(m);
	if (in->room == NULL)
		in->room = mem_get(M_PLAIN_MAX);
	if (in->mixed)
		return m_mix_follow(m, log, taught, text_of(prefix, bytes));
	in->zstd = ZSTD_createDCtx();
	if (in->zstd == NULL || ZSTD_isError(set_down(in->zstd, log, prefix->mark.k > 0, bytes)))
		return m_lost(m);
	return 0;
}

int
m_stream_heard(struct m *m, struct m_cursor body)
{
	struct m_stream_in *in = &m->own->stream;
	unsigned codec = (unsigned)m_get_number(&body, 1), log = (unsigned)m_get_number(&body, 1);
	struct m_prefix prefix = {0};

	in->mixed = codec >= M_CODEC_MIX && codec <= M_CODEC_MIX_LAST;
	bool named = m_get_class(&body, in->class);
	prefix.mark.k = m_get_v(&body);
	if (prefix.mark.k == 0) {
		prefix.dictionary = m_get_v(&body);
	} else {
		prefix.dictionary = codec - (in->mixed ? M_CODEC_MIX : M_CODEC_ZSTD);
		prefix.mark.link = m_get_number(&body, 8);
		prefix.length = m_get_v(&body);
	}
	uint64_t taught = in->mixed ? m_get_v(&body) : 0;
	in->unused = in->used ? 0 : in->unused + 1;
	bool later = codec > M_CODEC_LAST && !in->mixed;	/* of another time: with more behind, perhaps */
	if (!named || body.bad || (body.left > 0 && !later) || in->unused > UNUSED_MAX)
		return m_wrong(m, "a STREAM that cannot be");
	in->number++;
	in->lost = in->used = false;
	return follow(m, codec, log, &prefix, taught);
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
m_stream_unpack(struct m *m, struct span bytes, uint64_t left, struct span *plain)
{
	struct m_stream_in *in = &m->own->stream;
	ZSTD_inBuffer input = { bytes.p, bytes.len, 0 };

	in->used = true;
	*plain = (struct span){ in->room, 0 };
	if (in->lost)
		return 1;
	if (in->mixed)
		return m_mix_unpack(m, bytes, left, plain);
	if (in->zstd == NULL)
		return m_wrong(m, "compressed DATA before a STREAM");
	if (unpack_all(in, &input, &plain->len) == 0)
		return 0;
	return m_lost(m) < 0 ? -1 : 1;	/* perhaps our histories differ: from nothing, then */
}

void
m_stream_free(struct m *m)
{
	drop(&m->own->out);
	ZSTD_freeDCtx(m->own->stream.zstd);
	m_mix_drop(&m->own->stream.mixing);
	free(m->own->stream.room);
	str_free(&m->own->out.pending);
}
