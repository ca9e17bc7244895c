/*
 * cutter - the line between a caller and the far end, and what goes wrong with it.
 *
 *	cutter REPORT LINE WAY AT WHAT COMMAND...
 *
 * Its standard input and output reach the caller; COMMAND is the far end.  LINE: "pipe", or
 * "socket": COMMAND has one end of a TCP connection.  Behind the AT-th byte that goes "up" (to
 * COMMAND) or "down" (WAY) comes WHAT:
 *
 *	cut		everything is closed, whatever is still on its way
 *	reset		the same, and a connection is reset
 *	hang		closed for the caller; the far end hears nothing more and is not told
 *	kill-caller	the caller, whose child we are, dies, and so the line is cut
 *	kill-called	COMMAND dies
 *
 * At the end, or before it does that, it appends "up=BYTES down=BYTES did=WHAT" to REPORT;
 * did=none: so many bytes never came.  Little is on its way at a time: the line has no more
 * room than a page.  CUTTER_DELAY: so many milliseconds it takes each way.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 4096, HANG_SECONDS = 20 };

/* One way of the line. */
struct way {
	int from, to;		/* -1: closed */
	unsigned long moved;
	long left;		/* until it happens; -1: never */
	char held[ROOM];
	size_t len;
	long due;		/* milliseconds: before that it is under way */
};

static struct {
	const char *report, *what;
	bool socket;
	pid_t child;
	long delay;
	struct way up, down;
} cutter;

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(71);
}

/* the far end */

static void
become(char **command, int in, int out)
{
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	die(command[0]);
}

static void
start(char **command, int in, int out)
{
	cutter.child = fork();
	if (cutter.child < 0)
		die("fork");
	if (cutter.child == 0)
		become(command, in, out);
	close(in);
	if (out != in)
		close(out);
}

static void
start_on_pipes(char **command)
{
	int up[2], down[2];

	if (pipe(up) < 0 || pipe(down) < 0)
		die("pipe");
	fcntl(up[1], F_SETPIPE_SZ, ROOM);
	fcntl(down[1], F_SETPIPE_SZ, ROOM);
	cutter.up.to = up[1];
	cutter.down.from = down[0];
	start(command, up[0], down[1]);
}

static void
start_on_socket(char **command)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0), near = socket(AF_INET, SOCK_STREAM, 0), room = ROOM;

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);	/* the accepted one has it too */
	setsockopt(near, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    connect(near, (struct sockaddr *)&at, sizeof at) < 0)
		die("socket");
	int far = accept(listener, NULL, NULL);
	if (far < 0)
		die("accept");
	close(listener);
	cutter.up.to = near;
	cutter.down.from = dup(near);
	start(command, far, far);
}

/* what happens */

static void
report(const char *did)
{
	char line[128];
	int len = snprintf(line, sizeof line, "up=%lu down=%lu did=%s\n", cutter.up.moved, cutter.down.moved, did);
	int fd = open(cutter.report, O_WRONLY | O_CREAT | O_APPEND, 0640);

	if (fd < 0 || write(fd, line, (size_t)len) != len)
		die(cutter.report);
	close(fd);
}

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
hang(void)
{
	if (fork() != 0)
		_exit(0);	/* all that the caller sees of the line is gone */
	shut(&cutter.up.from);
	shut(&cutter.down.to);
	close(STDERR_FILENO);
	setsid();
	struct pollfd far = { .fd = cutter.up.to, .events = POLLRDHUP };	/* or POLLERR: it has ended */
	poll(&far, 1, HANG_SECONDS * 1000);
	_exit(0);
}

static _Noreturn void
happen(void)
{
	const struct linger hard = { .l_onoff = 1 };
	const char *what = cutter.what;

	report(what);
	if (strcmp(what, "kill-caller") == 0)
		kill(getppid(), SIGKILL);
	if (strcmp(what, "kill-called") == 0)
		kill(cutter.child, SIGKILL);
	if (strcmp(what, "hang") == 0)
		hang();
	if (strcmp(what, "reset") == 0 && cutter.socket)
		setsockopt(cutter.up.to, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	_exit(0);
}

/* moving bytes */

static void
end_of(struct way *way)
{
	shut(&way->from);
	if (way->to >= 0 && cutter.socket && way == &cutter.up)
		shutdown(way->to, SHUT_WR);
	shut(&way->to);
}

static long
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static void
take(struct way *way)
{
	ssize_t got = read(way->from, way->held, way->left >= 0 && way->left < ROOM ? (size_t)way->left : ROOM);

	if (got <= 0)
		end_of(way);
	else
		way->len = (size_t)got;
	way->due = cutter.delay > 0 ? now() + cutter.delay : 0;
}

static void
give(struct way *way)
{
	ssize_t done = write(way->to, way->held, way->len);

	if (done < 0 && errno == EINTR)
		return;
	if (done < 0) {
		end_of(way);
		way->len = 0;
		return;
	}
	memmove(way->held, way->held + done, way->len - (size_t)done);
	way->len -= (size_t)done;
	way->moved += (unsigned long)done;
	if (way->left >= 0)
		way->left -= done;
	if (way->left == 0)
		happen();
}

/* How long what is held is still under way, or -1. */
static long
under_way(const struct way *way)
{
	long left = way->len > 0 && way->due > 0 ? way->due - now() : 0;
	return left > 0 ? left : -1;
}

static struct pollfd
wanted(const struct way *way, long left)
{
	if (left > 0)
		return (struct pollfd){ .fd = -1 };
	return (struct pollfd){ .fd = way->len > 0 ? way->to : way->from, .events = way->len > 0 ? POLLOUT : POLLIN };
}

static void
move(void)
{
	struct way *ways[2] = { &cutter.up, &cutter.down };

	while (cutter.down.from >= 0) {
		long up = under_way(ways[0]), down = under_way(ways[1]);
		long next = up < 0 || (down > 0 && down < up) ? down : up;
		struct pollfd fds[2] = { wanted(ways[0], up), wanted(ways[1], down) };
		if (poll(fds, 2, (int)next) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < 2; i++) {
			if (fds[i].revents == 0)
				continue;
			if (ways[i]->len > 0)
				give(ways[i]);
			else
				take(ways[i]);
		}
	}
}

int
main(int argc, char **argv)
{
	int status;

	if (argc < 7) {
		fputs("usage: cutter REPORT pipe|socket up|down AT WHAT COMMAND...\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	cutter.report = argv[1];
	cutter.delay = getenv("CUTTER_DELAY") != NULL ? atol(getenv("CUTTER_DELAY")) : 0;
	cutter.socket = strcmp(argv[2], "socket") == 0;
	cutter.what = argv[5];
	cutter.up = (struct way){ .from = STDIN_FILENO, .to = -1, .left = -1 };
	cutter.down = (struct way){ .from = -1, .to = STDOUT_FILENO, .left = -1 };
	*(strcmp(argv[3], "up") == 0 ? &cutter.up.left : &cutter.down.left) = atol(argv[4]);
	fcntl(STDIN_FILENO, F_SETPIPE_SZ, ROOM);
	fcntl(STDOUT_FILENO, F_SETPIPE_SZ, ROOM);
	(cutter.socket ? start_on_socket : start_on_pipes)(argv + 6);
	move();
	shut(&cutter.up.to);
	report("none");
	return waitpid(cutter.child, &status, 0) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 75;
}
