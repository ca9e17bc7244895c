#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONF_MAX = 4 << 20 };

int
door_conf_path(const struct door *door, struct str *path, struct err *err)
{
	/* A link to a file kept elsewhere: that file is the one to change. */
	char *real = realpath(door->settings.file, NULL);
	if (real == NULL && errno == ENOENT)
		return err_set(err, ERR_CONFIG, "there is no %s; \"mochila init\" makes one", door->settings.file);
	if (real == NULL)
		return err_sys(err, "%s", door->settings.file);
	str_set(path, real);
	free(real);
	return 0;
}

/* "[site NAME]", when the section is called "site NAME"? */
static bool
is_section(struct span line, const char *section)
{
	struct span wanted = span_of(section);

	line = span_trim(line);
	if (line.len < 2 || line.p[0] != '[' || line.p[line.len - 1] != ']')
		return false;
	struct span inside = { line.p + 1, line.len - 2 };
	return span_same(span_word(&inside), span_word(&wanted)) && span_same(span_trim(inside), span_trim(wanted));
}

static bool
begins_section(struct span line)
{
	line = span_trim(line);
	return line.len > 0 && line.p[0] == '[';
}

static bool
is_key(struct span line, const char *wanted)
{
	struct span key;

	line = span_trim(line);
	return span_cut(&line, '=', &key) && line.p != NULL && span_is(span_trim(key), wanted);
}

static struct span
without_cr(struct span line)
{
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static void
add_line(const struct door_conf_line *new, struct str *out)
{
	str_printf(out, "%s =%s%s\n", new->key, new->value[0] != '\0' ? " " : "", new->value);
}

void
door_conf_edit(struct span text, struct door_conf_line *new, bool keep, struct str *out)
{
	size_t behind = 0;	/* in out: where the section's first line may be put */
	bool inside = false, found = false, said = false;
	struct span rest = text, line;

	while (span_cut(&rest, '\n', &line)) {
		struct span bare = without_cr(line);
		if (rest.p == NULL && line.len == 0)
			break;
		if (begins_section(bare))
			inside = is_section(bare, new->section);
		if (inside && !said && is_key(bare, new->key)) {
			said = true;
			if (!keep) {
				add_line(new, out);
				continue;
			}
		}
		str_add_span(out, line);
		str_add_char(out, '\n');
		if (inside && !found) {
			found = true;
			behind = out->len;
		}
	}
	if (!found) {
		str_printf(out, "%s[%s]\n", out->len > 0 ? "\n" : "", new->section);
		behind = out->len;
	}
	if (!said) {
		struct str tail = {0};
		str_add(&tail, out->p + behind, out->len - behind);
		out->len = behind;
		add_line(new, out);
		str_add_span(out, str_span(&tail));
		str_free(&tail);
	}
	new->kept = said && keep;
}

/* The lines of one section come one above the other: so from the last to the first. */
static int
replace(int dir, const char *name, struct door_conf_line *lines, size_t count, bool keep, bool dry, struct err *err)
{
	struct str before = {0}, text = {0}, after = {0};
	struct stat st;
	int result = fs_load(dir, name, CONF_MAX, &before, err);

	if (result == 0 && fstatat(dir, name, &st, 0) < 0)
		result = err_sys(err, "%s", name);
	str_set_span(&after, str_span(&before));
	for (size_t i = count; i > 0 && result == 0; i--) {
		str_set_span(&text, str_span(&after));
		str_clear(&after);
		door_conf_edit(str_span(&text), &lines[i - 1], keep, &after);
		if (after.len > CONF_MAX)
			result = err_set(err, ERR_CONFIG, "%s would grow beyond %d bytes", name, CONF_MAX);
	}
	if (result == 0 && !dry && !span_same(str_span(&before), str_span(&after)))
		result = fs_replace(dir, name, str_span(&after), st.st_mode & 07777, err);
	str_free(&before);
	str_free(&text);
	str_free(&after);
	return result;
}

int
door_conf_lines(const struct door *door, struct door_conf_line *lines, size_t count, bool keep, bool dry,
    struct err *err)
{
	struct str path = {0};
	int result = -1, dir = -1, lock = -1;

	if (door_conf_path(door, &path, err) == 0) {
		char *folder = mem_text(str_c(&path));
		char *name = strrchr(folder, '/');
		*name++ = '\0';
		dir = fs_dir(AT_FDCWD, folder[0] != '\0' ? folder : "/", err);
		/* Two who pair at the same moment wait for one another, on a file that stays
		 * when ours is replaced. */
		if (dir >= 0)
			lock = fs_lock(dir, ".mochila.conf.lock", true, err);
		if (lock >= 0)
			result = replace(dir, name, lines, count, keep, dry, err);
		free(folder);
	}
	if (lock >= 0)
		close(lock);
	if (dir >= 0)
		close(dir);
	str_free(&path);
	return result;
}

int
door_conf_link(const struct door *door, const char *site, const char *link, bool keep, struct err *err)
{
	struct str section = {0};

	str_printf(&section, "site %s", site);
	struct door_conf_line line = { .section = str_c(&section), .key = "link", .value = link };
	int result = door_conf_lines(door, &line, 1, keep, false, err);
	str_free(&section);
	return result;
}
