#include "spool/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/log.h"

enum {
	HEAD_LEN = 144,		/* the first line; written over in place */
	LINE_LEN = 68,		/* NOOP commit ... */
	COMMIT_MAX = INT32_MAX,
	RING_VERSION = 1,
};

/* links */

static void
put_bytes(uint64_t value, unsigned char bytes[8])
{
	for (int i = 8; i-- > 0; value >>= 8)
		bytes[i] = (unsigned char)value;
}

struct ring_mark
ring_mark_behind(struct ring_mark mark, const unsigned char digest[DIGEST_SIZE], uint64_t len)
{
	unsigned char text[8 + DIGEST_SIZE + 8], sum[DIGEST_SIZE];

	put_bytes(mark.link, text);
	memcpy(text + 8, digest, DIGEST_SIZE);
	put_bytes(len, text + 8 + DIGEST_SIZE);
	digest_of(text, sizeof text, sum);
	return (struct ring_mark){ mark.k + 1, bytes_number(sum, 8) };
}

static uint64_t
next_link(uint64_t before, struct span bytes)
{
	unsigned char digest[DIGEST_SIZE];

	digest_of(bytes.p, bytes.len, digest);
	return ring_mark_behind((struct ring_mark){ 0, before }, digest, bytes.len).link;
}

/* the lines */

static void
print_head(const struct ring_head *head, struct str *out)
{
	str_printf(out, "NOOP mochila-ring=%d base=%020llu:%016llx known=%020llu told=%020llu peer=%020llu",
	    RING_VERSION, (unsigned long long)head->base.k, (unsigned long long)head->base.link,
	    (unsigned long long)head->known, (unsigned long long)head->told,
	    (unsigned long long)head->peer);
	while (out->len < HEAD_LEN - 1)
		str_add_char(out, ' ');
	str_add_char(out, '\n');
}

static void
print_line(uint64_t k, const struct ring_commit *commit, size_t len, struct str *out)
{
	str_printf(out, "NOOP commit %012llu %016llx %016llx %08zx\n", (unsigned long long)k,
	    (unsigned long long)commit->link, (unsigned long long)commit->name, len);
}

static int
take_base(struct span value, struct ring_mark *base)
{
	struct span k;

	return !span_cut(&value, ':', &k) || span_number(k, UINT64_MAX, &base->k) < 0 ||
	    span_hex(value, &base->link) < 0 ? -1 : 0;
}

static int
take_head_word(struct span name, struct span value, struct ring_head *head)
{
	if (span_is(name, "base"))
		return take_base(value, &head->base);
	if (span_is(name, "known"))
		return span_number(value, UINT64_MAX, &head->known);
	if (span_is(name, "told"))
		return span_number(value, UINT64_MAX, &head->told);
	if (span_is(name, "peer"))
		return span_number(value, UINT64_MAX, &head->peer);
	return -1;
}

/* 1, 0: it is no head, -1: a newer one */
static int
parse_head(struct span line, struct ring_head *head, struct err *err)
{
	static const char start[] = "NOOP mochila-ring=";
	uint64_t version;
	struct span word, name;

	*head = (struct ring_head){0};
	if (!span_begins(line, start))
		return 0;
	line = span_from(line, strlen(start));
	if (span_number(span_word(&line), UINT32_MAX, &version) < 0 || version == 0)
		return 0;
	if (version > RING_VERSION)
		return err_set(err, ERR_CONFIG, "the ring is of version %llu, which this mochila does not know",
		    (unsigned long long)version);
	while ((word = span_word(&line)).len > 0) {
		span_cut(&word, '=', &name);
		if (take_head_word(name, word, head) < 0)
			return 0;
	}
	return 1;
}

