/* bsmtp: reader and writer, in memory; foreign batches, cuts and flipped bits. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bsmtp/reader.h"
#include "bsmtp/writer.h"
#include "lib/base/fs.h"
#include "tests/unit/ship.h"
#include "tests/unit/unit.h"

static struct err err;

/* What came out: "<sender>recipient,recipient|body;" for each whole message. */
struct got {
	struct str text, message;
	size_t begun;
};

static int
on_begin(void *ctx, const struct entry_info *info, const struct envelope *env,
    const struct reader_refused *refused, struct err *e)
{
	struct got *got = ctx;

	(void)info;
	(void)e;
	got->begun++;
	str_clear(&got->message);
	str_printf(&got->message, "<%.*s>", (int)env->from.len, env->from.len > 0 ? env->from.p : "");
	for (size_t i = 0; i < env->rcpts; i++)
		str_printf(&got->message, "%.*s,", (int)env->rcpt[i].to.len, env->rcpt[i].to.p);
	for (size_t i = 0; i < refused->rcpts; i++)
		str_printf(&got->message, "!%s=%.9s,", str_c(&refused->rcpt[i].to), str_c(&refused->rcpt[i].reply));
	if (refused->all != NULL)
		str_printf(&got->message, "!%.9s", refused->all);
	str_add_char(&got->message, '|');
	return 0;
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *e)
{
	struct got *got = ctx;

	(void)e;
	str_add(&got->message, bytes, len);
	return 0;
}

static int
on_end(void *ctx, struct err *e)
{
	struct got *got = ctx;

	(void)e;
	str_add_span(&got->text, str_span(&got->message));
	str_add_char(&got->text, ';');
	return 0;
}

static const struct reader_hooks hooks = { .begin = on_begin, .body = on_body, .end = on_end };

static int
read_in_steps(struct span batch, const struct codec *codec, size_t step, struct got *got)
{
	struct reader reader;
	int result = 0;

	*got = (struct got){0};
	err = (struct err){0};
	reader_start(&reader, codec, 1 << 20, &hooks, got);
	for (; batch.len > 0 && result == 0; batch = span_from(batch, step))
		result = reader_feed(&reader, batch.p, batch.len < step ? batch.len : step, &err);
	if (result == 0)
		result = reader_end(&reader, &err);
	reader_free(&reader);
	return result;
}

static void
got_free(struct got *got)
{
	str_free(&got->text);
	str_free(&got->message);
}

/* foreign batches: the text | what comes out, or "!" and words of the error */

#define M "MAIL FROM:<a@x>\n"
#define R "RCPT TO:<b@y>\n"

