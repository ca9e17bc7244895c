/* spool/maildrop: a Maildir locked, listed, read and emptied. */
#include "spool/maildrop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "tests/unit/unit.h"

static char base[] = "/tmp/maildrop-XXXXXX";

static void
setup(void)
{
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(chdir(base), 0);
	mkdir("box", 0700);
	mkdir("box/new", 0700);
	mkdir("box/cur", 0700);
}

static void
teardown(void)
{
	const char *const argv[] = { "/bin/rm", "-rf", base, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);	/* Check ends whoever is left of a case */
}

static void
put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void
open_drop(struct maildrop *drop)
{
	struct err err = {0};
	int result = maildrop_open(drop, "box", &err);

	ck_assert_msg(result == 0, "%d: %s", result, err.text);
}

/* All of a message, read in pieces of `room` bytes. */
static void
whole(struct maildrop *drop, size_t item, size_t room, struct str *text)
{
	char piece[64];
	struct err err = {0};
	ssize_t got;

	ck_assert_int_eq(maildrop_begin(drop, item, &err), 0);
	while ((got = maildrop_read(drop, piece, room, &err)) > 0)
		str_add(text, piece, (size_t)got);
	ck_assert_int_eq(got, 0);
	maildrop_end(drop);
}

static const struct { const char *file, *sent; } texts[] = {
	{ "a\nb\n", "a\r\nb\r\n" },
	{ "a\r\nb\r\n", "a\r\nb\r\n" },
	{ "a\r\nb\nc", "a\r\nb\r\nc" },
	{ "\n\n\n", "\r\n\r\n\r\n" },
	{ "\r\r\n\r", "\r\r\n\r" },
	{ "", "" },
};

START_TEST(lines_end_with_crlf_and_are_counted_so)
{
	for (size_t room = 2; room < 12; room++) {
		struct maildrop drop;
		struct str text = {0};
		put("box/new/1.x", texts[_i].file);
		open_drop(&drop);
		ck_assert_uint_eq(drop.count, 1);
		ck_assert_uint_eq(drop.item[0].octets, strlen(texts[_i].sent));
		whole(&drop, 0, room, &text);
		ck_assert_str_eq(str_c(&text), texts[_i].sent);
		str_free(&text);
		maildrop_close(&drop);
	}
}
END_TEST

START_TEST(a_folder_that_is_not_there_has_no_mail)
{
	struct maildrop drop;
	struct err err = {0};

	ck_assert_int_eq(maildrop_open(&drop, "none", &err), 0);
	ck_assert_uint_eq(drop.count, 0);
	ck_assert_int_eq(maildrop_remove(&drop, NULL, &err), 0);
	maildrop_close(&drop);
}
END_TEST

START_TEST(new_and_cur_are_one_list_in_order_without_hidden_files)
{
	struct maildrop drop;
	struct str uid = {0};

	put("box/new/3", "c\n");
	put("box/cur/1:2,S", "a\n");
	put("box/new/2", "b\n");
	put("box/new/.hidden", "x\n");
	mkdir("box/new/folder", 0700);
	open_drop(&drop);
	ck_assert_uint_eq(drop.count, 3);
	for (size_t i = 0; i < 3; i++)
		maildrop_uid(&drop, i, &uid);
	ck_assert_str_eq(str_c(&uid), "123");
	str_free(&uid);
	maildrop_close(&drop);
}
END_TEST

static const struct { const char *name, *uid; } uids[] = {
	{ "20261121T184502.123456-7f3a9c02d41be066-1", "20261121T184502.123456-7f3a9c02d41be066-1" },
	{ "1234.M1P2.host,S=10,W=11:2,RS", "1234.M1P2.host,S=10,W=11" },
	{ "a b", "c8687a08aa5d6ed2044328fa6a697ab8" },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "23dc5add12dc01ef18ef31eb49d36a10" },
};

START_TEST(a_uid_is_the_name_as_far_as_pop3_can_say_it)
{
	struct maildrop_item item = { .name = (char *)uids[_i].name };
	struct maildrop drop = { .item = &item, .count = 1 };
	struct str uid = {0};

	maildrop_uid(&drop, 0, &uid);
	if (strlen(uids[_i].uid) == 32 && _i > 1)
		ck_assert_uint_eq(uid.len, 32);
	else
		ck_assert_str_eq(str_c(&uid), uids[_i].uid);
	str_free(&uid);
}
END_TEST

