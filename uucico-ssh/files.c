#include "uucico-ssh/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fs.h"

enum { PATH_NAMES_MAX = 64, NAME_BYTES_MAX = 200 };

static int
not_permitted(struct err *err)
{
	return err_set(err, ERR_PERM, "the path is not one it may use here");
}

/* --- folders --- */

/* What path has behind folder's own: -1 when it is not below it. */
static int
below(struct span folder, struct span path, struct span *rest)
{
	while (folder.len > 1 && folder.p[folder.len - 1] == '/')
		folder.len--;
	if (path.len < folder.len || memcmp(path.p, folder.p, folder.len) != 0)
		return -1;
	*rest = span_from(path, folder.len);
	return rest->len == 0 || rest->p[0] == '/' ? 0 : -1;
}

/* The folder that path begins with, open, and the rest of path. */
static int
open_folder(const struct settings *settings, const char *folders, struct span path, struct span *rest,
    struct err *err)
{
	struct span words = span_of(folders), word;
	bool home = path.len > 0 && path.p[0] == '~' && (path.len == 1 || path.p[1] == '/');
	int dir = -1;

	*rest = home ? span_from(path, 1) : path;
	while (dir < 0 && (word = span_word(&words)).len > 0) {
		struct str folder = {0}, said = {0};
		str_set_span(&said, word);
		settings_path(settings, str_c(&said), &folder);
		bool found = home || below(str_span(&folder), path, rest) == 0;
		if (found)	/* the folder itself is the administrator's, and may be a link */
			dir = open(str_c(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (found && dir < 0)
			err_sys(err, "folder %s", str_c(&folder));
		str_free(&folder);
		str_free(&said);
		if (found && dir < 0)
			return -1;
	}
	return dir >= 0 ? dir : not_permitted(err);
}

/* --- the walk --- */

static bool
plain_name(struct span name)
{
	return name.len <= NAME_BYTES_MAX && name.p[0] != '.' && memchr(name.p, '\0', name.len) == NULL;
}

/* The next name of a path: 1; 0: there is none; -1: it is none we take. */
static int
next_name(struct span *path, struct str *name, struct err *err)
{
	struct span part;

	while (span_cut(path, '/', &part)) {
		if (part.len == 0)
			continue;
		if (!plain_name(part))
			return not_permitted(err);
		str_set_span(name, part);
		return 1;
	}
	return 0;
}

static bool
has_more(struct span path)
{
	while (path.len > 0 && path.p[0] == '/')
		path = span_from(path, 1);
	return path.len > 0;
}

static int
enter(int dir, const char *name, bool make, struct err *err)
{
	int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (next < 0 && errno == ENOENT && make) {
		if (fs_make_dir(dir, name, 0750, err) < 0)
			return -1;
		next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return next >= 0 ? next : not_permitted(err);
}

/* Down to the last name, which is left in name: "" when path ends at the folder itself.
 * Takes dir over; the last folder, or -1. */
static int
walk(int dir, struct span path, bool make, struct str *name, struct err *err)
{
	str_clear(name);
	int got = next_name(&path, name, err);
	for (int count = 0; got > 0 && has_more(path); count++) {
		int next = count < PATH_NAMES_MAX ? enter(dir, str_c(name), make, err) : not_permitted(err);
		close(dir);
		dir = next;
		got = dir < 0 ? -1 : next_name(&path, name, err);
	}
	if (got < 0 && dir >= 0)
		close(dir);
	return got < 0 ? -1 : dir;
}

int
files_open(const struct settings *settings, const char *folders, struct span path, struct err *err)
{
	struct str name = {0};
	struct span rest;
	int dir = open_folder(settings, folders, path, &rest, err), fd = -1;

	if (dir >= 0)
		dir = walk(dir, rest, false, &name, err);
	if (dir >= 0 && (name.len == 0 || path.p[path.len - 1] == '/'))
		not_permitted(err);
	else if (dir >= 0 && (fd = fs_open(dir, str_c(&name), O_RDONLY, err)) < 0)
		not_permitted(err);	/* whether it is there is nothing to tell */
	if (dir >= 0)
		close(dir);
	str_free(&name);
	return fd;
}

/* --- what is sent to us --- */

/* The last part of the name that it has at the sender. */
static int
own_name(struct span from, struct str *name, struct err *err)
{
	for (size_t i = from.len; i > 0; i--)
		if (from.p[i - 1] == '/') {
			from = span_from(from, i);
			break;
		}
	if (from.len == 0 || from.p[0] == '~' || !plain_name(from))
		return not_permitted(err);
	str_set_span(name, from);
	return 0;
}

int
files_target(const struct settings *settings, const char *folders, struct span path,
    struct span from, bool make, struct files_target *target, struct err *err)
{
	struct span rest;

	*target = (struct files_target){ .dir = open_folder(settings, folders, path, &rest, err) };
	if (target->dir >= 0)
		target->dir = walk(target->dir, rest, make, &target->name, err);
	if (target->dir < 0)
		return -1;
	/* A folder that is there, or that the path says is one. */
	bool folder = target->name.len > 0 && path.p[path.len - 1] == '/';
	int inner = target->name.len == 0 ? -1 : enter(target->dir, str_c(&target->name), make && folder,
	    &(struct err){0});
	if (inner >= 0) {
		close(target->dir);
		target->dir = inner;
		str_clear(&target->name);
	} else if (folder) {
		return not_permitted(err);
	}
	return target->name.len > 0 ? 0 : own_name(from, &target->name, err);
}

void
files_target_free(struct files_target *target)
{
	if (target->dir >= 0)
		close(target->dir);
	target->dir = -1;
	str_free(&target->name);
}

static int
copy(const struct job *job, int to, struct err *err)
{
	char bytes[65536];

	for (uint64_t at = 0; at < job->have;) {
		uint64_t left = job->have - at;
		size_t len = left < sizeof bytes ? (size_t)left : sizeof bytes;
		ssize_t got = fs_pread(job->fd, bytes, len, job->data_at + (off_t)at, err);
		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_TEMP, "a received file became shorter");
		if (fs_write(to, bytes, (size_t)got, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	return fs_sync(to, err);
}

/* Under a name of its own first: nobody sees half of it.  Names with a dot in front are
 * never a peer's. */
int
files_put(struct files_target *target, const struct job *job, struct err *err)
{
	struct str temp = {0};
	struct stat st;

	str_printf(&temp, ".uucp-%.*s", (int)job->key.len, job->key.p);
	unlinkat(target->dir, str_c(&temp), 0);
	int fd = fs_create(target->dir, str_c(&temp), 0640, err);
	int result = fd < 0 ? -1 : copy(job, fd, err);
	const char *name = str_c(&target->name);
	if (result == 0 && fstatat(target->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		result = err_set(err, ERR_PERM, "something that is no file has its name");
	if (result == 0)
		result = fs_rename(target->dir, str_c(&temp), target->dir, name, err);
	if (result == 0)
		result = fs_sync(target->dir, err);
	if (result < 0)
		unlinkat(target->dir, str_c(&temp), 0);
	if (fd >= 0)
		close(fd);
	str_free(&temp);
	return result;
}