static const struct { const char *batch, *out; } foreign[] = {
	{ M R "DATA\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ "HELO x\n" M R "DATA\nhi\n.\nQUIT\n", "<a@x>b@y,|hi\r\n;" },
	{ "EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n", "<a@x>b@y,|hi\r\n;" },
	{ "#! rsmtp\n" M R "DATA\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ "#! rbsmtp 999999999999\n\n\n" M R "DATA\nhi\n.\n\n\n", "<a@x>b@y,|hi\r\n;" },
	{ M R "RCPT TO:<c@z>\nDATA\n..\n...\n.x\n.\n" M R "DATA\n.\n", "<a@x>b@y,c@z,|.\r\n..\r\nx\r\n;<a@x>b@y,|;" },
	{ "MAIL FROM:<>\nRCPT TO:<postmaster>\nDATA\n\n.\n", "<>postmaster,|\r\n;" },
	{ "mail from:<a@x>\nrcpt to:<b@y>\ndata\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ "MAIL FROM:<a@x> BODY=8BITMIME SIZE=7 RET=HDRS ENVID=q\nRCPT TO:<b@y> NOTIFY=NEVER\nDATA\nhi\n.\n",
	  "<a@x>b@y,|hi\r\n;" },
	{ "HELO x\nMAIL FROM:<a@x> SIZE=7\n" R "DATA\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ "TICK 1\nVERB ON\nHELP\nVRFY b\nETRN z\nSTARTTLS\nAUTH PLAIN\nTURN\n" M R "DATA\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ "RSET\nNOOP\nNOOP anything at all\n" M R "RSET\n" M R "DATA\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ M R "DATA\nhi\n.\nQUIT\n" M R "DATA\nyo\n.\nQUIT\n", "<a@x>b@y,|hi\r\n;<a@x>b@y,|yo\r\n;" },
	{ M R "BDAT 4\nhi\r\nBDAT 4 LAST\nyo\r\n", "<a@x>b@y,|hi\r\nyo\r\n;" },
	{ M R "BDAT 2 LAST\nhiQUIT\n", "<a@x>b@y,|hi;" },
	{ M R "DATA\nMAIL FROM:<evil@x>\nQUIT\n.\n", "<a@x>b@y,|MAIL FROM:<evil@x>\r\nQUIT\r\n;" },
	{ M "RCPT TO:<far!b>\nDATA\nhi\n.\n", "<a@x>far!b,|hi\r\n;" },
	/* only this message, only that recipient */
	{ "MAIL FROM:a b c\n" R "DATA\nhi\n.\n" M R "DATA\nyo\n.\n", "<>b@y,!501 5.1.7|hi\r\n;<a@x>b@y,|yo\r\n;" },
	{ "MAIL FROM:<a@x> FOO=1\n" R "DATA\nMAIL FROM:<evil@x>\n.\n", "<a@x>b@y,!555 5.5.4|MAIL FROM:<evil@x>\r\n;" },
	{ M "RCPT TO:<b@y> FOO=1\nDATA\nhi\n.\n", "<a@x>!b@y=555 5.5.4,|hi\r\n;" },
	{ M R "RCPT TO:<b b@y>\nRCPT TO:<c@z>\nDATA\nhi\n.\n", "<a@x>b@y,c@z,!b b@y=501 5.1.3,|hi\r\n;" },
	{ M "RCPT TO:<b b@y>\nBDAT 4\nQUITBDAT 4 LAST\nQUIT" M R "BDAT 2 LAST\nhi",
	  "<a@x>!b b@y=501 5.1.3,|QUITQUIT;<a@x>b@y,|hi;" },
	{ M "RCPT TO:<\"x>\nRSET\n" M R "DATA\nhi\n.\n", "<a@x>b@y,|hi\r\n;" },
	{ "MAIL FROM:<j\303\266rg@x>\nRCPT TO:<\303\274@y>\nDATA\nhi\n.\n", "<j\303\266rg@x>\303\274@y,|hi\r\n;" },
	/* cut */
	{ "", "!no message in it" },
	{ "\n\n", "!no message in it" },
	{ "HELO x\nQUIT\n", "!no message in it" },
	{ M R "DATA\nhi\n", "!cut" },
	{ M R "DATA\nhi\n.", "!cut" },
	{ M R "DATA\n", "!cut" },
	{ M R, "!cut" },		/* exim -bS exits 0 here */
	{ M, "!cut" },
	{ M R "DATA\nhi\n.\n" M, "!cut" },
	{ M R "BDAT 10 LAST\nhi\r\n", "!cut" },
	{ M R "BDAT 4\nhi\r\n", "!cut" },
	{ M R "BDAT 2\nhiEHLO x\n" M R "BDAT 2 LAST\nyo", "!broken off" },
	{ M R "BDAT 2\nhiRSET\n" M R "BDAT 2 LAST\nyo", "!broken off" },
	{ M R "DATA\nhi\n.\nQUI", "!cut" },
	/* what is passed over between commands is not passed over behind a chunk */
	{ M "BDAT 3\n\nTICK 0\n" M R "DATA\nhi\n.\n", "!line" },
	{ M "RCPT TO:<b b@y>\nBDAT 3\n\nTITICK 0\nBDAT 2 LAST\nhi", "<a@x>!b b@y=501 5.1.3,|\nTIhi;" },
	{ "#! rsmtp", "!cut" },
	/* not to be trusted */
	{ "hello\n", "!line 1: 500" },
	{ "From ann Sat Nov 21 18:45:02 2026\n\nhi\n", "!line 1: 500" },
	{ M R "DATA\nhi\n.\ngarbage\n", "!line 6: 500" },
	{ R "DATA\nhi\n.\n", "!line 1: 503" },
	{ M "DATA\nhi\n.\n", "!line 2: 503" },
	{ M R "BDAT x LAST\n", "!line 3: 501" },
	/* ours, and not whole */
	{ "NOOP mochila=1 id=1 time=2026-11-21T18:45:02Z\n" M R "BDAT 2 LAST\nhi", "!trailer is missing" },
	{ "NOOP mochila=1 id=1 time=2026-11-21T18:45:02Z\n" M R "BDAT 2 LAST\nhiQUIT\n", "!trailer is missing" },
	{ "NOOP mochila=1 id=1 time=never\n" M R "BDAT 2 LAST\nhi", "!proper time" },
	{ "NOOP mochila=2 id=1 time=2026-11-21T18:45:02Z\n" M R "BDAT 2 LAST\nhi", "!newer" },
	{ "NOOP mochila-batch count=0 sum=0000000000000000\nQUIT\n", "!altered" },
	{ M R "DATA\nhi\n.\nNOOP mochila-batch count=1 sum=0000000000000000\nQUIT\n", "!altered" },
	{ M R "DATA\nhi\n.\nNOOP mochila-batch\n", "!trailer is missing" },
};

START_TEST(what_others_write_is_read)
{
	static const size_t steps[] = { 1, 2, 5, 100000 };

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct got got;
		const char *want = foreign[_i].out;
		int result = read_in_steps(span_of(foreign[_i].batch), NULL, steps[i], &got);
		if (want[0] == '!') {
			ck_assert_int_eq(result, -1);
			ck_assert_msg(strstr(err.text, want + 1) != NULL, "%s: not %s", err.text, want + 1);
			ck_assert_msg(err_exit(&err) == 65 || err_exit(&err) == 78, "%s", err.text);
		} else {
			ck_assert_msg(result == 0, "step %zu: %s", steps[i], err.text);
			ck_assert_str_eq(str_c(&got.text), want);
		}
		got_free(&got);
	}
}
END_TEST

/* ours */

static const char *const bodies[] = {
	"Subject: one\r\n\r\nhi\r\n.\r\n", "", "no line end", "\r\n.\r\nQUIT\r\nNOOP mochila-batch count=0 sum=0\r\n",
	"From here\r\n\377\200\001\r\n",
};

static void
write_setup(const struct codec *codec, const struct writer_setup *said, struct str *batch)
{
	int fd = memfd_create("batch", MFD_CLOEXEC);
	struct writer_setup setup = *said;
	struct writer w;

	setup.scratch = fs_dir(AT_FDCWD, "/tmp", &err);

	ck_assert_int_eq(writer_start(&w, codec, &setup, fd, &err), 0);
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct entry_info info = { .time = 1795286702000000, .grade = i == 0 ? 'A' : 'N' };
		struct envelope env = {0};
		str_printf(&info.id, "20261121T184502.123456-7f3a9c02d41be066-%zu", i + 1);
		str_set(&info.client, "secret");
		envelope_from(&env, SPAN("a@x"), SPAN("RET=HDRS"));
		envelope_add(&env, SPAN("b@y"), SPAN("NOTIFY=NEVER"));
		envelope_add(&env, SPAN("\"c d\"@y"), SPAN(""));
		ck_assert_int_eq(writer_entry(&w, &info, &env, strlen(bodies[i]), &err), 0);
		ck_assert_int_eq(writer_body(&w, bodies[i], strlen(bodies[i]), &err), 0);
		ck_assert_int_eq(writer_entry_end(&w, &err), 0);
		envelope_free(&env);
		entry_info_free(&info);
	}
	ck_assert_int_eq(writer_end(&w, &err), 0);
	writer_free(&w);
	lseek(fd, 0, SEEK_SET);
	ck_assert_int_eq(fs_read_all(fd, 1 << 20, batch, &err), 0);
	close(fd);
	close(setup.scratch);
}

static void
write_batch(const struct codec *codec, struct str *batch)
{
	write_setup(codec, &(struct writer_setup){0}, batch);
}

static void
expected(struct str *out)
{
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		str_printf(out, "<a@x>b@y,\"c d\"@y,|%s;", bodies[i]);
}

/* Some take their time; with $SOAK they have it. */
static size_t
stride(const struct codec *codec)
{
	if (getenv("SOAK") != NULL)
		return 1;
	return strcmp(codec->name, "mix") == 0 ? 61 : strcmp(codec->name, "bz2") == 0 ? 5 : 1;
}

START_TEST(our_own_come_back_byte_for_byte)
{
	struct str want = {0};

	expected(&want);
	for (size_t c = 0; codecs[c] != NULL; c++)
		for (size_t step = 1; step < 70 && !codecs[c]->read_only; step += stride(codecs[c])) {
			struct str batch = {0};
			struct got got;
			write_batch(codecs[c], &batch);
			ck_assert_msg(read_in_steps(str_span(&batch), NULL, step, &got) == 0, "%s", err.text);
			ck_assert_str_eq(str_c(&got.text), str_c(&want));
			got_free(&got);
			str_free(&batch);
		}
	str_free(&want);
}
END_TEST

START_TEST(nobody_is_told_who_brought_it)
{
	struct str batch = {0};

	write_batch(codec_named("none", &err), &batch);
	ck_assert_ptr_null(strstr(str_c(&batch), "secret"));
	ck_assert_ptr_nonnull(strstr(str_c(&batch), "grade=A"));
	str_free(&batch);
}
END_TEST

START_TEST(a_batch_cut_anywhere_is_refused)	/* UUCP-04 */
{
	for (size_t c = 0; codecs[c] != NULL; c++) {
		struct str batch = {0};
		if (codecs[c]->read_only)
			continue;
		write_batch(codecs[c], &batch);
		for (size_t len = 0; len < batch.len; len += len < 40 ? 1 : stride(codecs[c])) {
			struct got got;
			ck_assert_msg(read_in_steps(span_to(str_span(&batch), len), NULL, 1000, &got) == -1,
			    "%s cut at %zu", codecs[c]->name, len);
			ck_assert_int_eq(err_exit(&err), 65);
			got_free(&got);
		}
		str_add_char(&batch, 'x');
		struct got got;
		ck_assert_int_eq(read_in_steps(str_span(&batch), NULL, 1000, &got), -1);
		got_free(&got);
		str_free(&batch);
	}
}
END_TEST

/* A flip may only be passed over where it changes nothing: in gzip's header. */
START_TEST(a_flipped_bit_never_delivers_other_mail)
{
	struct str want = {0};

	expected(&want);
	for (size_t c = 0; codecs[c] != NULL; c++) {
		struct str batch = {0};
		if (codecs[c]->read_only)
			continue;
		write_batch(codecs[c], &batch);
		for (size_t bit = 0; bit < 8 * batch.len; bit += stride(codecs[c])) {
			struct got got;
			batch.p[bit / 8] ^= (char)(1 << bit % 8);
			if (read_in_steps(str_span(&batch), codecs[c], 100000, &got) == 0)
				ck_assert_msg(strcmp(str_c(&got.text), str_c(&want)) == 0, "%s bit %zu",
				    codecs[c]->name, bit);
			batch.p[bit / 8] ^= (char)(1 << bit % 8);
			got_free(&got);
		}
		str_free(&batch);
	}
	str_free(&want);
}
END_TEST

/* The same for a batch of more than 4 KiB: no message of another, and nothing passed at the end. */

static void
write_large(const struct codec *codec, struct str *batch, struct str *want)
{
	struct writer_setup setup = { .scratch = fs_dir(AT_FDCWD, "/tmp", &err) };
	struct entry_info info = { .time = 1795286702000000, .grade = 'N' };
	struct envelope env = {0};
	struct str body = {0};
	int fd = memfd_create("batch", MFD_CLOEXEC);
	struct writer w;

	for (uint64_t i = 1; body.len < 5400; i++)
		str_printf(&body, "%c%s", (char)('!' + (i * i * 0x9e3779b97f4a7c15u >> 40) % 90), i % 64 == 0 ? "\r\n" : "");
	str_set(&info.id, "20261121T184502.123456-7f3a9c02d41be066-1");
	envelope_from(&env, SPAN("a@x"), SPAN(""));
	envelope_add(&env, SPAN("b@y"), SPAN(""));
	ck_assert_int_eq(writer_start(&w, codec, &setup, fd, &err), 0);
	for (int part = 0; part < 2; part++) {
		struct span half = part == 0 ? span_to(str_span(&body), 2400) : span_from(str_span(&body), 2400);
		ck_assert_int_eq(writer_entry(&w, &info, &env, half.len, &err), 0);
		ck_assert_int_eq(writer_body(&w, half.p, half.len, &err), 0);
		ck_assert_int_eq(writer_entry_end(&w, &err), 0);
		str_printf(want, "<a@x>b@y,|%.*s;", (int)half.len, half.p);
	}
	ck_assert_int_eq(writer_end(&w, &err), 0);
	writer_free(&w);
	lseek(fd, 0, SEEK_SET);
	ck_assert_int_eq(fs_read_all(fd, 1 << 20, batch, &err), 0);
	close(fd);
	close(setup.scratch);
	str_free(&body);
	envelope_free(&env);
	entry_info_free(&info);
}

static const char *const large[] = { "none", "gz",
#if HAVE_BZ2
	"bz2",
#endif
	"zstd-plain", "mix" };

START_TEST(no_bit_and_no_cut_of_a_larger_one_passes)
{
	const struct codec *codec = codec_named(large[_i], &err);
	size_t step = stride(codec) * stride(codec);
	struct str batch = {0}, want = {0};
	struct got got;

	write_large(codec, &batch, &want);
	ck_assert_uint_gt(batch.len, 4096);
	if (step > 1)
		printf("%s: of %zu bits and %zu cuts, one of %zu (SOAK=1: all)\n", codec->name, 8 * batch.len, batch.len, step);
	for (size_t bit = 0; bit < 8 * batch.len; bit += step) {
		batch.p[bit / 8] ^= (char)(1 << bit % 8);
		if (read_in_steps(str_span(&batch), codec, 100000, &got) == 0)
			ck_assert_msg(strcmp(str_c(&got.text), str_c(&want)) == 0, "bit %zu", bit);
		batch.p[bit / 8] ^= (char)(1 << bit % 8);
		got_free(&got);
	}
	for (size_t len = 0; len < batch.len; len += step) {
		ck_assert_msg(read_in_steps(span_to(str_span(&batch), len), codec, 100000, &got) == -1, "cut at %zu", len);
		got_free(&got);
	}
	str_free(&batch);
	str_free(&want);
}
END_TEST

START_TEST(a_batch_packed_twice_is_refused)	/* ZIP-01: one layer only */
{
	struct str batch = {0}, twice = {0};
	int fd = memfd_create("twice", MFD_CLOEXEC);
	struct writer w;
	struct got got;

	write_batch(codec_named("gz", &err), &batch);
	ck_assert_int_eq(writer_start(&w, codec_named("gz", &err), &(struct writer_setup){0}, fd, &err), 0);
	ck_assert_int_eq(writer_body(&w, batch.p, batch.len, &err), 0);
	ck_assert_int_eq(writer_end(&w, &err), 0);
	writer_free(&w);
	lseek(fd, 0, SEEK_SET);
	ck_assert_int_eq(fs_read_all(fd, 1 << 20, &twice, &err), 0);
	ck_assert_int_eq(read_in_steps(str_span(&twice), NULL, 1000, &got), -1);
	got_free(&got);
	str_free(&batch);
	str_free(&twice);
	close(fd);
}
END_TEST

/* labelled */

/* What a peer that lies could write: 0 is the truth. */
static const struct { uint64_t count, len, k, dictionary; bool sum; const char *why; } lies[] = {
	{ .count = 6, .why = "vouches for" },		/* one message more */
	{ .count = 4, .why = "vouches for" },
	{ .len = 10, .why = "more than the 10 bytes" },
	{ .len = 9999, .why = "vouches for" },
	{ .len = 9999999, .why = "taken here" },
	{ .len = UINT64_MAX, .why = "taken here" },
	{ .sum = true, .why = "vouches for" },
	{ .k = 7, .why = "commit 7 of a history that is not here" },
	{ .dictionary = UINT32_MAX, .why = "dictionary 4294967295" },
};

static void
forge(const struct str *batch, size_t row, struct str *out)
{
	struct span frame = str_span(batch);
	struct label label;

	ck_assert_int_eq(label_take(&frame, &label, &err), 1);
	label.count = lies[row].count > 0 ? lies[row].count : label.count;
	label.len = lies[row].len > 0 ? lies[row].len : label.len;
	label.dictionary = lies[row].dictionary;
	label.sum[7] ^= lies[row].sum;
	label.has_ref = lies[row].k > 0;
	label.mark.k = lies[row].k;
	label.units = 1;
	label_put(&label, out);
	str_add_span(out, frame);
}

START_TEST(a_label_that_lies_is_found_out)
{
	struct str batch = {0}, forged = {0};
	struct got got;

	write_batch(codec_named("zstd-plain", &err), &batch);
	forge(&batch, (size_t)_i, &forged);
	ck_assert_int_eq(read_in_steps(str_span(&forged), NULL, 50, &got), -1);
	ck_assert_msg(strstr(err.text, lies[_i].why) != NULL, "%s: not %s", err.text, lies[_i].why);
	got_free(&got);
	str_free(&batch);
	str_free(&forged);
}
END_TEST

static int
on_travels(void *ctx, const void *bytes, size_t len, struct err *e)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	(void)e;
	return 0;
}

