#include "spool/table.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum {
	LOOK_AGAIN = 1000000,	/* microseconds: a file is not looked at more often */
	WORDS_MAX = 100, LINE_MAX_BYTES = 3 * TABLE_VALUE_MAX,
};

struct table_row {		/* offsets into text: it may move while it grows */
	size_t key, key_len, value, value_len;
};

struct table {
	struct table *next;
	const struct table_kind *kind;
	char *rest;		/* behind the kind's name */
	char *path;		/* of a file */
	int64_t looked;		/* of clock_mono(): when its file was last asked about */
	struct stat was;	/* and what it was */
	/* file: */
	struct str text;
	struct table_row *row;
	size_t rows;
	int fd;			/* cdb: the file; |: the program */
	/* |: */
	pid_t pid;
	int64_t patience;	/* of who asks now; 0: TABLE_SECONDS */
	int64_t rest_until;
	struct str said;	/* read and not yet used */
	struct err why;
};

struct table_kind {
	const char *name;
	int (*check)(const char *rest, struct err *err);
	int (*find)(struct table *table, struct span key, struct str *value, struct err *err);
	void (*close)(struct table *table);
};

/* files, and whether they have changed */

static int
check_path(const char *rest, struct err *err)
{
	return rest[0] != '\0' ? 0 : err_set(err, ERR_CONFIG, "it names no file");
}

