/* mochila import: the configuration of another program becomes ours; see spool/import.h. */
#include "spool/import.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct import_kind *const kinds[] = { &import_taylor, &import_emailrelay };

enum { KINDS = sizeof kinds / sizeof kinds[0], SHOWN = 200 };

/* ---- What is told ---- */

static void
tell(struct import *im, const char *old, const char *sign, struct span what)
{
	size_t start = im->out.len;

	door_escape(&im->out, span_of(old), SHOWN);
	while (im->out.len - start < 34)
		str_add_char(&im->out, ' ');
	str_add_text(&im->out, sign);
	door_escape(&im->out, what, 2 * SHOWN);
	str_add_char(&im->out, '\n');
}

void
import_no(struct import *im, const char *old, const char *why)
{
	im->not_taken++;
	tell(im, old, " -- ", span_of(why));
}

void
import_note(struct import *im, const char *old, const char *what)
{
	tell(im, old, " -> ", span_of(what));
}

static bool
is_value(struct span value)
{
	if (value.len > IMPORT_VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (iscntrl((unsigned char)value.p[i]))
			return false;
	return true;
}

static bool
is_said(const struct import *im, const char *section, const char *key)
{
	for (size_t i = 0; i < im->lines; i++)
		if (strcmp(im->line[i].section, section) == 0 && strcmp(im->line[i].key, key) == 0)
			return true;
	return false;
}

int
import_key(struct import *im, const char *section, const char *key, struct span value, const char *old,
    struct err *err)
{
	value = span_trim(value);
	if (im->lines >= IMPORT_LINES_MAX)
		return err_set(err, ERR_PERM, "there are more than %d settings in it", IMPORT_LINES_MAX);
	if (!is_value(value)) {
		import_no(im, old, "too long, or it holds control characters");
		return 0;
	}
	if (is_said(im, section, key))
		return 0;
	im->line = mem_resize(im->line, im->lines + 1, sizeof *im->line);
	im->old = mem_resize(im->old, im->lines + 1, sizeof *im->old);
	im->line[im->lines] = (struct door_conf_line){ .section = mem_text(section), .key = mem_text(key),
		.value = mem_text_n(value.p, value.len) };
	im->old[im->lines++] = mem_text(old);
	return 0;
}

static void
tell_lines(struct import *im)
{
	struct str text = {0};

	for (size_t i = 0; i < im->lines; i++) {
		const struct door_conf_line *line = &im->line[i];
		str_clear(&text);
		str_printf(&text, "[%s] %s = %s", line->section, line->key, line->value);
		tell(im, im->old[i], line->kept ? " -- already said, and kept: " : " -> ", str_span(&text));
		im->kept += line->kept;
	}
	str_free(&text);
}

/* ---- Files ---- */

int
import_load(const char *path, struct str *text, struct err *err)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, err);

	if (fd < 0 && errno == ENOENT) {
		*err = (struct err){0};
		return 0;
	}
	int result = fd < 0 ? -1 : fs_read_all(fd, IMPORT_FILE_MAX, text, err);
	if (fd >= 0)
		close(fd);
	if (result == 0 && text->len > 0 && memchr(text->p, '\0', text->len) != NULL)
		result = err_set(err, ERR_PERM, "it is no text");
	if (result < 0)
		err_prefix(err, "%s", path);
	return result < 0 ? -1 : 1;
}

static bool
is_word(struct span text)
{
	struct span rest = text;
	return text.len > 0 && is_value(text) && span_word(&rest).len == text.len;
}

static int
write_login(const char *folder, const char *file, struct span text, struct err *err)
{
	int dir = fs_dir(AT_FDCWD, folder, err), fd = -1, result = -1;

	if (dir >= 0 && faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		result = 0;	/* somebody's; a new one would not be what he knows */
	else if (dir >= 0 && (fd = fs_create(dir, file, 0600, err)) >= 0 && fs_write(fd, text.p, text.len, err) == 0 &&
	    fs_sync(fd, err) == 0)
		result = fs_sync_dir(dir, ".", err);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return result;
}

int
import_login(struct import *im, const char *section, const char *name, struct span login, struct span password,
    const char *old, struct err *err)
{
	struct str text = {0}, folder = {0}, file = {0};
	int result = 0;

	if (!is_word(login) || !is_word(password)) {
		import_no(im, old, "a name and a password with blanks or control characters cannot be kept");
		return 0;
	}
	if (is_said(im, section, "login"))
		return 0;
	settings_path(&im->door->settings, im->door->settings.spool.keys, &folder);
	str_printf(&file, "%s.login", name);
	str_printf(&text, "%.*s\n%.*s\n", (int)login.len, login.p, (int)password.len, password.p);
	if (!im->dry)
		result = write_login(str_c(&folder), str_c(&file), str_span(&text), err);
	explicit_bzero(text.p, text.len);
	str_clear(&text);
	str_printf(&text, "%s/%s", im->door->settings.spool.keys, str_c(&file));
	if (result == 0)
		result = import_key(im, section, "login", str_span(&text), old, err);
	str_free(&text);
	str_free(&folder);
	str_free(&file);
	return result;
}

/* ---- The command ---- */

static void
import_free(struct import *im)
{
	for (size_t i = 0; i < im->lines; i++) {
		free((void *)im->line[i].section);
		free((void *)im->line[i].key);
		free((void *)im->line[i].value);
		free(im->old[i]);
	}
	free(im->line);
	free(im->old);
	free(im->mail);
	str_free(&im->out);
}

static int
import_all(struct import *im, const struct import_kind *kind, int argc, char **argv, struct err *err)
{
	struct str path = {0};
	/* Without a mochila.conf nothing could be said: known before a secret or a user is written. */
	int result = door_conf_path(im->door, &path, err);

	str_free(&path);
	if (result == 0)
		result = kind->run(im, argc, argv, err);
	if (result == 0 && im->lines > 0)
		result = door_conf_lines(im->door, im->line, im->lines, true, im->dry, err);
	/* Mail comes last: whatever is wrong before it is known before any of it moves. */
	if (result == 0 && im->mail != NULL)
		result = import_mail(im, im->mail, err);
	/* What was said before a failure tells where it was. */
	tell_lines(im);
	str_printf(&im->out, "%s%zu settings, %zu kept as they were, %zu not taken over\n",
	    im->dry ? "nothing was changed; it would be: " : "", im->lines - im->kept, im->kept, im->not_taken);
	if (door_print(&im->out, result < 0 ? &(struct err){0} : err) < 0)
		result = -1;
	return result;
}

static int
import_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct import im = { .door = door };
	bool help = false;
	const struct opt_row rows[] = {
		{ "dry-run", 'n', NULL, "change nothing, say what would be", OPT_FLAG, &im.dry },
		DOOR_HELP(&help), {0},
	};
	size_t i = 0;
	int result = door_options(door, &door_import, rows, 2, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	while (i < KINDS && strcmp(kinds[i]->name, argv[0]) != 0)
		i++;
	if (i == KINDS) {
		err_set(err, ERR_CONFIG, "import what? taylor DIR, or emailrelay FILE or -- OPTIONS");
		return err_as(err, EX_USAGE, NULL);
	}
	result = import_all(&im, kinds[i], argc - 1, argv + 1, err);
	import_free(&im);
	return result;
}

const struct door_command door_import = {
	"import", "taylor DIR | emailrelay FILE", "another program's configuration becomes ours", false, import_run
};
