#include "lib/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#ifdef STATX_INO
#include <sys/sysmacros.h>
#endif
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/helper.h"

int
fs_dir(int at, const char *path, struct err *err)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(err, "folder %s", path);
}

int
fs_make_dir(int dir, const char *name, mode_t mode, struct err *err)
{
	if (mkdirat(dir, name, mode) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "folder %s", name);
	const char *slash = strrchr(name, '/');
	if (slash == NULL)
		return fs_sync_dir(dir, ".", err);
	char *parent = mem_text_n(name, slash > name ? (size_t)(slash - name) : 1);
	int result = fs_sync_dir(dir, parent, err);
	free(parent);
	return result;
}

int
fs_open(int dir, const char *name, int flags, struct err *err)
{
	struct fs_file file;

	return fs_open_file(dir, name, flags, &file, err);
}

int
fs_open_file(int dir, const char *name, int flags, struct fs_file *file, struct err *err)
{
	struct stat st;
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	/* What we have given away the helper has, where the settings name it. */
	if (fd < 0 && errno == EACCES && name[0] == '/' && (flags & O_ACCMODE) == O_RDONLY)
		fd = helper_open(name, HELPER_READ);
	if (fd < 0)
		return err_sys(err, "%s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return err_set(err, ERR_CONFIG, "%s: not a regular file", name);
	}
	*file = (struct fs_file){ st.st_dev, st.st_ino };
	return fd;
}

int
fs_create(int dir, const char *name, mode_t mode, struct err *err)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return fd >= 0 ? fd : err_sys(err, "%s", name);
}

/* Where the file system has no files without a name, one loses it at once. */
int
fs_scratch(int dir, const char *path, struct err *err)
{
	unsigned char random[16];
	struct str name = {0};
	int fd = openat(dir, path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd >= 0 ? fd : err_sys(err, "a file in %s", path);
	random_bytes(random, sizeof random);
	str_printf(&name, "%s/", path);
	digest_hex(random, sizeof random, &name);
	fd = fs_create(dir, str_c(&name), 0600, err);
	if (fd >= 0)
		unlinkat(dir, str_c(&name), 0);
	str_free(&name);
	return fd;
}

int
fs_write(int fd, const void *bytes, size_t len, struct err *err)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t done = write(fd, at, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_sys(err, "write");
		at += done;
		len -= (size_t)done;
	}
	return 0;
}

int
fs_pwrite(int fd, const void *bytes, size_t len, off_t where, struct err *err)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t done = pwrite(fd, at, len, where);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_sys(err, "write");
		at += done;
		where += done;
		len -= (size_t)done;
	}
	return 0;
}

ssize_t
fs_pread(int fd, void *bytes, size_t len, off_t where, struct err *err)
{
	char *at = bytes;
	size_t got = 0;

	while (got < len) {
		ssize_t done = pread(fd, at + got, len - got, where + (off_t)got);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(err, "read");
		if (done == 0)
			break;
		got += (size_t)done;
	}
	return (ssize_t)got;
}

int
fs_read_all(int fd, size_t max, struct str *out, struct err *err)
{
	size_t taken = 0;

	for (;;) {
		ssize_t got = read(fd, str_room(out, 16384), 16384);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "read");
		if (got == 0)
			return 0;
		taken += (size_t)got;
		if (taken > max)
			return err_set(err, ERR_PERM, "more than the %zu bytes taken here", max);
		out->len += (size_t)got;
	}
}

void
fs_write_behind(int fd, off_t at, off_t len)
{
#ifdef SYNC_FILE_RANGE_WRITE
	sync_file_range(fd, at, len, SYNC_FILE_RANGE_WRITE);
#else
	(void)fd, (void)at, (void)len;
#endif
}

