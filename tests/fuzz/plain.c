/*
 * fuzz: base64 and quoted-printable carried decoded.
 *
 * The first byte says in pieces of what size it comes.  What must hold: anything packed
 * comes back byte for byte; anything unpacked is refused or gives at most three times its
 * length and a line, the same in whatever pieces, and that packs and comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mail/plain.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gather.h"

static int
run(enum plain_way way, struct span in, size_t step, struct str *out)
{
	struct plain plain;
	struct err err = {0};
	int result = 0;

	plain_start(&plain, way, gather, out);
	for (; in.len > 0 && result == 0; in = span_from(in, step))
		result = plain_feed(&plain, in.p, in.len < step ? in.len : step, &err);
	if (result == 0)
		result = plain_end(&plain, &err);
	plain_free(&plain);
	if (result < 0 && err.kind != ERR_PERM)
		abort();
	return result;
}

static void
there_and_back(struct span in, size_t step)
{
	struct str travels = {0}, back = {0};

	if (run(PLAIN_PACK, in, step, &travels) < 0 || travels.len > 2 * in.len ||
	    run(PLAIN_UNPACK, str_span(&travels), step + 1, &back) < 0 ||
	    back.len != in.len || (in.len > 0 && memcmp(back.p, in.p, in.len) != 0))
		abort();
	str_free(&travels);
	str_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = {0}, pieces = {0};

	if (size < 1)
		return 0;
	size_t step = 1 + data[0] % 64;
	struct span in = { (const char *)data + 1, size - 1 };
	there_and_back(in, step);
	int result = run(PLAIN_UNPACK, in, 100000, &whole);
	if (whole.len > 3 * in.len + 2 || run(PLAIN_UNPACK, in, step, &pieces) != result)
		abort();
	if (result == 0) {
		if (!span_same(str_span(&whole), str_span(&pieces)))
			abort();
		there_and_back(str_span(&whole), step);
	}
	str_free(&whole);
	str_free(&pieces);
	return 0;
}
