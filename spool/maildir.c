#include "spool/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/mail/crlf.h"
#include "lib/mail/envelope.h"

enum { NAME_MAX_OURS = 128, BUFFERED = 64 << 10 };

/* the folder */

static int
no_mailbox(struct span rcpt, struct err *err)
{
	err_set(err, ERR_PERM, "no mailbox can be called %.*s", (int)(rcpt.len < 200 ? rcpt.len : 200),
	    rcpt.p);
	return err_as(err, 0, "5.1.1");
}

/* Fit for a folder of somebody's: never hidden, never a path, never an option. */
static bool
is_name(struct span text)
{
	if (text.len == 0 || text.len > NAME_MAX_OURS || text.p[0] == '.' || text.p[0] == '-')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr("._+-=", c) == NULL))
			return false;
	}
	return true;
}

static void
add_lower(struct span text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++)
		str_add_char(out, text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 0x20) : text.p[i]);
}

int
maildir_folder(const struct settings *settings, const char *dir, struct span rcpt,
    struct str *folder, struct err *err)
{
	struct span domain = envelope_domain(rcpt), local = rcpt, part;
	struct str path = {0};
	int result = 0;

	if (domain.len > 0)
		local.len -= domain.len + 1;
	for (const char *c = dir; *c != '\0' && result == 0; c++) {
		if (c[0] != '%' || (c[1] != 'u' && c[1] != 'd')) {
			str_add_char(&path, *c);
			continue;
		}
		part = *++c == 'u' ? local : domain;
		if (part.len > 0 && *c == 'd' && part.p[part.len - 1] == '.')
			part.len--;	/* "home.example." is the same domain */
		if (is_name(part))
			add_lower(part, &path);
		else
			result = no_mailbox(rcpt, err);
	}
	if (result == 0)
		settings_path(settings, str_c(&path), folder);
	str_free(&path);
	return result;
}

/* A folder and those above it, each made durable when it is new. */
static int
make_folders(const char *folder, struct err *err)
{
	struct str path = {0};
	struct stat st;
	int result = 0;

	for (const char *slash = folder; slash != NULL && result == 0;) {
		slash = strchr(slash + 1, '/');
		str_clear(&path);
		str_add(&path, folder, slash != NULL ? (size_t)(slash - folder) : strlen(folder));
		if (stat(str_c(&path), &st) < 0)
			result = fs_make_dir(AT_FDCWD, str_c(&path), 0700, err);
	}
	str_free(&path);
	return result;
}

