/* mochila(1): the parts of it that need no spool. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/door.h"

static struct str out;		/* every test process starts with an empty one */
static struct err err;

/* the configuration's text keeps all but one line */

static const struct { const char *before, *site, *link; bool keep; const char *after; } edits[] = {
	{ "", "home", "ssh://a@b", false, "[site home]\nlink = ssh://a@b\n" },
	{ "", "home", "", true, "[site home]\nlink =\n" },
	{ "# mine\n[spool]\nsite = x\n", "home", "L", false,
	    "# mine\n[spool]\nsite = x\n\n[site home]\nlink = L\n" },
	{ "[spool]\nsite = x", "home", "L", false, "[spool]\nsite = x\n\n[site home]\nlink = L\n" },
	{ "[site home]\n# why\nlink = old\ncodec = gz\n", "home", "L", false,
	    "[site home]\n# why\nlink = L\ncodec = gz\n" },
	{ "[site home]\nlink = old\n", "home", "", true, "[site home]\nlink = old\n" },
	{ "[site home]\ncodec = gz\n[site b]\nlink = b\n", "home", "L", false,
	    "[site home]\nlink = L\ncodec = gz\n[site b]\nlink = b\n" },
	{ "[site b]\nlink = b\n[ site\thome ]\r\n link=x\r\n", "home", "L", false,
	    "[site b]\nlink = b\n[ site\thome ]\r\nlink = L\n" },
	{ "[site home]\n", "home", "L", false, "[site home]\nlink = L\n" },
	{ "# [site home]\n", "home", "L", false, "# [site home]\n\n[site home]\nlink = L\n" },
	{ "[site home2]\nlink = b\n", "home", "L", false,
	    "[site home2]\nlink = b\n\n[site home]\nlink = L\n" },
};

START_TEST(a_link_is_said_once_and_all_else_stays)
{
	struct str again = {0};

	struct str section = {0};
	str_printf(&section, "site %s", edits[_i].site);
	struct door_conf_line line = { .section = str_c(&section), .key = "link", .value = edits[_i].link };
	door_conf_edit(span_of(edits[_i].before), &line, edits[_i].keep, &out);
	ck_assert_str_eq(str_c(&out), edits[_i].after);
	door_conf_edit(str_span(&out), &line, edits[_i].keep, &again);
	ck_assert_str_eq(str_c(&again), edits[_i].after);
	str_free(&again);
	str_free(&section);
}
END_TEST

/* keys; the fingerprint is what ssh-keygen -lf prints */

#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

