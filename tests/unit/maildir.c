/* spool/maildir: which folder takes whose mail, and how a message gets there. */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "spool/maildir.h"

static const struct settings settings = { .root = (char *)"/root-of-it" };

static const char *const folders[] = {	/* dir | recipient | folder, or - for none */
	"mail/%u|bob@home.example|/root-of-it/mail/bob",
	"mail/%u|Bob.Smith+x=1_2-3@home.example|/root-of-it/mail/bob.smith+x=1_2-3",
	"mail/%d/%u|bob@Home.Example|/root-of-it/mail/home.example/bob",
	"mail/%u@%d|bob@home.example.|/root-of-it/mail/bob@home.example",
	"/var/mail/%u|bob@home.example|/var/mail/bob",
	"mail|\"any / thing\"@home.example|/root-of-it/mail",
	"100%/%u%%|bob@home.example|/root-of-it/100%/bob%%",
	"mail/%u|postmaster|/root-of-it/mail/postmaster",
	"mail/%u|../root@home.example|-",
	"mail/%u|..@home.example|-",
	"mail/%u|.@home.example|-",
	"mail/%u|.ssh@home.example|-",
	"mail/%u|-rf@home.example|-",
	"mail/%u|a/b@home.example|-",
	"mail/%u|/etc/passwd@home.example|-",
	"mail/%u|\"a b\"@home.example|-",
	"mail/%u|t%victim.example@home.example|-",
	"mail/%u|victim.example!t@home.example|-",
	"mail/%u|\"t@victim.example\"@home.example|-",
	"mail/%u|b\xc3\xb6" "b@home.example|-",
	"mail/%u|@home.example|-",
	"mail/%u/%d|bob|-",
	"mail/%d|bob@[127.0.0.1]|-",
	"mail/%u|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@home.example|-",
};

START_TEST(a_recipient_has_a_folder_or_none)
{
	struct span rest = span_of(folders[_i]), dir, rcpt;
	struct str folder = {0};
	struct err err;

	span_cut(&rest, '|', &dir);
	span_cut(&rest, '|', &rcpt);
	char *pattern = mem_text_n(dir.p, dir.len);
	int result = maildir_folder(&settings, pattern, rcpt, &folder, &err);
	if (span_is(rest, "-")) {
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(err.kind, ERR_PERM);
		ck_assert_str_eq(err.code, "5.1.1");
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_str_eq(str_c(&folder), rest.p);
	}
	str_free(&folder);
	free(pattern);
}
END_TEST

static char base[] = "/tmp/maildir-XXXXXX";

static void
setup(void)
{
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(chdir(base), 0);
}

