/*
 * spool/enclose: what the helper of a program that has given its rights away starts for it, and what
 * each kind of program can still open, as the kernel has it (Landlock): the keys, the settings and the
 * users are nobody's to write, and the keys only theirs to read who call.
 */
#include "spool/enclose.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"
#include "lib/base/helper.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static struct scratch s;

static const char *const said[] = { "spool.site=home", "spool.host=home.lan",
	"site hub.link=exec:sh -c 'exit 3'", "site far.link=exec:/bin/sh -c 'exit 4'",
	"site hub.passphrase=exec:/bin/echo word", "routes.x.example=command:/bin/true %u" };

static const struct { int status; const char *program, *words[5]; } rows[] = {	/* -1: it is not started */
	{ 3, "/usr/bin/sh", { "sh", "-c", "exit 3" } },
	{ -1, "/usr/bin/sh", { "sh", "-c", "exit 5" } },
	{ -1, "/usr/bin/sh", { "sh", "-c", "exit 3", "more" } },
	{ -1, "/usr/bin/sh", { "sh", "-c" } },
	{ -1, "/usr/bin/sh", { "sh" } },
	{ 4, "/bin/sh", { "/bin/sh", "-c", "exit 4" } },
	{ -1, "/bin/sh", { "/bin/sh", "-c", "exit 5" } },
	{ 0, "/bin/echo", { "/bin/echo", "word" } },
	{ -1, "/bin/echo", { "/bin/echo", "other" } },
	{ 0, "/bin/true", { "anything", "at", "all" } },	/* of a route: its words are those of a mail */
	{ 0, "/bin/false", { "false" } },	/* the one that was said besides: but it exits 1 */
	{ -1, "/bin/cat", { "cat" } },
};

/* In a process of its own: there is no way back. */
static int
run_inside(size_t row)
{
	struct settings_args args = { .root = s.root, .set = { mem_get(sizeof said), ROWS(said) } };
	struct child child = { .argv = rows[row].words, .path = rows[row].program, .in = -1, .out = -1, .errors = -1 };
	struct err err = {0};
	int status = -1;

	memcpy(args.set.text, said, sizeof said);
	setenv("PATH", "/nowhere:/usr/bin:/bin", 1);
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL, .program = "/bin/false" };
	if (enclose(&s.settings, &args, &mine, &err) < 0)
		return 99;
	bool ran = child_run(&child, 10, &status, &err) == 0;
	helper_stop();
	opt_list_free(&args.set);
	if (!ran)
		return strstr(err.text, "only what the settings name") != NULL ? 77 : 98;
	return status;
}

START_TEST(the_helper_starts_what_the_settings_say_and_a_link_with_its_own_words)
{
	int status;
	int want = strcmp(rows[_i].program, "/bin/false") == 0 ? 1 : rows[_i].status < 0 ? 77 : rows[_i].status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_inside((size_t)_i));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), want);
}
END_TEST

/* What is open to whom: by its needs, r or w for each kind of program, - for neither. */

enum { RELAY, CALLER, CALLED, SETTLE, FILTER, LIST, PROGRAMS };

static const struct enclosing programs[PROGRAMS] = {
	[RELAY] = { .needs = ENCLOSE_SPOOL | ENCLOSE_BOXES | ENCLOSE_DOORS },
	[CALLER] = { .needs = ENCLOSE_SPOOL | ENCLOSE_FILES | ENCLOSE_CALLS, .site = "hub" },
	[CALLED] = { .needs = ENCLOSE_SPOOL | ENCLOSE_FILES | ENCLOSE_ANSWERS, .site = "hub" },
	[SETTLE] = { .needs = ENCLOSE_SPOOL },
	[FILTER] = { .needs = ENCLOSE_BOXES },
	[LIST] = { .needs = ENCLOSE_LISTS },
};