/* Where there will be history, bytes are dear from the first batch on. */
START_TEST(the_first_metered_batch_is_mixed_too)
{
	struct writer_setup setup = { .pack.level = LEVEL_METERED };
	struct str batch = {0}, want = {0};
	struct label label;
	struct got got;

	for (int kept = 0; kept < 2; kept++) {
		setup.travels = kept ? on_travels : NULL;
		str_clear(&batch);
		write_setup(codec_named("zstd", &err), &setup, &batch);
		struct span rest = str_span(&batch);
		ck_assert_int_eq(label_take(&rest, &label, &err), 1);
		ck_assert_str_eq(label.codec->name, kept ? "mix" : "zstd");
	}
	expected(&want);
	ck_assert_msg(read_in_steps(str_span(&batch), NULL, 50, &got) == 0, "%s", err.text);
	ck_assert_str_eq(str_c(&got.text), str_c(&want));
	got_free(&got);
	str_free(&batch);
	str_free(&want);
}
END_TEST

START_TEST(a_newer_batch_waits_for_a_newer_mochila)
{
	struct got got;

	for (size_t i = 0; i < 2; i++) {
		const char *batch = i == 0 ? "mb2 whatever there may be\nanything" : "\226whatever there may be";
		ck_assert_int_eq(read_in_steps(span_of(batch), NULL, 7, &got), -1);
		ck_assert_int_eq(err_exit(&err), 78);
		ck_assert_uint_eq(got.begun, 0);
		got_free(&got);
	}
}
END_TEST

