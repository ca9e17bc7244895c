#include "spool/mboxfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/crlf.h"
#include "lib/mail/date.h"

enum { BUFFERED = 64 << 10, BEGIN_MAX = 1000 };

/* the locks */

static bool
is_stale(const char *lock)
{
	struct stat st;

	return lstat(lock, &st) == 0 && time(NULL) - st.st_mtime > MBOXFILE_STALE;
}

/* 1: another has it. */
static int
dot_lock(struct mboxfile *box, struct err *err)
{
	struct str lock = {0};
	int fd = -1;

	str_printf(&lock, "%s.lock", str_c(&box->path));
	for (int attempt = 0; attempt < 2 && fd < 0; attempt++) {
		fd = open(str_c(&lock), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST || !is_stale(str_c(&lock)) || unlink(str_c(&lock)) < 0)
			break;
	}
	int number = errno;
	if (fd >= 0) {
		close(fd);
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
	*box = (struct mboxfile){ .fd = -1, .committed = true };	/* nothing to take back yet */
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
	struct str path = {0};

	str_set_span(&path, str_span(&box->path));
	while (path.len > 0 && path.p[path.len - 1] != '/')
		path.len--;
	int result = fs_sync_dir(AT_FDCWD, path.len > 0 ? str_c(&path) : ".", err);
	str_free(&path);
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
	str_free(&box->path);
	str_free(&box->lock);
	str_free(&box->buffer);
	str_free(&box->text);
	str_free(&box->begin);
	*box = (struct mboxfile){ .fd = -1 };
}
