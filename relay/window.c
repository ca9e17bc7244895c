#include "relay/window.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"

enum { USER_MAX = 1000 };

static void
folder_of(const struct settings *settings, struct str *path)
{
	settings_path(settings, "pop-before-smtp", path);
}

static void
file_of(const struct settings *settings, const struct ip *ip, struct str *path)
{
	folder_of(settings, path);
	str_add_char(path, '/');
	ip_show(ip, path);
}

int
window_open(const struct settings *settings, const struct ip *ip, struct span user, struct err *err)
{
	struct str folder = {0}, path = {0}, new = {0}, text = {0};

	folder_of(settings, &folder);
	file_of(settings, ip, &path);
	str_printf(&new, "%s.new", str_c(&path));
	str_printf(&text, "%.*s\n", (int)user.len, user.p);
	int result = fs_make_dir(AT_FDCWD, str_c(&folder), 0700, err), fd = -1;
	if (result == 0) {
		fd = open(str_c(&new), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		result = fd < 0 ? err_sys(err, "%s", str_c(&new)) : fs_write(fd, text.p, text.len, err);
	}
	if (fd >= 0)
		close(fd);
	if (result == 0 && rename(str_c(&new), str_c(&path)) < 0)
		result = err_sys(err, "%s", str_c(&path));
	str_free(&folder);
	str_free(&path);
	str_free(&new);
	str_free(&text);
	return result;
}

void
window_refresh(const struct settings *settings, const struct ip *ip)
{
	struct str path = {0};

	file_of(settings, ip, &path);
	utimensat(AT_FDCWD, str_c(&path), NULL, AT_SYMLINK_NOFOLLOW);	/* one that somebody closed stays closed */
	str_free(&path);
}

/* A time to come, after the clock went back, is no right for ever. */
static bool
is_over(const struct stat *st, int64_t seconds)
{
	int64_t age = clock_now() / CLOCK_SECOND - st->st_mtime;

	return age >= seconds || age < -60;
}

bool
window_is_open(const struct settings *settings, const struct ip *ip, int64_t seconds, struct str *user)
{
	struct str path = {0};
	struct err ignored = {0};
	struct stat st;
	bool is = false;

	file_of(settings, ip, &path);
	int fd = open(str_c(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		is = !is_over(&st, seconds);
		if (!is)
			unlink(str_c(&path));
	}
	str_clear(user);
	is = is && fs_read_all(fd, USER_MAX, user, &ignored) == 0 && user->len > 0;
	if (is && user->p[user->len - 1] == '\n')
		user->len--;
	if (fd >= 0)
		close(fd);
	str_free(&path);
	return is;
}

void
window_sweep(const struct settings *settings, int64_t seconds)
{
	struct str path = {0};
	struct dirent *entry;
	struct stat st;

	folder_of(settings, &path);
	DIR *dir = opendir(str_c(&path));
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && is_over(&st, seconds))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	str_free(&path);
}
