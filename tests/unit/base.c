/* lib/base: str, err, log, clock, digest, fs, opt, child. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/closed.h"
#include "lib/base/closer.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/number.h"
#include "lib/base/opt.h"
#include "lib/base/slim.h"
#include "lib/base/words.h"

#define COUNT(array) ((int)(sizeof (array) / sizeof (array)[0]))

static struct str out;		/* every test process starts with an empty one */
static struct err err;

/* str */

START_TEST(a_string_grows_and_is_cut)
{
	str_printf(&out, "%d-%s", 42, "x");
	str_add(&out, "\0y", 2);
	ck_assert_uint_eq(out.len, 6);
	ck_assert_mem_eq(str_c(&out), "42-x\0y", 7);
	str_cut(&out, 3);
	ck_assert(span_is(str_span(&out), "x\0y") == false && out.len == 3);
	str_set(&out, NULL);
	ck_assert_str_eq(str_c(&out), "");
	for (int i = 0; i < 10000; i++)
		str_add_text(&out, "0123456789");
	ck_assert_uint_eq(out.len, 100000);
	str_cut(&out, 200000);
	ck_assert_uint_eq(out.len, 0);
	str_free(&out);
	ck_assert_str_eq(str_c(&out), "");
}
END_TEST

START_TEST(spans_are_cut_into_words)
{
	struct span rest = SPAN("a=b=c"), head;

	ck_assert(span_cut(&rest, '=', &head) && span_is(head, "a") && span_is(rest, "b=c"));
	ck_assert(span_cut(&rest, ';', &head) && span_is(head, "b=c"));
	ck_assert(!span_cut(&rest, '=', &head));
	rest = SPAN("x=");
	ck_assert(span_cut(&rest, '=', &head) && span_cut(&rest, '=', &head) && head.len == 0);
	ck_assert(!span_cut(&rest, '=', &head));
	rest = SPAN(" \tone  two ");
	ck_assert(span_is(span_word(&rest), "one") && span_is(span_word(&rest), "two"));
	ck_assert_uint_eq(span_word(&rest).len, 0);
	ck_assert(span_lists(SPAN("PLAIN LOGIN"), SPAN("login")) && !span_lists(SPAN("PLAIN LOGIN"), SPAN("LOG")));
	ck_assert(!span_lists(span_of(NULL), SPAN("x")) && !span_lists(SPAN("x y"), SPAN("")));
	ck_assert(span_is(span_trim(SPAN(" \t x y\t ")), "x y"));
	ck_assert_uint_eq(span_trim(SPAN("  ")).len, 0);
	ck_assert(span_is(span_from(SPAN("abc"), 9), "") && span_is(span_to(SPAN("abc"), 9), "abc"));
	ck_assert(span_is_case(SPAN("MaIl"), "mail") && !span_is_case(SPAN("mails"), "mail"));
	ck_assert(span_ends_case(SPAN("a.EXAMPLE"), ".example") && !span_begins(SPAN("a"), "ab"));
	ck_assert(span_same((struct span){0}, SPAN("")));
}
END_TEST

START_TEST(a_text_has_letters_digits_and_those_beside)
{
	ck_assert(span_has_only(SPAN("azAZ09"), "") && span_has_only(SPAN(""), ""));
	ck_assert(span_has_only(SPAN("a-b_c"), "_-") && !span_has_only(SPAN("a.b"), "_-"));
	ck_assert(span_is_host(SPAN("mx-1.ex_ample.org")) && span_is_host(SPAN("a")) && !span_is_host(SPAN("")));
	ck_assert(!span_is_host(SPAN("-oa")) && !span_is_host(SPAN(".a")) && !span_is_host(SPAN("a b")));
	for (const char *c = "@[`{/:\x7f\x80\xe9"; *c != '\0'; c++)
		ck_assert_msg(!span_has_only((struct span){ c, 1 }, "-"), "%#x", (unsigned char)*c);
	ck_assert_msg(!span_has_only((struct span){ "a\0b", 3 }, ".-_"), "a text's end is no letter of it");
}
END_TEST

static const struct { uint64_t a, b, by, share; } shares[] = {
	{ 10, 3, 4, 7 }, { 0, 9, 4, 0 }, { 9, 0, 4, 0 }, { 5, 1000000, 1, 5000000 },
	{ UINT64_MAX, 1, 1, UINT64_MAX }, { UINT64_MAX, 2, 1, UINT64_MAX }, { UINT64_MAX, 2, 4, UINT64_MAX / 2 },
	{ 16986673, UINT64_C(17548739496991546893), 33196417, UINT64_C(8979725113031924223) },
	{ UINT64_C(1) << 50, 1000000, UINT64_C(1) << 50, 1000000 }, { (UINT64_C(1) << 50) - 1, 1000000, UINT64_C(1) << 50, 999999 },
};

