/* bsmtp: codecs at every cut and flipped bit, limits, history, label and trailer. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "bsmtp/codec.h"
#include "bsmtp/label.h"
#include "bsmtp/trailer.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/mail/mix-keep.h"
#include "tests/unit/gather.h"
#include "tests/unit/unit.h"

static struct err err;

static const char text[] =
    "NOOP mochila=1 id=20261121T184502.123456-7f3a9c02d41be066-1 time=2026-11-21T18:45:02Z\n"
    "MAIL FROM:<ann@example.org>\nRCPT TO:<bob@home.example>\nBDAT 0000000004 LAST\nhi\r\n";

static const struct codec *became;	/* what the last stream was packed by: it may not be what was asked for */
static bool in_brief;	/* and whether it is one block */

static unsigned pieces;	/* that came out of the last run */

static int
count(void *ctx, const void *bytes, size_t len, struct err *why)
{
	pieces++;
	return gather(ctx, bytes, len, why);
}

static int
run_setup(const struct codec *codec, enum codec_way way, const struct codec_setup *setup, struct span in,
    size_t step, struct str *out)
{
	struct codec_stream stream;
	int result = codec_start(&stream, codec, way, setup, count, out, &err);

	pieces = 0;
	for (; in.len > 0 && result == 0; in = span_from(in, step))
		result = codec_feed(&stream, in.p, in.len < step ? in.len : step, &err);
	if (result == 0)
		result = codec_end(&stream, &err);
	became = stream.codec;
	in_brief = stream.setup.brief;
	codec_free(&stream);
	return result;
}

static int
run(const struct codec *codec, enum codec_way way, struct span in, size_t step, struct str *out)
{
	return run_setup(codec, way, &(struct codec_setup){0}, in, step, out);
}

static const struct codec *
named(const char *name)
{
	const struct codec *codec = codec_named(name, &err);

	ck_assert_ptr_nonnull(codec);
	return codec;
}

/* Those that prove their streams by themselves; "none" and "mix" are the batch's to prove. */
static const char *const proved[] = { "gz",
#if HAVE_BZ2
	"bz2",
#endif
	"zstd", "zstd-plain" };

START_TEST(every_codec_gives_back_what_it_took)
{
	static const size_t steps[] = { 1, 3, 100, 100000 };
	static const enum codec_level tries[] = { LEVEL_FAST, LEVEL_DEFAULT, LEVEL_METERED };

	for (size_t c = 0; codecs[c] != NULL; c++)
		for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !codecs[c]->read_only; i++) {
			struct codec_setup setup = { .level = tries[i % 3] };
			struct str packed = {0}, out = {0};
			ck_assert_int_eq(run_setup(codecs[c], CODEC_PACK, &setup, span_of(text), steps[i], &packed), 0);
			if (codecs[c]->magic.len > 0)
				ck_assert_str_eq(codec_of_magic(str_span(&packed))->command, codecs[c]->command);
			ck_assert_int_eq(run(codecs[c], CODEC_UNPACK, str_span(&packed), steps[i], &out), 0);
			ck_assert_str_eq(str_c(&out), text);
			str_free(&packed);
			str_free(&out);
		}
}
END_TEST

/* More than is gathered before the first byte is packed, in odd pieces, hardly packable. */
START_TEST(a_long_stream_comes_back_too)
{
	struct str noise = {0};
	uint64_t state = 88172645463325252u;

	while (noise.len < 5 << 20) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		str_add(&noise, &state, 7);
		str_add(&noise, text, state % 8);
	}
	for (size_t c = 0; codecs[c] != NULL; c++) {
		struct codec_setup setup = { .level = LEVEL_FAST };
		struct str packed = {0}, out = {0};
		if (codecs[c]->read_only)
			continue;
		ck_assert_int_eq(run_setup(codecs[c], CODEC_PACK, &setup, str_span(&noise), 99991, &packed), 0);
		ck_assert_int_eq(run(became, CODEC_UNPACK, str_span(&packed), 77773, &out), 0);
		ck_assert(span_same(str_span(&out), str_span(&noise)));
		str_free(&packed);
		str_free(&out);
	}
	str_free(&noise);
}
END_TEST

START_TEST(a_stream_cut_anywhere_is_refused)	/* ZIP-02 */
{
	const struct codec *codec = named(proved[_i]);
	struct str packed = {0};

	ck_assert_int_eq(run(codec, CODEC_PACK, span_of(text), 1000, &packed), 0);
	for (size_t len = 0; len < packed.len; len++) {
		struct str out = {0};
		ck_assert_int_eq(run(codec, CODEC_UNPACK, span_to(str_span(&packed), len), 7, &out), -1);
		ck_assert_int_eq(err_exit(&err), 65);
		str_free(&out);
	}
	str_free(&packed);
}
END_TEST

START_TEST(a_flipped_bit_never_gives_other_bytes)	/* ZIP-02 */
{
	struct str packed = {0};

	ck_assert_int_eq(run(named("gz"), CODEC_PACK, span_of(text), 1000, &packed), 0);
	for (size_t bit = 0; bit < 8 * packed.len; bit++) {
		struct str out = {0};
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		/* A few bits of the gzip header (time, system) carry nothing. */
		if (run(named("gz"), CODEC_UNPACK, str_span(&packed), 1000, &out) == 0)
			ck_assert_str_eq(str_c(&out), text);
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		str_free(&out);
	}
	str_free(&packed);
}
END_TEST

START_TEST(bytes_behind_a_stream_are_refused)	/* ZIP-02: also a second member */
{
	const struct codec *codec = named(proved[_i]);
	struct str packed = {0}, twice = {0}, out = {0};

	ck_assert_int_eq(run(codec, CODEC_PACK, span_of(text), 1000, &packed), 0);
	str_add_span(&twice, str_span(&packed));
	str_add_span(&twice, str_span(&packed));
	ck_assert_int_eq(run(codec, CODEC_UNPACK, str_span(&twice), 1000, &out), -1);
	str_add_char(&packed, '\n');
	for (size_t step = 1; step < 100; step++)
		ck_assert_int_eq(run(codec, CODEC_UNPACK, str_span(&packed), step, &out), -1);
	str_free(&packed);
	str_free(&twice);
	str_free(&out);
}
END_TEST

