#include "spool/mboxfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/crlf.h"
#include "lib/mail/date.h"

enum { BUFFERED = 64 << 10, BEGIN_MAX = 1000 };

static const char ours[] = "mochila";

/* the locks */

static bool
is_stale(const char *lock)
{
	struct stat st;

	return lstat(lock, &st) == 0 && time(NULL) - st.st_mtime > MBOXFILE_STALE;
}

static void
find_folder(const struct mboxfile *box, struct str *folder)
{
	str_set_span(folder, str_span(&box->path));
	while (folder->len > 0 && folder->p[folder->len - 1] != '/')
		folder->len--;
	if (folder->len == 0)
		str_add_char(folder, '.');
}

/* As other programs expect it: the process first.  What cannot be locked, on a file system that has
 * no locks, bears not our name: it would be taken for that of somebody dead. */
static int
lock_and_sign(int fd, struct err *err)
{
	struct str text = {0};
	bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;

	str_printf(&text, "%ld%s%s\n", (long)getpid(), locked ? " " : "", locked ? ours : "");
	int result = ftruncate(fd, 0) < 0 ? err_sys(err, "lock") : fs_pwrite(fd, text.p, text.len, 0, err);
	str_free(&text);
	return result;
}

/* A lock of ours whose holder is no more: now it is ours.  -1: it is not. */
static int
take_over(const char *lock)
{
	struct span rest, pid, name;
	struct str text = {0};
	struct err ignored;
	int fd = fs_open(AT_FDCWD, lock, O_RDWR, &ignored);
	bool got = fd >= 0 && fs_read_all(fd, 64, &text, &ignored) == 0;

	rest = str_span(&text);
	span_cut(&rest, '\n', &name);
	pid = span_word(&name);
	got = got && pid.len > 0 && span_is(span_trim(name), ours) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    fs_is(fd, AT_FDCWD, lock) && lock_and_sign(fd, &ignored) == 0;
	str_free(&text);
	if (got)
		log_warn("mbox: event=takeover lock=%s why=\"its process is no more\"", lock);
	else if (fd >= 0)
		close(fd);
	return got ? fd : -1;
}

/* Whole, signed and locked before it has its name: nobody sees one of ours that is not.  Where
 * files without a name are not to be had, one may be seen, and left by a crash. */
