/* spool/enclose: what the helper of a program that has given its rights away starts for it. */
#include "spool/enclose.h"

#include <check.h>
#include <stdio.h>
#include <sys/wait.h>

#include "lib/base/child.h"
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
	if (enclose(&s.settings, &args, NULL, "/bin/false", &err) < 0)
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
    { the_helper_starts_what_the_settings_say_and_a_link_with_its_own_words, ROWS(rows) })
