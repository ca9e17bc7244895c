/* bsmtp: codecs at every cut and flipped bit, limits, the trailer. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bsmtp/codec.h"
#include "bsmtp/trailer.h"

#define COUNT(array) ((int)(sizeof (array) / sizeof (array)[0]))

static struct err err;

static const char text[] =
    "NOOP mochila=1 id=20261121T184502.123456-7f3a9c02d41be066-1 time=2026-11-21T18:45:02Z\n"
    "MAIL FROM:<ann@example.org>\nRCPT TO:<bob@home.example>\nBDAT 0000000004 LAST\nhi\r\n";

static int
gather(void *ctx, const void *bytes, size_t len, struct err *e)
{
	(void)e;
	str_add(ctx, bytes, len);
	return 0;
}

static int
run(const struct codec *codec, enum codec_way way, struct span in, size_t step, uint64_t max,
    struct str *out)
{
	struct codec_stream stream;
	int result = codec_start(&stream, codec, way, gather, out, max, &err);

	for (; in.len > 0 && result == 0; in = span_from(in, step))
		result = codec_feed(&stream, in.p, in.len < step ? in.len : step, &err);
	if (result == 0)
		result = codec_end(&stream, &err);
	codec_free(&stream);
	return result;
}

START_TEST(every_codec_gives_back_what_it_took)
{
	static const size_t steps[] = { 1, 3, 100, 100000 };

	for (size_t c = 0; codecs[c] != NULL; c++)
		for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
			struct str packed = {0}, out = {0};
			ck_assert_int_eq(run(codecs[c], CODEC_PACK, span_of(text), steps[i], 0, &packed), 0);
			ck_assert_ptr_eq(codec_of_magic(str_span(&packed)), codecs[c]);
			ck_assert_int_eq(run(codecs[c], CODEC_UNPACK, str_span(&packed), steps[i], 0, &out), 0);
			ck_assert_str_eq(str_c(&out), text);
			str_free(&packed);
			str_free(&out);
		}
}
END_TEST

static const struct codec *
gz(void)
{
	return codec_named("gz", &err);
}

START_TEST(a_gzip_stream_cut_anywhere_is_refused)	/* ZIP-02 */
{
	struct str packed = {0};

	ck_assert_int_eq(run(gz(), CODEC_PACK, span_of(text), 1000, 0, &packed), 0);
	for (size_t len = 0; len < packed.len; len++) {
		struct str out = {0};
		ck_assert_int_eq(run(gz(), CODEC_UNPACK, span_to(str_span(&packed), len), 7, 0, &out), -1);
		ck_assert_int_eq(err_exit(&err), 65);
		str_free(&out);
	}
	str_free(&packed);
}
END_TEST

START_TEST(a_flipped_bit_never_gives_other_bytes)	/* ZIP-02 */
{
	struct str packed = {0};

	ck_assert_int_eq(run(gz(), CODEC_PACK, span_of(text), 1000, 0, &packed), 0);
	for (size_t bit = 0; bit < 8 * packed.len; bit++) {
		struct str out = {0};
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		/* A few bits of the gzip header (time, system) carry nothing. */
		if (run(gz(), CODEC_UNPACK, str_span(&packed), 1000, 0, &out) == 0)
			ck_assert_str_eq(str_c(&out), text);
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		str_free(&out);
	}
	str_free(&packed);
}
END_TEST

START_TEST(bytes_behind_a_gzip_stream_are_refused)	/* ZIP-02: also a second member */
{
	struct str packed = {0}, twice = {0}, out = {0};

	ck_assert_int_eq(run(gz(), CODEC_PACK, span_of(text), 1000, 0, &packed), 0);
	str_add_span(&twice, str_span(&packed));
	str_add_span(&twice, str_span(&packed));
	ck_assert_int_eq(run(gz(), CODEC_UNPACK, str_span(&twice), 1000, 0, &out), -1);
	str_add_char(&packed, '\n');
	for (size_t step = 1; step < 100; step++)
		ck_assert_int_eq(run(gz(), CODEC_UNPACK, str_span(&packed), step, 0, &out), -1);
	str_free(&packed);
	str_free(&twice);
	str_free(&out);
}
END_TEST

START_TEST(a_bomb_is_stopped_early)			/* ZIP-01 */
{
	struct str zeros = {0}, packed = {0}, out = {0};

	str_room(&zeros, 32 << 20);
	memset(zeros.p, 0, 32 << 20);
	zeros.len = 32 << 20;
	ck_assert_int_eq(run(gz(), CODEC_PACK, str_span(&zeros), 1 << 20, 0, &packed), 0);
	ck_assert_int_eq(run(gz(), CODEC_UNPACK, str_span(&packed), 1000, 0, &out), -1);
	ck_assert_uint_lt(out.len, 4 << 20);
	ck_assert_int_eq(err_exit(&err), 65);
	str_free(&zeros);
	str_free(&packed);
	str_free(&out);
}
END_TEST

START_TEST(the_size_limit_is_exact)
{
	size_t len = strlen(text);

	for (size_t c = 0; codecs[c] != NULL; c++)
		for (size_t max = len - 1; max <= len + 1; max++) {
			struct str packed = {0}, out = {0};
			ck_assert_int_eq(run(codecs[c], CODEC_PACK, span_of(text), 1000, 0, &packed), 0);
			ck_assert_int_eq(run(codecs[c], CODEC_UNPACK, str_span(&packed), 9, max, &out),
			    max < len ? -1 : 0);
			str_free(&packed);
			str_free(&out);
		}
}
END_TEST

START_TEST(a_slip_in_a_name_is_answered_with_the_nearest)
{
	ck_assert_ptr_null(codec_named("gzz", &err));
	ck_assert_ptr_nonnull(strstr(err.text, "did you mean gz?"));
	ck_assert_str_eq(codec_of_command("rgsmtp")->name, "gz");
	ck_assert_str_eq(codec_of_command("rsmtp")->name, "none");
	ck_assert_ptr_null(codec_of_command("rmail"));
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

int
main(void)
{
	Suite *suite = suite_create("codec");
	TCase *tcase = tcase_create("codec");
	SRunner *runner = srunner_create(suite);

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, every_codec_gives_back_what_it_took);
	tcase_add_test(tcase, a_gzip_stream_cut_anywhere_is_refused);
	tcase_add_test(tcase, a_flipped_bit_never_gives_other_bytes);
	tcase_add_test(tcase, bytes_behind_a_gzip_stream_are_refused);
	tcase_add_test(tcase, a_bomb_is_stopped_early);
	tcase_add_test(tcase, the_size_limit_is_exact);
	tcase_add_test(tcase, a_slip_in_a_name_is_answered_with_the_nearest);
	tcase_add_test(tcase, a_true_trailer_is_believed);
	tcase_add_test(tcase, no_flipped_bit_passes_the_trailer);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
