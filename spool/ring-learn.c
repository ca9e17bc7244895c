/* ring, the words: what the receiver tells of its commits, and how the sender follows. */
#include "spool/ring.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"

enum { WAITING_MAX = 1024 };	/* files: more than any word tells */

bool
ring_say(const struct ring *r, struct ring_word *word)
{
	struct ring_mark last = ring_last(r);
	uint64_t untold = last.k > r->head.known ? last.k - r->head.known : 0;

	*word = (struct ring_word){ .last = last, .size = r->window };
	word->names = untold < r->commits ? (size_t)untold : r->commits;
	if (word->names > RING_NAMES_MAX)
		word->names = RING_NAMES_MAX;
	for (size_t i = 0; i < word->names; i++)
		word->name[i] = r->commit[r->commits - word->names + i].name;
	return untold > 0;
}

int
ring_said(struct ring *r, struct err *err)
{
	r->head.told = ring_last(r).k;
	return ring_note(r, err);
}

int
ring_heard(struct ring *r, struct ring_mark mark, struct err *err)
{
	if (!ring_knows(r, mark) || mark.k <= r->head.known)
		return 0;
	r->head.known = mark.k;
	return ring_note(r, err);
}

bool
ring_again(struct ring *r, uint64_t name, struct err *err)
{
	size_t i = r->commits;

	while (i > 0 && r->commit[i - 1].name != name)
		i--;
	if (i == 0 || r->head.base.k + i > r->head.known)
		return false;	/* new, or it will be told in any case */
	r->head.known = r->head.told = r->head.base.k + i - 1;
	if (ring_note(r, err) < 0)
		log_warn("event=no-history why=\"%s\"", err->text);
	return true;
}

/* what was sent and is not confirmed */

static void
waiting_prefix(const struct ring *r, struct str *out)
{
	str_add_span(out, str_span(&r->name));
	str_add_char(out, '+');
}

static void
waiting_name(const struct ring *r, uint64_t name, struct str *out)
{
	waiting_prefix(r, out);
	str_printf(out, "%016llx", (unsigned long long)name);
}

static void
remove_waiting(struct ring *r, uint64_t name)
{
	struct str file = {0};

	waiting_name(r, name, &file);
	unlinkat(r->dir, str_c(&file), 0);
	str_free(&file);
}

struct waiting {
	char *name;			/* borrowed */
	struct timespec at;
	uint64_t bytes;
};

static int
by_age(const void *a, const void *b)
{
	const struct waiting *one = a, *other = b;

	if (one->at.tv_sec != other->at.tv_sec)
		return one->at.tv_sec < other->at.tv_sec ? -1 : 1;
	return one->at.tv_nsec < other->at.tv_nsec ? -1 : one->at.tv_nsec > other->at.tv_nsec;
}

