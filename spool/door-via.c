/*
 * A command at the far end by the user's own ssh, who may be asked for a password or a
 * passphrase on his terminal: for "mochila pair --via".
 */
#include "spool/door.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"

extern char **environ;

enum { ANSWER_MAX = 1 << 18 };

static int
find_ssh(struct str *path, struct err *err)
{
	struct span folders = span_of(getenv("PATH")), folder;

	while (span_cut(&folders, ':', &folder)) {
		str_set_span(path, folder);
		str_add_text(path, "/ssh");
		if (folder.len > 0 && access(str_c(path), X_OK) == 0)
			return 0;
	}
	err_set(err, ERR_CONFIG, "--via needs OpenSSH's ssh on PATH");
	return err_as(err, EX_UNAVAILABLE, NULL);
}

static int
run(const char *path, const char *const words[], struct str *answer, struct err *err)
{
	int end[2], status = 0;

	if (pipe2(end, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	/* With his environment: the agent, the terminal. */
	struct child child = { .argv = words, .path = path, .environment = (const char *const *)environ,
		.in = 0, .out = end[1], .errors = 2 };
	pid_t pid = child_start(&child, err);
	close(end[1]);
	int result = pid < 0 ? -1 : fs_read_all(end[0], ANSWER_MAX, answer, err);
	close(end[0]);
	if (pid > 0 && child_wait(pid, 0, &status, result < 0 ? &(struct err){0} : err) < 0)
		result = -1;
	if (result < 0 || status == 0)
		return result;
	err_set(err, ERR_TEMP, "ssh %s: %s", words[4], status == 255 ? "it does not let us in" :
	    "the command failed there; is mochila installed, and on the PATH of a login without a terminal?");
	return err_as(err, EX_UNAVAILABLE, NULL);
}

int
door_via(const char *login, const char *port, const char *command, struct str *answer, struct err *err)
{
	const char *const words[] = { "ssh", "-p", port, "--", login, command, NULL };
	struct str path = {0};
	int result = find_ssh(&path, err);

	if (result == 0)
		result = run(str_c(&path), words, answer, err);
	str_free(&path);
	return result;
}