static const struct { const char *line, *fingerprint; } keys[] = {
	{ "ssh-ed25519 " ED25519, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" },
	{ "  ssh-ed25519\t" ED25519 " github.com; rm -rf", "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" },
	{ "ecdsa-sha2-nistp256 " ED25519, NULL },
	{ "ssh-ed25519 " ED25519 "A", NULL },
	{ "ssh-ed25519 AAAA", NULL },
	{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", NULL },
	{ "ssh-ed25519 AAAAC3Nz\"C1lZDI1NTE5AAAA", NULL },
	{ "ssh-ed25519", NULL },
	{ "restrict ssh-ed25519 " ED25519, NULL },
	{ "", NULL },
};

START_TEST(a_public_key_is_checked_and_shown_by_its_fingerprint)
{
	struct door_key key;
	int result = door_key_parse(span_of(keys[_i].line), &key, &err);

	ck_assert_int_eq(result, keys[_i].fingerprint != NULL ? 0 : -1);
	if (result < 0)
		return;
	ck_assert_int_eq(door_key_fingerprint(&key, &out, &err), 0);
	ck_assert_str_eq(str_c(&out), keys[_i].fingerprint);
}
END_TEST

static const struct { const char *root, *quoted; } roots[] = {
	{ "/var/lib/mochila", "--root=/var/lib/mochila --peer=home\"" },
	{ "/home/ann/my mail", "--root='/home/ann/my mail' --peer=home\"" },
	{ "/tmp/$(id);x", "--root='/tmp/$(id);x' --peer=home\"" },
	{ "/tmp/a'b", NULL },
	{ "/tmp/a\"b", NULL },
	{ "/tmp/a\nb", NULL },
};

START_TEST(a_forced_command_is_quoted_for_the_shell)
{
	struct door door = { .settings = { .root = mem_text(roots[_i].root) } };
	struct door_key key;

	ck_assert_int_eq(door_key_parse(SPAN("ssh-ed25519 " ED25519 " x"), &key, &err), 0);
	int result = door_key_authorize(&door, &key, "home", &out, &err);
	ck_assert_int_eq(result, roots[_i].quoted != NULL ? 0 : -1);
	if (result == 0) {
		ck_assert_ptr_nonnull(strstr(str_c(&out), roots[_i].quoted));
		ck_assert_ptr_eq(strstr(str_c(&out), "restrict,command=\"exec /"), out.p);
		ck_assert_ptr_nonnull(strstr(str_c(&out), "\" ssh-ed25519 " ED25519 " mochila-home"));
	}
	free(door.settings.root);
}
END_TEST

/* figures for people */

static const struct { int64_t seconds; const char *shown; } ages[] = {
	{ 0, "0s" }, { 179, "179s" }, { 180, "3m" }, { 10799, "179m" }, { 10800, "3h" },
	{ 3 * 86400 - 1, "71h" }, { 3 * 86400, "3d" }, { 400 * 86400, "400d" }, { -5, "0s" },
};

START_TEST(an_age_is_short)
{
	clock_set(INT64_C(1800000000) * CLOCK_SECOND);
	door_age(&out, clock_now() - ages[_i].seconds * CLOCK_SECOND);
	ck_assert_str_eq(str_c(&out), ages[_i].shown);
	str_clear(&out);
	door_age(&out, 0);
	ck_assert_str_eq(str_c(&out), "-");
}
END_TEST

static const struct { uint64_t bytes; const char *shown; } sizes[] = {
	{ 0, "0" }, { 999, "999" }, { 1000, "1.0K" }, { 5321, "5.2K" }, { 10240, "10K" },
	{ 1023 * 1024, "1.0M" }, { 36700160, "35M" }, { UINT64_C(5) << 40, "5.0T" },
	{ UINT64_MAX, "16777216T" },
};

START_TEST(a_size_is_short)
{
	door_size(&out, sizes[_i].bytes);
	ck_assert_str_eq(str_c(&out), sizes[_i].shown);
}
END_TEST

START_TEST(an_id_tells_its_time)
{
	clock_utc(spool_id_time("20261121T184502.123456-7f3a9c02d41be066-1"), &out);
	ck_assert_str_eq(str_c(&out), "2026-11-21T18:45:02Z");
	ck_assert_int_eq(spool_id_time("20261121T184502.123456-7f3a9c02d41be066-1") % CLOCK_SECOND, 123456);
	ck_assert_int_eq(spool_id_time("20261121T184502"), 0);
	ck_assert_int_eq(spool_id_time(""), 0);
}
END_TEST

/* a file in a spool, damaged in every way (FS-02) */

static struct settings settings = { .spool = { .host = (char *)"hub.example" } };
static struct spool spool = { .settings = &settings };

static void
make_entry(struct str *text)
{
	static const char body[] = "Subject: x\r\n\r\nHello.\r\n";
	struct entry_info info = { .time = INT64_C(1800000000) * CLOCK_SECOND };
	struct envelope env = {0};
	unsigned char sum[DIGEST_SIZE];
	struct str head = {0};

	str_set(&info.id, "20261121T184502.123456-7f3a9c02d41be066-1");
	str_set(&info.from, "smtp");
	envelope_from(&env, SPAN("ann@example.org"), SPAN("BODY=8BITMIME"));
	envelope_add(&env, SPAN("bob@home.example"), SPAN("NOTIFY=NEVER"));
	envelope_add(&env, SPAN("carl@home.example"), (struct span){0});
	entry_head(&info, &env, sizeof body - 1, &head);
	str_add_span(text, str_span(&head));
	str_add_text(text, body);
	digest_of(body, sizeof body - 1, sum);
	entry_end_line(str_span(&head), sum, text);
	entry_state_line(info.time, "2", "deferred", "reply", SPAN("451 later"), text);
	entry_state_line(info.time, NULL, "held", "reason", SPAN("by hand"), text);
	str_free(&head);
	envelope_free(&env);
	entry_info_free(&info);
}

static bool
loads_whole(int dir, struct span text)
{
	struct door_file file = { .where = DOOR_HELD, .name = "entry", .file = "entry", .site = "", .batch = "",
		.path = "hold/entry", .dir = dir };
	struct door_message message;

	ck_assert_int_eq(fs_replace(dir, "entry", text, 0600, &err), 0);
	ck_assert_int_eq(door_load(&spool, &file, &message, &err), 1);
	bool whole = !message.damaged;
	ck_assert(whole ? message.entry.env.rcpts >= 1 : message.why.len > 0);
	door_message_free(&message);
	return whole;
}

START_TEST(a_damaged_file_is_shown_as_that_or_as_what_is_whole)
{
	char name[] = "door-XXXXXX";
	struct str text = {0};
	size_t whole = 0;

	ck_assert_ptr_nonnull(mkdtemp(name));
	int dir = fs_dir(AT_FDCWD, name, &err);
	make_entry(&text);
	ck_assert(loads_whole(dir, str_span(&text)));
	for (size_t len = 0; len < text.len; len++)
		whole += loads_whole(dir, span_to(str_span(&text), len));
	/* Cut within the state lines it stands; their torn rest does not count. */
	ck_assert_uint_gt(whole, 50);
	ck_assert_uint_lt(whole, text.len / 2);
	for (size_t i = 0; i < text.len; i++) {
		text.p[i] ^= (char)0x80;
		loads_whole(dir, str_span(&text));
		text.p[i] ^= (char)0x80;
	}
	ck_assert_int_eq(fs_remove(dir, "entry", &err), 0);
	close(dir);
	ck_assert_int_eq(rmdir(name), 0);
	str_free(&text);
}
END_TEST

START_TEST(a_file_that_has_vanished_is_none)
{
	struct door_file file = { .where = DOOR_HELD, .name = "no-such-file", .file = "no-such-file", .site = "", .batch = "",
		.path = "hold/no-such-file", .dir = AT_FDCWD };
	struct door_message message;

	ck_assert_int_eq(door_load(&spool, &file, &message, &err), 0);
	ck_assert_int_eq(err.kind, ERR_NONE);
}
END_TEST

START_TEST(json_is_made_of_any_bytes)
{
	static const char hostile[] = "a\0\xff\xfe\"\033";
	json_t *text = door_json_text((struct span){ hostile, 6 });

	ck_assert_str_eq(json_string_value(text), "a\\x00\\xFF\\xFE\"\\x1B");
	json_decref(text);
	text = door_json_text((struct span){0});
	ck_assert_str_eq(json_string_value(text), "");
	json_decref(text);
}
END_TEST

#define COUNT(array) ((int)(sizeof (array) / sizeof (array)[0]))

int
main(void)
{
	TCase *tests = tcase_create("door");
	Suite *suite = suite_create("door");

	tcase_add_loop_test(tests, a_link_is_said_once_and_all_else_stays, 0, COUNT(edits));
	tcase_add_loop_test(tests, a_public_key_is_checked_and_shown_by_its_fingerprint, 0, COUNT(keys));
	tcase_add_loop_test(tests, a_forced_command_is_quoted_for_the_shell, 0, COUNT(roots));
	tcase_add_loop_test(tests, an_age_is_short, 0, COUNT(ages));
	tcase_add_loop_test(tests, a_size_is_short, 0, COUNT(sizes));
	tcase_add_test(tests, an_id_tells_its_time);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_damaged_file_is_shown_as_that_or_as_what_is_whole);
	tcase_add_test(tests, a_file_that_has_vanished_is_none);
	tcase_add_test(tests, json_is_made_of_any_bytes);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
