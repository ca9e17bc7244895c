#include "relay/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/helper.h"

enum { SAID_MAX = 8192 };

static void
read_said(struct str *said, int fd)
{
	char piece[4096];
	ssize_t got;

	while ((got = read(fd, piece, sizeof piece)) > 0) {
		size_t room = said->len < SAID_MAX ? SAID_MAX - said->len : 0;
		str_add(said, piece, (size_t)got < room ? (size_t)got : room);
	}
}

/* Until it has ended; -1: the time was over first. */
static int
watch_it(pid_t pid, int out, int64_t deadline, struct str *said)
{
	int ended = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[] = { { .fd = ended, .events = POLLIN }, { .fd = out, .events = POLLIN } };
	int64_t left = 1;

	while ((fds[0].revents & POLLIN) == 0 && (left = (deadline - clock_mono()) / 1000) > 0) {
		fds[1].revents = 0;
		poll(fds, 2, ended < 0 ? 20 : left > 60000 ? 60000 : (int)left + 1);
		read_said(said, out);
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

/* Who left its session has us for a parent now: nothing else is our child, but the helper. */
static void
end_adopted(void)
{
	enum { ROUNDS = 1000 };	/* each brings the children of those that were ended */
	char text[4096];
	uint64_t pid;

	for (int i = 0, found = 1; i < ROUNDS && found > 0; i++) {
		int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
		ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text);
		if (fd >= 0)
			close(fd);
		struct span rest = { text, got > 0 ? (size_t)got : 0 }, word;
		for (found = 0; (word = span_word(&rest)).len > 0;) {
			if (span_number(word, INT32_MAX, &pid) < 0 || helper_is((pid_t)pid))
				continue;
			kill((pid_t)pid, SIGKILL);
			waitpid((pid_t)pid, NULL, 0);
			found++;
		}
	}
}

int
program_run(const char *const *argv, const char *folder, const struct child_limits *limits, int64_t deadline,
    struct str *said, int *status, struct err *err)
{
	static const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "IFS= \t\n", NULL };
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe");
	fcntl(pipe_fd[1], F_SETFL, 0);	/* the program's end is an ordinary one */
	const struct child child = { .argv = argv, .environment = environment, .folder = folder, .limits = limits, .session = true,
		.dies_with_us = true, .quick = true, .in = -1, .out = pipe_fd[1], .errors = -1 };
	pid_t pid = child_start(&child, err);
	close(pipe_fd[1]);
	int result = -1;
	if (pid > 0) {
		bool late = watch_it(pid, pipe_fd[0], deadline, said) < 0;
		kill(-pid, SIGKILL);	/* it, or what it left behind */
		result = child_wait(pid, 0, status, err);
		read_said(said, pipe_fd[0]);
		end_adopted();
		if (result == 0 && late)
			result = err_set(err, ERR_TEMP, "no end in time; killed");
	}
	close(pipe_fd[0]);
	return result;
}