static uint64_t
dictionary_of(const struct str *batch)
{
	struct span rest = str_span(batch);
	struct label label;

	ck_assert_int_eq(label_take(&rest, &label, &err), 1);
	return label.dictionary;
}

START_TEST(a_dictionary_is_read_by_those_who_have_it)
{
	struct str batch = {0}, alone = {0}, want = {0};
	struct got got;

	ship("bsmtp/dictionary");
	write_batch(codec_named("zstd", &err), &batch);
	write_batch(codec_named("zstd-plain", &err), &alone);
	ck_assert_uint_eq(dictionary_of(&batch), 1);
	ck_assert_uint_lt(batch.len + 50, alone.len);
	expected(&want);
	ck_assert_msg(read_in_steps(str_span(&batch), NULL, 100, &got) == 0, "%s", err.text);
	ck_assert_str_eq(str_c(&got.text), str_c(&want));
	got_free(&got);
	ship("tests");
	ck_assert_int_eq(read_in_steps(str_span(&batch), NULL, 100, &got), -1);
	ck_assert_int_eq(err_exit(&err), 75);
	ck_assert_ptr_nonnull(strstr(err.text, "must pack it again with codec zstd-plain"));
	got_free(&got);
	/* Who has lost it can still send. */
	str_clear(&batch);
	write_batch(codec_named("zstd", &err), &batch);
	ck_assert_uint_eq(dictionary_of(&batch), 0);
	ck_assert_int_eq(read_in_steps(str_span(&batch), NULL, 100, &got), 0);
	got_free(&got);
	str_free(&batch);
	str_free(&alone);
	str_free(&want);
}
END_TEST

