/*
 * codec Z: what compress(1) wrote, read only.  Sites that send it are older than gzip,
 * and all of them read something better.
 *
 * A byte 1f, a byte 9d, one of flags: the largest code's bits (10 to 16), and 0x80 where code
 * 256 clears the table.  Then codes, low bits first, of 9 bits at first and one more each
 * time the table has grown so far.  compress wrote them in groups of eight, and where the
 * width changes the rest of a group is padding.  There is neither check sum nor end mark:
 * whether it is whole is for the batch to say, but a code that is cut is told.
 *
 * libarchive reads this format too, but by pulling; a codec here is fed.
 */
#include "bsmtp/codec.h"

#include <stdlib.h>
#include <string.h>

extern const struct codec codec_Z;

enum {
	FLAG_CLEARS = 0x80, FLAG_BITS = 0x1f,
	BITS_MIN = 9, BITS_MAX = 16, CODES = 1 << BITS_MAX, CLEAR = 256,
	HEADER = 3,
};

struct lzw {
	size_t header;			/* bytes of it seen */
	unsigned max_bits, bits;
	bool clears;
	unsigned next;			/* the code that is free */
	unsigned last;			/* the code before; CODES: none */
	unsigned char last_first;	/* how the last string began */
	unsigned long have;		/* bits not used yet, and how many */
	unsigned have_bits;
	unsigned in_group;		/* codes of this width so far, of eight */
	unsigned skip_bits;		/* padding still to come */
	uint16_t before[CODES];		/* a string is the one of this code ... */
	unsigned char byte[CODES];	/* ... and this byte */
	unsigned char string[CODES];	/* written from its end */
	unsigned char out[CODES];	/* strings that are not given on yet: most of them are of few bytes */
	size_t out_len;
};

static int
Z_start(struct codec_stream *stream, struct err *err)
{
	struct lzw *z = mem_get(sizeof *z);

	(void)err;
	for (unsigned i = 0; i < 256; i++)
		z->byte[i] = (unsigned char)i;
	stream->state = z;
	return 0;
}

static int
damaged(const struct codec_stream *stream, const char *what, struct err *err)
{
	return err_set(err, ERR_PERM, "damaged compress stream near byte %llu: %s",
	    (unsigned long long)stream->in, what);
}

static void
clear(struct lzw *z)
{
	z->bits = BITS_MIN;
	z->next = z->clears ? CLEAR + 1 : CLEAR;
	z->last = CODES;
	z->in_group = 0;
}

static int
read_header(struct codec_stream *stream, struct lzw *z, unsigned char c, struct err *err)
{
	static const unsigned char magic[] = { 0x1f, 0x9d };

	if (z->header < sizeof magic && c != magic[z->header])
		return damaged(stream, "it does not begin as one", err);
	if (++z->header < HEADER)
		return 0;
	z->max_bits = c & FLAG_BITS;
	z->clears = (c & FLAG_CLEARS) != 0;
	if (z->max_bits <= BITS_MIN || z->max_bits > BITS_MAX || (c & ~(FLAG_CLEARS | FLAG_BITS)) != 0)
		return damaged(stream, "flags that there are not", err);
	clear(z);
	return 0;
}

/* The group of eight is finished before the width changes. */
static void
change_width(struct lzw *z)
{
	z->skip_bits = z->in_group > 0 ? (8 - z->in_group) * z->bits : 0;
	z->in_group = 0;
}

static int
give(struct codec_stream *stream, struct lzw *z, struct err *err)
{
	size_t len = z->out_len;

	z->out_len = 0;
	return len > 0 ? codec_out(stream, z->out, len, err) : 0;
}

/* Writes the code's string, which is at most as long as there are codes. */
static int
write_string(struct codec_stream *stream, struct lzw *z, unsigned code, struct err *err)
{
	unsigned char *at = z->string + sizeof z->string;
	unsigned known = code == z->next ? z->last : code;

	if (code == z->next)	/* the string just being made: the last one and its own beginning */
		*--at = z->last_first;
	for (; known >= 256; known = z->before[known])
		*--at = z->byte[known];
	*--at = z->byte[known];
	z->last_first = *at;
	size_t len = (size_t)(z->string + sizeof z->string - at);
	if (len > sizeof z->out - z->out_len && give(stream, z, err) < 0)
		return -1;
	memcpy(z->out + z->out_len, at, len);
	z->out_len += len;
	return 0;
}

static int
take_code(struct codec_stream *stream, struct lzw *z, unsigned code, struct err *err)
{
	if (z->clears && code == CLEAR) {
		change_width(z);
		clear(z);
		return 0;
	}
	if (code > z->next || (z->last == CODES && code >= 256) || (code == z->next && z->next >= 1u << z->max_bits))
		return damaged(stream, "a code that there is not yet", err);
	if (write_string(stream, z, code, err) < 0)
		return -1;
	if (z->last != CODES && z->next < 1u << z->max_bits) {
		z->before[z->next] = (uint16_t)z->last;
		z->byte[z->next] = z->last_first;
		if (++z->next == 1u << z->bits && z->bits < z->max_bits) {
			change_width(z);
			z->bits++;
		}
	}
	z->last = code;
	return 0;
}

static int
take_byte(struct codec_stream *stream, struct lzw *z, unsigned char c, struct err *err)
{
	z->have |= (unsigned long)c << z->have_bits;
	z->have_bits += 8;
	while (z->skip_bits > 0 && z->have_bits > 0) {
		unsigned skip = z->skip_bits < z->have_bits ? z->skip_bits : z->have_bits;
		z->have >>= skip;
		z->have_bits -= skip;
		z->skip_bits -= skip;
	}
	while (z->skip_bits == 0 && z->have_bits >= z->bits) {
		unsigned code = (unsigned)z->have & ((1u << z->bits) - 1);
		z->have >>= z->bits;
		z->have_bits -= z->bits;
		z->in_group = (z->in_group + 1) % 8;
		if (take_code(stream, z, code, err) < 0)
			return -1;
	}
	return 0;
}

static int
Z_feed(struct codec_stream *stream, const void *bytes, size_t len, struct err *err)
{
	struct lzw *z = stream->state;
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++) {
		int result = z->header < HEADER ? read_header(stream, z, at[i], err) :
		    take_byte(stream, z, at[i], err);
		if (result < 0)
			return -1;
	}
	return give(stream, z, err);
}

static int
Z_end(struct codec_stream *stream, struct err *err)
{
	const struct lzw *z = stream->state;

	(void)err;
	/* What is left of the last byte is zero bits, or a code was cut. */
	stream->whole = z->header == HEADER && z->have_bits < 8 && z->have == 0;
	return 0;
}

static void
Z_free(struct codec_stream *stream)
{
	free(stream->state);
}

const struct codec codec_Z = {
	.name = "Z", .command = "rcsmtp", .says = "compress(1), read only", .magic = { "\x1f\x9d", 2 },
	.alone = true, .read_only = true,
	.start = Z_start, .feed = Z_feed, .end = Z_end, .free = Z_free,
};