static int
drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void
teardown(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(nftw(base, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
read_back(const char *path, struct str *out)
{
	struct err err;

	ck_assert_msg(fs_load(AT_FDCWD, path, 1 << 20, out, &err) == 0, "%s", err.text);
}

/* 0, or maildir_open's 1. */
static int
deliver(const char *id, const char *body, size_t step)
{
	struct maildir box;
	struct err err;
	struct str folder = {0};

	str_printf(&folder, "%s/mail/bob", base);
	int result = maildir_open(&box, str_c(&folder), id, &err);
	str_free(&folder);
	ck_assert_int_ge(result, 0);
	if (result > 0)
		return result;
	ck_assert_int_eq(maildir_field(&box, "Delivered-To", SPAN("bob@home.example"), &err), 0);
	for (size_t at = 0, len = strlen(body); at < len; at += step)
		ck_assert_int_eq(maildir_body(&box, body + at, len - at < step ? len - at : step, &err), 0);
	ck_assert_int_eq(maildir_commit(&box, &err), 0);
	maildir_close(&box);
	return 0;
}

START_TEST(line_ends_become_lf_and_nothing_else_changes)
{
	static const char body[] = "A: b\r\n\r\n.dot\r\nlone\rcr\r\r\nend\r";
	static const char want[] = "Delivered-To: bob@home.example\nA: b\n\n.dot\nlone\rcr\r\nend\r";
	struct str got = {0};

	ck_assert_int_eq(deliver("id-1", body, (size_t)_i), 0);
	read_back("mail/bob/new/id-1", &got);
	ck_assert_str_eq(str_c(&got), want);
	ck_assert_int_eq(access("mail/bob/tmp/id-1", F_OK), -1);
	str_free(&got);
}
END_TEST

START_TEST(a_message_that_is_there_is_not_delivered_again)
{
	ck_assert_int_eq(deliver("id-1", "x\r\n", 9), 0);
	ck_assert_int_eq(deliver("id-1", "x\r\n", 9), 1);
	ck_assert_int_eq(rename("mail/bob/new/id-1", "mail/bob/cur/id-1:2,S"), 0);
	ck_assert_int_eq(deliver("id-1", "x\r\n", 9), 1);
	ck_assert_int_eq(deliver("id-11", "x\r\n", 9), 0);
}
END_TEST

START_TEST(what_a_dead_process_left_in_tmp_is_written_anew)
{
	struct str got = {0};

	ck_assert_int_eq(deliver("id-0", "x\r\n", 9), 0);
	int fd = open("mail/bob/tmp/id-1", O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_eq(write(fd, "half of", 7), 7);
	close(fd);
	ck_assert_int_eq(deliver("id-1", "whole\r\n", 9), 0);
	read_back("mail/bob/new/id-1", &got);
	ck_assert_str_eq(str_c(&got), "Delivered-To: bob@home.example\nwhole\n");
	str_free(&got);
}
END_TEST

START_TEST(a_link_in_place_of_new_is_not_followed)
{
	struct maildir box;
	struct err err;
	struct str folder = {0};

	ck_assert_int_eq(deliver("id-0", "x\r\n", 9), 0);
	ck_assert_int_eq(mkdir("elsewhere", 0700), 0);
	ck_assert_int_eq(rename("mail/bob/new", "mail/bob/old"), 0);
	ck_assert_int_eq(symlink("../../elsewhere", "mail/bob/new"), 0);
	str_printf(&folder, "%s/mail/bob", base);
	ck_assert_int_eq(maildir_open(&box, str_c(&folder), "id-1", &err), -1);
	ck_assert_int_ne(err.kind, ERR_PERM);
	str_free(&folder);
}
END_TEST

START_TEST(a_full_mailbox_has_no_room)
{
	struct maildir box;
	struct err err = {0};
	struct str folder = {0};

	str_printf(&folder, "%s/mail/full", base);
	ck_assert_int_eq(maildir_open(&box, str_c(&folder), "id-1", &err), 0);
	ck_assert_int_eq(maildir_body(&box, "Subject: x\r\n\r\n", 14, &err), 0);
	ck_assert_int_eq(maildir_room(&box, 100, 101, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	ck_assert_int_eq(maildir_room(&box, 100, 100, &err), 0);
	ck_assert_int_eq(maildir_room(&box, 0, 101, &err), 0);
	ck_assert_int_eq(maildir_commit(&box, &err), 0);
	maildir_close(&box);
	ck_assert_int_eq(maildir_open(&box, str_c(&folder), "id-2", &err), 0);
	ck_assert_int_eq(maildir_room(&box, 100, 88, &err), 0);
	ck_assert_int_eq(maildir_room(&box, 100, 89, &err), -1);
	ck_assert_int_eq(close(openat(box.cur, "x,S=50:2,S", O_CREAT | O_WRONLY, 0600)), 0);
	ck_assert_int_eq(maildir_room(&box, 100, 38, &err), 0);
	ck_assert_int_eq(maildir_room(&box, 100, 39, &err), -1);
	maildir_close(&box);
	str_free(&folder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("maildir");
	TCase *tests = tcase_create("maildir");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_recipient_has_a_folder_or_none, 0,
	    (int)(sizeof folders / sizeof folders[0]));
	tcase_add_loop_test(tests, line_ends_become_lf_and_nothing_else_changes, 1, 5);
	tcase_add_test(tests, a_message_that_is_there_is_not_delivered_again);
	tcase_add_test(tests, what_a_dead_process_left_in_tmp_is_written_anew);
	tcase_add_test(tests, a_link_in_place_of_new_is_not_followed);
	tcase_add_test(tests, a_full_mailbox_has_no_room);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
