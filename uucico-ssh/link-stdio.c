/*
 * Link stdio: the answering end of somebody's exec, ssh or login.
 */
#include "uucico-ssh/link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { END_SECONDS = 3 };

static void
never_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int
stdio_open(struct link *link, const char *rest, struct err *err)
{
	(void)rest;
	(void)err;
	link->in = 0;
	link->out = 1;
	never_block(0);
	never_block(1);
	return 0;
}

static void
to_nobody(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

/* Hands 0 and 1 back, so that the far end sees the end of file while we still run its
 * jobs. */
static void
stdio_close(struct link *link)
{
	to_nobody(0);
	to_nobody(1);
	link->in = link->out = -1;
}

/* Taylor UUCP says its last words twice, and is angry at a line closed in between.  Who knows
 * that all is said waits for our end of file, and sshd tells it only when our standard error is
 * at its end, too. */
static void
stdio_finish(struct link *link)
{
	if (link->both_know) {
		stdio_close(link);
		to_nobody(2);
		return;
	}
	shutdown(1, SHUT_WR);	/* where it is a socket, which is 0 too, they would wait for its end */
	to_nobody(1);
	link_fd_drain(link, END_SECONDS);
}

const struct link_row link_stdio = {
	.scheme = "stdio:",
	.advice = "the other end is to be a uucico that calls",
	.open = stdio_open,
	.read = link_fd_read,
	.write = link_fd_write,
	.poll = link_fd_poll,
	.finish = stdio_finish,
	.close = stdio_close,
};