static const struct { const char *path, *open; } files[] = {
	{ "mochila.conf", "rrrrrr" },		/* by the helper: a file of the root itself may be replaced */
	{ "users", "r-----" },			/* login of [relay] */
	{ "keys/id_ed25519", "-r----" },
	{ "keys/tls.pem", "rr----" },		/* tls-key names it; the caller has the folder */
	{ "keys/secret", "-rr---" },		/* key-auth */
	{ "table", "rrrrrr" },			/* aliases name it */
	{ "other", "------" },			/* nobody does */
	{ "spool/in/x", "wwww--" },
	{ "spool/out/hub/x", "wwww--" },
	{ "spool/out/far/x", "wwww--" },	/* who took what came settles it */
	{ "spool/sent/hub/x", "wwww--" },
	{ "spool/sent/far/x", "wrrw--" },
	{ "spool/ring/far/x", "wwww--" },	/* all rings share what they may take */
	{ "run/x", "wwwwrr" },
	{ "mail/bob/x", "wrrrwr" },
	{ "recipients/hub", "rrrrrw" },
};

/* Folders that the settings name, which the helper might hand out. */
static const char *const folders[] = { "keys", "spool" };

static const char *const files_said[] = { "spool.site=home", "spool.host=home.lan", "site hub.key-auth=keys/secret",
	"routes.x.example=maildir:mail/%u", "addresses.aliases=file:table", "relay main.tls-key=keys/tls.pem",
	"relay main.login=file:users" };

static void
put(const char *name)
{
	struct str path = {0};

	str_printf(&path, "%s/%s", s.root, name);
	for (size_t at = strlen(s.root) + 1; at < path.len; at++) {
		if (path.p[at] != '/')
			continue;
		path.p[at] = '\0';
		mkdir(path.p, 0700);
		path.p[at] = '/';
	}
	int fd = open(str_c(&path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_msg(fd >= 0, "%s", name);
	close(fd);
	str_free(&path);
}

/* 'w', 'r' or '-', as our programs open files. */
static char
opens(const char *name)
{
	struct str path = {0};
	struct err err;

	str_printf(&path, "%s/%s", s.root, name);
	int fd = open(str_c(&path), O_RDWR | O_CLOEXEC);
	char how = fd >= 0 ? 'w' : '-';
	if (fd < 0 && (fd = fs_open(AT_FDCWD, str_c(&path), O_RDONLY, &err)) >= 0)
		how = 'r';
	if (fd >= 0)
		close(fd);
	/* One that may not be written may not be replaced or removed either. */
	if (how != 'w' && (unlink(str_c(&path)) == 0 || rename(str_c(&path), str_c(&path)) == 0))
		how = '!';
	str_free(&path);
	return how;
}

static int
walk_inside(size_t program)
{
	struct settings_args args = { .root = s.root, .set = { mem_get(sizeof files_said), ROWS(files_said) } };
	struct settings settings;
	struct str got = {0};
	struct err err = {0};
	int wrong = 0;

	memcpy(args.set.text, files_said, sizeof files_said);
	if (settings_load(&settings, &args, &err) < 0 || enclose_prepare(&settings, &args, &programs[program], &err) < 0)
		return 99;
	enclose_enter(&settings, &programs[program], &got);
	bool walls = strstr(str_c(&got), "landlock=no") == NULL;
	for (size_t i = 0; i < ROWS(files) && walls; i++) {
		char how = opens(files[i].path);
		if (how != files[i].open[program])
			printf("%zu: %s is %c\n", program, files[i].path, how), wrong++;
	}
	for (size_t i = 0; i < ROWS(folders) && walls; i++) {
		struct str path = {0};
		str_printf(&path, "%s/%s", s.root, folders[i]);
		if (helper_open(str_c(&path), HELPER_READ) >= 0)
			printf("%zu: the helper opens %s\n", program, folders[i]), wrong++;
		str_free(&path);
	}
	if (!walls)
		printf("not tried: %s\n", str_c(&got));
	fflush(stdout);
	helper_stop();
	return wrong;
}

START_TEST(each_program_writes_where_it_has_work_and_nowhere_else)
{
	int status;

	for (size_t i = 0; i < ROWS(files); i++)
		put(files[i].path);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(walk_inside((size_t)_i));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

static void
set_up(void)
{
	scratch_open(&s, said, ROWS(said));
}

static void
tear_down(void)
{
	scratch_close(&s);
}

UNIT_WITH("enclose", set_up, tear_down,
    { the_helper_starts_what_the_settings_say_and_a_link_with_its_own_words, ROWS(rows) },
    { each_program_writes_where_it_has_work_and_nowhere_else, PROGRAMS })