START_TEST(a_bomb_is_stopped_early)			/* ZIP-01 */
{
	const struct codec *codec = named(proved[_i]);
	struct codec_setup setup = { .max = 2 << 20 };
	struct str zeros = {0}, packed = {0}, out = {0};

	str_room(&zeros, 32 << 20);
	memset(zeros.p, 0, 32 << 20);
	zeros.len = 32 << 20;
	ck_assert_int_eq(run(codec, CODEC_PACK, str_span(&zeros), 1 << 20, &packed), 0);
	ck_assert_int_eq(run_setup(codec, CODEC_UNPACK, &setup, str_span(&packed), 1000, &out), -1);
	ck_assert_uint_le(out.len, 2 << 20);
	ck_assert_int_eq(err_exit(&err), 65);
	/* Mail that is as much alike is no bomb. */
	str_clear(&out);
	ck_assert_int_eq(run(codec, CODEC_UNPACK, str_span(&packed), 1000, &out), 0);
	ck_assert_uint_eq(out.len, zeros.len);
	str_free(&zeros);
	str_free(&packed);
	str_free(&out);
}
END_TEST

START_TEST(the_size_limit_is_exact)
{
	size_t len = strlen(text);

	for (size_t c = 0; codecs[c] != NULL; c++)
		for (size_t max = len - 1; max <= len + 1 && !codecs[c]->read_only; max++) {
			struct codec_setup setup = { .max = max };
			struct str packed = {0}, out = {0};
			ck_assert_int_eq(run(codecs[c], CODEC_PACK, span_of(text), 1000, &packed), 0);
			ck_assert_int_eq(run_setup(codecs[c], CODEC_UNPACK, &setup, str_span(&packed), 9, &out),
			    max < len ? -1 : 0);
			str_free(&packed);
			str_free(&out);
		}
}
END_TEST

START_TEST(a_slip_in_a_name_is_answered_with_the_nearest)
{
	enum codec_level level;

	ck_assert_ptr_null(codec_named("gzz", &err));
	ck_assert_ptr_nonnull(strstr(err.text, "did you mean gz?"));
	ck_assert_str_eq(codec_of_command("rgsmtp")->name, "gz");
	ck_assert_str_eq(codec_of_command("rsmtp")->name, "none");
	ck_assert_str_eq(codec_of_command("rbsmtp")->name, "bz2");
	ck_assert_str_eq(codec_of_command("rcsmtp")->name, "Z");
	ck_assert_str_eq(codec_of_command("rzsmtp")->name, "zstd");
	ck_assert_ptr_null(codec_of_command("rmail"));
	ck_assert_int_eq(codec_level_named("metered", &level, &err), 0);
	ck_assert_int_eq(level, LEVEL_METERED);
	ck_assert_str_eq(codec_level_name(level), "metered");
	ck_assert_int_eq(codec_level_named("best", &level, &err), -1);
}
END_TEST

/* compress: nothing here writes it, so a recorded one must do (tests/fixtures/RECORDED) */

static void
load_file(const char *name, struct str *out)
{
	const char *top = getenv("srcdir");
	struct str path = {0};

	str_printf(&path, "%s/%s", top != NULL ? top : ".", name);
	ck_assert_msg(fs_load(AT_FDCWD, str_c(&path), 1 << 20, out, &err) == 0, "%s", err.text);
	str_free(&path);
}

static void
load_fixture(const char *name, struct str *out)
{
	struct str path = {0};

	str_printf(&path, "tests/fixtures/%s", name);
	load_file(str_c(&path), out);
	str_free(&path);
}

START_TEST(what_compress_wrote_is_read)
{
	static const size_t steps[] = { 1, 2, 3, 77, 100000 };
	struct str packed = {0}, want = {0};

	load_fixture("demo.mbox.Z", &packed);
	load_fixture("demo.mbox", &want);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct str out = {0};
		ck_assert_msg(run(named("Z"), CODEC_UNPACK, str_span(&packed), steps[i], &out) == 0, "%s", err.text);
		ck_assert(span_same(str_span(&out), str_span(&want)));
		str_free(&out);
	}
	ck_assert_uint_lt(pieces, 3);	/* and not one for each of its strings */
	ck_assert_int_eq(run(named("Z"), CODEC_PACK, span_of(text), 100, &want), -1);
	ck_assert_int_eq(err_exit(&err), 78);
	str_free(&packed);
	str_free(&want);
}
END_TEST

/* It has no check sum: a flip may give other bytes, and must give nothing worse. */
START_TEST(what_compress_never_wrote_is_bounded)
{
	struct str packed = {0};
	size_t refused = 0;

	load_fixture("demo.mbox.Z", &packed);
	packed.len = packed.len < 4096 ? packed.len : 4096;
	for (size_t bit = 0; bit < 8 * packed.len; bit += 3) {
		struct str out = {0};
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		refused += run(named("Z"), CODEC_UNPACK, str_span(&packed), 4096, &out) < 0;
		ck_assert_uint_lt(out.len, 10 << 20);
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		str_free(&out);
	}
	ck_assert_uint_gt(refused, 1000);
	str_free(&packed);
}
END_TEST

/* history */

