/*
 * Fuzz target: a ring's file, whoever wrote it.
 *
 * Held: what is taken of it lies inside the file, in order; the last commit is what its link
 * says; a mark that is known has bytes, and one that is not has none.
 */
#include <stdlib.h>

#include "spool/ring.h"
#include "tests/fuzz/fuzz.h"

static void
check_commits(const struct ring *r, size_t size)
{
	size_t before = 0;

	HOLD(r->size <= size);
	for (size_t i = 0; i < r->commits; i++) {
		HOLD(r->commit[i].end > before && r->commit[i].end <= r->size);
		before = r->commit[i].end;
	}
	HOLD(r->commits == 0 || before == r->size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ring r = { .fd = -1, .dir = -1, .lock = SPOOL_UNLOCKED };
	struct span file = { (const char *)data, size };
	struct err err;

	if (ring_parse(&r, file, &err) > 0) {
		struct ring_mark last = ring_last(&r), wrong = { last.k, last.link + 1 };
		struct ring_word word;
		check_commits(&r, size);
		HOLD(ring_knows(&r, last));
		HOLD(!ring_knows(&r, wrong));
		ring_say(&r, &word);
		HOLD(word.names <= RING_NAMES_MAX && word.names <= r.commits);
	}
	free(r.commit);
	return 0;
}
