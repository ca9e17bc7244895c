#include "spool/idset.h"

#include <stdlib.h>
#include <string.h>

static bool
idset_put(struct idset *set, const unsigned char *key)
{
	static const unsigned char empty[DIGEST_SIZE / 2];
	size_t at;

	memcpy(&at, key, sizeof at);
	for (at &= set->size - 1; memcmp(set->key[at], empty, sizeof empty) != 0; at = (at + 1) & (set->size - 1))
		if (memcmp(set->key[at], key, sizeof empty) == 0)
			return false;
	memcpy(set->key[at], key, sizeof empty);
	set->used++;
	return true;
}

static void
idset_grow(struct idset *set)
{
	static const unsigned char empty[DIGEST_SIZE / 2];
	struct idset larger = { .size = set->size > 0 ? 2 * set->size : 64 };

	larger.key = mem_get(larger.size * sizeof *larger.key);
	for (size_t i = 0; i < set->size; i++)
		if (memcmp(set->key[i], empty, sizeof empty) != 0)
			idset_put(&larger, set->key[i]);
	free(set->key);
	*set = larger;
}

bool
idset_add(struct idset *set, struct span text)
{
	unsigned char sum[DIGEST_SIZE];

	if (2 * set->used >= set->size)
		idset_grow(set);
	digest_of(text.p, text.len, sum);
	return idset_put(set, sum);
}

void
idset_clear(struct idset *set)
{
	free(set->key);
	*set = (struct idset){0};
}
