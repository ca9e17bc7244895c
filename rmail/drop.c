/*
 * mochila-drop - lets an ordinary user leave one message in drop/.
 *
 * Installed setgid to the spool's group, and nothing else here is.  It copies its
 * standard input, one spool entry, into drop/ under a name of its own making; settle
 * checks what is in it, trusts none of its words, and takes the user from the file's
 * owner.  So there is little here that could go wrong: no environment, no
 * path but the one compiled in, no library but libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { SILENCE_MS = 300000 };
static const long long most = 44LL << 20;	/* the entry of a message of max-size, 35M */
static const char begins[] = "NOOP mochila=1 ";

static char unfinished[80];	/* our file, until it has its name */
static int folder = -1;

static _Noreturn void
give_up(int status, const char *what, int number)
{
	if (unfinished[0] != '\0')
		unlinkat(folder, unfinished, 0);
	dprintf(STDERR_FILENO, "mochila-drop: %s%s%s\n", what, number != 0 ? ": " : "",
	    number != 0 ? strerror(number) : "");
	exit(status);
}

/* Nobody's files may become our standard descriptors (ARG-03). */
static void
fill_descriptors(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd < 0)
		_exit(EX_OSERR);
	close(fd);
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		for (fd = STDERR_FILENO + 1; fd < 1024; fd++)
			close(fd);
}

static void
time_is_up(int number)
{
	(void)number;
	if (unfinished[0] != '\0')
		unlinkat(folder, unfinished, 0);
	_exit(EX_TEMPFAIL);
}

static void
settle_down(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGXFSZ };
	struct sigaction stop = { .sa_handler = time_is_up };
	struct rlimit none = { 0, 0 };
	sigset_t empty;

	clearenv();
	umask(0);
	setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigaction(SIGALRM, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	alarm(4 * SILENCE_MS / 1000);	/* the whole, whatever comes how slowly */
}

static bool
is_raised(void)
{
	return getgid() != getegid() || getuid() != geteuid();
}

/* drop/ of the spool; elsewhere only for one who has no more rights than their own. */
static void
open_folder(int argc, char **argv)
{
	char path[4096];
	const char *root = LOCALSTATEDIR "/lib/mochila";

	if (argc == 3 && strcmp(argv[1], "--root") == 0 && !is_raised())
		root = argv[2];
	else if (argc > 1)
		give_up(EX_USAGE, "takes no arguments (the message is on standard input)", 0);
	if (snprintf(path, sizeof path, "%s/spool/drop", root) >= (int)sizeof path)
		give_up(EX_USAGE, "--root is too long", 0);
	folder = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		give_up(errno == ENOENT || errno == EACCES ? EX_CONFIG : EX_OSERR,
		    "the spool's drop folder", errno);
}

/* A name as spool ids have them; nobody else can have made it before. */
static void
make_name(char name[80])
{
	struct timespec now;
	struct tm tm;
	uint64_t random;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0 || gmtime_r(&now.tv_sec, &tm) == NULL)
		give_up(EX_OSERR, "a name for the message", errno);
	snprintf(name, 80, "%04d%02d%02dT%02d%02d%02d.%06ld-%016" PRIx64 "-1", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000, random);
}

static int
create(const char *name)
{
	/* 1730: nobody can look in, and only its owner can move it before settle does. */
	snprintf(unfinished, sizeof unfinished, ".%.70s", name);
	int fd = openat(folder, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		unfinished[0] = '\0';
		give_up(errno == EACCES || errno == EROFS ? EX_CONFIG : EX_TEMPFAIL, "a file in drop", errno);
	}
	return fd;
}

static size_t
get(char *piece, size_t room)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got;

	if (poll(&input, 1, SILENCE_MS) <= 0)
		give_up(EX_TEMPFAIL, "no more of the message came", 0);
	while ((got = read(STDIN_FILENO, piece, room)) < 0 && errno == EINTR)
		;
	if (got < 0)
		give_up(EX_IOERR, "reading the message", errno);
	return (size_t)got;
}

static void
put(int fd, const char *piece, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, piece, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			give_up(EX_TEMPFAIL, "writing the message", errno);
		piece += done;
		len -= (size_t)done;
	}
}

static void
copy(int fd)
{
	static char piece[65536];
	long long total = 0;
	size_t have = 0, got;

	/* The beginning first: what is no entry is not worth a file. */
	while (have < sizeof begins - 1 && (got = get(piece + have, sizeof piece - have)) > 0)
		have += got;
	if (have < sizeof begins - 1 || memcmp(piece, begins, sizeof begins - 1) != 0)
		give_up(EX_DATAERR, "this is no spool entry", 0);
	do {
		total += (long long)have;
		if (total > most)
			give_up(EX_DATAERR, "larger than a message may be", 0);
		put(fd, piece, have);
	} while ((have = get(piece, sizeof piece)) > 0);
}

/* drop/ can be written by us and not read, so it is the file system that is synced. */
static void
finish(int fd, const char *name)
{
	if (fchmod(fd, 0640) < 0 || fsync(fd) < 0)
		give_up(EX_TEMPFAIL, "making the message durable", errno);
	if (renameat(folder, unfinished, folder, name) < 0)
		give_up(EX_TEMPFAIL, "naming the message", errno);
	snprintf(unfinished, sizeof unfinished, "%.70s", name);
	if (syncfs(fd) < 0)
		give_up(EX_TEMPFAIL, "making the message durable", errno);
	unfinished[0] = '\0';
}

int
main(int argc, char **argv)
{
	char name[80];

	fill_descriptors();
	settle_down();
	open_folder(argc, argv);
	make_name(name);
	int fd = create(name);
	copy(fd);
	finish(fd, name);
	return EX_OK;
}
