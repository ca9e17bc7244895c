/*
 * Fuzz target: spamd, clamd and rspamd clients against any server; the first byte chooses which.
 *
 * Held: what is kept of an answer is bounded, a failure is for now, and whole and single bytes
 * give the same.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/proto/clamd.h"
#include "lib/proto/rspamd.h"
#include "lib/proto/spamd.h"
#include "tests/fuzz/fuzz.h"

static const struct span message = { "Subject: x\r\n\r\nhello\r\n", 21 };

static int
feed(struct dialogue *d, const uint8_t *data, size_t size, size_t step, struct str *seen)
{
	struct err err = {0};
	int result = 0;

	for (size_t at = 0; result == 0 && !d->done && at < size; at += step) {
		result = dialogue_feed(d, (struct span){ (const char *)data + at, size - at < step ? size - at : step }, &err);
		dialogue_more(d);
	}
	if (result == 0)
		result = dialogue_eof(d, &err);
	if (result < 0 && (err.kind != ERR_TEMP || d->done))
		abort();
	str_printf(seen, "%d %s|", result, err.text);
	return result;
}

static void
run(uint8_t which, const uint8_t *data, size_t size, size_t step, struct str *seen)
{
	struct envelope env = {0};
	struct spamd spamd;
	struct clamd clamd;
	struct rspamd rspamd;
	const struct rspamd_mail mail = { .env = &env, .message = message };

	switch (which % 4) {
	case 0:
	case 1:
		spamd_start(&spamd, which % 4 == 0 ? SPAMD_SYMBOLS : SPAMD_PROCESS, message);
		if (feed(&spamd.d, data, size, step, seen) == 0)
			str_printf(seen, "%d %s %s %zu", spamd.spam, str_c(&spamd.score), str_c(&spamd.threshold), spamd.text.len);
		if (spamd.text.len > size)
			abort();
		spamd_free(&spamd);
		break;
	case 2:
		clamd_start(&clamd, message);
		if (feed(&clamd.d, data, size, step, seen) == 0)
			str_printf(seen, "%d %zu", clamd.found, clamd.name.len);
		clamd_free(&clamd);
		break;
	default:
		rspamd_start(&rspamd, &mail);
		if (feed(&rspamd.d, data, size, step, seen) == 0)
			str_printf(seen, "%d %zu %s", (int)rspamd.action, rspamd.fields, str_c(&rspamd.score));
		rspamd_free(&rspamd);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = {0}, single = {0};

	if (size > 1) {
		run(data[0], data + 1, size - 1, size - 1, &whole);
		run(data[0], data + 1, size - 1, 1, &single);
		if (strcmp(str_c(&whole), str_c(&single)) != 0)
			abort();
	}
	str_free(&whole);
	str_free(&single);
	return 0;
}
