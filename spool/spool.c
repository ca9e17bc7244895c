#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#endif

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/hosts.h"
#include "spool/lease.h"

static const struct folder {
	const char *name;
	mode_t mode;
	size_t at;
} folders[] = {
	{ "tmp", 0750, offsetof(struct spool, tmp) },
	{ "in", 0750, offsetof(struct spool, in) },
	{ "out", 0750, offsetof(struct spool, out) },
	{ "sent", 0750, offsetof(struct spool, sent) },
	{ "xqt", 0750, offsetof(struct spool, xqt) },
	{ "hold", 0750, offsetof(struct spool, hold) },
	{ "failed", 0750, offsetof(struct spool, failed) },
	{ "seen", 0750, offsetof(struct spool, seen) },
	{ "ring", 0700, offsetof(struct spool, ring) },
	{ "drop", 01730, offsetof(struct spool, drop) },
	{ "log", 0750, offsetof(struct spool, log) },
	{ "part", 0750, offsetof(struct spool, part) },
	{ "hosts", 0750, offsetof(struct spool, hosts) },
	{ "lock", 0750, offsetof(struct spool, lock) },
};

enum { FOLDERS = sizeof folders / sizeof folders[0] };

static int *
folder_fd(struct spool *spool, const struct folder *folder)
{
	return (int *)(void *)((char *)spool + folder->at);
}

static int
make_root(const struct settings *settings, const char *path, struct err *err)
{
	/* ROOT itself, then the spool in it: a new system needs no preparation. */
	if (mkdir(settings->root, 0750) < 0 && errno != EEXIST)
		return err_sys(err, errno == ENOENT ? "folder %s (is there a folder to have it in?  --root or MOCHILA_ROOT "
		    "says another)" : "folder %s", settings->root);
	return fs_make_dir(AT_FDCWD, path, 0750, err);
}

/*
 * A hint to ext4 (chattr +T): each folder in here, S.d, begins in a part of the disk of its
 * own, and so do the messages that are made in it.  Without it all are made where as many
 * were removed a moment ago, and an ext4 without a journal, which gives no inode out again
 * within a minute, steps over each of those for each new file.
 */
static void
spread_folders(int fd)
{
#ifdef FS_IOC_SETFLAGS
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_TOPDIR_FL) == 0) {
		flags |= FS_TOPDIR_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
#else
	(void)fd;
#endif
}

static int
open_folder(struct spool *spool, const struct folder *folder, struct err *err)
{
	if (folder->at == offsetof(struct spool, lock) && !spool->settings->spool.shared)
		return 0;	/* only where several hosts share the spool */
	int fd = openat(spool->dir, folder->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* Older spools have not all that there is now. */
	if (fd < 0 && errno == ENOENT) {
		if (fs_make_dir(spool->dir, folder->name, folder->mode & 0777, err) < 0)
			return -1;
		fd = fs_dir(spool->dir, folder->name, err);
		/* mkdir knows the umask and, on some systems, no sticky bit */
		if (fd >= 0 && fchmod(fd, folder->mode) < 0)
			return err_sys(err, "folder %s", folder->name);
		if (fd >= 0 && folder->at == offsetof(struct spool, in))
			spread_folders(fd);
	}
	*folder_fd(spool, folder) = fd;
	return fd >= 0 ? 0 : err_sys(err, "spool folder %s", folder->name);
}

/* The kernel has a random number for each of its starts.  Hosts that share a spool have one each, and
 * none of them says that the file server went on. */
static void
note_boot(struct spool *spool)
{
	int fd = spool->lease == NULL ? open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC) : -1;
	ssize_t got = fd >= 0 ? read(fd, spool->boot, sizeof spool->boot - 1) : 0;

	if (got < (ssize_t)sizeof spool->boot - 1 || strspn(spool->boot, "0123456789abcdef") != sizeof spool->boot - 1)
		spool->boot[0] = '\0';
	if (fd >= 0)
		close(fd);
}

int
spool_open(struct spool *spool, const struct settings *settings, bool create, struct err *err)
{
	struct str path = {0};
	int result = 0;

	*spool = (struct spool){ .settings = settings, .dir = -1 };
	for (size_t i = 0; i < FOLDERS; i++)
		*folder_fd(spool, &folders[i]) = -1;
	settings_path(settings, settings->spool.path, &path);
	if (create)
		result = make_root(settings, str_c(&path), err);
	if (result == 0) {
		spool->dir = fs_dir(AT_FDCWD, str_c(&path), err);
		if (spool->dir < 0) {
			if (errno == ENOENT)
				err_set(err, ERR_CONFIG, "there is no spool at %s; \"mochila init\" makes one",
				    str_c(&path));
			result = -1;
		}
	}
	for (size_t i = 0; i < FOLDERS && result == 0; i++)
		result = open_folder(spool, &folders[i], err);
	str_free(&path);
	if (result == 0)
		result = lease_start(spool, err);
	if (result < 0)
		spool_close(spool);
	else if (create)
		hosts_note(spool);
	if (result == 0) {
		note_boot(spool);
		history_file_new(spool);
	}
	return result;
}

