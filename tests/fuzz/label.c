/*
 * fuzz: the label of a batch, whoever wrote it.
 *
 * What must hold: it is wanting, refused or read whatever stands behind it; what is read
 * can be written and shown, and a part of it is never taken for the whole.
 */
#include <stdlib.h>

#include "bsmtp/label.h"
#include "tests/fuzz/fuzz.h"

static void
check_read(struct span said, const struct label *label)
{
	struct str text = {0}, shown = {0};
	struct label part;
	struct err err;

	label_put(label, &text);
	label_show(label, &shown);
	if (!span_same(str_span(&text), said) || shown.len == 0 || label->codec == NULL ||
	    label->losts > LABEL_LOST || (label->has_ref && label->units == 0))
		abort();
	for (size_t len = 0; len < said.len; len++) {
		struct span bytes = span_to(said, len);
		if (label_begins(bytes) && label_take(&bytes, &part, &err) > 0)
			abort();
	}
	str_free(&text);
	str_free(&shown);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = { (const char *)data, size }, bytes = all;
	struct label label;
	struct err err = {0};

	if (size == 0 || !label_begins(all))
		return 0;
	int got = label_take(&bytes, &label, &err);
	if (got < 0 && (err.kind == ERR_NONE || err.text[0] == '\0'))
		abort();
	if (got > 0)
		check_read(span_to(all, all.len - bytes.len), &label);
	return 0;
}