static int
parse_line(struct span line, uint64_t want, struct ring_commit *commit, size_t *len)
{
	uint64_t k, bytes;

	if (line.len != LINE_LEN || line.p[LINE_LEN - 1] != '\n' || !span_begins(line, "NOOP commit "))
		return -1;
	line = span_to(span_from(line, strlen("NOOP commit ")), LINE_LEN - strlen("NOOP commit ") - 1);
	if (span_number(span_word(&line), UINT64_MAX, &k) < 0 || k != want ||
	    span_hex(span_word(&line), &commit->link) < 0 ||
	    span_hex(span_word(&line), &commit->name) < 0 ||
	    span_hex(span_word(&line), &bytes) < 0 || line.len > 0 || bytes > COMMIT_MAX)
		return -1;
	*len = (size_t)bytes;
	return 0;
}

static void
add_commit(struct ring *r, struct ring_commit commit)
{
	if (r->commits == r->room) {
		r->room = r->room > 0 ? 2 * r->room : 64;
		r->commit = mem_resize(r->commit, r->room, sizeof *r->commit);
	}
	r->commit[r->commits++] = commit;
	r->size = commit.end;
}

static size_t
start_of(const struct ring *r, size_t i)
{
	return i > 0 ? r->commit[i - 1].end : HEAD_LEN;
}

static uint64_t
link_before(const struct ring *r, size_t i)
{
	return i > 0 ? r->commit[i - 1].link : r->head.base.link;
}

/* Each commit was synced before the next was written: only the last can be torn. */
static void
drop_torn(struct ring *r, struct span file)
{
	while (r->commits > 0) {
		size_t last = r->commits - 1, at = start_of(r, last) + LINE_LEN;
		struct span bytes = { file.p + at, r->size - at };
		if (next_link(link_before(r, last), bytes) == r->commit[last].link)
			return;
		r->commits--;
		r->size = start_of(r, last);
	}
}

int
ring_parse(struct ring *r, struct span file, struct err *err)
{
	struct ring_commit commit;
	size_t len;

	r->commits = 0;
	r->size = HEAD_LEN;
	if (file.len < HEAD_LEN || file.p[HEAD_LEN - 1] != '\n')
		return 0;
	int result = parse_head(span_to(file, HEAD_LEN - 1), &r->head, err);
	if (result <= 0)
		return result;
	for (;;) {
		struct span line = span_to(span_from(file, r->size), LINE_LEN);
		if (parse_line(line, r->head.base.k + r->commits + 1, &commit, &len) < 0 ||
		    len > file.len - r->size - LINE_LEN)
			break;
		commit.end = r->size + LINE_LEN + len;
		add_commit(r, commit);
	}
	drop_torn(r, file);
	return 1;
}

/* open and close */

static void
unmap(struct ring *r)
{
	if (r->map != NULL)
		munmap((void *)(uintptr_t)r->map, r->mapped);
	r->map = NULL;
	r->mapped = 0;
}

static int
map_file(struct ring *r, size_t len, struct err *err)
{
	if (r->map != NULL && r->mapped >= len)
		return 0;
	unmap(r);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, r->fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "mapping");
	r->map = map;
	r->mapped = len;
	return 0;
}

static void
forget(struct ring *r)
{
	unmap(r);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	r->commits = 0;
	r->size = HEAD_LEN;
}

static int
parse_file(struct ring *r, size_t len, struct err *err)
{
	if (len < HEAD_LEN)
		return 0;
	if (map_file(r, len, err) < 0)
		return -1;
	return ring_parse(r, (struct span){ r->map, len }, err);
}

static int
cut_back(struct ring *r, size_t len, struct err *err)
{
	if (len > r->size && ftruncate(r->fd, (off_t)r->size) < 0)
		return err_sys(err, "cutting it back");
	if (r->mapped > r->size)
		unmap(r);
	return 0;
}

