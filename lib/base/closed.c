#include "lib/base/closed.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"

enum { LOGIN_MAX = 4096 };

int
closed_check(int fd, const char *what, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s %s", what, path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_CONFIG, "%s %s: it belongs to another user; type: chown %ld %s", what, path,
		    (long)geteuid(), path);
	if ((st.st_mode & 077) != 0)
		return err_set(err, ERR_CONFIG, "%s %s: others may read or write it (mode %03o); type: chmod 600 %s",
		    what, path, (unsigned)st.st_mode & 0777, path);
	if (st.st_nlink != 1)
		return err_set(err, ERR_CONFIG, "%s %s: it has another name elsewhere (a hard link)", what, path);
	return 0;
}

int
closed_load(const char *path, const char *what, size_t max, struct str *text, struct err *err)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, err);
	int result = fd < 0 ? err_prefix(err, "%s", what) : closed_check(fd, what, path, err);

	if (result == 0)
		result = fs_read_all(fd, max, text, err);
	if (fd >= 0)
		close(fd);
	if (result < 0) {
		closed_forget(text);
		if (fd < 0 || err->kind == ERR_PERM)	/* not there, or too long */
			err->kind = ERR_CONFIG;
	}
	return result;
}

int
closed_login(const char *path, const char *what, struct str *name, struct str *password, struct err *err)
{
	struct str text = {0};

	if (closed_load(path, what, LOGIN_MAX, &text, err) < 0)
		return -1;
	bool whole = text.len > 0 && memchr(text.p, '\0', text.len) == NULL;
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] == '\n' || text.p[i] == '\r')
			text.p[i] = ' ';
	struct span rest = str_span(&text);
	str_set_span(name, span_word(&rest));
	str_set_span(password, span_word(&rest));
	whole = whole && name->len > 0 && password->len > 0 && span_word(&rest).len == 0;
	closed_forget(&text);
	return whole ? 0 : err_set(err, ERR_CONFIG, "%s %s: it holds a name and a password", what, path);
}

void
closed_forget(struct str *text)
{
	if (text->p != NULL)
		explicit_bzero(text->p, text->size);
	str_free(text);
}
