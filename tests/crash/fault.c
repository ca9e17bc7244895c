/*
 * fault - a preload library that breaks one state-changing call.
 *
 *	FAULT_AT=n	the n-th such call (from 1); 0 or unset: none
 *	FAULT=kill	the process dies instead of the call
 *	FAULT=stop	it stops before the call (SIGSTOP), until somebody lets it go on
 *	FAULT=EIO ENOSPC ...	that call fails so
 *	FAULT=full	from that call on, every call that needs room fails with ENOSPC
 *	FAULT=room	there is none to be allocated: each fallocate fails with ENOSPC
 *	FAULT=read	the n-th reading of a place in a file (pread) fails with EIO instead
 *	FAULT_COUNT=FILE	at exit: how many there were; 999999 before
 *	FAULT_NOSYNC=1	nothing is synced: for tests without power cuts, on a slow disk
 *	FAULT_BELOW=DIR	only calls for files below it count and fail: a daemon writes to pipes and
 *			sockets of its own too, and those do not fail
 *
 * It counts the calls of this process that change a file system.  With FAULT_AT from 1
 * up until the program ends untouched, every step of it has been tried.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned long calls;
static const char *at, *what, *count_file, *no_sync, *below;
static int counted = -1;

enum { OUT_OF_THE_WAY = 200 };	/* descriptors that no program looks at */

static const char killed[] = "999999\n";	/* of who does not come to its end */