static int
load(struct ring *r, struct err *err)
{
	struct stat st;

	r->fd = fs_open(r->dir, str_c(&r->name), O_RDWR, err);
	if (r->fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(r->fd, &st) < 0)
		return err_sys(err, "ring");
	int result = parse_file(r, (size_t)st.st_size, err);
	if (result > 0)
		return cut_back(r, (size_t)st.st_size, err);
	if (result < 0)
		return -1;
	log_warn("ring=%s/%s event=ring-damaged; it begins anew", str_c(&r->site), str_c(&r->name));
	forget(r);
	r->head = (struct ring_head){0};
	return fs_remove(r->dir, str_c(&r->name), err);
}

static int
open_folder(struct ring *r, struct err *err)
{
	struct str lock = {0}, name = {0};

	if (fs_make_dir(r->spool->ring, str_c(&r->site), 0700, err) < 0 ||
	    (r->dir = fs_dir(r->spool->ring, str_c(&r->site), err)) < 0)
		return -1;
	str_printf(&lock, ".%s.lock", str_c(&r->name));
	str_printf(&name, "ring.%s.%s", str_c(&r->site), str_c(&r->name));
	int result = spool_lock(&r->lock, r->spool, str_c(&name), r->dir, str_c(&lock), true, err);
	str_free(&lock);
	str_free(&name);
	return result < 0 ? -1 : load(r, err);
}

int
ring_open(struct ring *r, const struct spool *spool, const char *site, enum ring_way way,
    const char *class, uint64_t window, struct err *err)
{
	*r = (struct ring){ .spool = spool, .way = way, .dir = -1, .lock = SPOOL_UNLOCKED, .fd = -1,
		.size = HEAD_LEN, .window = window < RING_WINDOW_MAX ? window : RING_WINDOW_MAX };
	str_set(&r->site, site);
	str_printf(&r->name, "%s-%s", way == RING_FROM ? "from" : "to", class);
	if (open_folder(r, err) == 0)
		return 0;
	err_prefix(err, "ring/%s/%s", site, str_c(&r->name));
	ring_close(r);
	return -1;
}

void
ring_close(struct ring *r)
{
	unmap(r);
	const int all[] = { r->fd, r->dir };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] >= 0)
			close(all[i]);
	r->fd = r->dir = -1;
	spool_unlock(&r->lock);
	free(r->commit);
	r->commit = NULL;
	r->commits = r->room = 0;
	str_free(&r->site);
	str_free(&r->name);
}

/* looking */

struct ring_mark
ring_last(const struct ring *r)
{
	if (r->commits == 0)
		return r->head.base;
	return (struct ring_mark){ r->head.base.k + r->commits, r->commit[r->commits - 1].link };
}

/* How many commits of the file are up to the mark; -1: it is none of ours. */
static ssize_t
find_mark(const struct ring *r, struct ring_mark mark)
{
	uint64_t n = mark.k - r->head.base.k;

	if (mark.k < r->head.base.k || n > r->commits || link_before(r, (size_t)n) != mark.link)
		return -1;
	return (ssize_t)n;
}

void
ring_fill_in(const struct ring *r, size_t said, struct ring_mark *mark)
{
	uint64_t n = mark->k - r->head.base.k;

	if (mark->k < r->head.base.k || n > r->commits)
		return;
	uint64_t link = link_before(r, (size_t)n);
	if (said < 8 && (link ^ mark->link) >> (64 - 8 * said) == 0)
		mark->link = link;
}

bool
ring_knows(const struct ring *r, struct ring_mark mark)
{
	return find_mark(r, mark) >= 0;
}

int
ring_at(struct ring *r, struct ring_mark mark, uint64_t most, struct span *history, struct err *err)
{
	ssize_t n = find_mark(r, mark);

	*history = (struct span){ "", 0 };
	if (n <= 0 || r->fd < 0)
		return n >= 0;
	size_t end = r->commit[n - 1].end, len = end - HEAD_LEN;
	if (len > most)
		len = (size_t)most;
	if (map_file(r, end, err) < 0)
		return -1;
	*history = (struct span){ r->map + end - len, len };
	/* What is used is not what the budget erases first. */
	futimens(r->fd, NULL);
	return 1;
}

