#include "spool/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/lease.h"

enum {
	KEY = 16, DAY_TEXT = 10, DAY_FILE_MAX = 256 << 20, PARTS_MAX = 32, LOOKS = 100,
	SMALL = 256 << 10,	/* bytes of a day that are held */
	MANY = 16,
};

static void
key_of(struct span id, unsigned char key[KEY])
{
	unsigned char sum[DIGEST_SIZE];

	digest_of(id.p, id.len, sum);
	memcpy(key, sum, KEY);
}

static bool
is_day(const char *name)
{
	static const char shape[] = "dddd-dd-dd";

	for (size_t i = 0; i < DAY_TEXT; i++)
		if (shape[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != '-')
			return false;
	return name[DAY_TEXT] == '\0' || name[DAY_TEXT] == '=' || strcmp(name + DAY_TEXT, ".new") == 0;
}

static bool
is_open_day(const char *name)
{
	return name[DAY_TEXT] == '.';
}

static void
day_of(int64_t when, struct str *out)
{
	struct str text = {0};

	clock_utc(when, &text);
	str_add(out, text.p, DAY_TEXT);
	str_free(&text);
}

static int
by_key(const void *a, const void *b)
{
	return memcmp(a, b, KEY);
}

/* searching */

static int
search_sorted(int fd, off_t size, const unsigned char *key, struct err *err)
{
	off_t low = 0, high = size / KEY;
	unsigned char there[KEY];

	while (low < high) {
		off_t middle = low + (high - low) / 2;
		if (fs_pread(fd, there, KEY, middle * KEY, err) != KEY)
			return -1;
		int order = memcmp(there, key, KEY);
		if (order == 0)
			return 1;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static int
search_all(int fd, const unsigned char *key, struct err *err)
{
	unsigned char chunk[KEY * 1024];
	off_t at = 0;
	ssize_t got;

	while ((got = fs_pread(fd, chunk, sizeof chunk, at, err)) > 0) {
		for (ssize_t i = 0; i + KEY <= got; i += KEY)
			if (memcmp(chunk + i, key, KEY) == 0)
				return 1;
		at += got;
	}
	return got < 0 ? -1 : 0;
}

/* A day, opened when it is first looked into.  What is small is read at once. */
struct seen_day {
	char *name;
	int fd;			/* -1: not open, or all of it is in keys */
	off_t size;
	struct str keys;
	bool open, sorted;
	unsigned looks;
};

static int
read_keys(struct seen_day *day, struct err *err)
{
	ssize_t got = fs_pread(day->fd, str_room(&day->keys, (size_t)day->size), (size_t)day->size, 0, err);

	if (got < 0)
		return -1;
	day->keys.len = (size_t)(got - got % KEY);
	close(day->fd);
	day->fd = -1;
	return 0;
}

static int
open_day(int dir, struct seen_day *day, struct err *err)
{
	if ((day->fd = fs_open(dir, day->name, O_RDONLY, err)) < 0)
		return -1;
	day->open = true;
	day->sorted = !is_open_day(day->name);
	day->size = lseek(day->fd, 0, SEEK_END);
	return day->size > SMALL ? 0 : read_keys(day, err);
}

/* The day that is appended to, when many are looked for: 0 when it is in order now. */
static int
sort_day(struct seen_day *day, struct err *err)
{
	if (day->fd >= 0 && (day->size > DAY_FILE_MAX || read_keys(day, err) < 0))
		return -1;
	if (day->keys.len > 0)
		qsort(day->keys.p, day->keys.len / KEY, KEY, by_key);
	day->sorted = true;
	return 0;
}

static int
search_unsorted(const struct seen_day *day, const unsigned char *key, struct err *err)
{
	if (day->fd >= 0)
		return search_all(day->fd, key, err);
	for (size_t i = 0; i < day->keys.len; i += KEY)
		if (memcmp(day->keys.p + i, key, KEY) == 0)
			return 1;
	return 0;
}

static int
search_day(int dir, struct seen_day *day, const unsigned char *key, struct err *err)
{
	struct err ignored;

	if (!day->open && open_day(dir, day, err) < 0)
		return -1;
	if (!day->sorted && day->looks++ == MANY)
		sort_day(day, &ignored);
	if (!day->sorted)
		return search_unsorted(day, key, err);
	return day->fd >= 0 ? search_sorted(day->fd, day->size, key, err) :
	    day->keys.len > 0 && bsearch(key, day->keys.p, day->keys.len / KEY, KEY, by_key) != NULL;
}

static void
forget_days(struct seen_look *look)
{
	for (size_t i = 0; i < look->days; i++) {
		if (look->day[i].fd >= 0)
			close(look->day[i].fd);
		str_free(&look->day[i].keys);
		free(look->day[i].name);
	}
	free(look->day);
	look->day = NULL;
	look->days = 0;
	look->listed = false;
}

static int
list_days(struct seen_look *look, struct err *err)
{
	struct fs_names names;

	if (fs_names(look->dir, ".", &names, err) < 0)
		return -1;
	look->day = mem_get(names.count * sizeof *look->day);
	for (size_t i = 0; i < names.count; i++)
		if (is_day(names.name[i]))
			look->day[look->days++] = (struct seen_day){ .name = mem_text(names.name[i]), .fd = -1 };
	fs_names_free(&names);
	look->listed = true;
	return 0;
}

static int
search_days(struct seen_look *look, const unsigned char *key, struct err *err)
{
	int found = !look->listed && list_days(look, err) < 0 ? -1 : 0;

	/* newest first: a repeat is mostly of today */
	for (size_t i = look->days; found == 0 && i > 0; i--)
		found = search_day(look->dir, &look->day[i - 1], key, err);
	if (found < 0) {
		int number = errno;
		forget_days(look);
		errno = number;
	}
	return found;
}

/* 0: it has brought nothing yet. */
static int
look_at(struct seen_look *look, const struct spool *spool, const char *peer, struct err *err)
{
	if (look->peer != NULL && strcmp(look->peer, peer) == 0)
		return look->dir >= 0;
	seen_look_end(look);
	look->dir = fs_dir(spool->seen, peer, err);
	if (look->dir < 0 && errno != ENOENT)
		return -1;
	look->peer = mem_text(peer);
	return look->dir >= 0;
}

int
seen_look(struct seen_look *look, const struct spool *spool, const char *peer, struct span id, struct err *err)
{
	unsigned char key[KEY];
	int found = look_at(look, spool, peer, err);

	if (found <= 0)
		return found;
	key_of(id, key);
	/* A file that has gone while we looked has become part of another: look again. */
	for (int i = 0; i < LOOKS && (found = search_days(look, key, err)) < 0 && errno == ENOENT; i++)
		;
	return found;
}

void
seen_look_end(struct seen_look *look)
{
	forget_days(look);
	if (look->peer != NULL && look->dir >= 0)
		close(look->dir);
	free(look->peer);
	*look = (struct seen_look){0};
}

int
seen_has(const struct spool *spool, const char *peer, struct span id, struct err *err)
{
	struct seen_look look = {0};
	int found = seen_look(&look, spool, peer, id, err);

	seen_look_end(&look);
	return found;
}

/* noting */

static int
close_day(int dir, const char *open_name, struct err *err)
{
	struct str keys = {0};
	char *name = mem_text_n(open_name, DAY_TEXT);
	int result = fs_load(dir, open_name, DAY_FILE_MAX, &keys, err);

	/* A day that was closed before and opened again (the clock ran back): both. */
	if (result == 0 && fs_load(dir, name, DAY_FILE_MAX, &keys, err) < 0 && errno != ENOENT)
		result = -1;
	keys.len -= keys.len % KEY;
	if (result == 0 && keys.len > 0)
		qsort(keys.p, keys.len / KEY, KEY, by_key);
	if (result == 0)
		result = fs_replace(dir, name, str_span(&keys), 0640, err);
	if (result == 0)
		result = fs_remove(dir, open_name, err);
	str_free(&keys);
	free(name);
	return result;
}

/* Too old, and not among the last seen-keep days on which the peer brought anything: when
 * the clock jumps by years, what was seen is still known, and when it jumps back too. */
static bool
is_past(const struct fs_names *names, size_t at, struct span oldest, int64_t keep)
{
	size_t later = 0;

	for (size_t i = at + 1; i < names->count; i++)
		later += is_day(names->name[i]) && strncmp(names->name[i], names->name[i - 1], DAY_TEXT) != 0;
	return strncmp(names->name[at], oldest.p, DAY_TEXT) < 0 && (int64_t)later >= keep;
}

/* Closes the days before today and removes those that are past. */
static int
turn_days(const struct spool *spool, int dir, const char *today, struct err *err)
{
	int64_t keep = spool->settings->spool.seen_keep;
	struct fs_names names;
	struct str oldest = {0};
	int result = fs_names(dir, ".", &names, err);

	day_of(clock_now() - keep * CLOCK_SECOND, &oldest);
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		const char *name = names.name[i];
		if (!is_day(name))
			continue;
		if (is_past(&names, i, str_span(&oldest), keep / 86400))
			result = fs_remove(dir, name, err);
		else if (is_open_day(name) && strncmp(name, today, DAY_TEXT) != 0)
			result = close_day(dir, name, err);
	}
	fs_names_free(&names);
	str_free(&oldest);
	return result;
}

static int
append_keys(int dir, const char *name, struct span keys, struct err *err)
{
	int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	bool fresh = fd < 0 && errno == ENOENT;

	if (fresh)
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_sys(err, "seen/%s", name);
	/* A torn key of a crash is written over. */
	off_t size = lseek(fd, 0, SEEK_END);
	size -= size % KEY;
	int result = fs_pwrite(fd, keys.p, keys.len, size, err);
	if (result == 0)
		result = fs_sync_data(fd, err);
	close(fd);
	if (result == 0 && fresh)
		result = fs_sync_dir(dir, ".", err);
	return result;
}

static int
note_today(const struct spool *spool, int dir, struct span keys, struct err *err)
{
	struct str today = {0};

	day_of(clock_now(), &today);
	struct str name = {0};
	str_printf(&name, "%s.new", str_c(&today));
	int result = 0;
	if (faccessat(dir, str_c(&name), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		result = turn_days(spool, dir, str_c(&today), err);
	if (result == 0)
		result = append_keys(dir, str_c(&name), keys, err);
	str_free(&today);
	str_free(&name);
	return result;
}

/* where several hosts note */

/* Writes tmp/ID and makes it seen/PEER/DAY=ID. */
static int
put_part(const struct spool *spool, int dir, const char *day, struct str *keys, struct err *err)
{
	struct str id = {0}, name = {0};

	qsort(keys->p, keys->len / KEY, KEY, by_key);
	spool_new_id(&id);
	str_printf(&name, "%.*s=%s", DAY_TEXT, day, str_c(&id));
	int fd = fs_create(spool->tmp, str_c(&id), 0640, err);
	int result = fd < 0 || fs_write(fd, keys->p, keys->len, err) < 0 || fs_sync(fd, err) < 0 ||
	    fs_rename(spool->tmp, str_c(&id), dir, str_c(&name), err) < 0 ? -1 : fs_sync_dir(dir, ".", err);
	if (fd >= 0)
		close(fd);
	str_free(&id);
	str_free(&name);
	return result;
}

static bool
is_part(const char *name, const char *day)
{
	return is_day(name) && name[DAY_TEXT] == '=' && strncmp(name, day, DAY_TEXT) == 0;
}

static int
load_parts(int dir, const struct fs_names *names, const char *day, struct str *keys, struct err *err)
{
	for (size_t i = 0; i < names->count; i++)
		if (is_part(names->name[i], day) && fs_load(dir, names->name[i], DAY_FILE_MAX, keys, err) < 0)
			return -1;
	keys->len -= keys->len % KEY;
	return 0;
}

/* The parts of a day become one. */
static int
join_parts(const struct spool *spool, int dir, const struct fs_names *names, const char *day,
    struct err *err)
{
	struct str keys = {0};
	int result = load_parts(dir, names, day, &keys, err);
	bool busy = result < 0 && errno == ENOENT;	/* another is at it */

	if (result == 0)
		result = put_part(spool, dir, day, &keys, err);
	for (size_t i = 0; result == 0 && i < names->count; i++)
		if (is_part(names->name[i], day))
			result = fs_remove(dir, names->name[i], err);
	str_free(&keys);
	if (busy)
		*err = (struct err){0};
	return busy ? 0 : result;
}

static size_t
count_parts(const struct fs_names *names, const char *day)
{
	size_t parts = 0;

	for (size_t i = 0; i < names->count; i++)
		parts += is_part(names->name[i], day);
	return parts;
}

/* At the first note of a day: the days before it become one file each, or go. */
static int
end_days(const struct spool *spool, int dir, const struct fs_names *names, struct err *err)
{
	int64_t keep = spool->settings->spool.seen_keep;
	struct str oldest = {0};
	int result = 0;

	day_of(clock_now() - keep * CLOCK_SECOND, &oldest);
	for (size_t i = 0; result == 0 && i < names->count; i++) {
		const char *name = names->name[i];
		bool first = i == 0 || strncmp(name, names->name[i - 1], DAY_TEXT) != 0;
		if (!is_day(name))
			continue;
		if (is_past(names, i, str_span(&oldest), keep / 86400))
			result = fs_remove(dir, name, err);
		else if (first && count_parts(names, name) > 1)
			result = join_parts(spool, dir, names, name, err);
	}
	str_free(&oldest);
	return result;
}

static int
note_part(const struct spool *spool, int dir, struct str *keys, struct err *err)
{
	struct fs_names names;
	struct str today = {0};

	day_of(clock_now(), &today);
	int result = fs_names(dir, ".", &names, err);
	size_t parts = count_parts(&names, str_c(&today));
	if (result == 0)
		result = put_part(spool, dir, str_c(&today), keys, err);
	if (result == 0 && parts == 0)
		result = end_days(spool, dir, &names, err);
	if (result == 0 && parts > PARTS_MAX)
		result = join_parts(spool, dir, &names, str_c(&today), err);
	fs_names_free(&names);
	str_free(&today);
	return result;
}

int
seen_note(const struct spool *spool, const char *peer, const struct span *ids, size_t count,
    struct err *err)
{
	struct str keys = {0};
	unsigned char key[KEY];

	for (size_t i = 0; i < count; i++) {
		key_of(ids[i], key);
		str_add(&keys, key, KEY);
	}
	int dir = -1, lock = -1;
	if (fs_make_dir(spool->seen, peer, 0750, err) == 0 && lease_begin(spool, err) == 0)
		dir = fs_dir(spool->seen, peer, err);
	if (dir >= 0 && spool->lease == NULL)
		lock = fs_lock(dir, ".lock", true, err);
	int result = dir < 0 || (lock < 0 && spool->lease == NULL) ? -1 :
	    spool->lease != NULL ? note_part(spool, dir, &keys, err) : note_today(spool, dir, str_span(&keys), err);
	if (lock >= 0)
		close(lock);
	if (dir >= 0)
		close(dir);
	str_free(&keys);
	return result < 0 ? err_prefix(err, "seen/%s", peer) : 0;
}
