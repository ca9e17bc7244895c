/* ring, the words: what the receiver tells of its commits, and how the sender follows. */
#include "spool/ring.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"

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

static size_t
list_waiting(struct ring *r, const struct fs_names *names, struct waiting *list)
{
	struct str prefix = {0};
	struct stat st;
	size_t count = 0;

	waiting_prefix(r, &prefix);
	for (size_t i = 0; i < names->count; i++)
		if (span_begins(span_of(names->name[i]), str_c(&prefix)) &&
		    fstatat(r->dir, names->name[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			list[count++] = (struct waiting){ names->name[i], st.st_mtim, (uint64_t)st.st_size };
	str_free(&prefix);
	return count;
}

/* More than a window would never all be history: the oldest are given up. */
static int
bound_waiting(struct ring *r, struct err *err)
{
	struct fs_names names;
	uint64_t bytes = 0;

	if (fs_names(r->dir, ".", &names, err) < 0)
		return -1;
	struct waiting *list = mem_get((names.count + 1) * sizeof *list);
	size_t count = list_waiting(r, &names, list);
	qsort(list, count, sizeof *list, by_age);
	for (size_t i = count; i-- > 0;) {
		bytes += list[i].bytes;
		if (bytes > r->window)
			unlinkat(r->dir, list[i].name, 0);
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

/* The same commits in the same order; 0: we have not all of them. */
static int
follow(struct ring *r, const struct ring_word *word, struct err *err)
{
	size_t count = (size_t)(word->last.k - ring_last(r).k), loaded = 0;
	struct ring_item items[RING_NAMES_MAX];
	struct str bytes[RING_NAMES_MAX] = {{0}};

	if (word->last.k - ring_last(r).k > word->names)
		return 0;
	for (; loaded < count; loaded++) {
		uint64_t name = word->name[word->names - count + loaded];
		if (load_waiting(r, name, &bytes[loaded]) < 0)
			break;
		items[loaded] = (struct ring_item){ name, str_span(&bytes[loaded]) };
	}
	int result = loaded < count ? 0 : ring_commit(r, items, count, err) < 0 ? -1 : 1;
	for (size_t i = 0; i < count && i <= loaded; i++)
		str_free(&bytes[i]);
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