/* The newest are asked for most. */
static bool
had(const struct ring *r, uint64_t name)
{
	for (size_t i = r->commits; i-- > 0;)
		if (r->commit[i].name == name)
			return true;
	return false;
}

/* writing */

/* A new file in place of the old: this head, then the old one's bytes from a commit on. */
static int
write_anew(struct ring *r, const struct ring_head *head, size_t from, struct err *err)
{
	struct str name = {0}, line = {0};
	size_t at = start_of(r, from), len = r->size - at;

	str_printf(&name, ".new-%s", str_c(&r->name));
	print_head(head, &line);
	unlinkat(r->dir, str_c(&name), 0);	/* of one that was killed */
	int fd = fs_create(r->dir, str_c(&name), 0600, err);
	int result = fd < 0 || fs_write(fd, line.p, line.len, err) < 0 ? -1 : 0;
	if (result == 0 && len > 0)
		result = map_file(r, r->size, err) < 0 ? -1 : fs_write(fd, r->map + at, len, err);
	if (result == 0)
		result = fs_sync(fd, err);
	if (result == 0)
		result = fs_rename(r->dir, str_c(&name), r->dir, str_c(&r->name), err);
	if (result == 0)
		result = fs_sync_dir(r->dir, ".", err);
	if (result < 0 && fd >= 0)
		close(fd);
	str_free(&name);
	str_free(&line);
	return result < 0 ? -1 : fd;
}

/* Goes over to such a file. */
static int
begin_anew(struct ring *r, struct ring_head head, size_t from, struct err *err)
{
	int fd = write_anew(r, &head, from, err);

	if (fd < 0)
		return -1;
	unmap(r);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = fd;
	r->head = head;
	size_t gone = start_of(r, from) - HEAD_LEN;
	r->commits -= from;
	for (size_t i = 0; i < r->commits; i++) {
		r->commit[i] = r->commit[from + i];
		r->commit[i].end -= gone;
	}
	r->size -= gone;
	return 0;
}

/* Room for half a window more than is wanted lets a sender be late by as much; a file
 * is rewritten once in a window. */
static int
shorten(struct ring *r, struct err *err)
{
	size_t keep = (size_t)(r->window + r->window / 2), from = 0;

	if (r->size - HEAD_LEN <= keep + r->window && r->commits <= 2 * RING_COMMITS_MAX)
		return 0;
	while (from < r->commits && r->size - r->commit[from].end >= keep)
		from++;
	if (r->commits - from > RING_COMMITS_MAX)
		from = r->commits - RING_COMMITS_MAX;
	if (from == 0)
		return 0;
	struct ring_head head = r->head;
	head.base = (struct ring_mark){ head.base.k + from, r->commit[from - 1].link };
	return begin_anew(r, head, from, err);
}

static void
add_item(struct ring *r, uint64_t name, struct span bytes, struct str *out)
{
	struct ring_commit commit = { .name = name };

	commit.link = next_link(ring_last(r).link, bytes);
	print_line(ring_last(r).k + 1, &commit, bytes.len, out);
	str_add_span(out, bytes);
	commit.end = r->size + LINE_LEN + bytes.len;
	add_commit(r, commit);
}

/* What was not written to its end does not count. */
static int
take_back(struct ring *r, size_t commits)
{
	r->commits = commits;
	r->size = start_of(r, commits);
	if (ftruncate(r->fd, (off_t)r->size) < 0) {
		unlinkat(r->dir, str_c(&r->name), 0);
		forget(r);
		r->head = (struct ring_head){0};
	}
	return -1;
}