START_TEST(a_size_in_the_name_is_believed_and_others_are_read_once)
{
	struct maildrop drop;
	struct stat before, after;

	put("box/new/1,S=2,W=99", "a\n");
	put("box/new/2", "a\nb\n");
	open_drop(&drop);
	ck_assert_uint_eq(drop.item[0].octets, 99);
	ck_assert_uint_eq(drop.item[1].octets, 6);
	maildrop_close(&drop);
	ck_assert_int_eq(stat("box/.pop3-sizes", &before), 0);
	rename("box/new/2", "box/cur/2:2,S");
	open_drop(&drop);	/* what was counted stays so, wherever the file is */
	ck_assert_uint_eq(drop.item[1].octets, 6);
	ck_assert(drop.item[1].counted);
	maildrop_close(&drop);
	ck_assert_int_eq(stat("box/.pop3-sizes", &after), 0);
	ck_assert_int_eq(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(whatever_stands_in_the_sizes_does_no_harm)
{
	static const char *const hints[] = { "x\n", "1 2\n", "1 2 :x\n", "9 9 1\n9 9 0\n", "99999999999999999999 1 1\n",
		"\n\n", "5 2 2\n7 4 1\n" };
	struct maildrop drop;

	for (size_t i = 0; i < ROWS(hints); i++) {
		put("box/new/2", "a\n");
		put("box/.pop3-sizes", hints[i]);
		open_drop(&drop);
		ck_assert_uint_eq(drop.count, 1);
		ck_assert(drop.item[0].counted);
		maildrop_close(&drop);
	}
}
END_TEST

START_TEST(a_file_that_was_changed_is_not_given_out_with_a_wrong_size)
{
	struct maildrop drop;
	struct err err = {0};

	put("box/new/1", "a\n");
	open_drop(&drop);
	put("box/new/1", "a\nb\n");
	ck_assert_int_eq(maildrop_begin(&drop, 0, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	maildrop_close(&drop);
	open_drop(&drop);
	ck_assert_uint_eq(drop.item[0].octets, 6);
	maildrop_close(&drop);
}
END_TEST

START_TEST(two_sessions_never_have_it_at_once)
{
	struct maildrop one, other;
	struct err err = {0};

	open_drop(&one);
	ck_assert_int_eq(maildrop_open(&other, "box", &err), 1);
	maildrop_close(&one);
	open_drop(&other);
	maildrop_close(&other);
}
END_TEST

START_TEST(what_was_moved_meanwhile_is_found_and_what_is_gone_is_said)
{
	struct maildrop drop;
	struct str text = {0};
	struct err err = {0};
	const bool both[] = { true, true };

	put("box/new/1", "one\n");
	put("box/new/2", "two\n");
	open_drop(&drop);
	rename("box/new/1", "box/cur/1:2,S");
	unlink("box/new/2");
	whole(&drop, 0, 64, &text);
	ck_assert_str_eq(str_c(&text), "one\r\n");
	ck_assert_int_eq(maildrop_begin(&drop, 1, &err), -1);
	rename("box/cur/1:2,S", "box/cur/1:2,RS");
	ck_assert_int_eq(maildrop_remove(&drop, both, &err), 0);
	ck_assert_int_ne(access("box/cur/1:2,RS", F_OK), 0);
	str_free(&text);
	maildrop_close(&drop);
}
END_TEST

START_TEST(links_and_pipes_are_not_read)
{
	struct maildrop drop;
	struct err err = {0};

	put("secret", "not yours\n");
	ck_assert_int_eq(symlink("../../secret", "box/new/1"), 0);
	ck_assert_int_eq(mkfifo("box/new/2", 0600), 0);
	open_drop(&drop);
	ck_assert_uint_eq(drop.count, 0);
	ck_assert_int_eq(maildrop_remove(&drop, NULL, &err), 0);
	maildrop_close(&drop);
}
END_TEST

START_TEST(a_drop_is_counted_in_slices_too)
{
	struct maildrop drop, again;
	struct err err = {0};
	size_t slices = 1;

	put("box/new/1.a", "a\nb\n");
	put("box/new/2.a", "a\n");
	put("box/cur/3.a:2,S", "\n");
	ck_assert_int_eq(maildrop_look(&drop, "box", &err), 0);
	while (maildrop_count(&drop, 1))	/* that moment is long over: one at a time */
		slices++;
	ck_assert_uint_eq(slices, 3);
	ck_assert_uint_eq(drop.item[0].octets + drop.item[1].octets + drop.item[2].octets, 6 + 3 + 2);
	maildrop_close(&drop);
	ck_assert_int_eq(access("box/.pop3-sizes", F_OK), 0);
	ck_assert_int_eq(maildrop_look(&again, "box", &err), 0);
	for (size_t i = 0; i < again.count; i++)
		ck_assert(again.item[i].counted);	/* remembered */
	ck_assert(!maildrop_count(&again, 0));
	maildrop_close(&again);
}
END_TEST

UNIT_WITH("maildrop", setup, teardown,
	{ lines_end_with_crlf_and_are_counted_so, ROWS(texts) },
	{ a_folder_that_is_not_there_has_no_mail, 1 },
	{ new_and_cur_are_one_list_in_order_without_hidden_files, 1 },
	{ a_uid_is_the_name_as_far_as_pop3_can_say_it, ROWS(uids) },
	{ a_size_in_the_name_is_believed_and_others_are_read_once, 1 },
	{ a_drop_is_counted_in_slices_too, 1 },
	{ whatever_stands_in_the_sizes_does_no_harm, 1 },
	{ a_file_that_was_changed_is_not_given_out_with_a_wrong_size, 1 },
	{ two_sessions_never_have_it_at_once, 1 },
	{ what_was_moved_meanwhile_is_found_and_what_is_gone_is_said, 1 },
	{ links_and_pipes_are_not_read, 1 })