static int
open_folders(struct maildir *box, const char *folder, struct err *err)
{
	static const char *const names[] = { "tmp", "new", "cur" };
	int *const fds[] = { &box->tmp, &box->new, &box->cur };

	int dir = make_folders(folder, err) < 0 ? -1 : fs_dir(AT_FDCWD, folder, err);
	if (dir < 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < 3 && result == 0; i++) {
		result = fs_make_dir(dir, names[i], 0700, err);
		if (result == 0 && (*fds[i] = openat(dir, names[i],
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
			result = err_sys(err, "%s/%s", folder, names[i]);
	}
	close(dir);
	return result;
}

/* A reader has moved it to cur/ID:2,FLAGS. */
static bool
was_read(int cur, const char *id)
{
	size_t len = strlen(id);
	const struct dirent *entry;
	bool found = false;
	int copy = fcntl(cur, F_DUPFD_CLOEXEC, 0);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;

	if (list == NULL) {
		if (copy >= 0)
			close(copy);
		return false;	/* better twice than never */
	}
	while (!found && (entry = readdir(list)) != NULL)
		found = strncmp(entry->d_name, id, len) == 0 &&
		    (entry->d_name[len] == '\0' || entry->d_name[len] == ':');
	closedir(list);
	return found;
}

int
maildir_open(struct maildir *box, const char *folder, const char *id, struct err *err)
{
	struct stat st;

	*box = (struct maildir){ .tmp = -1, .new = -1, .cur = -1, .fd = -1 };
	int result = open_folders(box, folder, err);
	if (result == 0)
		result = fstatat(box->new, id, &st, AT_SYMLINK_NOFOLLOW) == 0 || was_read(box->cur, id);
	/* A file of that name in tmp/ is what a dead process left of the same message. */
	if (result >= 0 && fs_remove(box->tmp, id, err) < 0 && result == 0)
		result = -1;
	if (result == 0)
		box->fd = fs_create(box->tmp, id, 0600, err);
	if (result == 0 && box->fd >= 0) {
		str_set(&box->id, id);
		return 0;
	}
	maildir_close(box);
	return result > 0 ? 1 : err_prefix(err, "Maildir %s", folder);
}

/* quota */

/* Maildir++ writes a file's size into its name (",S=1234"); others are asked for it. */
static uint64_t
file_size(int dir, const char *name)
{
	const char *said = strstr(name, ",S=");
	struct span digits = span_of(said != NULL ? said + 3 : "");
	struct stat st;
	uint64_t size;

	digits.len = digits.len > 0 ? strspn(digits.p, "0123456789") : 0;
	if (digits.len > 0 && span_number(digits, UINT64_MAX / 2, &size) == 0)
		return size;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t
folder_size(int dir)
{
	const struct dirent *entry;
	uint64_t sum = 0;
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;

	if (list == NULL && copy >= 0)
		close(copy);
	if (list != NULL)
		rewinddir(list);	/* was_read() was here before */
	while (list != NULL && (entry = readdir(list)) != NULL)
		if (entry->d_name[0] != '.')
			sum += file_size(dir, entry->d_name);
	if (list != NULL)
		closedir(list);
	return sum;
}

int
maildir_room(struct maildir *box, uint64_t quota, uint64_t size, struct err *err)
{
	if (quota == 0 || folder_size(box->new) + folder_size(box->cur) + size <= quota)
		return 0;
	err_set(err, ERR_TEMP, "the mailbox is full (its quota is %llu bytes)", (unsigned long long)quota);
	return err_as(err, 0, "4.2.2");
}

/* the message */

static int
flush(struct maildir *box, struct err *err)
{
	int result = fs_write(box->fd, box->buffer.p, box->buffer.len, err);

	str_clear(&box->buffer);
	return result;
}

int
maildir_field(struct maildir *box, const char *name, struct span address, struct err *err)
{
	/* The envelope holds no control characters (entry_check_envelope). */
	str_printf(&box->buffer, "%s: %.*s\n", name, (int)address.len, address.p);
	return box->buffer.len > BUFFERED ? flush(box, err) : 0;
}

int
maildir_body(struct maildir *box, const void *bytes, size_t len, struct err *err)
{
	crlf_to_lf((struct span){ bytes, len }, &box->cr, &box->buffer);
	return box->buffer.len > BUFFERED ? flush(box, err) : 0;
}

int
maildir_commit(struct maildir *box, struct err *err)
{
	if (box->cr)
		str_add_char(&box->buffer, '\r');
	if (flush(box, err) < 0 || fs_sync(box->fd, err) < 0)
		return -1;
	/* link, not rename: a name that came to be meanwhile is not written over. */
	if (linkat(box->tmp, str_c(&box->id), box->new, str_c(&box->id), 0) < 0 && errno != EEXIST)
		return err_sys(err, "Maildir new/%s", str_c(&box->id));
	if (fs_sync_dir(box->new, ".", err) == 0)
		return 0;
	/* Not promised: it will be delivered again, under this name or from elsewhere. */
	unlinkat(box->new, str_c(&box->id), 0);
	return -1;
}

void
maildir_close(struct maildir *box)
{
	if (box->fd >= 0) {
		close(box->fd);
		unlinkat(box->tmp, str_c(&box->id), 0);
	}
	if (box->tmp >= 0)
		close(box->tmp);
	if (box->new >= 0)
		close(box->new);
	if (box->cur >= 0)
		close(box->cur);
	str_free(&box->id);
	str_free(&box->buffer);
	*box = (struct maildir){ .tmp = -1, .new = -1, .cur = -1, .fd = -1 };
}