static int
append(struct ring *r, const struct ring_item *items, size_t count, struct err *err)
{
	size_t before = r->commits, at = r->size;
	struct str text = {0};

	for (size_t i = 0; i < count; i++)
		if (!had(r, items[i].name))
			add_item(r, items[i].name, items[i].bytes, &text);
	int result = text.len == 0 ? 0 : fs_pwrite(r->fd, text.p, text.len, (off_t)at, err);
	if (result == 0 && text.len > 0)
		result = fs_sync_data(r->fd, err);
	str_free(&text);
	return result < 0 ? take_back(r, before) : 0;
}

static bool
fits(const struct ring *r, const struct ring_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].bytes.len > r->window || items[i].bytes.len > COMMIT_MAX)
			return false;
	return true;
}

/* They count, and are no history: the receiver has them, and that is to be told. */
static int
append_names(struct ring *r, const struct ring_item *items, size_t count, struct err *err)
{
	struct ring_item *names = mem_get((count + 1) * sizeof *names);

	for (size_t i = 0; i < count; i++)
		names[i] = (struct ring_item){ items[i].name, { "", 0 } };
	int result = append(r, names, count, err);
	free(names);
	return result;
}

/* A peer may invent classes, but not without end. */
static int
room_for_one(const struct ring *r, struct err *err)
{
	const char *prefix = r->way == RING_FROM ? "from-" : "to-";
	struct fs_names names;
	size_t rings = 0;

	if (fs_names(r->dir, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		rings += span_begins(span_of(names.name[i]), prefix) && strpbrk(names.name[i], "+~") == NULL;
	fs_names_free(&names);
	return rings < RING_CLASSES_MAX ? 0 :
	    err_set(err, ERR_TEMP, "there are %d rings of this site already", RING_CLASSES_MAX);
}

static int
make_if_missing(struct ring *r, struct err *err)
{
	if (r->fd >= 0)
		return 0;
	return room_for_one(r, err) < 0 ? -1 : begin_anew(r, r->head, 0, err);
}

int
ring_commit(struct ring *r, const struct ring_item *items, size_t count, struct err *err)
{
	int result = make_if_missing(r, err);

	if (result == 0 && !fits(r, items, count))
		result = ring_anew(r, err) < 0 ? -1 : append_names(r, items, count, err);
	else if (result == 0)
		result = append(r, items, count, err) < 0 ? -1 : shorten(r, err);
	return result < 0 ? err_prefix(err, "ring/%s/%s", str_c(&r->site), str_c(&r->name)) : 0;
}

/* beginning anew */

static int
empty_at(struct ring *r, struct ring_mark base, struct err *err)
{
	struct ring_head head = r->head;

	head.base = base;
	return begin_anew(r, head, r->commits, err);
}

int
ring_adopt(struct ring *r, struct ring_mark mark, struct err *err)
{
	return empty_at(r, mark, err);
}

int
ring_anew(struct ring *r, struct err *err)
{
	struct ring_mark mark = { .k = ring_last(r).k + 1 };
	struct ring_word untold = {0};
	struct ring_item items[RING_NAMES_MAX];

	ring_say(r, &untold);
	for (size_t i = 0; i < untold.names; i++)
		items[i] = (struct ring_item){ untold.name[i], { "", 0 } };
	random_bytes(&mark.link, sizeof mark.link);
	if (empty_at(r, mark, err) < 0)
		return -1;
	return append(r, items, untold.names, err);
}

int
ring_cut(struct ring *r, struct ring_mark mark, struct err *err)
{
	r->commits = (size_t)find_mark(r, mark);
	r->size = start_of(r, r->commits);
	unmap(r);
	return r->fd < 0 || ftruncate(r->fd, (off_t)r->size) == 0 ? 0 : err_sys(err, "stepping back");
}

int
ring_note(struct ring *r, struct err *err)
{
	struct str line = {0};

	if (r->fd < 0)
		return make_if_missing(r, err);
	print_head(&r->head, &line);
	int result = fs_pwrite(r->fd, line.p, line.len, 0, err);
	str_free(&line);
	return result;
}