START_TEST(a_dictionary_that_was_never_shipped_is_asked_for)
{
	struct str batch = {0}, forged = {0};
	struct got got;

	ship("bsmtp/dictionary");
	write_batch(codec_named("zstd", &err), &batch);
	struct span frame = str_span(&batch);
	struct label label;
	ck_assert_int_eq(label_take(&frame, &label, &err), 1);
	label.dictionary = 77;
	label_put(&label, &forged);
	str_add_span(&forged, frame);
	ck_assert_int_eq(read_in_steps(str_span(&forged), NULL, 100, &got), -1);
	ck_assert_int_eq(err_exit(&err), 75);
	ck_assert_ptr_nonnull(strstr(err.text, "dictionary 77"));
	got_free(&got);
	str_free(&batch);
	str_free(&forged);
}
END_TEST

/* history: the receiver hands out what the label asks for, and keeps what travelled */

struct past {
	struct got got;
	struct str history, travelled;
};

static int
on_history(void *ctx, const struct label *label, struct codec_setup *setup, struct err *e)
{
	struct past *ring = ctx;

	if (label->mark.k != 7 || label->mark.link >> 48 != 77 || strcmp(label->class, "us") != 0)
		return err_set(e, ERR_TEMP, "no reference");
	setup->prefix = str_span(&ring->history);
	return 0;
}