START_TEST(a_share_is_told_without_going_over)
{
	ck_assert_uint_eq(number_share(shares[_i].a, shares[_i].b, shares[_i].by, false), shares[_i].share);
	ck_assert_uint_eq(number_share(7, 3, 10, true), 3);
	ck_assert_uint_eq(number_share(7, 3, 7, true), 3);
}
END_TEST

static const struct { const char *text, *pattern; bool matches; } globs[] = {
	{ "ann@example.org", "ann@example.org", true }, { "Ann@Example.ORG", "ann@example.org", true },
	{ "ann@example.org", "*@example.org", true }, { "ann@example.org", "*@example.com", false },
	{ "ann@example.org", "a?n@*", true }, { "ann@example.org", "an?@*.o*g", true },
	{ "ann@example.org", "ann", false }, { "ann", "ann@*", false }, { "ann", "ann*", true },
	{ "", "", true }, { "", "*", true }, { "", "?", false }, { "a", "", false }, { "aab", "*ab", true },
	{ "a*b", "a*b", true }, { "abcabd", "*abd", true }, { "[x]", "[x]", true }, { "x", "[x]", false },
};

START_TEST(a_glob_matches_all_of_a_text)
{
	ck_assert(span_glob(span_of(globs[_i].text), globs[_i].pattern) == globs[_i].matches);
}
END_TEST

START_TEST(a_hostile_glob_takes_no_time)		/* FLT-02: 1 MiB in 50 ms */
{
	char *text = mem_get(1 << 20);
	int64_t begun = clock_mono();

	memset(text, 'a', 1 << 20);
	ck_assert(!span_glob((struct span){ text, 1 << 20 }, "*a*a*a*a*a*a*a*a*b"));
	ck_assert_int_lt(clock_mono() - begun, CLOCK_SECOND / 5);	/* on a busy machine, too */
	free(text);
}
END_TEST

static const struct { const char *text; uint64_t max; int64_t number; } decimals[] = {
	{ "0", 9, 0 }, { "9", 9, 9 }, { "2", 1, -1 }, { "1", 0, -1 }, { "0", 0, 0 }, { "12", 11, -1 }, { "10", 9, -1 }, { "007", 9, 7 }, { "", 9, -1 }, { "-1", 9, -1 },
	{ "+1", 9, -1 }, { " 1", 9, -1 }, { "1x", 9, -1 }, { "18446744073709551616", UINT64_MAX, -1 },
	{ "99999999999999999999999999", UINT64_MAX, -1 }, { "9223372036854775807", INT64_MAX, INT64_MAX },
};

START_TEST(a_decimal_is_checked)
{
	uint64_t number = 12345;
	int result = span_number(span_of(decimals[_i].text), decimals[_i].max, &number);

	ck_assert_int_eq(result, decimals[_i].number < 0 ? -1 : 0);
	ck_assert_uint_eq(number, decimals[_i].number < 0 ? 12345 : (uint64_t)decimals[_i].number);
	ck_assert_int_eq(span_decimal((struct span){0}, 6, &number), -1);
}
END_TEST

/* err */

static const struct {
	enum err_kind kind;
	int exit;
	const char *code;
	int status;
	const char *reply;
} errors[] = {
	{ ERR_NONE, 0, NULL, EX_OK, "250 2.0.0 why" },
	{ ERR_TEMP, 0, NULL, EX_TEMPFAIL, "451 4.3.0 why" },
	{ ERR_TEMP, 0, "4.3.1", EX_TEMPFAIL, "452 4.3.1 why" },
	{ ERR_PERM, 0, NULL, EX_DATAERR, "554 5.0.0 why" },
	{ ERR_PERM, EX_NOUSER, "5.1.1", EX_NOUSER, "554 5.1.1 why" },
	{ ERR_PERM, 0, "5.3.4", EX_DATAERR, "552 5.3.4 why" },
	{ ERR_CONFIG, 0, NULL, EX_CONFIG, "451 4.3.5 why" },
	{ ERR_CONFIG, EX_USAGE, NULL, EX_USAGE, "451 4.3.5 why" },
};

START_TEST(an_error_becomes_a_reply_and_a_status)
{
	ck_assert_int_eq(err_set(&err, errors[_i].kind, "%s", "why"), -1);
	err_as(&err, errors[_i].exit, errors[_i].code);
	ck_assert_int_eq(err_exit(&err), errors[_i].status);
	err_reply(&err, &out);
	ck_assert_str_eq(str_c(&out), errors[_i].reply);
}
END_TEST

START_TEST(an_error_is_one_printable_reply_line_however_long)
{
	char *longer = mem_get(5000);

	memset(longer, 'x', 4999);
	err_set(&err, ERR_TEMP, "a\r\nb\033%s", longer);
	for (int i = 0; i < 100; i++)
		err_prefix(&err, "layer %d %s", i, longer);
	err_prefix(&err, "top");
	err_reply(&err, &out);
	ck_assert_ptr_nonnull(strstr(str_c(&out), "451 4.3.0 top: layer 99 "));
	for (size_t i = 0; i < out.len; i++)
		ck_assert(out.p[i] >= ' ' && out.p[i] <= '~');
	free(longer);
}
END_TEST

