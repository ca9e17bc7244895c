/*
 * Link exec: any command whose standard input and output reach the far end:
 * OpenSSH's ssh, a modem script, the answering program itself.  The words are
 * split here; no shell sees them.
 */
#include "uucico-ssh/link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/words.h"

extern char **environ;

enum { END_SECONDS = 10 };

/* The command's own environment but for what names *our* spool: it may be us again. */
static const char **
environment_for_command(void)
{
	static const char *const ours[] = { "MOCHILA_ROOT=", "MOCHILA_CONFIG=", "MOCHILA_SET=" };
	size_t count = 0, kept = 0;

	while (environ[count] != NULL)
		count++;
	const char **list = mem_get((count + 1) * sizeof *list);
	for (size_t i = 0; i < count; i++) {
		bool mine = false;
		for (size_t j = 0; j < sizeof ours / sizeof ours[0]; j++)
			mine = mine || strncmp(environ[i], ours[j], strlen(ours[j])) == 0;
		if (!mine)
			list[kept++] = environ[i];
	}
	return list;
}

static int
make_pipes(int pipes[3][2], struct err *err)
{
	for (int i = 0; i < 3; i++)
		pipes[i][0] = pipes[i][1] = -1;
	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			return err_sys(err, "pipe");
	return 0;
}

static void
keep(int *end, int *into)
{
	*into = *end;
	*end = -1;
	fcntl(*into, F_SETFL, O_NONBLOCK);
}

static int
start(struct link *link, const char *path, char **words, struct err *err)
{
	int pipes[3][2];
	const char **environment = environment_for_command();

	if (make_pipes(pipes, err) == 0) {
		struct child child = {
			.argv = (const char *const *)words, .path = path, .environment = environment,
			.in = pipes[0][0], .out = pipes[1][1], .errors = pipes[2][1],
		};
		link->pid = child_start(&child, err);
	}
	if (link->pid > 0) {
		keep(&pipes[0][1], &link->out);
		keep(&pipes[1][0], &link->in);
		keep(&pipes[2][0], &link->errors);
	}
	for (int i = 0; i < 6; i++)
		if (pipes[i / 2][i % 2] >= 0)
			close(pipes[i / 2][i % 2]);
	free(environment);
	return link->pid > 0 ? 0 : err_prefix(err, "exec");
}

static int
exec_open(struct link *link, const char *rest, struct err *err)
{
	struct str path = {0};
	char **words = words_of(rest, err);
	int result = -1;

	if (words == NULL)
		return err_prefix(err, "link exec:%s", rest);
	if (words_program(words[0], &path, err) == 0)
		result = start(link, str_c(&path), words, err);
	free(words);
	str_free(&path);
	return result;
}

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
exec_finish(struct link *link)
{
	shut(&link->out);
	link_fd_drain(link, END_SECONDS);
}

/* After a call in good order the command may go on, with jobs it received or hanging
 * up a modem; otherwise it is ended. */
static void
exec_close(struct link *link)
{
	int status;
	struct err err;

	shut(&link->in);
	shut(&link->out);
	shut(&link->errors);
	if (link->pid <= 0 || link->finished)
		return;
	kill(link->pid, SIGTERM);
	child_wait(link->pid, END_SECONDS, &status, &err);
	link->pid = -1;
}

const struct link_row link_exec = {
	.scheme = "exec:",
	.knows = true,
	.advice = "see whether the command of the link starts uucico at the far end",
	.open = exec_open,
	.read = link_fd_read,
	.write = link_fd_write,
	.poll = link_fd_poll,
	.finish = exec_finish,
	.close = exec_close,
};