START_TEST(what_was_sent_before_costs_nothing)
{
	struct str prefix = {0}, packed = {0}, out = {0};

	for (uint64_t i = 1; prefix.len < 300000; i++) {
		uint64_t noise = i * 0x9e3779b97f4a7c15u;
		str_add(&prefix, &noise, 8);
	}
	struct codec_setup setup = { .prefix = str_span(&prefix), .window_log = 20 };
	struct span again = span_from(str_span(&prefix), 100000);
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_PACK, &setup, again, 1000, &packed), 0);
	ck_assert_uint_lt(packed.len, 100);
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 10, &out), 0);
	ck_assert(span_same(str_span(&out), again));
	str_clear(&out);
	ck_assert_int_eq(run(named("zstd"), CODEC_UNPACK, str_span(&packed), 10, &out), -1);
	str_free(&prefix);
	str_free(&packed);
	str_free(&out);
}
END_TEST

/* Before label version 4 a dictionary before history was a part of it, and its tables nothing. */
START_TEST(a_dictionary_before_history_lends_it_its_tables)
{
	struct str dictionary = {0}, packed[2] = {{0}}, out = {0};
	struct codec_setup setup = { .prefix = span_of(text), .bare = true };
	static const char mail[] = "Subject: what is said once costs most when it travels alone\r\n\r\n"
	    "Quick, brown, and over the fence: nobody has written that here before.\r\n";

	load_file("bsmtp/dictionary/mail-1.dict", &dictionary);
	setup.dictionary = str_span(&dictionary);
	for (int with = 0; with < 2; with++) {
		setup.tables = with;
		setup.brief = false;
		ck_assert_int_eq(run_setup(named("zstd"), CODEC_PACK, &setup, span_of(mail), 50, &packed[with]), 0);
		setup.brief = in_brief;
		ck_assert_msg(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed[with]), 7, &out) == 0,
		    "%s", err.text);
		ck_assert(span_is(str_span(&out), mail));
		str_clear(&out);
	}
	ck_assert_uint_lt(packed[1].len + 10, packed[0].len);
	setup.tables = false;
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed[1]), 7, &out), -1);
	str_free(&dictionary);
	str_free(&packed[0]);
	str_free(&packed[1]);
	str_free(&out);
}
END_TEST

/* libzstd would pack it worse with a small one than with none. */
START_TEST(a_long_stream_leaves_a_young_history_out)
{
	struct codec_setup setup = { .prefix = span_of(text) };
	struct codec_stream stream;
	struct str piece = {0}, packed = {0}, out = {0};

	str_room(&piece, 1 << 20);
	memset(piece.p, 'x', 1 << 20);
	piece.len = 1 << 20;
	ck_assert_int_eq(codec_start(&stream, named("zstd"), CODEC_PACK, &setup, gather, &packed, &err), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(codec_feed(&stream, piece.p, piece.len, &err), 0);
	ck_assert_int_eq(codec_end(&stream, &err), 0);
	ck_assert_uint_eq(stream.setup.prefix.len, 0);
	codec_free(&stream);
	setup = (struct codec_setup){ .prefix = span_of("another history altogether") };
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 1000, &out), 0);
	ck_assert_uint_eq(out.len, 5 << 20);
	str_free(&piece);
	str_free(&packed);
	str_free(&out);
}
END_TEST

START_TEST(a_window_larger_than_agreed_is_refused)
{
	static const char huge[] = "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";	/* an empty frame of 2^31 */
	struct codec_setup setup = { .window_log = CODEC_WINDOW_MAX + 1 };
	struct str zeros = {0}, packed = {0}, out = {0};

	ck_assert_int_eq(run(named("zstd"), CODEC_UNPACK, (struct span){ huge, sizeof huge - 1 }, 100, &out), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "a window of more than the 8 MiB"));
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_PACK, &setup, span_of(text), 100, &out), -1);
	str_room(&zeros, 12 << 20);
	memset(zeros.p, 'x', 12 << 20);
	zeros.len = 12 << 20;
	setup = (struct codec_setup){ .window_log = 24, .prefix = span_to(str_span(&zeros), 1 << 20) };
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_PACK, &setup, str_span(&zeros), 1 << 20, &packed), 0);
	setup.window_log = 23;
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 100, &out), -1);
	setup.window_log = 24;
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 100, &out), 0);
	str_free(&zeros);
	str_free(&packed);
	str_free(&out);
}
END_TEST

/* mix: all of the past counts, and it is bounded */

START_TEST(mixed_contexts_make_less_of_mail)
{
	struct codec_setup setup = { .level = LEVEL_METERED };
	struct str mbox = {0}, mixed = {0}, out = {0}, packed = {0};

	load_fixture("demo.mbox", &mbox);
	setup.prefix = span_to(str_span(&mbox), mbox.len / 2);
	struct span rest = span_from(str_span(&mbox), mbox.len / 2);
	ck_assert_int_eq(run_setup(named("mix"), CODEC_PACK, &setup, rest, 333, &mixed), 0);
	ck_assert_ptr_eq(became, named("mix"));
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_PACK, &setup, rest, 333, &packed), 0);
	ck_assert_uint_lt(mixed.len, packed.len * 9 / 10);
	ck_assert_int_eq(run_setup(named("mix"), CODEC_UNPACK, &setup, str_span(&mixed), 7, &out), 0);
	ck_assert(span_same(str_span(&out), rest));
	/* against another past it is something else, or nothing */
	str_clear(&out);
	ck_assert(run(named("mix"), CODEC_UNPACK, str_span(&mixed), 7, &out) < 0 || !span_same(str_span(&out), rest));
	str_free(&mbox);
	str_free(&mixed);
	str_free(&packed);
	str_free(&out);
}
END_TEST

START_TEST(what_zstd_makes_less_of_is_left_to_it)
{
	struct codec_setup setup = { .bare = true, .tables = true };
	struct str same = {0}, packed = {0}, out = {0};

	memset(str_room(&same, 100000), 'x', 100000);
	same.len = 100000;
	ck_assert_int_eq(run_setup(named("mix"), CODEC_PACK, &setup, str_span(&same), 4096, &packed), 0);
	ck_assert_ptr_eq(became, named("zstd"));
	ck_assert(in_brief);
	ck_assert_uint_lt(packed.len, 30);
	setup.brief = true;
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 7, &out), 0);
	ck_assert(span_same(str_span(&out), str_span(&same)));
	str_free(&same);
	str_free(&packed);
	str_free(&out);
}
END_TEST