void
spool_close(struct spool *spool)
{
	history_file_free(spool);
	lease_end(spool);
	for (size_t i = 0; i < FOLDERS; i++) {
		int *fd = folder_fd(spool, &folders[i]);
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
	if (spool->dir >= 0)
		close(spool->dir);
	spool->dir = -1;
}

/* ids */

void
spool_new_id(struct str *out)
{
	/* 64 random bits of each process make the id its own on a cloned disk, after
	 * a clock was set back and for pid 1 in two containers. */
	static struct {
		pid_t pid;
		uint64_t random, counter;
		int64_t last, seconds;
		char text[64];		/* of that second: mostly it is that of the id before */
	} state;
	int64_t now = clock_now();

	pid_t pid = getpid();
	if (state.pid != pid) {
		state.pid = pid;
		state.counter = 0;
		random_bytes(&state.random, sizeof state.random);
	}
	if (now <= state.last)
		now = state.last + 1;
	state.last = now;
	if (state.text[0] == '\0' || state.seconds != now / CLOCK_SECOND) {
		time_t seconds = (time_t)(state.seconds = now / CLOCK_SECOND);
		struct tm tm;
		gmtime_r(&seconds, &tm);
		snprintf(state.text, sizeof state.text, "%04d%02d%02dT%02d%02d%02d", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
	str_add_text(out, state.text);
	str_printf(out, ".%06d-%016llx-%llu", (int)(now % CLOCK_SECOND), (unsigned long long)state.random,
	    (unsigned long long)++state.counter);
}

bool
spool_id_ok(const char *name)
{
	static const char shape[] = "ddddddddTdddddd.dddddd-xxxxxxxxxxxxxxxx-";
	size_t i = 0;

	for (; shape[i] != '\0'; i++) {
		char c = name[i];
		bool digit = c >= '0' && c <= '9', hex = digit || (c >= 'a' && c <= 'f');
		if (shape[i] == 'd' ? !digit : shape[i] == 'x' ? !hex : c != shape[i])
			return false;
	}
	size_t digits = strspn(name + i, "0123456789");
	return digits > 0 && digits <= 20 && name[i + digits] == '\0';
}

int64_t
spool_id_time(const char *id)
{
	int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micro = 0;

	if (!spool_id_ok(id))
		return 0;
	/* The shape is checked: 20261121T184502.123456-... */
	const int widths[] = { 4, 2, 2, -1, 2, 2, 2, -1, 6 };
	int *const parts[] = { &year, &month, &day, NULL, &hour, &minute, &second, NULL, &micro };
	for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
		if (widths[i] < 0) {
			id++;
			continue;
		}
		for (int digit = 0; digit < widths[i]; digit++)
			*parts[i] = *parts[i] * 10 + (*id++ - '0');
	}
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
		.tm_hour = hour, .tm_min = minute, .tm_sec = second };
	return (int64_t)timegm(&tm) * CLOCK_SECOND + micro;
}

int
spool_room(const struct spool *spool, uint64_t bytes, struct err *err)
{
	struct statvfs fs;

	if (fstatvfs(spool->dir, &fs) < 0)
		return err_sys(err, "spool");
	uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	uint64_t need = spool->settings->spool.min_free;
	need = bytes > UINT64_MAX - need ? UINT64_MAX : need + bytes;
	if (free_bytes >= need && (fs.f_files == 0 || fs.f_favail >= 100))
		return 0;
	err_set(err, ERR_TEMP, "the spool's disk is full: %llu bytes free, %llu wanted; make room or "
	    "lower min-free", (unsigned long long)free_bytes, (unsigned long long)need);
	return err_as(err, 0, "4.3.1");
}

/* the bell: a FIFO that nobody needs to read */

static void
bell_path(const struct spool *spool, struct str *out)
{
	settings_run(spool->settings, "bell", out);
}

void
spool_ring(const struct spool *spool)
{
	struct str path = {0};

	bell_path(spool, &path);
	int fd = open(str_c(&path), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		ssize_t done = write(fd, "\n", 1);
		(void)done;
		close(fd);
	}
	str_free(&path);
}

int
spool_bell_open(const struct spool *spool, struct err *err)
{
	struct str path = {0};
	struct stat st;

	bell_path(spool, &path);
	if (settings_make_run(spool->settings, err) == 0 &&
	    (mkfifo(str_c(&path), 0620) < 0 && errno != EEXIST))
		err_sys(err, "%s", str_c(&path));
	/* O_RDWR: the descriptor never reads "end of file" when a ringer leaves. */
	int fd = open(str_c(&path), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
		close(fd);
		fd = -1;
		errno = EEXIST;
	}
	if (fd < 0)
		err_sys(err, "%s", str_c(&path));
	str_free(&path);
	return fd;
}