/* The oldest first.  The list is the caller's to free, and its names are of *names. */
static size_t
list_waiting(struct ring *r, const struct fs_names *names, struct waiting **waiting)
{
	struct waiting *list = mem_get((names->count + 1) * sizeof *list);
	struct str prefix = {0};
	struct stat st;
	size_t count = 0;

	waiting_prefix(r, &prefix);
	for (size_t i = 0; i < names->count; i++)
		if (span_begins(span_of(names->name[i]), str_c(&prefix)) &&
		    fstatat(r->dir, names->name[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			list[count++] = (struct waiting){ names->name[i], st.st_mtim, (uint64_t)st.st_size };
	str_free(&prefix);
	qsort(list, count, sizeof *list, by_age);
	*waiting = list;
	return count;
}

/* What is left of bytes that were given up: enough to find the mark behind them. */
static const char gone[] = "NOOP gone ";
enum { GONE_MAX = sizeof gone - 1 + 10 + DIGEST_SIZE };

static void
put_gone(struct span bytes, struct str *out)
{
	unsigned char digest[DIGEST_SIZE];

	digest_of(bytes.p, bytes.len, digest);
	str_printf(out, "%s%zu", gone, bytes.len);
	str_add(out, digest, sizeof digest);
}

static bool
take_gone(struct span text, unsigned char digest[DIGEST_SIZE], uint64_t *len)
{
	if (!span_begins(text, gone) || text.len < sizeof gone - 1 + DIGEST_SIZE)
		return false;
	memcpy(digest, text.p + text.len - DIGEST_SIZE, DIGEST_SIZE);
	return span_number(span_from(span_to(text, text.len - DIGEST_SIZE), sizeof gone - 1), UINT32_MAX, len) == 0;
}

static void
give_up(struct ring *r, const struct waiting *one)
{
	const struct timespec times[2] = { one->at, one->at };	/* it stays as old as it is */
	struct str bytes = {0}, left = {0};
	struct err why;

	int result = fs_load(r->dir, one->name, (size_t)r->window, &bytes, &why);
	if (result == 0) {
		put_gone(str_span(&bytes), &left);
		result = fs_replace(r->dir, one->name, str_span(&left), 0600, &why);
		utimensat(r->dir, one->name, times, AT_SYMLINK_NOFOLLOW);
	}
	if (result < 0)
		unlinkat(r->dir, one->name, 0);
	str_free(&bytes);
	str_free(&left);
}

/* More than a window would never all be history: the oldest are given up. */
static int
bound_waiting(struct ring *r, struct err *err)
{
	struct fs_names names;
	uint64_t bytes = 0;

	if (fs_names(r->dir, ".", &names, err) < 0)
		return -1;
	struct waiting *list;
	size_t count = list_waiting(r, &names, &list);
	for (size_t i = count; i-- > 0;) {
		bytes += list[i].bytes;
		if (count - i > WAITING_MAX)
			unlinkat(r->dir, list[i].name, 0);
		else if (bytes > r->window && list[i].bytes > GONE_MAX)	/* or nothing is won, or it is given up */
			give_up(r, &list[i]);
	}
	free(list);
	fs_names_free(&names);
	return 0;
}

int
ring_wait(struct ring *r, uint64_t name, struct span bytes, struct err *err)
{
	struct str file = {0};

	waiting_name(r, name, &file);
	int result = fs_replace(r->dir, str_c(&file), bytes, 0600, err);
	str_free(&file);
	if (result == 0)
		result = bound_waiting(r, err);
	return result < 0 ? err_prefix(err, "ring/%s/%s", str_c(&r->site), str_c(&r->name)) : 0;
}

/* learning what the receiver committed */

static int
load_waiting(struct ring *r, uint64_t name, struct str *bytes)
{
	struct str file = {0};
	struct err err;

	waiting_name(r, name, &file);
	int result = fs_load(r->dir, str_c(&file), (size_t)r->window, bytes, &err);
	str_free(&file);
	return result;
}

/* Behind the last of which only the digest is left the history begins.  How many were passed; -1. */
static int
pass(struct ring *r, const struct ring_item *items, size_t count, struct err *err)
{
	struct ring_mark mark = ring_last(r), begin = {0};
	unsigned char digest[DIGEST_SIZE];
	int passed = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t len = items[i].bytes.len;
		bool left = take_gone(items[i].bytes, digest, &len);
		if (!left)
			digest_of(items[i].bytes.p, items[i].bytes.len, digest);
		mark = ring_mark_behind(mark, digest, len);
		if (left) {
			begin = mark;
			passed = (int)i + 1;
		}
	}
	return passed > 0 && ring_adopt(r, begin, err) < 0 ? -1 : passed;
}

static bool
is_named(const struct ring_word *word, uint64_t name)
{
	for (size_t i = 0; i < word->names; i++)
		if (word->name[i] == name)
			return true;
	return false;
}

/* The names of so many commits.  It has told the last of them, and the others are not in its ring any
 * more: they may be what was sent first, which the link will show.  0: there are not so many. */
static size_t
name_all(struct ring *r, const struct ring_word *word, size_t count, uint64_t names[RING_NAMES_MAX])
{
	size_t told = word->names < count ? word->names : count, untold = count - told, found = 0;
	struct fs_names files;
	struct err ignored;

	memcpy(names + untold, word->name + (word->names - told), told * sizeof *names);
	if (untold == 0)
		return count;
	if (fs_names(r->dir, ".", &files, &ignored) < 0)
		return 0;
	struct waiting *list;
	size_t waiting = list_waiting(r, &files, &list);
	for (size_t i = 0; i < waiting && found < untold; i++) {
		uint64_t name = strtoull(strchr(list[i].name, '+') + 1, NULL, 16);
		if (!is_named(word, name))
			names[found++] = name;
	}
	free(list);
	fs_names_free(&files);
	return found == untold ? count : 0;
}

/* The same commits in the same order; 0: we have not all of them. */
static int
follow(struct ring *r, const struct ring_word *word, struct err *err)
{
	uint64_t ahead = word->last.k - ring_last(r).k, names[RING_NAMES_MAX];
	size_t count = ahead <= RING_NAMES_MAX ? name_all(r, word, (size_t)ahead, names) : 0, loaded = 0;
	struct ring_item items[RING_NAMES_MAX];
	struct str bytes[RING_NAMES_MAX] = {{0}};

	if (count == 0)
		return 0;
	for (; loaded < count; loaded++) {
		if (load_waiting(r, names[loaded], &bytes[loaded]) < 0)
			break;
		items[loaded] = (struct ring_item){ names[loaded], str_span(&bytes[loaded]) };
	}
	int passed = loaded < count ? 0 : pass(r, items, count, err);
	int result = loaded < count ? 0 :
	    passed < 0 || ring_commit(r, items + passed, count - (size_t)passed, err) < 0 ? -1 : 1;
	for (size_t i = 0; i < count && i <= loaded; i++)
		str_free(&bytes[i]);
	for (size_t i = 0; i < count && result > 0 && ring_knows(r, word->last); i++)
		remove_waiting(r, names[i]);
	return result;
}

static bool
is_empty(const struct ring *r)
{
	return r->commits == 0;
}

/* 1: it goes on where it cannot have come from what we know of it. */
static int
go_elsewhere(struct ring *r, struct ring_mark mark, struct err *err)
{
	bool followed = ring_last(r).k > 0;

	return ring_adopt(r, mark, err) < 0 ? -1 : followed;
}

/* A word of an older day is no news, unless the receiver has lost what it knew since. */
static int
take_mark(struct ring *r, const struct ring_word *word, bool lost, struct err *err)
{
	struct ring_mark ours = ring_last(r);

	if (word->last.k > ours.k) {
		int followed = follow(r, word, err);
		if (followed < 0 || (followed > 0 && ring_knows(r, word->last)))
			return followed < 0 ? -1 : 0;
		return go_elsewhere(r, word->last, err);
	}
	if (ring_knows(r, word->last))
		return !lost ? 0 : ring_cut(r, word->last, err) < 0 ? -1 : 1;
	if (word->last.k < r->head.base.k && !lost && !is_empty(r))
		return 0;
	return go_elsewhere(r, word->last, err);
}

int
ring_learn(struct ring *r, const struct ring_word *word, bool lost, struct err *err)
{
	int result = 0;

	/* {0, 0}: it keeps no ring, or not any more. */
	if (word->last.k <= RING_K_MAX && (word->last.k > 0 || lost))
		result = take_mark(r, word, lost, err);
	for (size_t i = 0; i < word->names; i++)
		remove_waiting(r, word->name[i]);
	if (result >= 0 && r->head.peer != word->size) {
		r->head.peer = word->size;
		result = ring_note(r, err) < 0 ? -1 : result;
	}
	return result >= 0 ? result : err_prefix(err, "ring/%s/%s", str_c(&r->site), str_c(&r->name));
}