static void
make_noise(size_t len, struct str *noise)
{
	for (uint64_t i = 1; noise->len < len; i++) {
		uint64_t n = i * i * 0x9e3779b97f4a7c15u;
		n = (n ^ n >> 31) * 0xbf58476d1ce4e5b9u;
		str_add(noise, (const char *)&n + 2, 4);
	}
}

START_TEST(noise_is_left_to_zstd)
{
	struct str noise = {0}, packed = {0}, out = {0};

	make_noise(100000, &noise);
	ck_assert_int_eq(run(named("mix"), CODEC_PACK, str_span(&noise), 999, &packed), 0);
	ck_assert_ptr_eq(became, named("zstd"));
	ck_assert_uint_lt(packed.len, noise.len + 20);
	ck_assert_int_eq(run(became, CODEC_UNPACK, str_span(&packed), 999, &out), 0);
	ck_assert(span_same(str_span(&out), str_span(&noise)));
	str_free(&noise);
	str_free(&packed);
	str_free(&out);
}
END_TEST

/* A picture that is there twice in a batch goes once, although libzstd makes small tables for a
 * small dictionary. */
START_TEST(a_dictionary_does_not_shorten_its_sight)
{
	enum { PICTURE = 700000 };
	struct str dictionary = {0}, twice = {0}, packed = {0}, out = {0};
	struct codec_setup setup = {0};

	load_file("bsmtp/dictionary/mail-1.dict", &dictionary);
	setup.dictionary = str_span(&dictionary);
	make_noise(PICTURE, &twice);
	str_room(&twice, PICTURE);
	str_add(&twice, twice.p, PICTURE);
	for (int level = LEVEL_DEFAULT; level <= LEVEL_METERED; level++) {
		setup.level = (enum codec_level)level;
		str_clear(&packed);
		str_clear(&out);
		ck_assert_int_eq(run_setup(named("zstd"), CODEC_PACK, &setup, str_span(&twice), 100000, &packed), 0);
		ck_assert_uint_lt(packed.len, PICTURE + PICTURE / 10);
		ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 100000, &out), 0);
		ck_assert(span_same(str_span(&out), str_span(&twice)));
	}
	str_free(&dictionary);
	str_free(&twice);
	str_free(&packed);
	str_free(&out);
}
END_TEST

/* What is one block travels without a frame's head; its head is what the stock tool needs. */
static const struct { size_t text, noise; bool brief; const char *why; } frames[] = {
	{ 0, 0, false, "nothing" },
	{ 0, 1000, false, "a block that is not compressed" },
	{ 1, 0, true, "one block" },
	{ 2, 100, true, "one with noise in it" },
	{ 700, 0, true, "almost all that one holds" },
	{ 900, 0, false, "two" },
};

START_TEST(one_block_travels_in_brief)
{
	struct str all = {0}, packed = {0}, out = {0}, head = {0};
	struct codec_setup setup = { .bare = true };

	for (size_t i = 0; i < frames[_i].text; i++)
		str_add_text(&all, text);
	for (uint64_t i = 1; i <= frames[_i].noise / 8; i++) {
		uint64_t n = i * i * 0x9e3779b97f4a7c15u;
		n = (n ^ n >> 31) * 0xbf58476d1ce4e5b9u;
		str_add(&all, &n, sizeof n);
	}
	ck_assert_int_eq(run_setup(named("zstd-plain"), CODEC_PACK, &setup, str_span(&all), 999, &packed), 0);
	ck_assert_msg(in_brief == frames[_i].brief, "%s", frames[_i].why);
	setup.brief = in_brief;
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&packed), 7, &out), 0);
	ck_assert(span_same(str_span(&out), str_span(&all)));
	codec_head(named("zstd"), setup.brief, packed.len, &head);
	str_add_span(&head, str_span(&packed));
	str_clear(&out);
	ck_assert_int_eq(run(named("zstd"), CODEC_UNPACK, str_span(&head), 7, &out), 0);
	ck_assert(span_same(str_span(&out), str_span(&all)));
	for (size_t len = 0; setup.brief && len < packed.len; len++) {
		str_clear(&out);
		/* what of it looks like a block gives other bytes: they are for the label's sum to tell */
		ck_assert(run_setup(named("zstd"), CODEC_UNPACK, &setup, span_to(str_span(&packed), len), 99, &out) < 0 ||
		    !span_same(str_span(&out), str_span(&all)));
	}
	str_free(&all);
	str_free(&packed);
	str_free(&out);
	str_free(&head);
}
END_TEST

START_TEST(what_is_in_brief_is_short)
{
	struct codec_setup setup = { .bare = true, .brief = true };
	struct str zeros = {0}, out = {0};

	memset(str_room(&zeros, 200000), 0, 200000);
	zeros.len = 200000;
	ck_assert_int_eq(run_setup(named("zstd"), CODEC_UNPACK, &setup, str_span(&zeros), 4096, &out), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "in brief"));
	str_free(&zeros);
	str_free(&out);
}
END_TEST

/* The same bytes on every machine and for ever: what is changed in the model is another codec. */
START_TEST(mixed_contexts_are_the_same_everywhere)
{
	static const char *const want = "d1f8a31cb383c45e";
	struct codec_setup setup = { .prefix = span_of(text) };
	struct str mbox = {0}, mixed = {0}, hex = {0};
	unsigned char sum[DIGEST_SIZE];

	load_fixture("demo.mbox", &mbox);
	ck_assert_int_eq(run_setup(named("mix"), CODEC_PACK, &setup, str_span(&mbox), 1000, &mixed), 0);
	digest_of(mixed.p, mixed.len, sum);
	digest_hex(sum, 8, &hex);
	ck_assert_str_eq(str_c(&hex), want);
	str_free(&mbox);
	str_free(&mixed);
	str_free(&hex);
}
END_TEST

