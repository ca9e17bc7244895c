/*
 * mix-text - what models of mail look at: the text so far, where in it we are, and what repeats.
 *
 * It is the part that mix.h and mix-first.h share, and is theirs alone.  What is changed here changes what
 * streams of both mean.
 */
#ifndef LIB_MAIL_MIX_TEXT_H
#define LIB_MAIL_MIX_TEXT_H

#include "lib/base/str.h"

enum {
	MIX_LOGIT = 3071,		/* the ends of the scale: ln(p / (1 - p)) * 256 */
	MIX_LOGIT_IN = 2047,
	MIX_COMPARED = 40,		/* bytes of a repetition that are looked at */
	MIX_HASHED = 16,		/* no place of one is known before so many */
	MIX_PLACES_LOG = 22,		/* of the most places that are known, each of two ways */
};

/* What is large is of pages of 2 MB, where the kernel has such: then fewer are waited for where a byte here and there
 * is looked at.  What only lives for a moment is not: a virtual machine may have to get each of them from its host
 * first, which takes longer than all of that. */
enum mix_pages { MIX_PAGES_SMALL, MIX_PAGES_LARGE };

struct mix_text {
	unsigned char *bytes;
	size_t room;
	uint32_t at;
	uint32_t last4, before4;
	uint32_t word, word_before, field, name, part, column, above, line_start;
	bool in_name;
	uint32_t *near, *far;		/* where the last 6 and 16 bytes stood last */
	unsigned hash_log;
	uint16_t chance[2 * MIX_LOGIT + 1];	/* of a logit, in 65536ths */
	int16_t logit[4096];			/* of a chance, in 4096ths */
};

/* The past is copied in front, but not yet gone through: its length.  One place is known for so many bytes, each of
 * two ways, if no more than 2^log_max. */
size_t mix_text_start(struct mix_text *text, const struct span *past, size_t pasts, size_t most, size_t bytes_a_place,
    unsigned log_max, enum mix_pages pages);
unsigned mix_text_log(size_t bytes, size_t bytes_a_place, unsigned log_max);	/* of the places, for all that will be there */
void mix_text_byte(struct mix_text *text, unsigned char c);
void mix_text_free(struct mix_text *text);
/* Where it is, and what it knows of the bytes behind it, but not these (mix.h): so many pieces. */
struct mix_piece;
size_t mix_text_pieces(struct mix_text *text, struct mix_piece *piece);

uint32_t *mix_text_near(const struct mix_text *text);
uint32_t *mix_text_far(const struct mix_text *text);

/* Bytes in front of the place that are those in front of here. */
uint32_t mix_text_same(const struct mix_text *text, uint32_t place);

/* Zeroed, and begins where a line of the processor's memory does. */
void *mix_get(size_t size, enum mix_pages pages);
void mix_fills(void *p, size_t size);	/* all of it is written now: then pages come sooner together than one by one */
void mix_put(void *p, size_t size);

unsigned mix_log_for(size_t n, unsigned least, unsigned most);

static inline uint32_t
mix_hash(uint32_t a, uint32_t b)
{
	uint32_t h = a * 0x2c1b3c6du ^ (b + 0x9e3779b9u) * 0x297a2d39u;

	h ^= h >> 15;
	h *= 0x85ebca6bu;
	return h ^ h >> 13;
}

/* The byte above, and 256; 0: there is none. */
static inline uint32_t
mix_text_above(const struct mix_text *text)
{
	return text->above > 0 && text->above < text->at ? text->bytes[text->above] | 256u : 0;
}

#endif
