/*
 * filter-exec - a program, by E-MailRelay's contract.
 *
 *	exec:/usr/bin/filter -v		is called as  /usr/bin/filter -v CONTENT ENVELOPE
 *
 * CONTENT is the message, ENVELOPE what lib/mail/envelope-file.h writes; both lie in a folder
 * of this process's own, and the program may change them.  There is no shell, PATH and IFS
 * are all of its environment, it reads nothing, and what it prints is looked at for <<words>> to
 * the client, or [[words]], and behind them others for the log.  Its exit status decides:
 *
 *			before the 250			on the way out
 *	0, 101		goes on				goes on
 *	1-99		refused				returned
 *	100		gone: the program has it	not now
 *	102		gone, and look for more		goes on; then no more this round
 *	103		goes on, and look for more	goes on
 *	104		refused, and look for more	not now; no more this round
 *	105		refused				returned; no more this round
 *
 * What ended by a signal, too late or otherwise has failed itself, and the message waits.
 */
#include "relay/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "relay/filter-exit.h"
#include "relay/filter-files.h"

enum { WORDS_MAX = 100, SAID_MAX = 8192 };

struct work {
	struct filter_files files;
	struct str said;
	int status;
};

static int
exec_check(const char *rest, struct err *err)
{
	return rest[0] == '/' && rest[1] != '\0' && rest[1] != ' ' ? 0 :
	    err_set(err, ERR_CONFIG, "a program is named by its whole path");
}

/* how it is run */

static void
read_said(struct work *work, int fd)
{
	char piece[4096];
	ssize_t got;

	while ((got = read(fd, piece, sizeof piece)) > 0) {
		size_t room = work->said.len < SAID_MAX ? SAID_MAX - work->said.len : 0;
		str_add(&work->said, piece, (size_t)got < room ? (size_t)got : room);
	}
}

/* Until it has ended; -1: the time was over first. */
static int
watch_it(struct work *work, pid_t pid, int out)
{
	int ended = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[] = { { .fd = ended, .events = POLLIN }, { .fd = out, .events = POLLIN } };
	int64_t left = 1;

	while ((fds[0].revents & POLLIN) == 0 && (left = (work->files.job->deadline - clock_mono()) / 1000) > 0) {
		fds[1].revents = 0;
		poll(fds, 2, ended < 0 ? 20 : left > 60000 ? 60000 : (int)left + 1);
		read_said(work, out);
		if ((fds[1].revents & (POLLHUP | POLLERR)) != 0)
			fds[1].fd = -1;
		siginfo_t info = {0};
		if (ended < 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
			break;
	}
	if (ended >= 0)
		close(ended);
	return left > 0 ? 0 : -1;
}

static int
run_argv(struct work *work, const char *const *argv, const char *root, struct err *err)
{
	static const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "IFS= \t\n", NULL };
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe");
	fcntl(pipe_fd[1], F_SETFL, 0);	/* the program's end is an ordinary one */
	const struct child child = { .argv = argv, .environment = environment, .folder = root, .session = true,
		.dies_with_us = true, .in = -1, .out = pipe_fd[1], .errors = -1 };
	pid_t pid = child_start(&child, err);
	close(pipe_fd[1]);
	int result = -1;
	if (pid > 0) {
		bool late = watch_it(work, pid, pipe_fd[0]) < 0;
		kill(-pid, SIGKILL);	/* it, or what it left behind */
		result = child_wait(pid, 0, &work->status, err);
		read_said(work, pipe_fd[0]);
		if (result == 0 && late)
			result = err_set(err, ERR_TEMP, "no end in time; killed");
	}
	close(pipe_fd[0]);
	return result;
}

static int
run_program(struct work *work, const struct str *rest, struct err *err)
{
	const char *argv[WORDS_MAX + 3];
	struct span words = str_span(rest), word;
	struct str root = work->files.job->root;
	char *own[WORDS_MAX];
	size_t count = 0;

	while (count < WORDS_MAX && (word = span_word(&words)).len > 0) {
		own[count] = mem_text_n(word.p, word.len);
		argv[count] = own[count];
		count++;
	}
	argv[count] = str_c(&work->files.content_path);
	argv[count + 1] = str_c(&work->files.envelope_path);
	argv[count + 2] = NULL;
	int result = run_argv(work, argv, str_c(&root), err);
	while (count > 0)
		free(own[--count]);
	return result;
}

static int
exec_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct work work = {0};
	int result = filter_files_put(&work.files, job, letter, err);

	if (result == 0)
		result = run_program(&work, &spec->rest, err);
	if (result == 0) {
		result = filter_exit_means(job, work.status, str_span(&work.said), err);
		letter->gone = result == 0;
	}
	if (result > 0)
		result = filter_files_take(&work.files, err);
	filter_files_free(&work.files);
	str_free(&work.said);
	return result;
}

const struct filter filter_exec = {
	.scheme = "exec:",
	.check = exec_check,
	.run = exec_run,
	.form = "exec:/PROGRAM [ARGUMENT ...]",
};

/* E-MailRelay's name for the same. */
const struct filter filter_file = {
	.scheme = "file:",
	.check = exec_check,
	.run = exec_run,
	.form = "file:/PROGRAM",
};
