/*
 * mix - says how likely the next bit is, out of all that stood before it.
 *
 *	struct mix *mix = mix_new(past, 2, taught, most);	past: history, the last bytes the best
 *	p = mix_next(mix);		65536 times the chance that the next bit is 1
 *	mix_learn(mix, bit);		what it was: eight times for each byte, the highest first
 *	mix_free(mix);
 *
 *	byte = mix_guess(mix, &p);	before a byte: -1; or the one that it is, with 65536 times the chance of that
 *	mix_guessed(mix, right);	was it?  If it was, all is said of it
 *
 * In a long repetition most bits cost next to nothing, but as much time as others, so half of the bytes of mail go
 * by one question, where it has been right in such places.  In calls only, of small tables: what batches mean
 * stays as it is.
 *
 * Where nothing may stand still for the second that this may take, mix_begin() does not go through the past
 * yet, and mix_prepare() does so in steps.
 *
 * A dozen contexts (the last bytes, words, the header field, what a repeated text went on
 * with) have each seen some bits of their own.  What they say is weighed, and the weights
 * follow those who were right: a context mixing model as in PAQ (M. Mahoney, "Adaptive
 * Weighing of Context Models for Lossless Data Compression", 2005).  Both ends build the
 * same one from the same past, so there is nothing in it but integers, and whatever is changed
 * here changes what streams mean: then it is another codec.
 *
 * All of the past is searched for repetitions, but only its last bytes teach the contexts, as many
 * as taught says, and there only what is no long repetition: that takes two or three microseconds a
 * byte, as does each that comes.  taught is in bytes, and may be 0.
 * Both ends must say the same.  MIX_TAUGHT is what batches say; where time counts, as in a call, less
 * is nearly as good.  So are small tables, a quarter as large: what no cache holds, and pages that a process
 * touches for the first time, cost more there than they are worth.
 *
 * One that is prepared may be put away, and another one goes on from there: mix-keep.h.
 */
#ifndef LIB_MAIL_MIX_H
#define LIB_MAIL_MIX_H

#include "lib/base/str.h"

enum {
	MIX_MODEL = 6,			/* by which two ends know that they have the same */
	MIX_TAUGHT = 1 << 20,
	MIX_STEP = 4 << 10,		/* bytes that are taught in some 5 milliseconds */
	MIX_PIECES = 40,
};

enum mix_size {
	MIX_LARGE,			/* batches: 70 MB */
	MIX_SMALL,			/* calls: 10 to 35 MB, by what is taught and may come, and by the past */
};

struct mix;

struct mix *mix_new(const struct span *past, size_t pasts, size_t taught, size_t most);	/* most: bytes
			   to come, no more than that; the past is copied */
struct mix *mix_begin(const struct span *past, size_t pasts, size_t taught, size_t most, enum mix_size size);
struct span mix_past(const struct mix *mix);	/* its copy of that, as one */
bool mix_prepare(struct mix *mix, size_t step);	/* so many bytes taught, or what takes as long; false: it is ready */
int mix_guess(struct mix *mix, unsigned *chance);	/* at least 65036 */
void mix_guessed(struct mix *mix, bool right);
unsigned mix_next(struct mix *mix);	/* 8 to 65528 */
void mix_learn(struct mix *mix, int bit);
void mix_free(struct mix *mix);

/* What one is that was prepared and has not gone on, but for its past: pieces of its memory, always in the
 * same order.  Two that were begun with the same number of bytes to come, and of the same size, have the same. */
struct mix_piece {
	void *p;
	size_t len;
};
size_t mix_pieces(struct mix *mix, struct mix_piece piece[MIX_PIECES]);
/* Would one have them with so many bytes more, of its past and of what it is taught? */
bool mix_may_grow(size_t past, size_t taught, size_t most, enum mix_size size, size_t more);
/* They were overwritten with those of another, whose past is the beginning of this one's, up to the point where
 * this one begins to be taught, and beyond.  false: they cannot be, and the mix is of no use any more. */
bool mix_resumes(struct mix *mix);

#endif