/* All that it says of those bytes, for who compares. */
struct sayings {
	struct str all;
	size_t guesses, wrong;
};

static bool
say_guess(struct mix *mix, unsigned char c, struct sayings *said)
{
	unsigned chance;
	int guess = mix_guess(mix, &chance);

	str_add(&said->all, &guess, sizeof guess);
	if (guess < 0)
		return false;
	str_add(&said->all, &chance, sizeof chance);
	said->guesses++;
	said->wrong += guess != c;
	mix_guessed(mix, guess == c);
	return guess == c;
}

static void
say_all(struct mix *mix, struct span bytes, struct sayings *said)
{
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		bool guessed = say_guess(mix, c, said);
		for (int n = 7; n >= 0 && !guessed; n--) {
			unsigned chance = mix_next(mix);
			str_add(&said->all, &chance, sizeof chance);
			mix_learn(mix, c >> n & 1);
		}
	}
}

static struct mix *
ready(struct mix *mix)
{
	while (mix != NULL && mix_prepare(mix, MIX_STEP))
		;
	return mix;
}

/* Bytes in front of what teaches; those that came since it was put away. */
static const struct { size_t older, grown; } put_away[] = { { 0, 0 }, { 0, 3000 }, { 20000, 1 }, { 20000, 9000 } };

START_TEST(a_mix_that_was_put_away_goes_on_as_if_it_had_stayed)
{
	enum { TAUGHT = 30000, MORE = 8000, MOST = 1 << 17 };
	size_t first = put_away[_i].older + TAUGHT, grown = put_away[_i].grown;
	struct str fixture = {0}, mbox = {0}, kept = {0};
	struct sayings one = {0}, other = {0};

	load_fixture("demo.mbox", &fixture);
	while (mbox.len < first + grown + MORE)
		str_add_span(&mbox, str_span(&fixture));
	struct span past = span_to(str_span(&mbox), first), longer = span_to(str_span(&mbox), first + grown);
	struct span next = span_to(span_from(str_span(&mbox), first + grown), MORE);
	struct mix *mix = ready(mix_begin(&past, 1, TAUGHT, MOST, MIX_SMALL));
	ck_assert_int_eq(mix_keep(mix, &kept, &err), 0);
	mix_free(mix);
	mix = ready(mix_begin(&longer, 1, TAUGHT + grown, MOST, MIX_SMALL));
	say_all(mix, next, &one);
	mix_free(mix);
	mix = ready(mix_take_up(longer, TAUGHT + grown, MOST, MIX_SMALL, str_span(&kept)));
	ck_assert_ptr_nonnull(mix);
	say_all(mix, next, &other);
	mix_free(mix);
	ck_assert(span_same(str_span(&one.all), str_span(&other.all)));
	ck_assert_ptr_null(mix_take_up(longer, TAUGHT + grown, 1 << 20, MIX_SMALL, str_span(&kept)));
	ck_assert_ptr_null(mix_take_up(longer, TAUGHT + grown, MOST, MIX_LARGE, str_span(&kept)));
	ck_assert_ptr_null(mix_take_up(span_to(past, 100), 100, MOST, MIX_SMALL, str_span(&kept)));
	str_free(&fixture);
	str_free(&mbox);
	str_free(&kept);
	str_free(&one.all);
	str_free(&other.all);
}
END_TEST

/* A bit that says nothing, in the head of zstd's frame, changes nothing. */
START_TEST(what_no_mix_was_put_away_as_is_not_taken_up)
{
	struct span past = span_of(text), next = SPAN("Subject: your letter");
	struct sayings wanted = {0}, said = {0};
	struct str kept = {0};
	struct mix *mix = ready(mix_begin(&past, 1, past.len, 1000, MIX_SMALL));
	unsigned taken = 0;

	ck_assert_int_eq(mix_keep(mix, &kept, &err), 0);
	say_all(mix, next, &wanted);
	mix_free(mix);
	for (size_t i = 0; i < 300; i++) {
		size_t at = i < 20 ? i : kept.len * i / 300;
		ck_assert_ptr_null(mix_take_up(past, past.len, 1000, MIX_SMALL, span_to(str_span(&kept), at)));
		kept.p[at] ^= (char)(1 << i % 8);
		mix = mix_take_up(past, past.len, 1000, MIX_SMALL, str_span(&kept));
		kept.p[at] ^= (char)(1 << i % 8);
		str_clear(&said.all);
		if (mix != NULL && ++taken > 0)
			say_all(mix, next, &said);
		ck_assert(mix == NULL || span_same(str_span(&said.all), str_span(&wanted.all)));
		mix_free(mix);
	}
	ck_assert_uint_lt(taken, 10);
	str_add_char(&kept, 'x');
	ck_assert_ptr_null(mix_take_up(past, past.len, 1000, MIX_SMALL, str_span(&kept)));
	str_free(&kept);
	str_free(&wanted.all);
	str_free(&said.all);
}
END_TEST

/* What both ends of a call say is the same on every machine, too: a new number, or none of it. */
START_TEST(a_call_asks_for_whole_bytes_where_they_are_sure)
{
	static const char *const want = "0b6dd26f1b40442c";
	struct sayings said = {0}, large = {0};
	struct str mbox = {0}, hex = {0};
	unsigned char sum[DIGEST_SIZE];

	load_fixture("demo.mbox", &mbox);
	struct span past = str_span(&mbox), next = span_to(str_span(&mbox), 20000);
	struct mix *mix = ready(mix_begin(&past, 1, past.len, next.len, MIX_SMALL));
	say_all(mix, next, &said);
	mix_free(mix);
	ck_assert_uint_gt(said.guesses, next.len * 9 / 10);	/* it repeats */
	ck_assert_uint_lt(said.wrong, next.len / 1000);
	ck_assert_int_eq(MIX_MODEL, 6);
	digest_of(said.all.p, said.all.len, sum);
	digest_hex(sum, 8, &hex);
	ck_assert_str_eq(str_c(&hex), want);
	mix = ready(mix_begin(&past, 1, past.len, next.len, MIX_LARGE));
	say_all(mix, next, &large);
	mix_free(mix);
	ck_assert_uint_eq(large.guesses, 0);		/* batches are older */
	str_free(&said.all);
	str_free(&large.all);
	str_free(&mbox);
	str_free(&hex);
}
END_TEST