/* Within one file system the kernel does it by itself. */
static ssize_t
copy_within(int from, off_t at, uint64_t len, int to)
{
	enum { MOST = 8 << 20 };
	off_t there = len > MOST ? lseek(to, 0, SEEK_CUR) : -1;
	ssize_t got = lseek(from, at, SEEK_SET) < 0 ? -1 :
	    copy_file_range(from, NULL, to, NULL, len < MOST ? (size_t)len : MOST, 0);

	/* The disk begins with what is large while the rest is copied: its sync is waited for. */
	if (got > 0 && there >= 0)
		fs_write_behind(to, there, got);
	return got;
}

static ssize_t
copy_piece(int from, off_t at, uint64_t len, int to, char *piece, size_t room, struct err *err)
{
	ssize_t got = fs_pread(from, piece, len < room ? (size_t)len : room, at, err);

	return got > 0 && fs_write(to, piece, (size_t)got, err) < 0 ? -1 : got;
}

int
fs_copy(int from, off_t at, uint64_t len, int to, struct err *err)
{
	enum { PIECE = 128 << 10 };
	ssize_t got;

	while (len > 0 && (got = copy_within(from, at, len, to)) > 0) {
		at += got;
		len -= (uint64_t)got;
	}
	/* Whatever it was that the kernel would not do, or found: this does it, or says what it is. */
	char *piece = mem_get(PIECE);
	got = 1;
	while (len > 0 && (got = copy_piece(from, at, len, to, piece, PIECE, err)) > 0) {
		at += got;
		len -= (uint64_t)got;
	}
	free(piece);
	return got > 0 ? 0 : got < 0 ? -1 : err_set(err, ERR_TEMP, "the file became shorter");
}

int
fs_sync(int fd, struct err *err)
{
	return fsync(fd) == 0 ? 0 : err_sys(err, "fsync");
}

int
fs_sync_data(int fd, struct err *err)
{
	return fdatasync(fd) == 0 ? 0 : err_sys(err, "fdatasync");
}

int
fs_sync_dir(int dir, const char *name, struct err *err)
{
	int fd = fs_dir(dir, name, err);
	if (fd < 0)
		return -1;
	int result = fsync(fd) == 0 ? 0 : err_sys(err, "fsync of folder %s", name);
	close(fd);
	return result;
}

/*
 * On Linux the times are not asked for: whoever has seen a file's times gets a finer one at
 * the next write (multigrain timestamps), and ext4 without a journal then writes the inode
 * at each fdatasync.  A journal looks after each sync.
 */
#ifdef STATX_INO
static bool
identify(int dir, const char *name, int flags, struct fs_file *file)
{
	struct statx st;

	if (statx(dir, name, flags, STATX_INO, &st) < 0)
		return false;
	*file = (struct fs_file){ makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino };
	return true;
}
#else
static bool
identify(int dir, const char *name, int flags, struct fs_file *file)
{
	struct stat st;

	if (fstatat(dir, name, &st, flags) < 0)
		return false;
	*file = (struct fs_file){ st.st_dev, st.st_ino };
	return true;
}
#endif

bool
fs_file_of(int fd, struct fs_file *file)
{
	return identify(fd, "", AT_EMPTY_PATH, file);
}

bool
fs_is_file(const struct fs_file *file, int dir, const char *name)
{
	struct fs_file named;

	return identify(dir, name, AT_SYMLINK_NOFOLLOW, &named) && named.inode == file->inode &&
	    named.device == file->device;
}

bool
fs_is(int fd, int dir, const char *name)
{
	struct fs_file file;

	return fs_file_of(fd, &file) && fs_is_file(&file, dir, name);
}

int
fs_rename(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
	return renameat(from_dir, from, to_dir, to) == 0 ? 0 :
	    err_sys(err, "rename %s to %s", from, to);
}

int
fs_remove(int dir, const char *name, struct err *err)
{
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : err_sys(err, "remove %s", name);
}

