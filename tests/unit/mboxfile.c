/* spool/mboxfile: a message to the end of a mailbox file, or nothing of it. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "spool/mboxfile.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static struct scratch place;
static char path[60], lock[70];

static void
set_up(void)
{
	scratch_make(&place);
	snprintf(path, sizeof path, "%s/box", place.root);
	snprintf(lock, sizeof lock, "%s.lock", path);
}

static void
tear_down(void)
{
	scratch_remove(AT_FDCWD, place.root);
}

static void
load(struct str *text)
{
	struct err err;

	str_clear(text);
	ck_assert_int_eq(fs_load(AT_FDCWD, path, 1 << 20, text, &err), 0);
}

static int
put(const char *body, size_t step, bool commit)
{
	struct mboxfile box;
	struct err err;
	struct span rest = span_of(body);

	int result = mboxfile_open(&box, path, &err);
	if (result != 0)
		return result;
	mboxfile_begin(&box, SPAN("ann@x.example"), INT64_C(1795286702000000));
	ck_assert_int_eq(mboxfile_field(&box, "Delivered-To", SPAN("bob@x.example"), &err), 0);
	while (rest.len > 0) {
		size_t n = rest.len < step ? rest.len : step;
		ck_assert_int_eq(mboxfile_body(&box, rest.p, n, &err), 0);
		rest = span_from(rest, n);
	}
	if (commit)
		ck_assert_int_eq(mboxfile_commit(&box, &err), 0);
	mboxfile_close(&box);
	return 0;
}

#define HEAD "From ann@x.example Sat Nov 21 18:45:02 2026\nDelivered-To: bob@x.example\n"

static const struct { const char *body, *file; } bodies[] = {
	{ "Subject: x\r\n\r\ntext\r\n", HEAD "Subject: x\n\ntext\n\n" },
	{ "S: x\r\n\r\nFrom here\r\n>From there\r\n>>>From far\r\nFrom\r\nFromage\r\n From x\r\n",
	    HEAD "S: x\n\n>From here\n>>From there\n>>>>From far\nFrom\nFromage\n From x\n\n" },
	{ "S: x\r\n\r\nno end", HEAD "S: x\n\nno end\n\n" },
	{ "S: x\r\n\r\nFro", HEAD "S: x\n\nFro\n\n" },
	{ "S: x\r\n\r\na\rb\r", HEAD "S: x\n\na\rb\r\n\n" },
};

START_TEST(a_message_is_added_with_its_from_lines_quoted)
{
	struct str text = {0};

	for (size_t step = 1; step < 9; step += 7) {
		unlink(path);
		ck_assert_int_eq(put(bodies[_i].body, step, true), 0);
		load(&text);
		ck_assert_str_eq(str_c(&text), bodies[_i].file);
	}
	ck_assert_int_eq(put(bodies[_i].body, 100, true), 0);
	load(&text);
	ck_assert_uint_eq(text.len, 2 * strlen(bodies[_i].file));
	str_free(&text);
	ck_assert_int_lt(access(lock, F_OK), 0);
}
END_TEST

START_TEST(without_a_commit_the_file_is_as_it_was)
{
	struct str text = {0};

	ck_assert_int_eq(put("S: x\r\n\r\ntext\r\n", 100, true), 0);
	size_t before;
	load(&text);
	before = text.len;
	ck_assert_int_eq(put("S: y\r\n\r\nother\r\n", 100, false), 0);
	load(&text);
	ck_assert_uint_eq(text.len, before);
	str_free(&text);
}
END_TEST

START_TEST(behind_a_line_without_end_a_message_begins_anew)
{
	struct str text = {0};
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	ck_assert_int_eq(write(fd, "From a b\n\nhalf", 14), 14);
	close(fd);
	ck_assert_int_eq(put("S: y\r\n", 100, true), 0);
	load(&text);
	ck_assert_str_eq(str_c(&text), "From a b\n\nhalf\n\n" HEAD "S: y\n\n");
	str_free(&text);
}
END_TEST

START_TEST(a_lock_of_others_is_respected_until_it_is_old)
{
	struct timespec old[2] = { { .tv_sec = time(NULL) - MBOXFILE_STALE - 10 }, { .tv_sec = time(NULL) - MBOXFILE_STALE - 10 } };
	int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(put("S: y\r\n", 100, true), 1);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_eq(futimens(fd, old), 0);
	close(fd);
	ck_assert_int_eq(put("S: y\r\n", 100, true), 0);
	ck_assert_int_lt(access(lock, F_OK), 0);
}
END_TEST

/* As its holder is killed: the kernel lets its locks go, the file stays. */
START_TEST(a_lock_of_ours_is_respected_until_its_holder_is_dead)
{
	struct str text = {0};
	struct err err;
	char byte;
	int status, ready[2];

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct mboxfile box;
		if (mboxfile_open(&box, path, &err) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(fs_load(AT_FDCWD, lock, 64, &text, &err), 0);
	ck_assert_int_eq(atoi(str_c(&text)), pid);
	ck_assert_int_eq(put("S: y\r\n", 100, true), 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(access(lock, F_OK), 0);
	ck_assert_int_eq(put("S: y\r\n", 100, true), 0);
	ck_assert_int_lt(access(lock, F_OK), 0);
	close(ready[0]);
	close(ready[1]);
	str_free(&text);
}
END_TEST

START_TEST(a_link_is_no_mailbox)
{
	char other[70];

	snprintf(other, sizeof other, "%s/other", place.root);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_lt(put("S: y\r\n", 100, true), 0);
	ck_assert_int_lt(access(other, F_OK), 0);
	ck_assert_int_lt(access(lock, F_OK), 0);
}
END_TEST

UNIT_WITH("mboxfile", set_up, tear_down,
	{ a_message_is_added_with_its_from_lines_quoted, ROWS(bodies) },
	{ without_a_commit_the_file_is_as_it_was, 1 },
	{ behind_a_line_without_end_a_message_begins_anew, 1 },
	{ a_lock_of_others_is_respected_until_it_is_old, 1 },
	{ a_lock_of_ours_is_respected_until_its_holder_is_dead, 1 },
	{ a_link_is_no_mailbox, 1 })