START_TEST(what_time_cannot_heal_waits_for_a_person)
{
	errno = EACCES;
	err_sys(&err, "file");
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	errno = ENOSPC;
	err_sys(&err, "file");
	ck_assert_int_eq(err.kind, ERR_TEMP);
	ck_assert_str_eq(err.code, "4.3.1");
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

/* log, clock, digest */

static const char *const escapes[][2] = {
	{ "plain text", "plain text" },
	{ "a\\b", "a\\\\b" },
	{ "\r\n\033[2J", "\\x0D\\x0A\\x1B[2J" },
	{ "\xc3\xa9\x7f", "\\xC3\\xA9\\x7F" },
	{ "%s%n", "%s%n" },
};

START_TEST(the_log_encodes_what_is_not_printable)
{
	log_escape(&out, span_of(escapes[_i][0]), 1024);
	ck_assert_str_eq(str_c(&out), escapes[_i][1]);
	str_clear(&out);
	log_escape(&out, SPAN("0123456789"), 4);
	ck_assert_str_eq(str_c(&out), "0123[...]");
}
END_TEST

static const struct { const char *text; int64_t seconds; } times[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2026-11-21T18:45:02Z", 1795286702 },
	{ "2000-02-29T23:59:59Z", 951868799 },
	{ "2026-11-21 18:45:02Z", -1 },
	{ "2026-13-21T18:45:02Z", -1 },
	{ "2026-02-29T18:45:02Z", -1 },
	{ "2026-04-31T18:45:02Z", -1 },
	{ "2026-11-21T24:45:02Z", -1 },
	{ "2026-11-21T18:45:02", -1 },
	{ "2026-11-21T18:45:02ZZ", -1 },
	{ "", -1 },
};

START_TEST(a_time_is_written_and_read_alike)
{
	int64_t when = 7;
	int result = clock_parse_utc(span_of(times[_i].text), &when);

	ck_assert_int_eq(result, times[_i].seconds < 0 ? -1 : 0);
	if (result < 0)
		return;
	ck_assert_int_eq(when, times[_i].seconds * CLOCK_SECOND);
	clock_utc(when + 999999, &out);
	ck_assert_str_eq(str_c(&out), times[_i].text);
}
END_TEST

START_TEST(the_clock_can_be_frozen)
{
	clock_set(42 * CLOCK_SECOND);
	ck_assert_int_eq(clock_now(), 42 * CLOCK_SECOND);
	clock_set(0);
	int64_t before = clock_mono();
	ck_assert_int_ge(clock_mono(), before);
	ck_assert_int_gt(clock_now(), INT64_C(1700000000) * CLOCK_SECOND);
}
END_TEST

START_TEST(a_digest_is_sha_256_in_any_pieces)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct digest digest = {0};
	unsigned char sum[DIGEST_SIZE], peek[DIGEST_SIZE];

	digest_start(&digest);
	digest_add(&digest, "a", 1);
	digest_peek(&digest, peek);
	digest_add(&digest, "bc", 2);
	digest_end(&digest, sum);
	digest_hex(sum, sizeof sum, &out);
	ck_assert_str_eq(str_c(&out), abc);
	digest_of("a", 1, sum);
	ck_assert_mem_eq(sum, peek, sizeof sum);
	digest_free(&digest);
	random_bytes(sum, sizeof sum);
	random_bytes(peek, sizeof peek);
	ck_assert_mem_ne(sum, peek, sizeof sum);
}
END_TEST

/* fs: in a folder of its own below where the test runs */

static int folder;

static void
make_folder(void)
{
	char name[] = "base-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(name));
	ck_assert_int_eq(chdir(name), 0);
	folder = fs_dir(AT_FDCWD, ".", &err);
	ck_assert_int_ge(folder, 0);
}

static void
remove_folder(void)
{
	struct fs_names names;
	char here[4096];

	ck_assert_int_eq(fs_names(folder, ".", &names, &err), 0);
	for (size_t i = 0; i < names.count; i++)
		if (unlinkat(folder, names.name[i], 0) < 0)
			unlinkat(folder, names.name[i], AT_REMOVEDIR);
	fs_names_free(&names);
	close(folder);
	ck_assert_ptr_nonnull(getcwd(here, sizeof here));
	ck_assert_int_eq(chdir(".."), 0);
	ck_assert_int_eq(rmdir(here), 0);
}

