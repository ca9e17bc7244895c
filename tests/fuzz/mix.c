/*
 * fuzz: codec mix, which both ends must model in the same way.
 *
 * The first byte says against how much of a history, the second in pieces of what size it
 * comes.  What must hold: any text comes back, whatever it became; any stream is refused,
 * or is the only one that says what it says.
 */
#include <stdlib.h>

#include "bsmtp/codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gather.h"

/* Little of everything: what a model makes of a byte takes microseconds, and there is nothing in it
 * that asks for more of them. */
enum { MOST = 64, TEXT = 128 };

/* The codec that it is, or became. */
static int
run(const struct codec **codec, enum codec_way way, struct codec_setup *setup, struct span in, size_t step,
    struct str *out)
{
	struct codec_stream stream;
	struct err err = {0};
	int result = codec_start(&stream, *codec, way, setup, gather, out, &err);

	for (; in.len > 0 && result == 0; in = span_from(in, step))
		result = codec_feed(&stream, in.p, in.len < step ? in.len : step, &err);
	if (result == 0)
		result = codec_end(&stream, &err);
	*codec = stream.codec;
	setup->prefix = stream.setup.prefix;
	setup->brief = stream.setup.brief;
	codec_free(&stream);
	if (result < 0 && (err.kind == ERR_NONE || err.text[0] == '\0'))
		abort();
	return result;
}

static void
there_and_back(const struct codec *mix, struct codec_setup setup, struct span text, size_t step)
{
	struct str packed = {0}, back = {0};

	if (run(&mix, CODEC_PACK, &setup, text, step, &packed) < 0 ||
	    run(&mix, CODEC_UNPACK, &setup, str_span(&packed), step, &back) < 0 ||
	    !span_same(str_span(&back), text))
		abort();
	str_free(&packed);
	str_free(&back);
}

static void
unpack(const struct codec *mix, struct codec_setup setup, struct span in, size_t step)
{
	struct str text = {0}, again = {0};
	const struct codec *became = mix;

	if (run(&became, CODEC_UNPACK, &setup, in, step, &text) == 0 && text.len <= MOST &&
	    run(&became, CODEC_PACK, &setup, str_span(&text), step, &again) == 0 && became == mix &&
	    !span_same(str_span(&again), in))
		abort();
	str_free(&text);
	str_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct str ring;
	struct err err;

	if (size < 2)
		return 0;
	for (int i = 0; ring.len < TEXT / 4; i++)
		str_printf(&ring, "From: ann@x.example\r\nSubject: letter %d\r\n\r\nDear Bob.\r\n", i);
	struct span in = span_to((struct span){ (const char *)data + 2, size - 2 }, MOST);
	struct codec_setup setup = { .max = MOST, .bare = true,
		.prefix = span_to(str_span(&ring), data[0] % TEXT / 4) };
	const struct codec *mix = codec_named("mix", &err);
	size_t step = 1 + data[1] % 64;
	if (data[0] & TEXT)
		there_and_back(mix, setup, in, step);
	else
		unpack(mix, setup, in, step);
	return 0;
}