static int
open_count(void)
{
	return count_file == NULL ? -1 :
	    (int)syscall(SYS_openat, AT_FDCWD, count_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
}

/* Read at once: a program may clean its environment, and give away what it may write. */
__attribute__((constructor)) static void
instructions(void)
{
	at = getenv("FAULT_AT");
	what = getenv("FAULT");
	no_sync = getenv("FAULT_NOSYNC");
	below = getenv("FAULT_BELOW");
	count_file = getenv("FAULT_COUNT");
	int fd = open_count();
	if (fd >= 0) {
		counted = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
		syscall(SYS_close, fd);
		if (lseek(counted, 0, SEEK_END) == 0)
			syscall(SYS_pwrite64, counted, killed, sizeof killed - 1, 0);
	}
}

static int
error_number(const char *name)
{
	static const struct { const char *name; int number; } names[] = {
		{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EMFILE", EMFILE }, { "EDQUOT", EDQUOT },
		{ "EROFS", EROFS }, { "EINTR", EINTR },
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].number;
	return EIO;
}

/* What a descriptor is open for, or, with a path, where that leads from there. */
static int
is_below(int fd, const char *path)
{
	char link[64], name[4096];
	size_t len = below != NULL ? strlen(below) : 0;

	if (below == NULL)
		return 1;
	if (path != NULL && path[0] == '/')
		return strncmp(path, below, len) == 0 && path[len] == '/';
	snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", fd);
	ssize_t got = readlink(link, name, sizeof name - 1);
	name[got > 0 ? got : 0] = '\0';
	return strncmp(name, below, len) == 0 && (name[len] == '/' || name[len] == '\0');
}

enum { ROOM = 1, ALLOCATES };	/* what a call needs */

/* true: the call fails, errno is set */
static int
fault(int needs_room, int fd, const char *path)
{
	unsigned long n = at != NULL ? strtoul(at, NULL, 10) : 0;

	if ((what != NULL && strcmp(what, "read") == 0) || !is_below(fd, path))
		return 0;
	calls++;
	if (what != NULL && strcmp(what, "room") == 0) {
		if (needs_room == ALLOCATES)
			errno = ENOSPC;
		return needs_room == ALLOCATES;
	}
	if (n == 0 || what == NULL || calls < n)
		return 0;
	if (strcmp(what, "full") == 0) {
		errno = ENOSPC;
		return needs_room;
	}
	if (calls > n)
		return 0;
	if (strcmp(what, "kill") == 0)
		raise(SIGKILL);
	if (strcmp(what, "stop") == 0) {
		raise(SIGSTOP);
		return 0;
	}
	errno = error_number(what);
	return 1;
}

static int
read_fault(int fd)
{
	if (what == NULL || strcmp(what, "read") != 0 || at == NULL || !is_below(fd, NULL))
		return 0;
	errno = EIO;
	return ++calls == strtoul(at, NULL, 10);
}

__attribute__((destructor)) static void
report(void)
{
	char text[32];
	int len = snprintf(text, sizeof text, "%lu\n", calls);

	if (counted >= 0 && fcntl(counted, F_GETFD) < 0)	/* some close all that they do not know */
		counted = open_count();
	if (counted >= 0 && syscall(SYS_ftruncate, counted, 0) == 0)
		syscall(SYS_pwrite64, counted, text, len, 0);
}

static void *
next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* Each wrapper is a declaration, so that the compiler sees a prototype. */
#define WRAP(room, fd, path, type, name, params, args)		\
	type name params;					\
	type name params					\
	{							\
		static type (*real) params;			\
		if (real == NULL)				\
			*(void **)&real = next(#name);		\
		return fault(room, fd, path) ? -1 : real args;	\
	}

WRAP(ROOM, fd, NULL, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(ROOM, fd, NULL, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRAP(ROOM, fd, NULL, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP(ROOM, to, NULL, ssize_t, copy_file_range, (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned f),
    (from, a, to, b, n, f))
#define WRAP_SYNC(name)					\
	int name(int fd);					\
	int name(int fd)					\
	{							\
		static int (*real)(int);			\
		if (real == NULL)				\
			*(void **)&real = next(#name);		\
		if (fault(0, fd, NULL))				\
			return -1;				\
		return no_sync != NULL ? 0 : real(fd);		\
	}
WRAP_SYNC(fsync)
WRAP_SYNC(fdatasync)
WRAP_SYNC(syncfs)
WRAP(ALLOCATES, fd, NULL, int, fallocate, (int fd, int mode, off_t where, off_t len), (fd, mode, where, len))
WRAP(ALLOCATES, fd, NULL, int, fallocate64, (int fd, int mode, off64_t where, off64_t len), (fd, mode, where, len))
WRAP(0, fd, NULL, int, ftruncate, (int fd, off_t len), (fd, len))
WRAP(0, fd, NULL, int, ftruncate64, (int fd, off64_t len), (fd, len))
WRAP(ROOM, a, b, int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(ROOM, a, b, int, renameat2, (int a, const char *b, int c, const char *d, unsigned f), (a, b, c, d, f))
WRAP(0, dir, name, int, unlinkat, (int dir, const char *name, int flags), (dir, name, flags))
WRAP(ROOM, dir, name, int, mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode))
WRAP(ROOM, a, b, int, linkat, (int a, const char *b, int c, const char *d, int f), (a, b, c, d, f))

#define WRAP_READ(name, offset)						\
	ssize_t name(int fd, void *p, size_t n, offset where);		\
	ssize_t name(int fd, void *p, size_t n, offset where)		\
	{								\
		static ssize_t (*real)(int, void *, size_t, offset);	\
		if (real == NULL)					\
			*(void **)&real = next(#name);			\
		return read_fault(fd) ? -1 : real(fd, p, n, where);	\
	}
WRAP_READ(pread, off_t)
WRAP_READ(pread64, off64_t)

#define WRAP_OPENAT(name)						\
	int name(int dir, const char *path, int flags, ...);		\
	int name(int dir, const char *path, int flags, ...)		\
	{								\
		static int (*real)(int, const char *, int, ...);	\
		mode_t mode = 0;					\
		if (real == NULL)					\
			*(void **)&real = next(#name);			\
		if (flags & O_CREAT) {					\
			va_list args;					\
			va_start(args, flags);				\
			mode = va_arg(args, mode_t);			\
			va_end(args);					\
			if (fault(ROOM, dir, path))			\
				return -1;				\
		}							\
		return real(dir, path, flags, mode);			\
	}
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
