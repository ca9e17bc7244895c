/*
 * fuzz: a message for a site of 7 bits and lines of 998.
 *
 * The first byte says in pieces of what size it comes.  What must hold: looking and writing
 * agree whatever the pieces; what comes out has no byte above 127 but for parts that needed
 * nothing, no NUL, no line that is too long, and needs nothing more.
 */
#include <stdlib.h>

#include "lib/mail/recode.h"
#include "tests/fuzz/fuzz.h"

enum { LINE = 998 };

static int
pass(struct recode *r, struct span text, size_t step)
{
	struct err err = {0};

	for (; text.len > 0; text = span_from(text, step))
		if (recode_feed(r, span_to(text, step), &err) < 0)
			return -1;
	return recode_end(r, &err);
}

static int
recoded(struct span text, size_t step, bool *changes, struct str *out)
{
	struct recode r = { .line_max = LINE };
	int result = pass(&r, text, step);

	*changes = r.changes;
	if (result == 0) {
		recode_again(&r);
		if (pass(&r, text, step) < 0)
			abort();
		str_set_span(out, str_span(&r.out));
	}
	recode_free(&r);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = {0}, pieces = {0}, again = {0};
	bool changes, same, more;

	if (size < 1)
		return 0;
	struct span text = { (const char *)data + 1, size - 1 };
	int result = recoded(text, size, &changes, &whole);
	if (recoded(text, 1 + data[0] % 64, &same, &pieces) != result ||
	    (result == 0 && !span_same(str_span(&whole), str_span(&pieces))))
		abort();
	if (result == 0 && !changes && !span_same(str_span(&whole), text))
		abort();
	for (size_t i = 0; result == 0 && i < whole.len; i++)
		if ((unsigned char)whole.p[i] > 0x7f || whole.p[i] == '\0')
			abort();
	if (result == 0 && (recoded(str_span(&whole), 4096, &more, &again) < 0 || more))
		abort();
	str_free(&whole);
	str_free(&pieces);
	str_free(&again);
	return 0;
}
