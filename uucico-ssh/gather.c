#include "uucico-ssh/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/notice.h"

enum { HEAD_MAX = 40000, KEPT = 28 * 24 * 3600 };

static const char folder[] = "gather", begins[] = "~=";

/* --- the head --- */

struct head {
	struct str text;
	struct str site;
	struct queued queued;	/* user, options, notify, command */
	struct wanted {
		struct span name, site, path;	/* name empty: the input; site empty: ours */
	} file[GATHER_MAX];
	size_t count;
};

static void
print_head(const char *site, const struct queued *queued, struct span command, const struct gather_file *files,
    size_t count, struct str *out)
{
	str_printf(out, "gather=1 site=%s user=%.*s options=%.*s", site, (int)queued->user.len, queued->user.p,
	    (int)queued->options.len, queued->options.p);
	if (queued->notify.len > 0)
		str_printf(out, " notify=%.*s", (int)queued->notify.len, queued->notify.p);
	str_add_text(out, "\ncommand ");
	str_add_span(out, command);
	str_add_char(out, '\n');
	for (size_t i = 0; i < count; i++) {
		if (files[i].name != NULL)
			str_printf(out, "file %s ", files[i].name);
		else
			str_add_text(out, "input ");
		if (files[i].fd >= 0)
			str_add_text(out, "-\n");
		else
			str_printf(out, "%s %s\n", files[i].site, files[i].path);
	}
}

static int
take_first(struct head *head, struct span line)
{
	for (struct span word; (word = span_word(&line)).len > 0;) {
		struct span value = word, name;
		span_cut(&value, '=', &name);
		if (span_is(name, "site"))
			str_set_span(&head->site, value);
		else if (span_is(name, "user"))
			str_set_span(&head->queued.user, value);
		else if (span_is(name, "options"))
			str_set_span(&head->queued.options, value);
		else if (span_is(name, "notify"))
			str_set_span(&head->queued.notify, value);
	}
	return head->site.len > 0 ? 0 : -1;
}

static int
take_line(struct head *head, struct span line)
{
	struct span word = span_word(&line);
	struct wanted *wanted = &head->file[head->count];

	if (span_is(word, "command")) {
		str_set_span(&head->queued.command, span_trim(line));
		return 0;
	}
	if (word.len == 0)
		return 0;
	if ((!span_is(word, "file") && !span_is(word, "input")) || head->count == GATHER_MAX)
		return -1;
	*wanted = (struct wanted){ .name = span_is(word, "file") ? span_word(&line) : (struct span){ "", 0 } };
	wanted->site = span_word(&line);
	wanted->path = span_word(&line);
	if (span_is(wanted->site, "-"))
		wanted->site.len = 0;
	head->count++;
	return 0;
}

static void
head_free(struct head *head)
{
	str_free(&head->text);
	str_free(&head->site);
	queued_close(&head->queued);
}

static int
load_head(int dir, struct head *head, struct err *err)
{
	struct span rest, line;

	*head = (struct head){ .queued = { .fd = -1 } };
	if (fs_load(dir, "head", HEAD_MAX, &head->text, err) < 0)
		return -1;
	rest = str_span(&head->text);
	int result = span_begins(rest, "gather=1 ") && span_cut(&rest, '\n', &line) ? take_first(head, line) : -1;
	while (result == 0 && span_cut(&rest, '\n', &line))
		result = take_line(head, line);
	if (result < 0 || head->queued.command.len == 0)
		return err_set(err, ERR_PERM, "a head that is none");
	return 0;
}

static void
file_name(size_t i, struct str *out)
{
	str_clear(out);
	str_printf(out, "%zu", i + 1);
}

/* --- add --- */

static int
copy_one(int from, int dir, const char *name, const struct spool *spool, struct err *err)
{
	char bytes[65536];
	ssize_t got = 1;
	int fd = fs_create(dir, name, 0640, err), result = fd < 0 ? -1 : 0;

	while (result == 0 && got != 0) {
		got = read(from, bytes, sizeof bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = err_sys(err, "a file");
		else if (got > 0)
			result = spool_room(spool, (uint64_t)got, err) < 0 ? -1 : fs_write(fd, bytes, (size_t)got, err);
	}
	if (result == 0)
		result = fs_sync(fd, err);
	if (fd >= 0)
		close(fd);
	return result;
}

static int
fill(const struct spool *spool, int dir, struct span head, const struct gather_file *files, size_t count,
    struct err *err)
{
	struct str name = {0};
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		file_name(i, &name);
		if (files[i].fd >= 0)
			result = copy_one(files[i].fd, dir, str_c(&name), spool, err);
	}
	str_free(&name);
	return result < 0 ? -1 : fs_replace(dir, "head", head, 0640, err);
}

