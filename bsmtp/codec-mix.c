/*
 * codec mix: what zstd leaves of mail becomes a fifth less, for links that are paid by the byte.
 *
 * The stream is the length of what is packed, seven bits a byte and the lowest first, and then
 * one number in binary, as long as need be: each bit of the text takes that part of what is left of
 * the range from 0 to 1 that mix.h gives it (arithmetic coding).  There is one way only to
 * write it, so each byte of it counts.
 *
 * It takes some seconds for whatever is small, and the same to read, and some 70 MiB.  What is
 * longer than MOST is packed by zstd, and so is what that makes less of: pictures are noise to this
 * model, and of a long history it forgets where most of them stood.
 */
#include "bsmtp/codec.h"

#include <stdlib.h>

#include "lib/mail/mix-first.h"
#include "lib/mail/mix.h"
#include "lib/mail/range.h"
#include "spool/dictionary.h"

extern const struct codec codec_mix, codec_zstd;

enum { MOST = 4 << 20, LENGTH_MAX = 4, PIECE = 32768, HISTORY_LONG = 8 << 20 };

struct mixing {
	struct str gathered;		/* the text, or the stream */
};

/* both ways */

/* What stands before the text.  The dictionary's own head is no mail. */
static size_t
past_of(const struct codec_setup *setup, struct span past[2])
{
	past[0] = span_from(setup->dictionary, setup->dictionary.len < DICTIONARY_MARK ? 0 : DICTIONARY_MARK);
	past[1] = setup->prefix;
	return 2;
}

static int
mix_start(struct codec_stream *stream, struct err *err)
{
	(void)err;
	stream->state = mem_get(sizeof(struct mixing));
	return 0;
}

/* Too long: whoever reads it sees by its label what it became. */
static int
become_zstd(struct codec_stream *stream, struct err *err)
{
	struct mixing *m = stream->state;

	stream->state = NULL;
	stream->codec = &codec_zstd;
	int result = codec_zstd.start(stream, err);
	if (result == 0)
		result = codec_zstd.feed(stream, m->gathered.p, m->gathered.len, err);
	str_free(&m->gathered);
	free(m);
	return result;
}

static int
mix_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	struct mixing *m = stream->state;
	bool fits = m->gathered.len + len <= MOST + (stream->way == CODEC_UNPACK ? MOST / 8 : 0);

	if (fits)
		str_add(&m->gathered, bytes, len);
	else if (stream->way == CODEC_UNPACK)
		return err_set(err, ERR_PERM, "damaged: a mix stream longer than one may be");
	else
		return become_zstd(stream, err) < 0 ? -1 : codec_zstd.feed(stream, bytes, len, err);
	return 0;
}

/* packing */

static void
add_length(struct str *out, size_t len)
{
	for (; len >= 128; len >>= 7)
		str_add_char(out, (char)(len | 128));
	str_add_char(out, (char)len);
}

static void
add_byte(struct mix *mix, struct range *range, unsigned char c, struct str *out)
{
	for (int i = 7; i >= 0; i--) {
		int bit = c >> i & 1;
		range_put(range, mix_next(mix), bit, out);
		mix_learn(mix, bit);
	}
}

static void
squeeze(const struct codec_stream *stream, struct span text, struct str *out)
{
	struct span past[2];
	struct mix *mix = mix_new(past, past_of(&stream->setup, past), MIX_TAUGHT, text.len);
	struct range range = RANGE_ALL;

	add_length(out, text.len);
	for (size_t i = 0; i < text.len; i++)
		add_byte(mix, &range, (unsigned char)text.p[i], out);
	range_end(&range, out);
	mix_free(mix);
}

static int
gather(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)err;
	str_add(ctx, bytes, len);
	return 0;
}

/* What zstd makes of it.  To read a long history takes its harder levels a minute, for little. */
static int
rival(struct codec_stream *stream, struct span text, struct str *out, struct err *err)
{
	struct codec_setup setup = stream->setup;
	struct codec_stream other;

	if (setup.prefix.len > HISTORY_LONG)
		setup.level = LEVEL_DEFAULT;
	int result = codec_start(&other, &codec_zstd, CODEC_PACK, &setup, gather, out, err);
	if (result == 0)
		result = codec_feed(&other, text.p, text.len, err);
	if (result == 0)
		result = codec_end(&other, err);
	setup = other.setup;
	codec_free(&other);
	if (result < 0)
		return -1;
	/* What it left unused must not be said to have been used. */
	stream->setup.brief = setup.brief;
	stream->setup.dictionary = setup.dictionary;
	stream->setup.prefix = setup.prefix;
	return 0;
}

