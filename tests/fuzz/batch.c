/*
 * fuzz: a batch from anybody, read in memory.
 *
 * The first byte says in pieces of what size it comes.  What must hold: a batch gives
 * the same messages, or the same refusal, in whatever pieces it comes; every message begun
 * ends, or the batch is refused; one that is taken can be written again and read back.
 *
 * No more than MOST is taken, or a few bytes that unpack to megabytes would have all of the time.
 */
#include <stdlib.h>
#include <string.h>

#include "bsmtp/reader.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 16 };

struct seen {
	struct str all;
	size_t begun, ended;
};

static int
on_begin(void *ctx, const struct entry_info *info, const struct envelope *env,
    const struct reader_refused *refused, struct err *err)
{
	struct seen *seen = ctx;
	struct envelope all = {0};

	(void)info;
	seen->begun++;
	envelope_mail_line(env, &seen->all);
	for (size_t i = 0; i < env->rcpts; i++)
		envelope_rcpt_line(&env->rcpt[i], &seen->all);
	envelope_copy(&all, env);
	for (size_t i = 0; i < refused->rcpts; i++)
		envelope_add(&all, str_span(&refused->rcpt[i].to), (struct span){0});
	int result = entry_check_envelope(&all, err);	/* what the spool would say */
	if (result < 0 && refused->rcpts > 0 && entry_check_envelope(env, err) == 0)
		abort();	/* these were made fit for it */
	envelope_free(&all);
	return result;
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	str_add(&seen->all, bytes, len);
	return 0;
}

static int
on_end(void *ctx, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	seen->ended++;
	str_add_char(&seen->all, '\0');
	return 0;
}

static const struct reader_hooks hooks = { .begin = on_begin, .body = on_body, .end = on_end };

static int
take(const uint8_t *data, size_t size, size_t step, struct seen *seen)
{
	struct reader reader;
	struct err err = {0};
	int result = 0;

	*seen = (struct seen){0};
	reader_start(&reader, NULL, MOST, &hooks, seen);
	for (size_t at = 0; at < size && result == 0; at += step)
		result = reader_feed(&reader, data + at, size - at < step ? size - at : step, &err);
	if (result == 0)
		result = reader_end(&reader, &err);
	if (result == 0 && (seen->begun != seen->ended || reader.messages != seen->ended))
		abort();
	if (result < 0 && (err.kind == ERR_NONE || err.text[0] == '\0'))
		abort();
	reader_free(&reader);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, pieces;

	if (size < 1)
		return 0;
	int result = take(data + 1, size - 1, size, &whole);
	if (take(data + 1, size - 1, 1 + data[0] % 64, &pieces) != result)
		abort();
	if (result == 0 && !span_same(str_span(&whole.all), str_span(&pieces.all)))
		abort();
	str_free(&whole.all);
	str_free(&pieces.all);
	return 0;
}