static int
ask(const struct spool *spool, const struct queued *by, char grade, const char *name, size_t i,
    const struct gather_file *file, struct err *err)
{
	struct queued head = { .fd = -1 };
	struct filed none = {0};
	struct str to = {0}, as = {0};

	str_printf(&to, "%s%s/%zu", begins, name, i + 1);
	const struct copying copying = { true, span_of(file->path), str_span(&to) };
	str_add_span(&head.user, str_span(&by->user));
	str_add_span(&head.options, str_span(&by->options));
	str_add_span(&head.notify, str_span(&by->notify));
	copying_print(&copying, &head.command);
	none.command = str_span(&head.command);
	int result = queued_add(spool, file->site, grade, &head, &none, NULL, -1, &as, err);
	if (result == 0)
		spool_event(spool, str_c(&as), "event=queued site=%s user=%s command=\"%s\"", file->site, str_c(&head.user),
		    str_c(&head.command));
	queued_close(&head);
	str_free(&to);
	str_free(&as);
	return result;
}

int
gather_add(const struct spool *spool, const char *site, char grade, const struct queued *head,
    struct span command, const struct gather_file *files, size_t count, struct str *name, struct err *err)
{
	struct str id = {0}, text = {0}, fresh = {0};
	int all, dir = -1, result;

	spool_new_id(&id);
	str_printf(name, "%c-%s", grade, str_c(&id));
	str_printf(&fresh, ".%s", str_c(name));
	print_head(site, head, command, files, count, &text);
	result = fs_make_dir(spool->dir, folder, 0750, err);
	all = result < 0 ? -1 : fs_dir(spool->dir, folder, err);
	if (all >= 0 && fs_make_dir(all, str_c(&fresh), 0750, err) == 0)
		dir = fs_dir(all, str_c(&fresh), err);
	result = dir < 0 || fill(spool, dir, str_span(&text), files, count, err) < 0 ? -1 :
	    fs_rename(all, str_c(&fresh), all, str_c(name), err);
	if (result == 0)
		result = fs_sync(all, err);
	for (size_t i = 0; i < count && result == 0; i++)
		if (files[i].fd < 0)
			result = ask(spool, head, grade, str_c(name), i, &files[i], err);
	if (result < 0 && all >= 0) {
		struct err ignored;
		fs_remove_tree(all, str_c(&fresh), &ignored);
		fs_remove_tree(all, str_c(name), &ignored);
	}
	if (dir >= 0)
		close(dir);
	if (all >= 0)
		close(all);
	str_free(&id);
	str_free(&text);
	str_free(&fresh);
	return result;
}

/* --- a file that comes --- */

bool
gather_is(struct span path)
{
	return span_begins(path, begins);
}

static bool
name_ok(struct span name)
{
	bool ok = name.len > 2 && name.p[1] == '-';
	char *id = mem_text_n(name.p, name.len);

	ok = ok && strlen(id) == name.len && spool_id_ok(id + 2);
	free(id);
	return ok;
}

static int
none_awaited(struct err *err)
{
	return err_set(err, ERR_PERM, "the path is not one it may use here");
}

static int
open_one(const struct spool *spool, struct span name, struct err *err)
{
	struct str path = {0};

	str_printf(&path, "%s/%.*s", folder, (int)name.len, name.p);
	int dir = fs_dir(spool->dir, str_c(&path), err);
	str_free(&path);
	return dir;
}

int
gather_target(const struct spool *spool, const char *site, struct span path, struct files_target *target,
    struct err *err)
{
	struct span number = span_from(path, strlen(begins)), name;
	struct head head;
	uint64_t i = 0;

