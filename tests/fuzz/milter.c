/*
 * Fuzz target: the milter client against any milter.
 *
 * The first byte chooses the step in which the answers come.  Held: it asks for nothing that
 * needs more memory than was offered; what fails is told, and for now; whole and single bytes
 * give the same.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/proto/milter.h"
#include "tests/fuzz/fuzz.h"

static void
run(const uint8_t *data, size_t size, size_t step, struct str *seen)
{
	struct envelope env = {0};
	struct milter milter;
	struct err err = {0};
	int result = 0;

	envelope_from(&env, SPAN("a@b"), SPAN("SIZE=1"));
	envelope_add(&env, SPAN("c@d"), SPAN(""));
	const struct milter_mail mail = { .host = SPAN("h"), .id = SPAN("i"), .client = SPAN("::1"), .helo = SPAN("x"),
		.env = &env, .header = SPAN("A: 1\r\n 2\r\nB:\r\n\r\n"), .body = SPAN("hello\r\n") };
	milter_start(&milter, &mail);
	for (size_t at = 0; result == 0 && !milter.d.done && at < size; at += step) {
		result = dialogue_feed(&milter.d, (struct span){ (const char *)data + at, size - at < step ? size - at : step }, &err);
		dialogue_more(&milter.d);
		if (milter.d.out.len > 1 << 20)
			abort();
		str_clear(&milter.d.out);
	}
	if (result == 0)
		result = dialogue_eof(&milter.d, &err);
	if (result < 0 && (err.kind != ERR_TEMP || milter.d.done))
		abort();
	size_t bytes = 0;
	for (size_t i = 0; i < milter.edits; i++)
		bytes += milter.edit[i].name.len + milter.edit[i].value.len;
	if (bytes > size)
		abort();
	str_printf(seen, "%d %d %zu %s|%s|%s", result, result < 0 ? 0 : (int)milter.verdict, milter.edits, str_c(&milter.reply),
	    str_c(&milter.quarantine), err.text);
	milter_free(&milter);
	envelope_free(&env);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = {0}, single = {0};

	if (size > 0) {
		run(data, size, size, &whole);
		run(data, size, 1, &single);
		if (strcmp(str_c(&whole), str_c(&single)) != 0)
			abort();
	}
	str_free(&whole);
	str_free(&single);
	return 0;
}