/* A length that lies, and streams that were never packed, in bounded time and memory. */
START_TEST(what_mix_never_wrote_is_bounded)
{
	static const struct span streams[] = {
		SPAN(""), SPAN("\200"), SPAN("\200\0"), SPAN("\377\377\377\377\17"), SPAN("\201\200\200\2" "x"),
		SPAN("\377\377\377\1" "x"), SPAN("\5"), SPAN("\0x"), SPAN("\5\377\377\377\377\377\377"), SPAN("\5abcdefghijklmnop"),
	};
	struct codec_setup setup = { .max = 1 << 20 };
	struct str out = {0};

	for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
		int result = run_setup(named("mix"), CODEC_UNPACK, &setup, streams[i], 1, &out);
		ck_assert_msg(result < 0 || out.len == 5, "stream %zu", i);
		ck_assert(result == 0 || err_exit(&err) == 65);
		ck_assert_uint_lt(out.len, 100);
		str_clear(&out);
	}
	str_free(&out);
}
END_TEST

/* the label */

#define SUM "q83vEjRWeJCrze8S"
#define CHAIN "CapsMdLk9YA"

static const char *const labels[] = {
	"mb1 zstd 5 56585 " SUM,
	"mb1 zstd 0 0 " SUM,
	"mb1 zstd 18446744073709551615 18446744073709551615 " SUM,
	"mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN ":256",
	"mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN ":256 dict=1",
	"mb1 zstd 5 56585 " SUM " ref=0:" CHAIN ":1 class=family",
	"mb1 zstd 5 56585 " SUM " at=1041:" CHAIN " dict=1 keep=0",
	"mb1 zstd 0 0 " SUM " have=1041:256:" CHAIN " lost=" CHAIN,
	"mb1 zstd 0 0 " SUM " have=99999999999:0:CapsMdLk9YAJqmwx0uT1gA",
	"mb1 zstd 5 56585 " SUM " dict=1 class=a.b-c_d",
	"mb1 zstd 5 56585 " SUM " class=0123456789012345678901234567890123456789",
};

static void
parse(const char *line, struct label *label)
{
	struct str bytes = {0};

	str_printf(&bytes, "%s\n", line);
	struct span rest = str_span(&bytes);
	ck_assert_msg(label_take(&rest, label, &err) == 1, "%s", err.text);
	ck_assert_uint_eq(rest.len, 0);
	str_free(&bytes);
}

START_TEST(a_label_says_again_what_it_said)
{
	struct str again = {0};
	struct label label;

	parse(labels[_i], &label);
	label_put(&label, &again);
	ck_assert_int_eq(again.p[again.len - 1], '\n');
	again.len--;
	ck_assert_str_eq(str_c(&again), labels[_i]);
	ck_assert(again.len < LABEL_MAX);
	str_free(&again);
}
END_TEST

/* The same in bytes: cut anywhere it is none yet, and what stands behind it stays. */
static void
check_short_label(unsigned version, const char *line)
{
	struct str bytes = {0}, first = {0}, again = {0};
	struct label label, read;

	parse(line, &label);
	label.version = version;
	if (version == LABEL_VERSION)
		label.codec = named("mix");
	label.part = label.has_ref;
	label_put(&label, &bytes);
	ck_assert(label_begins(str_span(&bytes)));
	for (size_t len = 1; len < bytes.len; len++) {
		struct span cut = span_to(str_span(&bytes), len);
		ck_assert_int_eq(label_take(&cut, &read, &err), 0);
		ck_assert_uint_eq(cut.len, len);
	}
	str_add_text(&bytes, "frame");
	struct span rest = str_span(&bytes);
	ck_assert_msg(label_take(&rest, &read, &err) == 1, "%s", err.text);
	ck_assert(span_is(rest, "frame"));
	if (label.has_ref)
		label.mark.link &= UINT64_MAX << (64 - 8 * LABEL_CHAIN);
	label_show(&label, &first);
	label_show(&read, &again);
	ck_assert_str_eq(str_c(&again), str_c(&first));
	ck_assert_int_eq(read.tables, version > 3);
	ck_assert_int_eq(read.first, version < 5);
	str_free(&bytes);
	str_free(&first);
	str_free(&again);
}

START_TEST(a_short_label_says_the_same)
{
	for (unsigned version = 2; version <= LABEL_VERSION; version++)
		check_short_label(version, labels[_i]);
}
END_TEST

static const struct { uint64_t len, units; } histories[] = {
	{ 0, 0 }, { 4095, 0 }, { 4096, 1 }, { 8191, 1 }, { 15 * 4096, 15 }, { 17 * 4096, 16 }, { 18 * 4096, 18 },
	{ (4 << 20) - 1, 960 }, { 4 << 20, 1024 }, { RING_WINDOW_MAX, RING_WINDOW_MAX / LABEL_UNIT },
};

START_TEST(a_length_of_history_is_said_in_a_byte)
{
	ck_assert_uint_eq(label_units(histories[_i].len), histories[_i].units);
}
END_TEST

