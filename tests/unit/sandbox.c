/*
 * lib/base/sandbox: what was given away is gone, and what is needed is not; and the helper, which
 * starts programs for those who may not.
 */
#include "lib/base/sandbox.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/helper.h"
#include "tests/unit/unit.h"

static char ours[] = "/tmp/mochila-sandbox-XXXXXX", others[] = "/tmp/mochila-outside-XXXXXX";

static void
put(const char *folder, const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0755);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
set_up(void)
{
	strcpy(ours + strlen(ours) - 6, "XXXXXX");
	strcpy(others + strlen(others) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(ours));
	ck_assert_ptr_nonnull(mkdtemp(others));
	put(ours, "file", "ours");
	put(others, "file", "others'");
	put(others, "script", "#!/bin/sh\necho \"$1\"; exit 7\n");
}

static void
tear_down(void)
{
	static const char *const names[] = { "file", "new", "sub/moved", "sub", "script" };
	char path[200];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", ours, names[i]);
		remove(path);
		snprintf(path, sizeof path, "%s/%s", others, names[i]);
		remove(path);
	}
	rmdir(ours);
	rmdir(others);
}

/* What the kernel has; the rest is told in the test's log and not tried. */
static bool landlock, seccomp;

static void
go_inside(void)
{
	struct sandbox sandbox = {0};
	struct str said = {0};

	sandbox_may_libraries(&sandbox);
	sandbox_may(&sandbox, ours, SANDBOX_WRITE);
	sandbox_may(&sandbox, "/no/such/folder", SANDBOX_WRITE);
	sandbox_enter(&sandbox, &said);
	printf("%s\n", str_c(&said));
	landlock = strstr(str_c(&said), "landlock=no") == NULL;
	seccomp = strstr(str_c(&said), "seccomp=yes") != NULL;
	sandbox_free(&sandbox);
	str_free(&said);
}

static bool
opens(const char *folder, const char *name, int flags)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, flags, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool
moves(void)
{
	char from[200], to[200];
	snprintf(from, sizeof from, "%s/new", ours);
	snprintf(to, sizeof to, "%s/sub", ours);
	if (mkdir(to, 0700) < 0)
		return false;
	strcat(to, "/moved");
	return rename(from, to) == 0 && link(to, from) == 0 && unlink(from) == 0;
}

#define MUST(what) do { if (!(what)) _exit(__LINE__ % 250 + 1); } while (0)

static _Noreturn void
try_files(void)
{
	go_inside();
	MUST(opens(ours, "file", O_RDWR | O_TRUNC) && opens(ours, "new", O_RDWR | O_CREAT | O_EXCL) && moves());
	MUST(opens("/etc", "passwd", O_RDONLY) && opens("/dev", "null", O_RDWR));
	MUST(!landlock || (!opens(others, "file", O_RDONLY) && errno == EACCES));
	MUST(!landlock || !opens(others, "new", O_RDWR | O_CREAT));
	MUST(!landlock || !opens("/etc", "mochila-was-here", O_RDWR | O_CREAT));
	MUST(!landlock || !opens("/tmp", "mochila-was-here", O_RDWR | O_CREAT));
	_exit(0);
}

static void *
in_thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static bool
refused(long result)
{
	return result < 0 && errno == EPERM;
}

static _Noreturn void
try_calls(void)
{
	char word[] = "true", *const words[] = { word, NULL };
	pthread_t thread;
	int ran = 0;

	go_inside();
	MUST(pthread_create(&thread, NULL, in_thread, &ran) == 0 && pthread_join(thread, NULL) == 0 && ran == 1);
	if (!seccomp)
		_exit(0);
	MUST(refused(execv("/bin/true", words)));
	MUST(refused(fork()));
	MUST(refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
	MUST(refused(setuid(getuid())));
	MUST(refused(mount("none", ours, "tmpfs", 0, NULL)));
	MUST(refused(chroot(ours)));
	_exit(0);
}

static bool
may_run(void *ctx, const char *path, const char *const *words)
{
	(void)words;
	return strncmp(path, ctx, strlen(ctx)) == 0;
}

/* What the child wrote to its standard output. */
static bool
says(int fd, const char *want)
{
	char said[100] = "";
	ssize_t got = read(fd, said, sizeof said - 1);

	return got >= 0 && strcmp(said, want) == 0;
}

static _Noreturn void
try_helper(void)
{
	const struct helper_rules rules = { .may = may_run, .ctx = others };
	char script[200], missing[200];
	struct err err = {0};
	int out[2], status = 0;

	snprintf(script, sizeof script, "%s/script", others);
	snprintf(missing, sizeof missing, "%s/missing", others);
	MUST(pipe2(out, O_CLOEXEC) == 0 && helper_start(&rules, &err) == 0);
	go_inside();
	const char *argv[] = { script, "hello there", NULL }, *bad[] = { "/bin/true", NULL }, *gone[] = { missing, NULL };
	struct child child = { .argv = argv, .in = -1, .out = out[1], .errors = -1, .dies_with_us = true };
	MUST(child_run(&child, 30, &status, &err) == 0 && status == 7);
	MUST(says(out[0], "hello there\n"));
	child.argv = bad;
	MUST(child_run(&child, 30, &status, &err) < 0 && err.kind == ERR_CONFIG && strstr(err.text, "only what") != NULL);
	child.argv = gone;
	MUST(child_run(&child, 30, &status, &err) < 0 && err.kind == ERR_CONFIG && strstr(err.text, "No such file") != NULL);
	MUST(waitpid(-1, NULL, WNOHANG) == 0);	/* the helper, and nobody dead */
	child.argv = argv;
	MUST(child_run(&child, 30, &status, &err) == 0 && status == 7);
	helper_stop();
	MUST(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	_exit(0);
}

static const struct { const char *name; void (*try)(void); } tries[] = {
	{ "files", try_files }, { "calls", try_calls }, { "helper", try_helper },
};

START_TEST(what_is_given_away_is_gone)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		tries[_i].try();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%s: status %x, line with rest %d", tries[_i].name, (unsigned)status,
	    WEXITSTATUS(status) - 1);
}
END_TEST

UNIT_WITH("sandbox", set_up, tear_down,
	{ what_is_given_away_is_gone, ROWS(tries) })