static int
make_lock(const struct mboxfile *box, const char *lock, struct err *err)
{
	struct str folder = {0}, self = {0};

	find_folder(box, &folder);
	int fd = fs_scratch(AT_FDCWD, str_c(&folder), err);
	bool made = fd >= 0 && lock_and_sign(fd, err) == 0;
	str_printf(&self, "/proc/self/fd/%d", fd);
	if (made && linkat(AT_FDCWD, str_c(&self), AT_FDCWD, lock, AT_SYMLINK_FOLLOW) < 0) {
		close(fd);
		fd = errno == EEXIST ? -1 : open(lock, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		made = fd >= 0 && lock_and_sign(fd, err) == 0;
	}
	int number = errno;
	if (!made && fd >= 0) {
		close(fd);
		fd = -1;
	}
	str_free(&folder);
	str_free(&self);
	errno = number;
	return fd;
}

/* 1: another has it. */
static int
dot_lock(struct mboxfile *box, struct err *err)
{
	struct str lock = {0};
	struct stat st;

	str_printf(&lock, "%s.lock", str_c(&box->path));
	errno = EEXIST;
	if (lstat(str_c(&lock), &st) == 0)
		box->lock_fd = take_over(str_c(&lock));
	if (box->lock_fd < 0 && is_stale(str_c(&lock)))
		unlink(str_c(&lock));
	errno = EEXIST;
	if (box->lock_fd < 0 && lstat(str_c(&lock), &st) < 0)
		box->lock_fd = make_lock(box, str_c(&lock), err);
	int number = errno;
	if (box->lock_fd >= 0) {
		box->lock = lock;
		return 0;
	}
	str_free(&lock);
	errno = number;
	return number == EEXIST ? 1 : err_sys(err, "%s.lock", str_c(&box->path));
}

static int
file_lock(struct mboxfile *box, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(box->fd, F_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? 1 : err_sys(err, "lock %s", str_c(&box->path));
}

/* the file */

static int
open_file(struct mboxfile *box, struct err *err)
{
	box->fd = fs_open(AT_FDCWD, str_c(&box->path), O_RDWR, err);
	if (box->fd < 0 && errno == ENOENT) {
		box->fd = fs_create(AT_FDCWD, str_c(&box->path), 0600, err);
		box->fresh = true;
	}
	return box->fd < 0 ? -1 : 0;
}

/* What somebody left without its last line end would run into our From_ line. */
static int
find_end(struct mboxfile *box, struct err *err)
{
	char last[2] = "\n\n";
	struct stat st;

	if (fstat(box->fd, &st) < 0)
		return err_sys(err, "%s", str_c(&box->path));
	box->start = st.st_size;
	ssize_t want = st.st_size < 2 ? (ssize_t)st.st_size : 2;
	if (fs_pread(box->fd, last + 2 - want, (size_t)want, st.st_size - want, err) < 0 ||
	    lseek(box->fd, 0, SEEK_END) < 0)
		return -1;
	if (st.st_size > 0 && last[1] != '\n')
		str_add_text(&box->buffer, "\n\n");
	else if (st.st_size > 0 && last[0] != '\n')
		str_add_char(&box->buffer, '\n');
	return 0;
}

int
mboxfile_open(struct mboxfile *box, const char *path, struct err *err)
{
	*box = (struct mboxfile){ .fd = -1, .lock_fd = -1, .committed = true };	/* nothing to take back yet */
	str_set(&box->path, path);
	int result = dot_lock(box, err);
	if (result == 0)
		result = open_file(box, err);
	if (result == 0)
		result = file_lock(box, err);
	if (result == 0)
		result = find_end(box, err);
	box->committed = result != 0;
	if (result != 0)
		mboxfile_close(box);
	return result < 0 ? err_prefix(err, "mbox %s", path) : result;
}

static int
flush(struct mboxfile *box, size_t keep, struct err *err)
{
	if (box->buffer.len <= keep)
		return 0;
	int result = fs_write(box->fd, box->buffer.p, box->buffer.len, err);
	str_clear(&box->buffer);
	return result;
}

void
mboxfile_begin(struct mboxfile *box, struct span sender, int64_t when)
{
	str_add_text(&box->buffer, "From ");
	/* The envelope holds no controls; a blank in a quoted local part would be read wrongly. */
	for (size_t i = 0; i < sender.len; i++)
		str_add_char(&box->buffer, sender.p[i] == ' ' ? '_' : sender.p[i]);
	str_add_text(&box->buffer, sender.len == 0 ? "MAILER-DAEMON " : " ");
	date_asctime(when, &box->buffer);
	str_add_char(&box->buffer, '\n');
}

int
mboxfile_field(struct mboxfile *box, const char *name, struct span value, struct err *err)
{
	str_printf(&box->buffer, "%s: %.*s\n", name, (int)value.len, value.p);
	return flush(box, BUFFERED, err);
}

/* Could the line that begins so be "From ", behind any number of ">"? */
static bool
may_be_from(struct span begin, bool *is)
{
	while (begin.len > 0 && begin.p[0] == '>')
		begin = span_from(begin, 1);
	*is = begin.len == 5 && memcmp(begin.p, "From ", 5) == 0;
	return begin.len <= 5 && memcmp(begin.p, "From ", begin.len) == 0;
}

static void
take_begin(struct mboxfile *box, char c)
{
	bool is;

	str_add_char(&box->begin, c);
	if (may_be_from(str_span(&box->begin), &is) && !is && box->begin.len < BEGIN_MAX)
		return;
	if (is)
		str_add_char(&box->buffer, '>');
	str_add_span(&box->buffer, str_span(&box->begin));
	box->in_line = c != '\n';
	str_clear(&box->begin);
}

static void
quote(struct mboxfile *box, struct span text)
{
	while (text.len > 0) {
		if (!box->in_line) {
			take_begin(box, text.p[0]);
			text = span_from(text, 1);
			continue;
		}
		const char *lf = memchr(text.p, '\n', text.len);
		size_t n = lf != NULL ? (size_t)(lf - text.p) + 1 : text.len;
		str_add(&box->buffer, text.p, n);
		box->in_line = lf == NULL;
		text = span_from(text, n);
	}
}

int
mboxfile_body(struct mboxfile *box, const void *bytes, size_t len, struct err *err)
{
	str_clear(&box->text);
	crlf_to_lf((struct span){ bytes, len }, &box->cr, &box->text);
	quote(box, str_span(&box->text));
	return flush(box, BUFFERED, err);
}

static int
sync_folder(const struct mboxfile *box, struct err *err)
{
	struct str folder = {0};

	find_folder(box, &folder);
	int result = fs_sync_dir(AT_FDCWD, str_c(&folder), err);
	str_free(&folder);
	return result;
}

int
mboxfile_commit(struct mboxfile *box, struct err *err)
{
	if (box->cr)
		quote(box, SPAN("\r"));
	if (box->begin.len > 0 || box->in_line)
		quote(box, SPAN("\n"));
	str_add_char(&box->buffer, '\n');
	if (flush(box, 0, err) < 0 || fs_sync(box->fd, err) < 0 || (box->fresh && sync_folder(box, err) < 0))
		return err_prefix(err, "mbox %s", str_c(&box->path));
	box->committed = true;
	return 0;
}

void
mboxfile_close(struct mboxfile *box)
{
	if (box->fd >= 0 && !box->committed && ftruncate(box->fd, box->start) < 0)
		log_error("mbox %s: a part of a message is left at its end, from byte %lld: %s", str_c(&box->path),
		    (long long)box->start, strerror(errno));
	if (box->fd >= 0)
		close(box->fd);
	if (box->lock.len > 0)
		unlink(str_c(&box->lock));
	if (box->lock_fd >= 0)
		close(box->lock_fd);
	str_free(&box->path);
	str_free(&box->lock);
	str_free(&box->buffer);
	str_free(&box->text);
	str_free(&box->begin);
	*box = (struct mboxfile){ .fd = -1, .lock_fd = -1 };
}
