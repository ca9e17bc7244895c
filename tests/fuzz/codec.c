/*
 * fuzz: what a batch is wrapped in, alone, against a ring and against a dictionary.
 *
 * The first byte says which codec and against what, the second in pieces of what size it
 * comes.  What must hold: a stream gives the same bytes, or the same refusal, in whatever
 * pieces, and never more than are taken here; what is packed comes back.  The dictionary is
 * the shipped one, or what stands in front of the text: then it is refused, or serves both ways.
 */
#include <stdlib.h>
#include <string.h>

#include "bsmtp/codec.h"
#include "spool/dictionary.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gather.h"

enum { MOST = 1 << 20, WHICH = 7, RING = 8, SHIPPED = 16, OURS = 32, TEXT = 64, BRIEF = 128 };

static int
run(const struct codec *codec, enum codec_way way, const struct codec_setup *setup, struct span in, size_t step,
    struct str *out)
{
	struct codec_stream stream;
	struct err err = {0};
	int result = codec_start(&stream, codec, way, setup, gather, out, &err);

	for (; in.len > 0 && result == 0; in = span_from(in, step))
		result = codec_feed(&stream, in.p, in.len < step ? in.len : step, &err);
	if (result == 0)
		result = codec_end(&stream, &err);
	codec_free(&stream);
	if (result < 0 && (err.kind == ERR_NONE || err.text[0] == '\0'))
		abort();
	return result;
}

/* What a codec had no use for, its reader must not be given: only the codec knows. */
static void
there_and_back(const struct codec *codec, struct codec_setup *setup, struct span text, size_t step)
{
	struct codec_stream stream;
	struct str packed = {0}, back = {0};
	struct err err = {0};
	int result = codec_start(&stream, codec, CODEC_PACK, setup, gather, &packed, &err);

	if (result == 0)
		result = codec_feed(&stream, text.p, text.len, &err);
	if (result == 0)
		result = codec_end(&stream, &err);
	setup->dictionary = stream.setup.dictionary;
	setup->prefix = stream.setup.prefix;
	setup->brief = stream.setup.brief;
	codec_free(&stream);
	if (result == 0 && (run(codec, CODEC_UNPACK, setup, str_span(&packed), step, &back) < 0 ||
	    !span_same(str_span(&back), text)))
		abort();
	str_free(&packed);
	str_free(&back);
}

static void
both_ways(const struct codec *codec, const struct codec_setup *setup, struct span in, size_t step)
{
	struct str whole = {0}, pieces = {0};
	int result = run(codec, CODEC_UNPACK, setup, in, in.len + 1, &whole);

	if (whole.len > MOST || run(codec, CODEC_UNPACK, setup, in, step, &pieces) != result ||
	    (result == 0 && !span_same(str_span(&whole), str_span(&pieces))))
		abort();
	str_free(&whole);
	str_free(&pieces);
}

static void
make_ring(struct str *ring)
{
	for (int i = 0; ring->len < 20000; i++)
		str_printf(ring, "From: ann@x.example\r\nSubject: letter %d\r\n\r\nDear Bob, this is number %d.\r\n",
		    i, i * i);
}

static struct span
shipped(void)
{
	static struct str dictionary;
	struct err err;
	const char *top = getenv("srcdir");

	if (dictionary.len == 0 && top != NULL) {	/* in make check */
		struct str path = {0};
		str_printf(&path, "%s/bsmtp/dictionary", top);
		setenv("MOCHILA_LIBEXEC", str_c(&path), 1);
		str_free(&path);
	}
	if (dictionary.len == 0 && dictionary_load(DICTIONARY_VERSION, &dictionary, &err) < 0)
		return (struct span){0};
	return str_span(&dictionary);
}

/* Its first half, made to look like one. */
static struct span
dictionary_of(struct span *in, struct str *out)
{
	uint32_t number = DICTIONARY_NUMBER + DICTIONARY_VERSION;

	str_add(out, "\x37\xa4\x30\xec", 4);
	for (int i = 0; i < 32; i += 8)
		str_add_char(out, (char)(number >> i));
	str_add_span(out, span_to(*in, in->len / 2));
	*in = span_from(*in, in->len / 2);
	if (!dictionary_is(DICTIONARY_VERSION, str_span(out)))
		abort();
	return str_span(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "zstd", "zstd-plain", "gz", "bz2", "Z", "none", "zstd", "zstd" };
	static struct str ring;
	struct str own = {0};
	struct err err;

	if (size < 2)
		return 0;
	if (ring.len == 0)
		make_ring(&ring);
	struct span in = { (const char *)data + 2, size - 2 };
	struct codec_setup setup = { .max = MOST };
	const struct codec *codec = codec_named(names[data[0] & WHICH], &err);
	if (strcmp(codec->name, "zstd") == 0) {
		setup.bare = true;
		setup.tables = (data[0] & WHICH) == WHICH;
		setup.brief = (data[0] & BRIEF) != 0;
		if (data[0] & RING)
			setup.prefix = str_span(&ring);
		if (data[0] & SHIPPED)
			setup.dictionary = shipped();
		else if (data[0] & OURS)
			setup.dictionary = dictionary_of(&in, &own);
	}
	if ((data[0] & TEXT) == 0)
		both_ways(codec, &setup, in, 1 + data[1] % 64);
	else if (!codec->read_only)
		there_and_back(codec, &setup, in, 1 + data[1] % 64);
	str_free(&own);
	return 0;
}