/* A flipped bit is another label, none yet, or refused: never read twice alike. */
static void
check_one_way(const char *line, bool mixed)
{
	struct str bytes = {0};
	struct label label, read;

	parse(line, &label);
	label.version = 0;
	label.part = label.has_ref;
	if (mixed)
		label.codec = named("mix");
	label_put(&label, &bytes);
	ck_assert_int_eq((unsigned char)bytes.p[0], 0x90 + (mixed ? LABEL_VERSION : 4));
	for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
		struct span rest = str_span(&bytes);
		bytes.p[bit / 8] ^= (char)(1 << bit % 8);
		if (label_begins(rest) && label_take(&rest, &read, &err) > 0) {
			struct str again = {0};
			label_put(&read, &again);
			ck_assert(span_same(str_span(&again), span_to(str_span(&bytes), bytes.len - rest.len)));
			str_free(&again);
		}
		bytes.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	str_free(&bytes);
}

/* All but mix are of version 4 still, which more can read. */
START_TEST(a_short_label_is_written_in_one_way)
{
	check_one_way(labels[_i], false);
	check_one_way(labels[_i], true);
}
END_TEST

#define SUM_BYTES "12345678"

static const struct { struct span bytes; const char *why; } bad_bytes[] = {
	{ SPAN("\226"), "newer" },
	{ SPAN("\225\0\5\5" SUM_BYTES), "codec" },	/* all but mix is of version 4 */
	{ SPAN("\225\2\5\5" SUM_BYTES), "codec" },
	{ SPAN("\237anything"), "newer" },
	{ SPAN("\222\2\5\5" SUM_BYTES), "codec" },	/* in brief, before there was that */
	{ SPAN("\223\3\5\5" SUM_BYTES), "codec" },
	{ SPAN("\223\4\5\5" SUM_BYTES), "codec" },
	{ SPAN("\224\3\5\5" SUM_BYTES), "codec" },
	{ SPAN("\224\44\5\5" SUM_BYTES "\1"), "form" },
	{ SPAN("\224\40\5\5" SUM_BYTES "\1"), "form" },
	{ SPAN("\224\10\5\5" SUM_BYTES "\1ch\0"), "length of history" },
	{ SPAN("\224\10\5\5" SUM_BYTES "\1ch\201"), "length of history" },
	{ SPAN("\224\10\5\5" SUM_BYTES "\1ch\377"), "length of history" },
	{ SPAN("\222\30\5\5" SUM_BYTES "\1\1\1\1\1\1\1\1\1"), "proper" },
	{ SPAN("\222\0\1\5" SUM_BYTES), "form" },
	{ SPAN("\222\0\205\0\5" SUM_BYTES), "form" },
	{ SPAN("\222\0\377\377\377\377\377\377\377\377\377\2\5" SUM_BYTES), "count" },
	{ SPAN("\222\0\5\377\377\377\377\377\377\377\377\377\377\1" SUM_BYTES), "length" },
	{ SPAN("\222\10\5\5" SUM_BYTES "\377\377\377\377\377\377\1ch\5"), "proper" },
	{ SPAN("\222\10\5\5" SUM_BYTES "\1ch\0"), "length of history" },
	{ SPAN("\222\10\5\5" SUM_BYTES "\1ch\377\377\377\1"), "length of history" },
	{ SPAN("\222\40\5\5" SUM_BYTES "\0"), "dictionary" },
	{ SPAN("\222\100\5\5" SUM_BYTES "\n"), "words" },
	{ SPAN("\222\100\5\5" SUM_BYTES "class=a\n"), "words" },
	{ SPAN("\222\100\5\5" SUM_BYTES " dict=1\n"), "words" },
	{ SPAN("\222\100\5\5" SUM_BYTES " class=../x\n"), "class=" },
	{ SPAN("\222\100\5\5" SUM_BYTES " \n"), "words" },
};

START_TEST(what_is_no_short_label_is_refused)
{
	struct span bytes = bad_bytes[_i].bytes;
	struct label label;

	ck_assert_int_eq(label_take(&bytes, &label, &err), -1);
	ck_assert_msg(strstr(err.text, bad_bytes[_i].why) != NULL, "%s: not %s", err.text, bad_bytes[_i].why);
}
END_TEST

static const struct { const char *line, *why; } bad_labels[] = {
	{ "", "beginning" },
	{ "mb", "beginning" },
	{ "mb zstd 5 56585 " SUM, "beginning" },
	{ "mb0 zstd 5 56585 " SUM, "version" },
	{ "mb2 zstd 5 56585 " SUM, "newer" },
	{ "mb9999 and what may come", "newer" },
	{ "mb01 zstd 5 56585 " SUM, "form" },
	{ "mb1 gz 5 56585 " SUM, "codec" },
	{ "mb1 zstd-plain 5 56585 " SUM, "codec" },
	{ "mb1 mix 5 56585 " SUM, "codec" },
	{ "mb1", "codec" },
	{ "mb1 zstd", "count" },
	{ "mb1 zstd -5 56585 " SUM, "count" },
	{ "mb1 zstd 05 56585 " SUM, "form" },
	{ "mb1 zstd 5", "length" },
	{ "mb1 zstd 5 18446744073709551616 " SUM, "length" },
	{ "mb1 zstd 5 56585", "sum" },
	{ "mb1 zstd 5 56585 q83vEjRWeJCrze8", "sum" },
	{ "mb1 zstd 5 56585 " SUM "AAAA", "sum" },
	{ "mb1 zstd 5 56585 " SUM " ", "words" },
	{ "mb1  zstd 5 56585 " SUM, "codec" },
	{ "mb1 zstd 5 56585 " SUM "  class=a", "words" },
	{ "mb1 zstd 5 56585 " SUM " Class=a", "words" },
	{ "mb1 zstd 5 56585 " SUM " class=a class=a", "words" },
	{ "mb1 zstd 5 56585 " SUM " class=a dict=1", "words" },
	{ "mb1 zstd 5 56585 " SUM " class=", "class=" },
	{ "mb1 zstd 5 56585 " SUM " class=../x", "class=" },
	{ "mb1 zstd 5 56585 " SUM " class=01234567890123456789012345678901234567890", "class=" },
	{ "mb1 zstd 5 56585 " SUM " dict=0", "dict=" },
	{ "mb1 zstd 5 56585 " SUM " dict=4294967296", "dict=" },
	{ "mb1 zstd 5 56585 " SUM " ref=" CHAIN, "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=:" CHAIN, "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN "=:256", "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN, "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN ":0", "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=100000000000:" CHAIN ":256", "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN ":262145", "ref=" },
	{ "mb1 zstd 5 56585 " SUM " ref=1041:" CHAIN ":256 at=1041:" CHAIN, "at=" },
	{ "mb1 zstd 5 56585 " SUM " at=1041", "at=" },
	{ "mb1 zstd 5 56585 " SUM " keep=1", "keep=" },
	{ "mb1 zstd 5 56585 " SUM " have=1041:256", "have=" },
	{ "mb1 zstd 5 56585 " SUM " have=1041:256:", "have=" },
	{ "mb1 zstd 5 56585 " SUM " have=1041:256:" CHAIN "A", "have=" },
	{ "mb1 zstd 5 56585 " SUM " lost=", "lost=" },
	{ "mb1 zstd 5 56585 " SUM " ref=1041:CapsMdLk9YB:256", "ref=" },
	{ "mb1 zstd 5 56585 " SUM " dict=1 ref=1041:" CHAIN ":256", "words" },
};

