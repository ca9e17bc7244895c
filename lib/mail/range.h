/*
 * range - arithmetic coding: bits, each as dear as it was unlikely, become one number in binary.
 *
 *	struct range range = RANGE_ALL;
 *	range_put(&range, chance, bit, &out);	chance: of a 1, in 65536ths; both ends know it before
 *	range_end(&range, &out);		the fewest bytes that tell the number, when zeros follow
 *
 *	struct range_reader reader;
 *	range_read(&reader, bytes);		all of the number, and nothing behind it
 *	bit = range_get(&reader, chance);
 *	range_spent(&reader)			it began to read the zeros: those bytes tell no more
 *	range_ends(&reader)			right there is the end that range_end() made
 *
 * Each bit takes that part of what is left of the range from 0 to 1 that its chance says.  There
 * is one way only to write a number, so each byte of it counts.
 */
#ifndef LIB_MAIL_RANGE_H
#define LIB_MAIL_RANGE_H

#include "lib/base/str.h"

struct range { uint32_t low, high; };	/* 32 bits of it; those before are the same in all of it */

#define RANGE_ALL ((struct range){ 0, UINT32_MAX })

void range_put(struct range *range, unsigned chance, int bit, struct str *out);
void range_end(const struct range *range, struct str *out);	/* up to four bytes */

struct range_reader {
	struct span bytes;
	size_t at;			/* those that are decided */
	struct range range;
	uint32_t number;		/* what follows of it */
};

void range_read(struct range_reader *reader, struct span bytes);
int range_get(struct range_reader *reader, unsigned chance);
bool range_spent(const struct range_reader *reader);
bool range_ends(const struct range_reader *reader);

#endif