static bool
is_other(const struct stat *a, const struct stat *b)
{
	return a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size ||
	    a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

/* 1: it is another than the one we have; 0; -1: it cannot be asked. */
static int
has_changed(struct table *table, struct err *err)
{
	int64_t now = clock_mono();
	struct stat st;

	if (table->looked != 0 && now - table->looked < LOOK_AGAIN)
		return 0;
	if (stat(table->path, &st) < 0)
		return err_sys(err, "%s", table->path);
	bool other = table->looked == 0 || is_other(&st, &table->was);
	table->looked = now;
	table->was = st;
	return other;
}

/* What was read before is still better than nothing. */
static int
keep_old(struct table *table, bool have, struct err *err)
{
	if (!have) {
		table->looked = 0;	/* asked again each time */
		if (err->kind == ERR_PERM)
			err->kind = ERR_CONFIG;
		return -1;
	}
	log_warn("-: event=table-kept table=%s why=\"%s\"", table->path, err->text);
	return 0;
}

/* file: */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line, that goes on over those that begin with a blank: its newlines become blanks. */
static struct span
next_line(struct str *text, size_t *at)
{
	size_t begin = *at;

	for (;;) {
		char *lf = memchr(text->p + *at, '\n', text->len - *at);
		*at = lf != NULL ? (size_t)(lf - text->p) + 1 : text->len;
		bool goes_on = lf != NULL && *at < text->len && is_blank(text->p[*at]);
		if (!goes_on)
			return (struct span){ text->p + begin, (lf != NULL ? *at - 1 : *at) - begin };
		*lf = ' ';
	}
}

/* false: it holds nothing. */
static bool
read_row(struct str *text, struct span line, struct table_row *row)
{
	while (line.len > 0 && is_blank(line.p[0]))
		line = span_from(line, 1);
	while (line.len > 0 && is_blank(line.p[line.len - 1]))
		line.len--;
	if (line.len == 0 || line.p[0] == '#')
		return false;
	row->key = (size_t)(line.p - text->p);
	size_t len = 0;
	while (len < line.len && !is_blank(line.p[len]))
		len++;
	struct span value = span_trim(span_from(line, len));
	row->key_len = len > 1 && line.p[len - 1] == ':' ? len - 1 : len;
	row->value = (size_t)(value.p - text->p);
	row->value_len = value.len;
	for (size_t i = 0; i < row->key_len; i++)
		text->p[row->key + i] = lower(text->p[row->key + i]);
	return true;
}

static int
compare(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_rows(const void *a, const void *b, void *text)
{
	const struct table_row *x = a, *y = b;
	const char *p = text;
	int order = compare((struct span){ p + x->key, x->key_len }, (struct span){ p + y->key, y->key_len });

	return order != 0 ? order : (x->key > y->key) - (x->key < y->key);	/* the first one counts */
}

static int
read_rows(const char *path, struct str *text, struct table_row **row, size_t *rows, struct err *err)
{
	size_t at = 0, room = 0;

	if (fs_load(AT_FDCWD, path, TABLE_FILE_MAX, text, err) < 0)
		return -1;
	while (at < text->len) {
		struct table_row one;
		struct span line = next_line(text, &at);
		if (!read_row(text, line, &one))
			continue;
		if (*rows == room) {
			room = room > 0 ? 2 * room : 64;
			*row = mem_resize(*row, room, sizeof **row);
		}
		(*row)[(*rows)++] = one;
	}
	return 0;
}

static int
load(struct table *table, struct err *err)
{
	struct str text = {0};
	struct table_row *row = NULL;
	size_t rows = 0;
	int changed = has_changed(table, err);

	if (changed == 0)
		return 0;
	if (changed < 0 || read_rows(table->path, &text, &row, &rows, err) < 0) {
		str_free(&text);
		free(row);
		return keep_old(table, table->text.p != NULL, err);
	}
	if (rows > 0)
		qsort_r(row, rows, sizeof *row, compare_rows, text.p);
	str_room(&text, 1);		/* an empty file is one that was read, too */
	str_free(&table->text);
	free(table->row);
	table->text = text;
	table->row = row;
	table->rows = rows;
	return 0;
}

static int
file_find(struct table *table, struct span key, struct str *value, struct err *err)
{
	size_t low = 0, high;

	if (load(table, err) < 0)
		return -1;
	const char *p = table->text.p;
	for (high = table->rows; low < high;) {
		size_t middle = low + (high - low) / 2;
		const struct table_row *row = &table->row[middle];
		if (compare((struct span){ p + row->key, row->key_len }, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->rows || compare((struct span){ p + table->row[low].key, table->row[low].key_len }, key) != 0)
		return 0;
	str_set_span(value, (struct span){ p + table->row[low].value, table->row[low].value_len });
	return 1;
}

static void
file_close(struct table *table)
{
	str_free(&table->text);
	free(table->row);
}

int
table_keys(const char *path, int (*key)(void *ctx, struct span key, struct err *err), void *ctx,
    struct err *err)
{
	struct str text = {0};
	struct table_row *row = NULL;
	size_t rows = 0;
	int result = read_rows(path, &text, &row, &rows, err);

	for (size_t i = 0; i < rows && result == 0; i++)
		result = key(ctx, (struct span){ text.p + row[i].key, row[i].key_len }, err);
	str_free(&text);
	free(row);
	return result;
}

/* cdb: 256 tables of (hash, position), then at each position key and value with their
 * lengths before them; all numbers 32 bits, little-endian. */

static int
damaged(const struct table *table, struct err *err)
{
	return err_set(err, ERR_CONFIG, "%s: no cdb, or a damaged one", table->path);
}

static int
read_pair(const struct table *table, uint32_t at, uint32_t pair[2], struct err *err)
{
	unsigned char bytes[8];
	ssize_t got = fs_pread(table->fd, bytes, sizeof bytes, (off_t)at, err);

	if (got < (ssize_t)sizeof bytes)
		return got < 0 ? -1 : damaged(table, err);
	for (int i = 0; i < 2; i++)
		pair[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 | (uint32_t)bytes[4 * i + 2] << 16 |
		    (uint32_t)bytes[4 * i + 3] << 24;
	return 0;
}

/* Is it this key that stands there?  1 with its value. */
static int
read_record(const struct table *table, uint32_t at, struct span key, struct str *value, struct err *err)
{
	char here[TABLE_KEY_MAX + 1];
	uint32_t lengths[2];

	if (read_pair(table, at, lengths, err) < 0)
		return -1;
	if (lengths[0] != key.len)
		return 0;
	if (lengths[1] > TABLE_VALUE_MAX)
		return damaged(table, err);
	ssize_t got = fs_pread(table->fd, here, key.len, (off_t)at + 8, err);
	if (got < (ssize_t)key.len)
		return got < 0 ? -1 : damaged(table, err);
	if (memcmp(here, key.p, key.len) != 0)
		return 0;
	str_clear(value);
	got = fs_pread(table->fd, str_room(value, lengths[1]), lengths[1], (off_t)at + 8 + (off_t)key.len, err);
	if (got < (ssize_t)lengths[1])
		return got < 0 ? -1 : damaged(table, err);
	value->len = lengths[1];
	/* postmap(1) may end keys and values with a NUL. */
	while (value->len > 0 && value->p[value->len - 1] == '\0')
		value->len--;
	return 1;
}

static int
find_record(const struct table *table, struct span key, struct str *value, struct err *err)
{
	uint32_t hash = 5381, head[2], slot[2];

	for (size_t i = 0; i < key.len; i++)
		hash = ((hash << 5) + hash) ^ (unsigned char)key.p[i];
	if (read_pair(table, (hash & 255) * 8, head, err) < 0)
		return -1;
	if (head[1] > (uint32_t)(table->was.st_size / 8))
		return damaged(table, err);
	for (uint32_t i = 0; i < head[1]; i++) {
		uint32_t at = head[0] + ((hash >> 8) % head[1] + i) % head[1] * 8;
		if (read_pair(table, at, slot, err) < 0)
			return -1;
		if (slot[1] == 0)
			return 0;
		int found = slot[0] == hash ? read_record(table, slot[1], key, value, err) : 0;
		if (found != 0)
			return found;
	}
	return 0;
}

static int
open_cdb(struct table *table, struct err *err)
{
	int changed = has_changed(table, err);

	if (changed == 0)
		return 0;
	int fd = changed < 0 ? -1 : fs_open(AT_FDCWD, table->path, O_RDONLY, err);
	if (fd < 0)
		return keep_old(table, table->fd >= 0, err);
	if (table->fd >= 0)
		close(table->fd);
	table->fd = fd;
	return 0;
}

static int
cdb_find(struct table *table, struct span key, struct str *value, struct err *err)
{
	char ended[TABLE_KEY_MAX + 1];

	if (open_cdb(table, err) < 0)
		return -1;
	int found = find_record(table, key, value, err);
	if (found != 0)
		return found;
	memcpy(ended, key.p, key.len);
	ended[key.len] = '\0';
	return find_record(table, (struct span){ ended, key.len + 1 }, value, err);
}

static void
cdb_close(struct table *table)
{
	if (table->fd >= 0)
		close(table->fd);
}

/* a program */

static int
check_program(const char *rest, struct err *err)
{
	return rest[0] == '/' ? 0 : err_set(err, ERR_CONFIG, "a program is named by its whole path");
}

static void
end_program(struct table *table)
{
	int status;
	struct err ignored;

	if (table->fd >= 0)
		close(table->fd);
	table->fd = -1;
	str_clear(&table->said);
	if (table->pid <= 0)
		return;
	kill(-table->pid, SIGKILL);
	child_wait(table->pid, 0, &status, &ignored);
	table->pid = 0;
}

/* Its standard input and output are one socket: no signal comes of writing to the dead. */
static int
start_program(struct table *table, struct err *err)
{
	struct span rest = span_of(table->rest), word;
	const char *argv[WORDS_MAX + 1] = { NULL };
	size_t words = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	while (words < WORDS_MAX && (word = span_word(&rest)).len > 0)
		argv[words++] = mem_text_n(word.p, word.len);
	const struct child child = { .argv = argv, .session = true, .dies_with_us = true, .in = ends[1], .out = ends[1],
		.errors = 2 };
	table->pid = child_start(&child, err);
	close(ends[1]);
	table->fd = ends[0];
	for (size_t i = 0; i < words; i++)
		free((char *)(uintptr_t)argv[i]);
	return table->pid > 0 ? 0 : -1;
}

static int
wait_for(int fd, short what, int64_t until, struct err *err)
{
	struct pollfd poll_for = { .fd = fd, .events = what };
	int64_t left = (until - clock_mono() + 999) / 1000;
	int got = left > 0 ? poll(&poll_for, 1, (int)left) : 0;

	if (got > 0 || (got < 0 && errno == EINTR))
		return 0;
	return got < 0 ? err_sys(err, "poll") : err_set(err, ERR_TEMP, "no answer in time");
}

static int
ask(struct table *table, struct span question, int64_t until, struct err *err)
{
	while (question.len > 0) {
		ssize_t put = send(table->fd, question.p, question.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put > 0)
			question = span_from(question, (size_t)put);
		else if (put < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, "it does not listen");
		else if (wait_for(table->fd, POLLOUT, until, err) < 0)
			return -1;
	}
	return 0;
}

/* One line, in table->said without its end. */
static int
hear(struct table *table, int64_t until, struct err *err)
{
	char piece[4096];

	for (;;) {
		const char *lf = table->said.len > 0 ? memchr(table->said.p, '\n', table->said.len) : NULL;
		if (lf != NULL && (size_t)(lf - table->said.p) + 1 < table->said.len)
			return err_set(err, ERR_TEMP, "it answers more than it is asked");
		if (lf != NULL) {
			table->said.len--;
			return 0;
		}
		if (table->said.len > LINE_MAX_BYTES)
			return err_set(err, ERR_TEMP, "its answer is too long");
		ssize_t got = recv(table->fd, piece, sizeof piece, MSG_DONTWAIT);
		if (got > 0)
			str_add(&table->said, piece, (size_t)got);
		else if (got == 0)
			return err_set(err, ERR_TEMP, "it ended without an answer");
		else if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, "read");
		else if (wait_for(table->fd, POLLIN, until, err) < 0)
			return -1;
	}
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

static void
unescape(struct span text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high = text.p[i] == '%' && i + 2 < text.len ? hex_value(text.p[i + 1]) : -1;
		int low = high >= 0 ? hex_value(text.p[i + 2]) : -1;
		str_add_char(out, low >= 0 ? (char)(high << 4 | low) : text.p[i]);
		i += low >= 0 ? 2 : 0;
	}
}

static int
understand(struct table *table, struct str *value, struct err *err)
{
	struct span rest = span_trim(str_span(&table->said)), code = span_word(&rest);

	rest = span_trim(rest);
	while (rest.len > 0 && is_blank(rest.p[rest.len - 1]))
		rest.len--;
	if (span_is(code, "500"))
		return 0;
	if (!span_is(code, "200")) {
		bool later = span_is(code, "400");
		return err_set(err, ERR_TEMP, "%s \"%.*s\"", later ? "it says" : "it answers what means nothing:",
		    (int)(table->said.len < 200 ? table->said.len : 200), table->said.p);
	}
	str_clear(value);
	unescape(rest, value);
	return value->len <= TABLE_VALUE_MAX ? 1 : err_set(err, ERR_TEMP, "its answer is too long");
}

static int
ask_program(struct table *table, struct span key, struct err *err)
{
	int64_t until = clock_mono() + (table->patience > 0 ? table->patience : TABLE_SECONDS * CLOCK_SECOND);
	struct str question = {0};

	str_add_text(&question, "get ");
	for (size_t i = 0; i < key.len; i++) {
		unsigned char c = (unsigned char)key.p[i];
		if (c <= ' ' || c == '%' || c == 0x7f)
			str_printf(&question, "%%%02X", c);
		else
			str_add_char(&question, (char)c);
	}
	str_add_char(&question, '\n');
	str_clear(&table->said);
	int result = table->pid > 0 ? 0 : start_program(table, err);
	if (result == 0)
		result = ask(table, str_span(&question), until, err);
	if (result == 0)
		result = hear(table, until, err);
	str_free(&question);
	return result < 0 ? -1 : 0;
}

static int
program_find(struct table *table, struct span key, struct str *value, struct err *err)
{
	if (clock_mono() < table->rest_until) {
		*err = table->why;
		return -1;
	}
	/* One that has ended since it was last asked, as it may, is started anew, once. */
	bool old = table->pid > 0;
	int result = ask_program(table, key, err);
	if (result < 0 && old) {
		end_program(table);
		result = ask_program(table, key, err);
	}
	if (result == 0)
		return understand(table, value, err);
	end_program(table);
	table->rest_until = clock_mono() + TABLE_REST_SECONDS * CLOCK_SECOND;
	if (err->kind == ERR_PERM)
		err->kind = ERR_TEMP;
	table->why = *err;
	return -1;
}

static void
program_close(struct table *table)
{
	end_program(table);
	str_free(&table->said);
}

/* all of them */

static const struct table_kind kinds[] = {
	{ "file:", check_path, file_find, file_close },
	{ "cdb:", check_path, cdb_find, cdb_close },
	{ "|", check_program, program_find, program_close },
};

static const struct table_kind *
kind_of(struct span said)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (span_begins(said, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static struct span
next_said(struct span *rest)
{
	struct span one = { "", 0 };

	while (one.len == 0 && span_cut(rest, ',', &one))
		one = span_trim(one);
	return one;
}

int
table_check(const char *said, struct err *err)
{
	struct span rest = span_of(said), one;
	int result = 0;

	while (result == 0 && (one = next_said(&rest)).len > 0) {
		const struct table_kind *kind = kind_of(one);
		char *text = mem_text_n(one.p, one.len);
		result = kind == NULL ? err_set(err, ERR_CONFIG, "want file:PATH, cdb:PATH or |/PROGRAM") :
		    kind->check(text + strlen(kind->name), err);
		if (result < 0)
			err_prefix(err, "%.200s", text);
		free(text);
	}
	return result;
}

static struct table *
table_of(struct tables *tables, struct span said)
{
	const struct table_kind *kind = kind_of(said);

	if (kind == NULL)
		return NULL;
	struct span rest = span_from(said, strlen(kind->name));
	for (struct table *table = tables->first; table != NULL; table = table->next)
		if (table->kind == kind && span_is(rest, table->rest))
			return table;
	struct table *table = mem_get(sizeof *table);
	*table = (struct table){ .next = tables->first, .kind = kind, .rest = mem_text_n(rest.p, rest.len),
		.fd = -1 };
	struct str path = {0};
	if (rest.p[0] != '/' && tables->root != NULL)
		str_printf(&path, "%s/", tables->root);
	str_add_span(&path, rest);
	table->path = mem_text(str_c(&path));
	str_free(&path);
	tables->first = table;
	return table;
}

static int
find_one(struct tables *tables, struct span said, struct span key, struct str *value, struct err *err)
{
	char folded[TABLE_KEY_MAX];
	struct table *table = table_of(tables, said);

	if (key.len == 0 || key.len >= sizeof folded)
		return 0;
	for (size_t i = 0; i < key.len; i++)
		folded[i] = lower(key.p[i]);
	const struct span folded_key = { folded, key.len };
	int found = table == NULL ? err_set(err, ERR_CONFIG, "no table") :
	    table->kind->close == program_close && tables->known != NULL ?
	    tables->known(tables->ctx, said, folded_key, value, err) : TABLE_ASK;
	if (found == TABLE_ASK) {
		table->patience = tables->patience;
		found = table->kind->find(table, folded_key, value, err);
	}
	if (found < 0)
		err_prefix(err, "table %.*s", (int)(said.len < 200 ? said.len : 200), said.p);
	return found;
}

int
table_find_in(struct tables *tables, const char *path, struct span key, struct str *value, struct err *err)
{
	struct str said = {0};

	str_printf(&said, "file:%s", path);
	int found = find_one(tables, str_span(&said), key, value, err);
	str_free(&said);
	return found;
}

int
table_find(struct tables *tables, const char *said, struct span key, struct str *value, struct err *err)
{
	struct span rest = span_of(said), one;
	int found = 0;

	while (found == 0 && (one = next_said(&rest)).len > 0)
		found = find_one(tables, one, key, value, err);
	return found;
}

void
tables_close(struct tables *tables)
{
	struct table *next;

	for (struct table *table = tables->first; table != NULL; table = next) {
		next = table->next;
		table->kind->close(table);
		free(table->rest);
		free(table->path);
		free(table);
	}
	tables->first = NULL;
}