static int
on_travelled(void *ctx, const char *bytes, size_t len, struct err *e)
{
	struct past *ring = ctx;

	(void)e;
	str_add(&ring->travelled, bytes, len);
	return 0;
}

static int
read_with_past(struct span batch, struct past *ring)
{
	static const struct reader_hooks with_history = { .begin = on_begin, .body = on_body, .end = on_end,
		.travelled = on_travelled, .history = on_history };
	struct reader reader;

	reader_start(&reader, NULL, 1 << 20, &with_history, ring);
	int result = reader_feed(&reader, batch.p, batch.len, &err);
	if (result == 0)
		result = reader_end(&reader, &err);
	reader_free(&reader);
	return result;
}

START_TEST(the_second_batch_stands_on_the_first)
{
	struct writer_setup setup = { .label = { .has_ref = true, .mark = { 7, 77ULL << 48 }, .units = 1, .class = "us" } };
	struct str first = {0}, second = {0}, want = {0};
	struct past ring = {0};

	write_batch(codec_named("zstd", &err), &first);
	ck_assert_msg(read_with_past(str_span(&first), &ring) == 0, "%s", err.text);
	str_add_span(&ring.history, str_span(&ring.travelled));
	setup.pack.prefix = str_span(&ring.history);
	write_setup(codec_named("zstd", &err), &setup, &second);
	ck_assert_uint_lt(second.len, 110);
	got_free(&ring.got);
	ring.got = (struct got){0};
	expected(&want);
	ck_assert_msg(read_with_past(str_span(&second), &ring) == 0, "%s", err.text);
	ck_assert_str_eq(str_c(&ring.got.text), str_c(&want));
	/* Another history of the same length, and none that is known. */
	ring.history.p[ring.history.len / 2] ^= 1;
	ck_assert_int_eq(read_with_past(str_span(&second), &ring), -1);
	ck_assert_int_eq(err_exit(&err), 65);
	setup.label.mark.k = 8;
	str_clear(&second);
	write_setup(codec_named("zstd", &err), &setup, &second);
	ck_assert_int_eq(read_with_past(str_span(&second), &ring), -1);
	ck_assert_int_eq(err_exit(&err), 75);
	got_free(&ring.got);
	str_free(&ring.history);
	str_free(&ring.travelled);
	str_free(&first);
	str_free(&second);
	str_free(&want);
}
END_TEST

UNIT("batch",
	{ what_others_write_is_read, ROWS(foreign) },
	{ our_own_come_back_byte_for_byte, 1 },
	{ nobody_is_told_who_brought_it, 1 },
	{ a_batch_cut_anywhere_is_refused, 1 },
	{ a_flipped_bit_never_delivers_other_mail, 1 },
	{ no_bit_and_no_cut_of_a_larger_one_passes, ROWS(large) },
	{ a_batch_packed_twice_is_refused, 1 },
	{ a_label_that_lies_is_found_out, ROWS(lies) },
	{ the_first_metered_batch_is_mixed_too, 1 },
	{ a_newer_batch_waits_for_a_newer_mochila, 1 },
	{ a_dictionary_is_read_by_those_who_have_it, 1 },
	{ a_dictionary_that_was_never_shipped_is_asked_for, 1 },
	{ the_second_batch_stands_on_the_first, 1 })
