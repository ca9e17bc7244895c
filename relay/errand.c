#include "relay/errand.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/clock.h"

static void
clean_up(struct errand *errand)
{
	watch_free(&errand->end);
	watch_free(&errand->said);
	timer_free(&errand->late);
	if (errand->ended >= 0)
		close(errand->ended);
	close(errand->out);
	errand->ended = errand->out = -1;
	errand->pid = 0;
}

static void
read_words(void *ctx)
{
	struct errand *errand = ctx;
	char piece[4096];
	ssize_t got;

	while ((got = read(errand->out, piece, sizeof piece)) > 0) {
		size_t room = errand->words.len < errand->most ? errand->most - errand->words.len : 0;
		str_add(&errand->words, piece, (size_t)got < room ? (size_t)got : room);
	}
	if (got == 0)
		watch_pause(&errand->said);	/* it has closed its output */
}

static void
on_end(void *ctx)
{
	struct errand *errand = ctx;
	struct err err = {0};
	int status = 0;

	read_words(errand);
	kill(-errand->pid, SIGKILL);	/* what it may have left behind */
	if (child_wait(errand->pid, 0, &status, &err) == 0 && errand->too_late)
		err_set(&err, ERR_TEMP, "no end after %lld s; killed", (long long)errand->seconds);
	clean_up(errand);
	errand->done(errand->ctx, status, &err);
}

static void
on_late(void *ctx)
{
	struct errand *errand = ctx;

	errand->too_late = true;
	kill(-errand->pid, SIGKILL);
}

static void
kill_it(struct errand *errand)
{
	struct err ignored;
	int status;

	kill(-errand->pid, SIGKILL);
	child_wait(errand->pid, 0, &status, &ignored);
	clean_up(errand);
}

static int
watch_it(struct errand *errand, struct loop *loop, struct err *err)
{
	errand->ended = (int)syscall(SYS_pidfd_open, errand->pid, 0);
	if (errand->ended < 0) {
		err_sys(err, "pidfd_open");
		kill_it(errand);
		return -1;
	}
	watch_start(&errand->end, loop, errand->ended, WATCH_READ, on_end, errand);
	watch_start(&errand->said, loop, errand->out, WATCH_READ, read_words, errand);
	timer_start(&errand->late, loop, on_late, errand);
	timer_set(&errand->late, errand->seconds * CLOCK_SECOND);
	return 0;
}

/* Asked of ourselves before anything runs: what could not be watched would run again and again. */
static int
can_watch(struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return err_sys(err, "programs cannot be watched here (pidfd_open)");
	close(fd);
	return 0;
}

int
errand_start(struct errand *errand, struct loop *loop, const struct child *child, struct err *err)
{
	struct child mine = *child;
	int pipe_fd[2];

	str_clear(&errand->words);
	errand->too_late = false;
	if (can_watch(err) < 0)
		return -1;
	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe");
	fcntl(pipe_fd[1], F_SETFL, 0);	/* the program's end is an ordinary one */
	mine.session = true;
	mine.out = pipe_fd[1];
	mine.errors = errand->errors_too ? pipe_fd[1] : -1;
	errand->pid = child_start(&mine, err);
	close(pipe_fd[1]);
	errand->out = pipe_fd[0];
	errand->ended = -1;
	if (errand->pid > 0)
		return watch_it(errand, loop, err);
	clean_up(errand);
	return -1;
}

void
errand_stop(struct errand *errand)
{
	if (errand->pid > 0)
		kill_it(errand);
	str_free(&errand->words);
}
