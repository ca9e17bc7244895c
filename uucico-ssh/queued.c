#include "uucico-ssh/queued.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* spool/uux/SITE, made when it is missing and make. */
static int
open_folder(const struct spool *spool, const char *site, bool make, struct err *err)
{
	struct str path = {0};

	str_printf(&path, "uux/%s", site);
	if (make && (fs_make_dir(spool->dir, "uux", 0750, err) < 0 ||
	    fs_make_dir(spool->dir, str_c(&path), 0750, err) < 0)) {
		str_free(&path);
		return -1;
	}
	int dir = fs_dir(spool->dir, str_c(&path), err);
	int number = errno;
	str_free(&path);
	errno = number;
	return dir;
}

/* --- add --- */

static void
print_head(const struct queued *head, const struct filed *filed, struct str *out)
{
	const struct { const char *name; const struct str *text; } words[] = {
		{ " user=", &head->user }, { " options=", &head->options }, { " notify=", &head->notify },
	};

	str_add_text(out, "uux=1");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (words[i].text->len == 0)
			continue;
		str_add_text(out, words[i].name);
		str_add_span(out, str_span(words[i].text));
	}
	str_add_text(out, "\ncommand ");
	filed_print(filed, out);
	str_add_text(out, "\n\n");
}

static int
copy(const struct spool *spool, int from, int to, struct err *err)
{
	char bytes[65536];
	ssize_t got;

	while ((got = read(from, bytes, sizeof bytes)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "standard input");
		if (spool_room(spool, (uint64_t)got, err) < 0 || fs_write(to, bytes, (size_t)got, err) < 0)
			return -1;
	}
	return 0;
}