	*target = (struct files_target){ .dir = -1 };
	if (!span_cut(&number, '/', &name) || !name_ok(name) || span_number(number, GATHER_MAX, &i) < 0 || i == 0)
		return none_awaited(err);
	target->dir = open_one(spool, name, err);
	if (target->dir < 0)
		return errno == ENOENT ? none_awaited(err) : -1;
	int result = load_head(target->dir, &head, err);
	if (result == 0 && (i > head.count || !span_is(head.file[i - 1].site, site)))
		result = none_awaited(err);
	if (result == 0)
		file_name((size_t)i - 1, &target->name);
	head_free(&head);
	if (result < 0)
		files_target_free(target);
	return result;
}

/* --- whole --- */

/* 1: all of them are there, and open; 0: not yet; -1. */
static int
open_files(int dir, struct head *head, struct filed *filed, int *fds, struct err *err)
{
	struct str name = {0};
	struct stat st;
	int result = 1;

	for (size_t i = 0; i < head->count && result > 0; i++) {
		file_name(i, &name);
		fds[i] = fs_open(dir, str_c(&name), O_RDONLY, err);
		if (fds[i] < 0 || fstat(fds[i], &st) < 0)
			result = fds[i] < 0 && errno == ENOENT ? 0 : -1;
		else if (head->file[i].name.len > 0)
			filed->file[filed->count++] = (struct filed_file){ (uint64_t)st.st_size, head->file[i].name };
	}
	str_free(&name);
	return result;
}

/* The input is the last of the files, where there is one. */
static int
queue_whole(const struct spool *spool, int dir, const char *name, struct head *head, struct err *err)
{
	struct filed filed, said;
	int fds[GATHER_MAX];

	for (size_t i = 0; i < GATHER_MAX; i++)
		fds[i] = -1;
	if (filed_parse(str_span(&head->queued.command), &said) < 0)
		return err_set(err, ERR_PERM, "a command that is none");
	filed = said;
	int result = open_files(dir, head, &filed, fds, err);
	if (result > 0)
		result = queued_add_as(spool, str_c(&head->site), name, &head->queued, &filed, fds,
		    filed.count < head->count ? fds[head->count - 1] : -1, err) < 0 ? -1 : 1;
	if (result > 0)
		spool_event(spool, name, "event=gathered site=%s user=%s", str_c(&head->site), str_c(&head->queued.user));
	for (size_t i = 0; i < GATHER_MAX; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return result;
}

static void
give_up(const struct spool *spool, const char *name, const struct head *head)
{
	static const char why[] = "a file that it needs did not come in 28 days";
	const struct notice notice = { str_span(head->queued.notify.len > 0 ? &head->queued.notify : &head->queued.user),
		str_span(&head->queued.command), spool->settings->spool.site, why, NULL };

	spool_event(spool, name, "event=removed reason=\"%s\"", why);
	if (head->queued.options.len == 0 || memchr(head->queued.options.p, 'N', head->queued.options.len) == NULL)
		notice_here(spool, &notice);
}

/* Whether it is over. */
static bool
settle_one(const struct spool *spool, int all, const char *name, bool old)
{
	struct head head;
	struct err err = {0};
	int dir = fs_dir(all, name, &err), result = -1;

	if (dir >= 0 && load_head(dir, &head, &err) == 0)
		result = queue_whole(spool, dir, name, &head, &err);
	if (result < 0)
		log_warn("%s/%s: %s", folder, name, err.text);
	if (dir >= 0 && result <= 0 && old)
		give_up(spool, name, &head);
	if (dir >= 0) {
		head_free(&head);
		close(dir);
	}
	return result > 0 || old;
}

void
gather_settle(const struct spool *spool)
{
	struct fs_names names = {0};
	struct err err = {0};
	struct stat st;
	int all = openat(spool->dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int lock = all < 0 ? -1 : fs_lock(all, ".lock", false, &err);	/* who has it does the same */

	if (lock >= 0 && fs_names(all, ".", &names, &err) == 0)
		for (size_t i = 0; i < names.count; i++) {
			const char *name = names.name[i];
			if (fstatat(all, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
				continue;
			bool old = st.st_mtime < clock_now() / CLOCK_SECOND - KEPT;
			if ((name[0] == '.' ? old : settle_one(spool, all, name, old)) &&
			    fs_remove_tree(all, name, &err) < 0)
				log_warn("%s/%s: %s", folder, name, err.text);
		}
	fs_names_free(&names);
	if (lock >= 0)
		close(lock);
	if (all >= 0)
		close(all);
}
