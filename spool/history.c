/* The history (spool/spool.h): log/mochila.log, and what was in it before, log/mochila.log.1 ...
 * Where several hosts share the spool each has its own, log/mochila-NODE.log. */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/lock.h"

static const char before[] = "mochila", behind[] = ".log";

/* node "": of a spool that no other host works in */
static void
name_of_node(const char *node, unsigned n, struct str *name)
{
	str_set(name, before);
	if (node[0] != '\0')
		str_printf(name, "-%s", node);
	str_add_text(name, behind);
	if (n > 0)
		str_printf(name, ".%u", n);
}

const char *
history_node(const struct spool *spool)
{
	return spool->lease != NULL ? spool->settings->spool.node : "";
}

static void
name_of(const struct spool *spool, unsigned n, struct str *name)
{
	name_of_node(history_node(spool), n, name);
}

/* The node in the name of a file of the history; false: it is none. */
static bool
node_in(const char *name, struct str *node)
{
	const char *end = strrchr(name, '.');

	if (end != NULL && end[1] != '\0' && strspn(end + 1, "0123456789") == strlen(end + 1))
		while (end > name && *--end != '.')
			;
	if (end == NULL || strncmp(end, behind, sizeof behind - 1) != 0 ||
	    (end[sizeof behind - 1] != '\0' && end[sizeof behind - 1] != '.') ||
	    strncmp(name, before, sizeof before - 1) != 0)
		return false;
	name += sizeof before - 1;
	str_clear(node);
	if (name < end && *name == '-')
		str_add(node, name + 1, (size_t)(end - name) - 1);
	return name == end || node->len > 0;
}

static bool
is_among(const struct fs_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->name[i], name) == 0)
			return true;
	return false;
}

