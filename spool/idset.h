/*
 * idset - a set of texts, each remembered by the first 16 bytes of its SHA-256.
 *
 * It starts as {0}, grows as it must (32 to 64 bytes a text), and is given back with idset_clear().
 */
#ifndef SPOOL_IDSET_H
#define SPOOL_IDSET_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/digest.h"
#include "lib/base/str.h"

struct idset {
	unsigned char (*key)[DIGEST_SIZE / 2];	/* all zero: free */
	size_t size, used;	/* size is a power of 2 */
};

bool idset_add(struct idset *set, struct span text);	/* false: it was there already */
void idset_clear(struct idset *set);

#endif