static int
write_new(int dir, const char *name, struct span bytes, mode_t mode, struct err *err)
{
	int fd = fs_create(dir, name, mode, err);
	if (fd < 0)
		return -1;
	int result = fs_write(fd, bytes.p, bytes.len, err) < 0 || fs_sync(fd, err) < 0 ? -1 : 0;
	if (close(fd) < 0 && result == 0)
		result = err_sys(err, "close");
	return result;
}

int
fs_replace(int dir, const char *name, struct span bytes, mode_t mode, struct err *err)
{
	char fresh[300];

	if (snprintf(fresh, sizeof fresh, ".new-%s", name) >= (int)sizeof fresh)
		return err_set(err, ERR_CONFIG, "%s: name too long", name);
	if (fs_remove(dir, fresh, err) < 0)
		return -1;
	if (write_new(dir, fresh, bytes, mode, err) < 0 ||
	    fs_rename(dir, fresh, dir, name, err) < 0) {
		unlinkat(dir, fresh, 0);
		return err_prefix(err, "%s", name);
	}
	return fs_sync_dir(dir, ".", err);
}

int
fs_load(int dir, const char *name, size_t max, struct str *out, struct err *err)
{
	int fd = fs_open(dir, name, O_RDONLY, err);
	if (fd < 0) {
		if (errno == ENOENT)
			err->kind = ERR_CONFIG;
		return -1;
	}
	int result = fs_read_all(fd, max, out, err);
	close(fd);
	return result < 0 ? err_prefix(err, "%s", name) : 0;
}

static int
lock_file(int dir, const char *name, bool wait, struct err *err)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_sys(err, "lock %s", name);
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EINTR)
			continue;
		int number = errno;
		close(fd);
		errno = number;
		if (number == EWOULDBLOCK)
			return err_set(err, ERR_TEMP, "%s is held by another process", name);
		return err_sys(err, "lock %s", name);
	}
	return fd;
}

/* A file that was removed while we waited for it keeps nobody else out: the new one does. */
int
fs_lock(int dir, const char *name, bool wait, struct err *err)
{
	int fd = lock_file(dir, name, wait, err);

	while (fd >= 0 && !fs_is(fd, dir, name)) {
		close(fd);
		fd = lock_file(dir, name, wait, err);
	}
	return fd;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
fs_names(int dir, const char *path, struct fs_names *names, struct err *err)
{
	*names = (struct fs_names){0};
	int fd = fs_dir(dir, path, err);
	if (fd < 0)
		return -1;
	DIR *stream = fdopendir(fd);
	if (stream == NULL) {
		close(fd);
		return err_sys(err, "folder %s", path);
	}
	size_t room = 0;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(stream);
		if (entry == NULL)
			break;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (names->count == room) {
			room = room > 0 ? 2 * room : 64;
			names->name = mem_resize(names->name, room, sizeof *names->name);
		}
		names->name[names->count++] = mem_text(entry->d_name);
	}
	int number = errno;
	closedir(stream);
	errno = number;
	if (number != 0) {
		fs_names_free(names);
		return err_sys(err, "folder %s", path);
	}
	if (names->count > 0)
		qsort(names->name, names->count, sizeof *names->name, by_bytes);
	return 0;
}

void
fs_names_free(struct fs_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct fs_names){0};
}

static int
remove_below(int dir, const char *name, int depth, struct err *err)
{
	enum { DEPTH_MAX = 50 };
	struct fs_names names = {0};

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (depth > DEPTH_MAX)
		return err_set(err, ERR_TEMP, "%s: folders too deep to be removed", name);
	int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return err_sys(err, "remove %s", name);
	int result = fs_names(below, ".", &names, err);
	for (size_t i = 0; i < names.count && result == 0; i++)
		result = remove_below(below, names.name[i], depth + 1, err);
	fs_names_free(&names);
	close(below);
	if (result == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		result = err_sys(err, "remove %s", name);
	return result;
}

int
fs_remove_tree(int dir, const char *name, struct err *err)
{
	return remove_below(dir, name, 0, err);
}