START_TEST(what_is_no_label_is_refused)
{
	struct label label;
	struct str line = {0};

	str_printf(&line, "%s\n", bad_labels[_i].line);
	struct span rest = str_span(&line);
	ck_assert_int_eq(label_take(&rest, &label, &err), -1);
	str_free(&line);
	ck_assert_msg(strstr(err.text, bad_labels[_i].why) != NULL, "%s: not %s", err.text, bad_labels[_i].why);
}
END_TEST

/* trailer */

static int
watch(struct span batch, size_t step, uint64_t *count)
{
	struct trailer trailer;

	trailer_start(&trailer);
	for (; batch.len > 0; batch = span_from(batch, step))
		trailer_add(&trailer, batch.p, batch.len < step ? batch.len : step);
	int result = trailer_end(&trailer, count, &err);
	trailer_free(&trailer);
	return result;
}

static void
batch_of(const char *entries, uint64_t n, struct str *out)
{
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, entries, strlen(entries));
	str_add_text(out, entries);
	trailer_lines(n, &digest, out);
	digest_free(&digest);
}

START_TEST(a_true_trailer_is_believed)
{
	static const char *const entries[] = { "", "x", text };
	static const uint64_t counts[] = { 0, 1, UINT64_MAX };

	for (size_t e = 0; e < 3; e++)
		for (size_t step = 1; step < 300; step++) {
			struct str batch = {0};
			uint64_t count = 77;
			batch_of(entries[e], counts[e], &batch);
			ck_assert_int_eq(watch(str_span(&batch), step, &count), 1);
			ck_assert(count == counts[e]);
			str_free(&batch);
		}
}
END_TEST

START_TEST(no_flipped_bit_passes_the_trailer)
{
	struct str batch = {0};
	uint64_t count;

	batch_of(text, 1, &batch);
	for (size_t bit = 0; bit < 8 * batch.len; bit++) {
		batch.p[bit / 8] ^= (char)(1 << bit % 8);
		/* a flip in the count is found by whoever counted the messages */
		ck_assert(watch(str_span(&batch), 64, &count) != 1 || count != 1);
		batch.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t len = 0; len < batch.len; len++)
		ck_assert_int_ne(watch(span_to(str_span(&batch), len), 64, &count), 1);
	str_add_char(&batch, '\n');
	ck_assert_int_ne(watch(str_span(&batch), 64, &count), 1);
	str_free(&batch);
}
END_TEST

UNIT("codec",
	{ every_codec_gives_back_what_it_took, 1 },
	{ a_long_stream_comes_back_too, 1 },
	{ a_stream_cut_anywhere_is_refused, ROWS(proved) },
	{ a_flipped_bit_never_gives_other_bytes, 1 },
	{ bytes_behind_a_stream_are_refused, ROWS(proved) },
	{ a_bomb_is_stopped_early, ROWS(proved) },
	{ the_size_limit_is_exact, 1 },
	{ a_slip_in_a_name_is_answered_with_the_nearest, 1 },
	{ what_compress_wrote_is_read, 1 },
	{ what_compress_never_wrote_is_bounded, 1 },
	{ what_was_sent_before_costs_nothing, 1 },
	{ a_dictionary_before_history_lends_it_its_tables, 1 },
	{ a_dictionary_does_not_shorten_its_sight, 1 },
	{ a_long_stream_leaves_a_young_history_out, 1 },
	{ a_window_larger_than_agreed_is_refused, 1 },
	{ mixed_contexts_make_less_of_mail, 1 },
	{ noise_is_left_to_zstd, 1 },
	{ what_zstd_makes_less_of_is_left_to_it, 1 },
	{ one_block_travels_in_brief, ROWS(frames) },
	{ what_is_in_brief_is_short, 1 },
	{ mixed_contexts_are_the_same_everywhere, 1 },
	{ a_call_asks_for_whole_bytes_where_they_are_sure, 1 },
	{ what_mix_never_wrote_is_bounded, 1 },
	{ a_mix_that_was_put_away_goes_on_as_if_it_had_stayed, ROWS(put_away) },
	{ what_no_mix_was_put_away_as_is_not_taken_up, 1 },
	{ a_label_says_again_what_it_said, ROWS(labels) },
	{ a_short_label_says_the_same, ROWS(labels) },
	{ a_length_of_history_is_said_in_a_byte, ROWS(histories) },
	{ a_short_label_is_written_in_one_way, ROWS(labels) },
	{ what_is_no_short_label_is_refused, ROWS(bad_bytes) },
	{ what_is_no_label_is_refused, ROWS(bad_labels) },
	{ a_true_trailer_is_believed, 1 },
	{ no_flipped_bit_passes_the_trailer, 1 })