/* So many bytes as were announced, whatever became of the file since. */
static int
copy_file(const struct spool *spool, int from, uint64_t size, int to, struct err *err)
{
	char bytes[65536];

	for (uint64_t at = 0; at < size;) {
		uint64_t left = size - at;
		ssize_t got = fs_pread(from, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes, (off_t)at, err);
		if (got == 0)
			err_set(err, ERR_TEMP, "a file became shorter while it was read");
		if (got <= 0 || spool_room(spool, (uint64_t)got, err) < 0 || fs_write(to, bytes, (size_t)got, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	return 0;
}

static int
write_file(const struct spool *spool, const char *id, struct span head, const struct filed *filed,
    const int files[], int in, struct err *err)
{
	int fd = fs_create(spool->tmp, id, 0640, err);

	if (fd < 0)
		return -1;
	int result = fs_write(fd, head.p, head.len, err);
	for (size_t i = 0; result == 0 && i < filed->count; i++)
		result = copy_file(spool, files[i], filed->file[i].size, fd, err);
	if (result == 0 && in >= 0)
		result = copy(spool, in, fd, err);
	if (result == 0)
		result = fs_sync(fd, err);
	close(fd);
	return result;
}

int
queued_add_as(const struct spool *spool, const char *site, const char *name, const struct queued *head,
    const struct filed *filed, const int files[], int in, struct err *err)
{
	struct str id = {0}, text = {0};
	int dir = open_folder(spool, site, true, err);

	spool_new_id(&id);
	print_head(head, filed, &text);
	int result = dir < 0 ? -1 : write_file(spool, str_c(&id), str_span(&text), filed, files,
	    in, err);
	if (result == 0)
		result = fs_rename(spool->tmp, str_c(&id), dir, name, err);
	if (result == 0)
		result = fs_sync(dir, err);
	if (result < 0)
		unlinkat(spool->tmp, str_c(&id), 0);
	if (dir >= 0)
		close(dir);
	str_free(&id);
	str_free(&text);
	return result;
}

int
queued_add(const struct spool *spool, const char *site, char grade, const struct queued *head,
    const struct filed *filed, const int files[], int in, struct str *name, struct err *err)
{
	struct str id = {0};

	spool_new_id(&id);
	str_printf(name, "%c-%s", grade, str_c(&id));
	str_free(&id);
	return queued_add_as(spool, site, str_c(name), head, filed, files, in, err);
}

/* --- read --- */

int
queued_names(const struct spool *spool, const char *site, struct fs_names *names, struct err *err)
{
	*names = (struct fs_names){0};
	int dir = open_folder(spool, site, false, err);
	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	int result = fs_names(dir, ".", names, err);
	close(dir);
	return result;
}

static void
take_first_line(struct span line, struct queued *queued)
{
	for (struct span word; (word = span_word(&line)).len > 0;) {
		struct span value = word, name;
		span_cut(&value, '=', &name);
		if (span_is(name, "user"))
			str_set_span(&queued->user, value);
		else if (span_is(name, "options"))
			str_set_span(&queued->options, value);
		else if (span_is(name, "notify"))
			str_set_span(&queued->notify, value);
	}
}

static int
parse_head(struct span bytes, struct queued *queued)
{
	struct span rest = bytes, first, second, empty;

	if (!span_cut(&rest, '\n', &first) || !span_cut(&rest, '\n', &second) ||
	    !span_cut(&rest, '\n', &empty) || empty.len != 0 || !span_begins(first, "uux=1") ||
	    !span_begins(second, "command ") || empty.p == bytes.p + bytes.len)
		return -1;
	take_first_line(first, queued);
	str_set_span(&queued->command, span_from(second, strlen("command ")));
	queued->data_at = empty.p + 1 - bytes.p;
	return 0;
}

static int
read_head(struct queued *queued, const char *name, struct err *err)
{
	struct str head = {0};
	struct stat st;
	ssize_t got = fs_pread(queued->fd, str_room(&head, QUEUED_HEAD_MAX), QUEUED_HEAD_MAX, 0, err);

	head.len = got > 0 ? (size_t)got : 0;
	int result = got < 0 ? -1 : 0;
	if (result == 0 && parse_head(str_span(&head), queued) < 0)
		result = err_set(err, ERR_PERM, "%s does not begin as a job of uux does", name);
	if (result == 0 && fstat(queued->fd, &st) < 0)
		result = err_sys(err, "%s", name);
	if (result == 0)
		queued->size = (uint64_t)(st.st_size - queued->data_at);
	str_free(&head);
	return result;
}

int
queued_open(struct queued *queued, const struct spool *spool, const char *site, const char *name,
    struct err *err)
{
	*queued = (struct queued){ .fd = -1 };
	int dir = open_folder(spool, site, false, err);
	if (dir < 0)
		return -1;
	queued->fd = fs_open(dir, name, O_RDONLY, err);
	close(dir);
	return queued->fd < 0 ? -1 : read_head(queued, name, err);
}

/* --- its end --- */

int
queued_done(const struct spool *spool, const char *site, const char *name, struct err *err)
{
	int dir = open_folder(spool, site, false, err);

	if (dir < 0)
		return -1;
	int result = fs_remove(dir, name, err);
	if (result == 0)
		result = fs_sync(dir, err);	/* a name that came back would be run twice */
	close(dir);
	return result;
}

void
queued_held_name(const char *site, const char *name, struct str *out)
{
	str_printf(out, "%s-%s.job", site, name);
}

int
queued_refused(const struct spool *spool, const char *site, const char *name, const char *why,
    struct err *err)
{
	struct str held = {0}, note = {0}, text = {0};
	int dir = open_folder(spool, site, false, err);

	queued_held_name(site, name, &held);
	str_printf(&note, "%s.reason", str_c(&held));
	str_printf(&text, "%s\n", why);
	int result = dir < 0 ? -1 : fs_replace(spool->hold, str_c(&note), str_span(&text), 0640, err);
	if (result == 0)
		result = fs_rename(dir, name, spool->hold, str_c(&held), err);
	if (result == 0)
		result = fs_sync_dir(spool->hold, ".", err);
	if (result == 0)
		result = fs_sync(dir, err);
	if (dir >= 0)
		close(dir);
	str_free(&held);
	str_free(&note);
	str_free(&text);
	return result;
}
