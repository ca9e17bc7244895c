/*
 * codec mix: what zstd leaves of mail becomes a fifth less, for links that are paid by the byte.
 *
 * The stream is the length of what is packed, seven bits a byte and the lowest first, and then
 * one number in binary, as long as need be: each bit of the text takes that part of what is left of
 * the range from 0 to 1 that mix.h gives it (arithmetic coding).  There is one way only to
 * write it, so each byte of it counts.
 *
 * It takes a second or two for whatever is small, and the same to read, and some 90 MiB.  What is
 * longer than MOST is packed by zstd, and so is what that makes less of: pictures are noise to this
 * model, and of a long history it forgets where most of them stood.
 */
#include "bsmtp/codec.h"

#include <stdlib.h>

#include "lib/mail/mix.h"
#include "spool/dictionary.h"

extern const struct codec codec_mix, codec_zstd;

enum { MOST = 4 << 20, LENGTH_MAX = 4, PIECE = 32768, HISTORY_LONG = 8 << 20 };

struct mixing {
	struct str gathered;		/* the text, or the stream */
};

/* the number */

struct range {			/* what is left, 32 bits of it; those before are the same in all of it */
	uint32_t low, high;
};

static const struct range everything = { 0, UINT32_MAX };

/* Where a 1 ends. */
static uint32_t
split(const struct range *range, unsigned chance)
{
	return range->low + (uint32_t)((uint64_t)(range->high - range->low) * chance >> 16);
}

static void
narrow(struct range *range, uint32_t at, int bit)
{
	if (bit)
		range->high = at;
	else
		range->low = at + 1;
}

/* true: a byte is decided, and is *byte */
static bool
shift(struct range *range, unsigned char *byte)
{
	if ((range->low ^ range->high) >> 24 != 0)
		return false;
	*byte = (unsigned char)(range->low >> 24);
	range->low <<= 8;
	range->high = range->high << 8 | 0xff;
	return true;
}

/* The fewest bytes that are in the range, when it is known that zeros follow. */
static size_t
last_bytes(const struct range *range, unsigned char out[4])
{
	uint32_t number = 0;
	size_t n = 0;

	while (number < range->low || number > range->high) {
		uint32_t rest = (uint32_t)(UINT64_C(0xffffffff) >> (8 * ++n));
		number = range->low > UINT32_MAX - rest ? range->high & ~rest : (range->low + rest) & ~rest;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(number >> (24 - 8 * i));
	return n;
}

/* both ways */

static struct mix *
start_mix(const struct codec_setup *setup, size_t len)
{
	const struct span past[] = {
		span_from(setup->dictionary, setup->dictionary.len < DICTIONARY_MARK ? 0 : DICTIONARY_MARK),
		setup->prefix,
	};

	return mix_new(past, 2, MIX_TAUGHT, len);
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
	unsigned char byte;

	for (int i = 7; i >= 0; i--) {
		int bit = c >> i & 1;
		narrow(range, split(range, mix_next(mix)), bit);
		mix_learn(mix, bit);
		while (shift(range, &byte))
			str_add_char(out, (char)byte);
	}
}

static void
squeeze(const struct codec_stream *stream, struct span text, struct str *out)
{
	struct mix *mix = start_mix(&stream->setup, text.len);
	struct range range = everything;
	unsigned char last[4];

	add_length(out, text.len);
	for (size_t i = 0; i < text.len; i++)
		add_byte(mix, &range, (unsigned char)text.p[i], out);
	str_add(out, last, last_bytes(&range, last));
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

struct reading {
	struct mix *mix;
	struct span bytes;		/* all of the number */
	size_t at;			/* those that are decided */
	struct range range;
	uint32_t number;		/* what follows of it */
};

/* Behind the end there are zeros. */
static void
take_bytes(struct reading *r, size_t count)
{
	for (; count > 0; count--, r->at++)
		r->number = r->number << 8 | (r->at + 4 < r->bytes.len ? (unsigned char)r->bytes.p[r->at + 4] : 0);
}

static unsigned char
read_byte(struct reading *r)
{
	unsigned c = 1;
	unsigned char byte;

	while (c < 256) {
		uint32_t at = split(&r->range, mix_next(r->mix));
		int bit = r->number <= at;
		narrow(&r->range, at, bit);
		mix_learn(r->mix, bit);
		while (shift(&r->range, &byte))
			take_bytes(r, 1);
		c = c << 1 | (unsigned)bit;
	}
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

/* Is what is left of the number what the packer had to write, and no more? */
static bool
ends_right(const struct reading *r)
{
	unsigned char last[4];
	size_t len = last_bytes(&r->range, last);
	struct span rest = span_from(r->bytes, r->at < r->bytes.len ? r->at : r->bytes.len);

	return r->at <= r->bytes.len && span_same(rest, (struct span){ (const char *)last, len });
}

static int
read_all(struct codec_stream *stream, struct reading *r, size_t len, struct err *err)
{
	struct str out = {0};
	int result = 0;

	for (size_t i = 0; i < len && result == 0; i++) {
		str_add_char(&out, (char)read_byte(r));
		if (r->at > r->bytes.len)
			result = damaged(err);
		else if (out.len == PIECE || i + 1 == len) {
			result = codec_out(stream, out.p, out.len, err);
			str_clear(&out);
		}
	}
	str_free(&out);
	return result == 0 && !ends_right(r) ? damaged(err) : result;
}

static int
unpack(struct codec_stream *stream, struct err *err)
{
	struct mixing *m = stream->state;
	struct reading r = { .bytes = str_span(&m->gathered), .range = everything };
	size_t len;

	if (take_length(&r.bytes, &len) < 0)
		return m->gathered.len == 0 ? 0 : damaged(err);
	if (stream->setup.max > 0 && len > stream->setup.max)
		return codec_out(stream, NULL, len, err);
	for (size_t i = 0; i < 4; i++)
		r.number = r.number << 8 | (i < r.bytes.len ? (unsigned char)r.bytes.p[i] : 0);
	r.mix = start_mix(&stream->setup, len);
	int result = read_all(stream, &r, len, err);
	mix_free(r.mix);
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
	.name = "mix", .command = "rzsmtp", .says = "a label and mixed contexts: smallest, a second or two a batch",
	.label = "mix", .number = 1,
	.start = mix_start, .feed = mix_feed, .end = mix_end, .free = mix_free_state,
};