int
history_nodes(const struct spool *spool, struct fs_names *nodes, struct err *err)
{
	struct fs_names files;
	struct str node = {0};

	*nodes = (struct fs_names){0};
	if (fs_names(spool->log, ".", &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.count; i++) {
		if (!node_in(files.name[i], &node) || is_among(nodes, str_c(&node)))
			continue;
		nodes->name = mem_resize(nodes->name, nodes->count + 1, sizeof *nodes->name);
		nodes->name[nodes->count++] = mem_text(str_c(&node));
	}
	fs_names_free(&files);
	str_free(&node);
	return 0;
}

int
history_open(const struct spool *spool, const char *node, unsigned n, struct err *err)
{
	struct str name = {0};

	name_of_node(node, n, &name);
	int fd = fs_open(spool->log, str_c(&name), O_RDONLY, err);
	str_free(&name);
	return fd;
}

unsigned
history_keep(const struct spool *spool)
{
	uint64_t keep = spool->settings->spool.log_keep;
	return keep < 1 ? 1 : keep < HISTORY_MAX ? (unsigned)keep : HISTORY_MAX;
}

/* The first number that is free, or the last one, whose file has been kept long enough. */
static unsigned
first_free(const struct spool *spool)
{
	unsigned n = 1, keep = history_keep(spool);
	struct str name = {0};

	for (; n < keep; n++) {
		name_of(spool, n, &name);
		if (faccessat(spool->log, str_c(&name), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
	}
	str_free(&name);
	return n;
}

static void
shift(const struct spool *spool)
{
	struct str from = {0}, to = {0};

	for (unsigned n = first_free(spool); n > 0; n--) {
		name_of(spool, n - 1, &from);
		name_of(spool, n, &to);
		if (renameat(spool->log, str_c(&from), spool->log, str_c(&to)) < 0)
			break;		/* it grows on; the next event tries again */
	}
	str_free(&from);
	str_free(&to);
}

static bool
is_current(const struct spool *spool, int fd)
{
	struct str name = {0};

	name_of(spool, 0, &name);
	bool is = fs_is(fd, spool->log, str_c(&name));
	str_free(&name);
	return is;
}

/* Whoever has the lock shifts them all: the others look again, see that theirs is current
 * no more, and leave it.  An event written to a file that is renamed meanwhile is in that
 * file.  The lock is that of the current file, or, in a shared spool, of this host. */
static void
turn(const struct spool *spool)
{
	struct spool_lock lock = SPOOL_UNLOCKED;
	struct str name = {0};
	struct err ignored;

	name_of(spool, 0, &name);
	/* Opened for this: the lock goes when it is closed. */
	int fd = fs_open(spool->log, str_c(&name), O_RDONLY, &ignored);
	str_clear(&name);
	str_printf(&name, "log.%s", spool->settings->spool.node);
	bool locked = fd >= 0 && (spool->lease != NULL ?
	    spool_lock(&lock, spool, str_c(&name), -1, NULL, false, &ignored) == 0 : flock(fd, LOCK_EX | LOCK_NB) == 0);
	struct stat st;
	if (locked && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= spool->settings->spool.log_size &&
	    is_current(spool, fd))
		shift(spool);
	spool_unlock(&lock);
	if (fd >= 0)
		close(fd);
	str_free(&name);
}

/* The file that is written.  Whoever shifts them, and a person, may take it from under its name
 * at any time: then the one of that name is opened. */
struct history_file {
	int fd;			/* -1: not open */
	dev_t device;
	ino_t inode;
	bool torn;		/* its last line has no end: the disk was full */
	bool failing;		/* it cannot be written, and that was said */
	bool gathers;
	struct str gathered;
};

void
history_file_new(struct spool *spool)
{
	spool->history = mem_get(sizeof *spool->history);
	*spool->history = (struct history_file){ .fd = -1 };
}

void
history_file_free(struct spool *spool)
{
	if (spool->history != NULL) {
		history_write(spool);
		if (spool->history->fd >= 0)
			close(spool->history->fd);
		str_free(&spool->history->gathered);
	}
	free(spool->history);
	spool->history = NULL;
}

/* The size it has, or -1: there is none. */
static off_t
find_current(const struct spool *spool, struct history_file *h, struct err *err)
{
	struct str name = {0};
	struct stat st;

	name_of(spool, 0, &name);
	bool is = h->fd >= 0 && fstatat(spool->log, str_c(&name), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == h->device && st.st_ino == h->inode;
	if (!is) {
		if (h->fd >= 0)
			close(h->fd);
		h->fd = openat(spool->log, str_c(&name),
		    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
		is = h->fd >= 0 && fstat(h->fd, &st) == 0;
		if (!is)
			err_sys(err, "%s", str_c(&name));
		h->torn = false;
		if (is) {
			h->device = st.st_dev;
			h->inode = st.st_ino;
		}
	}
	str_free(&name);
	return is ? st.st_size : -1;
}

/* One write, as a rule: others write before it or behind it.  A line that a full disk cut gets its end
 * before the next one. */
static int
append(struct history_file *h, struct span lines, struct err *err)
{
	if (h->torn && fs_write(h->fd, "\n", 1, err) < 0)
		return -1;
	h->torn = false;
	while (lines.len > 0) {
		ssize_t done = write(h->fd, lines.p, lines.len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_sys(err, "write");
		h->torn = lines.p[done - 1] != '\n';
		lines = span_from(lines, (size_t)done);
	}
	return 0;
}

/* A history that cannot be written stops no mail.  It is said, once until it can be again. */
static void
write_lines(const struct spool *spool, struct history_file *h, struct span lines)
{
	uint64_t limit = spool->settings->spool.log_size;
	struct err err;

	if (lines.len == 0)
		return;
	off_t size = find_current(spool, h, &err);
	bool failed = size < 0 || append(h, lines, &err) < 0;
	if (failed && !h->failing)
		log_warn("-: event=history-failed why=\"%s\" lost=\"what happens until it can be written; no mail\"", err.text);
	h->failing = failed;
	if (size >= 0 && limit > 0 && (uint64_t)size + lines.len >= limit)
		turn(spool);
}

void
history_gather(const struct spool *spool)
{
	if (spool->history != NULL)
		spool->history->gathers = true;
	log_gather();
}

void
history_write(const struct spool *spool)
{
	struct history_file *h = spool->history;

	log_write();
	if (h == NULL)
		return;
	h->gathers = false;
	write_lines(spool, h, str_span(&h->gathered));
	str_clear(&h->gathered);
}

void
spool_event(const struct spool *spool, const char *id, const char *format, ...)
{
	enum { GATHERED = 32768 };
	struct str text = {0}, once = {0};
	struct history_file alone = { .fd = -1 }, *h = spool->history != NULL ? spool->history : &alone;
	struct str *line = h->gathers ? &h->gathered : &once;
	va_list args;

	str_add_text(&text, id);
	str_add_text(&text, ": ");
	size_t id_len = text.len;
	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	log_text(LOG_LEVEL_INFO, str_span(&text));
	clock_utc(clock_now(), line);
	str_add_char(line, ' ');
	str_add(line, text.p, id_len);
	log_escape(line, span_from(str_span(&text), id_len), 1024);
	str_add_char(line, '\n');
	if (!h->gathers || line->len >= GATHERED) {
		write_lines(spool, h, str_span(line));
		str_clear(line);
	}
	if (alone.fd >= 0)
		close(alone.fd);
	str_free(&text);
	str_free(&once);
}

/* Does " key=" stand there, or nothing? */
static bool
goes_on(struct span rest)
{
	size_t len = 1;

	if (rest.len == 0)
		return true;
	while (rest.p[0] == ' ' && len < rest.len && rest.p[len] != '=' && rest.p[len] != ' ' && rest.p[len] != '"')
		len++;
	return len > 1 && len < rest.len && rest.p[len] == '=';
}

/* Up to the quote behind which the next word begins: those before it are the peer's. */
static struct span
quoted(struct span *rest)
{
	size_t len = 1;

	while (len < rest->len && (rest->p[len] != '"' || !goes_on(span_from(*rest, len + 1))))
		len++;
	struct span value = span_from(span_to(*rest, len), 1);
	*rest = span_from(*rest, len + 1 < rest->len ? len + 1 : rest->len);
	return value;
}

bool
history_field(struct span *event, struct span *key, struct span *value)
{
	*event = span_trim(*event);
	if (event->len == 0)
		return false;
	size_t len = 0;
	while (len < event->len && event->p[len] != '=' && event->p[len] != ' ')
		len++;
	*key = span_to(*event, len);
	*event = span_from(*event, len);
	*value = (struct span){ "", 0 };
	if (event->len == 0 || event->p[0] != '=')
		return true;
	*event = span_from(*event, 1);
	if (span_begins(*event, "\""))
		*value = quoted(event);
	else if (event->len > 0 && event->p[0] != ' ')
		*value = span_word(event);
	return true;
}

struct span
history_value(struct span event, const char *wanted)
{
	struct span key, value;

	while (history_field(&event, &key, &value))
		if (span_is(key, wanted))
			return value;
	return (struct span){ "", 0 };
}