static int
end_as_zstd(struct codec_stream *stream, struct span packed, struct err *err)
{
	struct mixing *m = stream->state;

	stream->state = NULL;
	stream->codec = &codec_zstd;
	str_free(&m->gathered);
	free(m);
	return codec_out(stream, packed.p, packed.len, err);
}

static int
pack(struct codec_stream *stream, struct err *err)
{
	struct mixing *m = stream->state;
	const struct codec_setup mixed = stream->setup;
	struct str out = {0}, other = {0};

	squeeze(stream, str_span(&m->gathered), &out);
	int result = rival(stream, str_span(&m->gathered), &other, err);
	if (result == 0 && other.len < out.len) {
		result = end_as_zstd(stream, str_span(&other), err);
	} else if (result == 0) {
		stream->setup = mixed;
		result = codec_out(stream, out.p, out.len, err);
	}
	str_free(&out);
	str_free(&other);
	return result;
}

/* unpacking */

struct reading {		/* by one model or the other */
	struct mix *mix;
	struct mix_first *first;
	struct range_reader number;
};

static void
begin_reading(struct reading *r, const struct codec_setup *setup, struct span bytes, size_t len)
{
	struct span past[2];
	size_t pasts = past_of(setup, past);

	range_read(&r->number, bytes);
	if (setup->first)
		r->first = mix_first_new(past, pasts, len);
	else
		r->mix = mix_new(past, pasts, MIX_TAUGHT, len);
}

static int
read_bit(struct reading *r)
{
	int bit = range_get(&r->number, r->first != NULL ? mix_first_next(r->first) : mix_next(r->mix));

	if (r->first != NULL)
		mix_first_learn(r->first, bit);
	else
		mix_learn(r->mix, bit);
	return bit;
}

static unsigned char
read_byte(struct reading *r)
{
	unsigned c = 1;

	while (c < 256)
		c = c << 1 | (unsigned)read_bit(r);
	return (unsigned char)c;
}

static int
take_length(struct span *bytes, size_t *len)
{
	size_t n = 0;

	*len = 0;
	do {
		if (n == bytes->len || n == LENGTH_MAX)
			return -1;
		*len |= (size_t)(bytes->p[n] & 127) << (7 * n);
	} while (bytes->p[n++] & 128);
	if (*len > MOST || (n > 1 && bytes->p[n - 1] == 0))
		return -1;
	*bytes = span_from(*bytes, n);
	return 0;
}

static int
damaged(struct err *err)
{
	return err_set(err, ERR_PERM, "damaged mix stream");
}

static int
read_all(struct codec_stream *stream, struct reading *r, size_t len, struct err *err)
{
	struct str out = {0};
	int result = 0;

	for (size_t i = 0; i < len && result == 0; i++) {
		str_add_char(&out, (char)read_byte(r));
		if (range_spent(&r->number))
			result = damaged(err);
		else if (out.len == PIECE || i + 1 == len) {
			result = codec_out(stream, out.p, out.len, err);
			str_clear(&out);
		}
	}
	str_free(&out);
	return result == 0 && !range_ends(&r->number) ? damaged(err) : result;
}

static int
unpack(struct codec_stream *stream, struct err *err)
{
	struct mixing *m = stream->state;
	struct span bytes = str_span(&m->gathered);
	struct reading r = {0};
	size_t len;

	if (take_length(&bytes, &len) < 0)
		return m->gathered.len == 0 ? 0 : damaged(err);
	if (stream->setup.max > 0 && len > stream->setup.max)
		return codec_out(stream, NULL, len, err);
	begin_reading(&r, &stream->setup, bytes, len);
	int result = read_all(stream, &r, len, err);
	mix_free(r.mix);
	mix_first_free(r.first);
	stream->whole = result == 0;
	return result;
}

static int
mix_end(struct codec_stream *stream, struct err *err)
{
	return stream->way == CODEC_PACK ? pack(stream, err) : unpack(stream, err);
}

static void
mix_free_state(struct codec_stream *stream)
{
	struct mixing *m = stream->state;

	if (m != NULL)
		str_free(&m->gathered);
	free(m);
}

const struct codec codec_mix = {
	.name = "mix", .command = "rzsmtp", .says = "a label and mixed contexts: smallest, some seconds a batch",
	.label = "mix", .number = 1,
	.start = mix_start, .feed = mix_feed, .end = mix_end, .free = mix_free_state,
};