START_TEST(a_file_is_replaced_whole)
{
	struct stat st;

	ck_assert_int_eq(fs_replace(folder, "file", SPAN("one"), 0600, &err), 0);
	ck_assert_int_eq(fs_replace(folder, ".new-file", SPAN("left over"), 0600, &err), 0);
	ck_assert_int_eq(fs_replace(folder, "file", SPAN("two"), 0640, &err), 0);
	ck_assert_int_eq(fs_load(folder, "file", 3, &out, &err), 0);
	ck_assert_str_eq(str_c(&out), "two");
	ck_assert_int_eq(fstatat(folder, "file", &st, 0), 0);
	ck_assert_int_eq(fstatat(folder, ".new-file", &st, 0), -1);
	ck_assert_int_eq(fs_load(folder, "file", 2, &out, &err), -1);
	ck_assert_int_eq(err.kind, ERR_PERM);
	ck_assert_int_eq(fs_load(folder, "none", 2, &out, &err), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_int_eq(fs_remove(folder, "none", &err), 0);
}
END_TEST

START_TEST(a_planted_link_or_device_is_not_opened)
{
	ck_assert_int_eq(fs_replace(folder, "file", SPAN("x"), 0600, &err), 0);
	ck_assert_int_eq(symlinkat("file", folder, "link"), 0);
	ck_assert_int_eq(mkfifoat(folder, "fifo", 0600), 0);
	ck_assert_int_eq(fs_open(folder, "link", O_RDONLY, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_int_eq(fs_open(folder, "fifo", O_RDONLY, &err), -1);
	ck_assert_int_eq(fs_open(folder, ".", O_RDONLY, &err), -1);
	ck_assert_int_eq(fs_open(AT_FDCWD, "/dev/null", O_RDONLY, &err), -1);
	ck_assert_int_eq(fs_create(folder, "link", 0600, &err), -1);
	ck_assert_int_eq(fs_create(folder, "file", 0600, &err), -1);
}
END_TEST

START_TEST(folders_are_made_once_and_listed_in_order)
{
	struct fs_names names;

	ck_assert_int_eq(fs_make_dir(folder, "b", 0700, &err), 0);
	ck_assert_int_eq(fs_make_dir(folder, "b", 0700, &err), 0);
	ck_assert_int_eq(fs_make_dir(folder, "none/c", 0700, &err), -1);
	ck_assert_int_eq(fs_replace(folder, "a", SPAN(""), 0600, &err), 0);
	ck_assert_int_eq(fs_names(folder, ".", &names, &err), 0);
	ck_assert_uint_eq(names.count, 2);
	ck_assert_str_eq(names.name[0], "a");
	ck_assert_str_eq(names.name[1], "b");
	fs_names_free(&names);
	ck_assert_int_eq(fs_names(folder, "none", &names, &err), -1);
	fs_names_free(&names);
}
END_TEST

START_TEST(a_lock_has_one_holder)
{
	int first = fs_lock(folder, "lock", false, &err);

	ck_assert_int_ge(first, 0);
	ck_assert_int_eq(fs_lock(folder, "lock", false, &err), -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	close(first);
	int second = fs_lock(folder, "lock", false, &err);
	ck_assert_int_ge(second, 0);
	close(second);
}
END_TEST

START_TEST(a_name_is_known_to_be_of_another_file)
{
	int fd = fs_create(folder, "file", 0600, &err);

	ck_assert(fs_is(fd, folder, "file"));
	ck_assert_int_eq(fs_rename(folder, "file", folder, "moved", &err), 0);
	ck_assert(!fs_is(fd, folder, "file"));
	ck_assert(fs_is(fd, folder, "moved"));
	ck_assert_int_eq(fs_replace(folder, "moved", SPAN("another"), 0600, &err), 0);
	ck_assert(!fs_is(fd, folder, "moved"));
	ck_assert_int_eq(symlinkat("moved", folder, "link"), 0);
	int other = fs_open(folder, "moved", O_RDONLY, &err);
	ck_assert(fs_is(other, folder, "moved"));
	ck_assert(!fs_is(other, folder, "link"));
	close(other);
	close(fd);
}
END_TEST

START_TEST(bytes_are_read_where_they_lie)
{
	char bytes[8] = {0};
	int fd = fs_create(folder, "file", 0600, &err);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write(fd, "abcdef", 6, &err), 0);
	ck_assert_int_eq(fs_pwrite(fd, "XY", 2, 2, &err), 0);
	ck_assert_int_eq((int)fs_pread(fd, bytes, 8, 1, &err), 5);
	ck_assert_str_eq(bytes, "bXYef");
	ck_assert_int_eq((int)fs_pread(fd, bytes, 8, 100, &err), 0);
	ck_assert_int_eq(fs_sync(fd, &err), 0);
	ck_assert_int_eq(fs_sync_data(fd, &err), 0);
	close(fd);
	ck_assert_int_eq(fs_write(fd, "x", 1, &err), -1);
}
END_TEST

/* opt */

struct said {
	const char *site;
	bool quiet;
	struct opt_list set;
};

static int
parse(struct said *said, const char *const *words, bool ends, int *argc, char ***argv)
{
	const struct opt_row rows[] = {
		{ "site", 's', "SITE", "call this site", OPT_TEXT, &said->site },
		{ "quiet", 'q', NULL, "say nothing", OPT_FLAG, &said->quiet },
		{ "set", 0, "WORD", "say it", OPT_LIST, &said->set },
		{0},
	};

	opt_help("prog [options]", "Does things.", rows, &out);
	*argv = (char **)(uintptr_t)words;
	for (*argc = 0; words[*argc] != NULL; ++*argc)
		;
	return opt_parse(rows, ends, argc, argv, &err);
}

/* RFC 2195 section 2, and a key longer than a block. */
START_TEST(an_hmac_goes_on_from_its_states)
{
	static const char longer[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
	unsigned char states[2 * DIGEST_MD5_SIZE], sum[DIGEST_MD5_SIZE], whole[DIGEST_MD5_SIZE];
	struct span text = SPAN("<1896.697170952@postoffice.reston.mci.net>");
	struct str hex = {0};

	digest_hmac_md5_states(SPAN("tanstaaftanstaaf"), states);
	digest_hmac_md5_from(states, text, sum);
	digest_hex(sum, sizeof sum, &hex);
	ck_assert_str_eq(str_c(&hex), "b913a602c7eda7a495b4e6e7334d3890");
	digest_hmac_md5_states(span_of(longer), states);
	digest_hmac_md5_from(states, text, sum);
	digest_hmac_md5(span_of(longer), text, whole);
	ck_assert_mem_eq(sum, whole, sizeof sum);
	str_free(&hex);
}
END_TEST

START_TEST(options_are_read_by_their_rows)
{
	const char *words[] = { "prog", "-q", "--set=a", "file", "--set", "b", "-shub", NULL };
	struct said said = {0};
	int argc;
	char **argv;

	ck_assert_int_eq(parse(&said, words, false, &argc, &argv), 0);
	ck_assert(said.quiet && said.set.count == 2 && argc == 1);
	ck_assert_str_eq(said.set.text[1], "b");
	ck_assert_str_eq(said.site, "hub");
	ck_assert_str_eq(argv[0], "file");
	ck_assert_ptr_nonnull(strstr(str_c(&out), "  -s, --site=SITE            call this site\n"));
	opt_list_free(&said.set);
}
END_TEST

START_TEST(a_sub_command_keeps_its_options)
{
	const char *words[] = { "prog", "-q", "list", "-s", "x", NULL };
	struct said said = {0};
	int argc;
	char **argv;

	ck_assert_int_eq(parse(&said, words, true, &argc, &argv), 0);
	ck_assert(said.quiet && said.site == NULL && argc == 3);
	ck_assert_str_eq(argv[0], "list");
}
END_TEST

static const char *const wrong[][3] = { { "prog", "--nope" }, { "prog", "-s" }, { "prog", "-x" },
	{ "prog", "--s" }, { "prog", "--quiet=1" } };

START_TEST(a_wrong_option_is_a_matter_of_usage)
{
	struct said said = {0};
	int argc;
	char **argv;

	ck_assert_int_eq(parse(&said, wrong[_i], true, &argc, &argv), -1);
	ck_assert_int_eq(err_exit(&err), EX_USAGE);
}
END_TEST

/* child */

static const struct { const char *script; int status; enum err_kind kind; } children[] = {
	{ "exit 0", 0, ERR_NONE },
	{ "exit 75", 75, ERR_TEMP },
	{ "exit 78", 78, ERR_CONFIG },
	{ "exit 67", 67, ERR_PERM },
	{ "kill -KILL $$", 137, ERR_TEMP },
	{ "test \"$SECRET\" = '' && test \"$MOCHILA_X\" = y", 0, ERR_NONE },	/* the clean environment */
	{ "! read line", 0, ERR_NONE },		/* stdin is /dev/null */
	{ "for n in 3 4 5 6 7 8 9; do test ! -e /proc/$$/fd/$n || exit 1; done", 0, ERR_NONE },
};

START_TEST(a_child_gets_what_is_named_and_tells_its_status)
{
	const char *argv[] = { "/bin/sh", "-c", children[_i].script, NULL };
	struct child child = { .argv = argv, .in = -1, .out = -1, .errors = 2 };
	int status = -1, kept = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setenv("SECRET", "x", 1);
	setenv("MOCHILA_X", "y", 1);
	ck_assert_int_eq(child_run(&child, 10, &status, &err), 0);
	ck_assert_int_eq(status, children[_i].status);
	child_status(status, "sh", &err);
	ck_assert_int_eq(err.kind, children[_i].kind);
	ck_assert_int_eq(err_exit(&err), err.kind == ERR_TEMP ? EX_TEMPFAIL : status);
	close(kept);
}
END_TEST

START_TEST(a_child_that_does_not_end_is_ended)
{
	const char *argv[] = { "/bin/sleep", "60", NULL };
	struct child child = { .argv = argv, .in = -1, .out = -1, .errors = 2 };
	int status = -1;

	ck_assert_int_eq(child_run(&child, 1, &status, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	ck_assert_int_eq(status, 128 + 9);
}
END_TEST

static const char *const no_programs[] = { "/no/such/program", "sh", "/etc/passwd", "/" };

START_TEST(a_program_that_cannot_be_run_waits_for_a_person)
{
	const char *argv[] = { no_programs[_i], NULL };
	struct child child = { .argv = argv, .in = -1, .out = -1, .errors = 2 };

	ck_assert_int_eq(child_start(&child, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, no_programs[_i]));
}
END_TEST

static void
with_folder(Suite *suite)
{
	TCase *tests = tcase_create("fs");

	tcase_add_checked_fixture(tests, make_folder, remove_folder);
	tcase_add_test(tests, a_file_is_replaced_whole);
	tcase_add_test(tests, a_planted_link_or_device_is_not_opened);
	tcase_add_test(tests, folders_are_made_once_and_listed_in_order);
	tcase_add_test(tests, a_lock_has_one_holder);
	tcase_add_test(tests, a_name_is_known_to_be_of_another_file);
	tcase_add_test(tests, bytes_are_read_where_they_lie);
	suite_add_tcase(suite, tests);
}

/* --- files that hold a secret --- */

static const struct {
	const char *text, *name;	/* NULL: it is not taken */
	mode_t mode;
} logins[] = {
	{ "ann secret\n", "ann", 0600 }, { "ann\nsecret", "ann", 0600 }, { "ann\r\nsecret\r\n", "ann", 0400 },
	{ "ann", NULL, 0600 }, { "", NULL, 0600 }, { "ann secret more", NULL, 0600 },
	{ "ann secret", NULL, 0640 }, { "ann secret", NULL, 0602 },
};

static bool
log_has(int dir, const char *name, const char *line)
{
	struct str text = {0};

	ck_assert_int_eq(fs_load(dir, name, 1 << 20, &text, &err), 0);
	bool has = strstr(str_c(&text), line) != NULL;
	str_free(&text);
	return has;
}

START_TEST(lines_that_wait_are_in_the_log_of_then)
{
	char place[] = "/tmp/mochila-log-XXXXXX", path[40];

	ck_assert_ptr_nonnull(mkdtemp(place));
	int dir = fs_dir(AT_FDCWD, place, &err);
	snprintf(path, sizeof path, "%s/now", place);
	ck_assert_int_eq(log_open("base", path, LOG_LEVEL_INFO, &err), 0);
	log_gather();
	log_info("first");
	ck_assert(!log_has(dir, "now", "first"));
	ck_assert_int_eq(renameat(dir, "now", dir, "then"), 0);
	log_reopen();
	log_info("second");
	log_close();
	log_write();
	ck_assert(log_has(dir, "then", "first") && !log_has(dir, "then", "second"));
	ck_assert(log_has(dir, "now", "second") && !log_has(dir, "now", "first"));
	unlinkat(dir, "now", 0);
	unlinkat(dir, "then", 0);
	close(dir);
	rmdir(place);
}
END_TEST

START_TEST(a_login_is_read_from_a_file_that_is_closed)
{
	char path[] = "closed.XXXXXX";
	struct str name = {0}, password = {0};
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, logins[_i].text, strlen(logins[_i].text)), (int)strlen(logins[_i].text));
	fchmod(fd, logins[_i].mode);
	close(fd);
	err = (struct err){0};
	int result = closed_login(path, "login", &name, &password, &err);
	unlink(path);
	ck_assert_int_eq(result, logins[_i].name != NULL ? 0 : -1);
	if (result == 0) {
		ck_assert_str_eq(str_c(&name), logins[_i].name);
		ck_assert_str_eq(str_c(&password), "secret");
	} else {
		ck_assert_int_eq(err.kind, ERR_CONFIG);
	}
	err = (struct err){0};
	ck_assert_int_eq(closed_login(path, "login", &name, &password, &err), -1);	/* it has gone */
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	closed_forget(&password);
	ck_assert_ptr_null(password.p);
	str_free(&name);
}
END_TEST

START_TEST(a_command_line_becomes_words)
{
	static const struct { const char *line; const char *words[5]; } rows[] = {
		{ "a b", { "a", "b" } },
		{ "  a\t b  ", { "a", "b" } },
		{ "a 'b c' \"d e\"", { "a", "b c", "d e" } },
		{ "a''b \"\" c", { "ab", "", "c" } },
		{ "a\\ b 'c\\d' \"e\\\"f\"", { "a b", "c\\d", "e\"f" } },
		{ "$(x) ;|& `y`", { "$(x)", ";|&", "`y`" } },	/* no shell */
		{ "a 'b", { NULL } },
		{ "   ", { NULL } },
	};
	char **words = words_of(rows[_i].line, &err);

	ck_assert_int_eq(words == NULL, rows[_i].words[0] == NULL);
	for (size_t i = 0; words != NULL; i++) {
		if (rows[_i].words[i] == NULL) {
			ck_assert_ptr_null(words[i]);
			break;
		}
		ck_assert_str_eq(words[i], rows[_i].words[i]);
	}
	free(words);
}
END_TEST

/* Around the pieces in which it looks, too. */
START_TEST(a_run_ends_at_the_first_of_two)
{
	enum { LONG = 600 };
	char text[LONG];

	memset(text, 'x', sizeof text);
	ck_assert_uint_eq(span_run((struct span){ NULL, 0 }, 'a', 'b'), 0);
	ck_assert_uint_eq(span_run((struct span){ text, LONG }, 'a', 'b'), LONG);
	for (size_t i = 0; i < LONG; i++) {
		text[i] = i % 2 == 0 ? 'a' : 'b';
		text[LONG - 1] = i % 2 == 0 ? 'b' : 'a';
		ck_assert_uint_eq(span_run((struct span){ text, LONG }, 'a', 'b'), i < LONG - 1 ? i : LONG - 1);
		ck_assert_uint_eq(span_run((struct span){ text, i }, 'a', 'b'), i);
		text[i] = 'x';
	}
}
END_TEST

START_TEST(bytes_are_counted)
{
	ck_assert_uint_eq(span_count((struct span){ NULL, 0 }, 'a'), 0);
	ck_assert_uint_eq(span_count(span_of("abaca"), 'a'), 3);
	ck_assert_uint_eq(span_count(span_of("abaca"), 'x'), 0);
	ck_assert_uint_eq(span_count((struct span){ "aaaa", 2 }, 'a'), 2);
}
END_TEST

START_TEST(a_part_of_a_file_is_copied_to_wherever_another_stands)
{
	enum { LONG = 300000 };
	struct str text = {0}, there = {0};
	int from = fs_scratch(AT_FDCWD, "/tmp", &err), to = fs_scratch(AT_FDCWD, "/tmp", &err), ends[2];

	while (text.len < LONG)
		str_printf(&text, "%zu,", text.len);
	ck_assert_int_eq(fs_write(from, text.p, text.len, &err), 0);
	ck_assert_int_eq(fs_write(to, "begin", 5, &err), 0);
	ck_assert_int_eq(fs_copy(from, 7, LONG - 7, to, &err), 0);
	ck_assert_int_eq(fs_write(to, "end", 3, &err), 0);
	ck_assert_int_eq(lseek(to, 0, SEEK_SET), 0);
	ck_assert_int_eq(fs_read_all(to, 2 * LONG, &there, &err), 0);
	ck_assert_uint_eq(there.len, LONG - 7 + 8);
	ck_assert_mem_eq(there.p + 5, text.p + 7, LONG - 7);
	ck_assert_mem_eq(there.p + there.len - 3, "end", 3);
	ck_assert_int_eq(fs_copy(from, 0, text.len + 1, to, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	/* where the kernel does not do it: a pipe */
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fs_copy(from, 3, 4000, ends[1], &err), 0);
	str_clear(&there);
	ck_assert_int_eq(read(ends[0], str_room(&there, 4000), 4000), 4000);
	ck_assert_mem_eq(there.p, text.p + 3, 4000);
	close(ends[0]);
	close(ends[1]);
	close(from);
	close(to);
	str_free(&text);
	str_free(&there);
}
END_TEST

START_TEST(a_process_is_told_by_when_it_began)
{
	int status, ends[2];
	char byte;

	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	ck_assert_uint_gt(process_began(getpid()), 0);
	ck_assert_uint_ge(process_began(pid), process_began(getpid()));
	close(ends[1]);
	siginfo_t info;
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_uint_eq(process_began(pid), 0);	/* not waited for yet, but over */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_uint_eq(process_began(pid), 0);
	close(ends[0]);
}
END_TEST

/* closer, slim */

static bool
is_over(int fd)
{
	char byte;
	return read(fd, &byte, 1) == 0;
}

START_TEST(files_are_closed_behind_our_back_and_all_of_them)
{
	enum { MANY = 300 };	/* with 1024 descriptors more than may wait */
	int end[MANY][2];

	for (int round = 0; round < 3; round++) {
		if (round > 0)	/* before that: at once */
			closer_start();
		for (int i = 0; i < MANY; i++)
			ck_assert_int_eq(pipe(end[i]), 0);
		for (int i = 0; i < MANY; i++)
			closer_close(end[i][1], 0);
		closer_stop();
		for (int i = 0; i < MANY; i++) {
			ck_assert(is_over(end[i][0]));
			close(end[i][0]);
		}
	}
}
END_TEST

START_TEST(one_file_alone_is_closed_soon_too)
{
	int end[2];
	char byte;

	closer_start();
	ck_assert_int_eq(pipe(end), 0);
	closer_close(end[1], 0);
	ck_assert_int_eq(read(end[0], &byte, 1), 0);	/* with nothing more to come, and no stop */
	closer_stop();
	close(end[0]);
}
END_TEST

START_TEST(empty_folders_go_behind_our_back_and_full_ones_stay)
{
	char dir[] = "/tmp/closer.XXXXXX";
	int at = fs_dir(AT_FDCWD, mkdtemp(dir), &err);

	for (int round = 0; round < 2; round++) {
		if (round > 0)
			closer_start();
		for (int i = 0; i < 40; i++) {	/* more than may wait */
			struct str name = {0};
			str_printf(&name, "%d", i);
			ck_assert_int_eq(mkdirat(at, str_c(&name), 0700), 0);
			if (i == 7)
				ck_assert_int_eq(mkdirat(at, "7/full", 0700), 0);
			closer_remove_dir(at, str_c(&name));
			str_free(&name);
		}
		closer_stop();
		struct fs_names names;
		ck_assert_int_eq(fs_names(at, ".", &names, &err), 0);
		ck_assert_uint_eq(names.count, 1);
		ck_assert_str_eq(names.name[0], "7");
		fs_names_free(&names);
		ck_assert_int_eq(fs_remove_tree(at, "7", &err), 0);
	}
	close(at);
	rmdir(dir);
}
END_TEST

START_TEST(what_is_let_go_is_there_all_the_same)
{
	unsigned char before[DIGEST_SIZE], after[DIGEST_SIZE];

	digest_of("x", 1, before);
	slim_down();
	digest_of("x", 1, after);
	ck_assert_mem_eq(before, after, DIGEST_SIZE);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("base");
	Suite *suite = suite_create("base");

	tcase_set_timeout(tests, 120);	/* the machine may be busy with the others */
	tcase_add_test(tests, a_string_grows_and_is_cut);
	tcase_add_test(tests, spans_are_cut_into_words);
	tcase_add_test(tests, a_text_has_letters_digits_and_those_beside);
	tcase_add_loop_test(tests, a_share_is_told_without_going_over, 0, COUNT(shares));
	tcase_add_loop_test(tests, a_glob_matches_all_of_a_text, 0, sizeof globs / sizeof globs[0]);
	tcase_add_test(tests, a_hostile_glob_takes_no_time);
	tcase_add_loop_test(tests, a_decimal_is_checked, 0, COUNT(decimals));
	tcase_add_loop_test(tests, an_error_becomes_a_reply_and_a_status, 0, COUNT(errors));
	tcase_add_test(tests, an_error_is_one_printable_reply_line_however_long);
	tcase_add_test(tests, what_time_cannot_heal_waits_for_a_person);
	tcase_add_loop_test(tests, the_log_encodes_what_is_not_printable, 0, COUNT(escapes));
	tcase_add_test(tests, lines_that_wait_are_in_the_log_of_then);
	tcase_add_loop_test(tests, a_time_is_written_and_read_alike, 0, COUNT(times));
	tcase_add_test(tests, the_clock_can_be_frozen);
	tcase_add_loop_test(tests, a_login_is_read_from_a_file_that_is_closed, 0, COUNT(logins));
	tcase_add_test(tests, a_digest_is_sha_256_in_any_pieces);
	tcase_add_test(tests, an_hmac_goes_on_from_its_states);
	tcase_add_test(tests, options_are_read_by_their_rows);
	tcase_add_test(tests, a_sub_command_keeps_its_options);
	tcase_add_loop_test(tests, a_wrong_option_is_a_matter_of_usage, 0, COUNT(wrong));
	tcase_add_loop_test(tests, a_child_gets_what_is_named_and_tells_its_status, 0, COUNT(children));
	tcase_add_test(tests, a_child_that_does_not_end_is_ended);
	tcase_add_test(tests, a_process_is_told_by_when_it_began);
	tcase_add_test(tests, bytes_are_counted);
	tcase_add_test(tests, a_part_of_a_file_is_copied_to_wherever_another_stands);
	tcase_add_test(tests, a_run_ends_at_the_first_of_two);
	tcase_add_loop_test(tests, a_command_line_becomes_words, 0, 8);
	tcase_add_loop_test(tests, a_program_that_cannot_be_run_waits_for_a_person, 0, COUNT(no_programs));
	tcase_add_test(tests, files_are_closed_behind_our_back_and_all_of_them);
	tcase_add_test(tests, one_file_alone_is_closed_soon_too);
	tcase_add_test(tests, empty_folders_go_behind_our_back_and_full_ones_stay);
	tcase_add_test(tests, what_is_let_go_is_there_all_the_same);
	suite_add_tcase(suite, tests);
	with_folder(suite);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
