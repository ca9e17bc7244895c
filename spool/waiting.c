#include "spool/waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/thread.h"

enum {
	READERS = 64, EACH = 16,	/* at most so many at once; for so many destinations one more */
	JUST_NOW = 2,			/* seconds: coarser times than that has no file system */
	REMEMBERED_LEAST = 256,		/* folders; fewer are read as quickly */
	REMEMBERED_MAX = 256 << 20,	/* bytes */
};
static const char file_name[] = ".waiting", first_line[] = "waiting 1";

/*
 * With many that nobody looked at lately the disk is asked some ten thousand times, and each
 * answer takes it longer than us: so many are asked for at once, in the order in which
 * they lie there.
 */
struct reading {
	const struct spool *spool;
	struct waiting *waiting;
	const struct waiting *known;	/* what was counted before, sorted too */
	struct waiting_site **order;
	atomic_size_t next, fresh;	/* fresh: folders that had to be read */
	waiting_also *also;
	void *ctx;
	time_t began;
};

/* folders */

static struct waiting_stamp
stamp_of(const struct reading *reading, const struct stat *st)
{
	bool settled = st->st_ctim.tv_sec < reading->began - JUST_NOW;

	return (struct waiting_stamp){ .inode = st->st_ino,
		.changed = settled ? st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec : 0 };
}

static bool
same(const struct waiting_stamp *known, const struct stat *st)
{
	return known->changed != 0 && known->inode == st->st_ino &&
	    known->changed == st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec;
}

/* NULL: it is gone, or no folder. */
static DIR *
open_names(int dir, const char *name, struct stat *st)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *names = fd < 0 || fstat(fd, st) < 0 ? NULL : fdopendir(fd);

	if (names == NULL && fd >= 0)
		close(fd);
	return names;
}

/* An id begins with its time, so that the least one is the oldest. */
static void
count_names(DIR *names, struct waiting_bucket *bucket)
{
	char least[sizeof ((struct dirent *)0)->d_name] = "";

	for (struct dirent *next; (next = readdir(names)) != NULL;) {
		if (!spool_id_ok(next->d_name))
			continue;
		bucket->messages++;
		if (least[0] == '\0' || strcmp(next->d_name, least) < 0)
			memcpy(least, next->d_name, strlen(next->d_name) + 1);
	}
	bucket->first = least[0] != '\0' ? mem_text(least) : NULL;
}

static void
add_bucket(struct waiting_site *site, const struct waiting_bucket *bucket)
{
	site->bucket = mem_resize(site->bucket, site->buckets + 1, sizeof *site->bucket);
	site->bucket[site->buckets++] = *bucket;
}

/* known: what is remembered of it, or NULL.  Nothing is added when it is gone. */
static void
count_bucket(struct reading *reading, struct waiting_site *site, int dir, const char *path,
    const char *name, const struct waiting_bucket *known)
{
	struct waiting_bucket bucket = {0};
	struct stat st;

	if (known != NULL && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	    same(&known->stamp, &st)) {
		bucket = *known;
		bucket.first = known->first != NULL ? mem_text(known->first) : NULL;
	} else {
		DIR *names = open_names(dir, path, &st);
		if (names == NULL)
			return;
		bucket.stamp = stamp_of(reading, &st);
		count_names(names, &bucket);
		closedir(names);
		atomic_fetch_add(&reading->fresh, 1);
	}
	bucket.name = mem_text(name);
	add_bucket(site, &bucket);
}

/* one destination */

static int
by_name(const void *a, const void *b)
{
	const struct waiting_site *one = a, *other = b;
	return strcmp(one->name, other->name);
}

static const struct waiting_site *
known_site(const struct reading *reading, const char *name)
{
	const struct waiting_site key = { .name = (char *)(uintptr_t)name };

	return reading->known->sites == 0 ? NULL :
	    bsearch(&key, reading->known->site, reading->known->sites, sizeof key, by_name);
}

static const struct waiting_bucket *
known_bucket(const struct waiting_site *known, const char *name)
{
	for (size_t i = 0; known != NULL && i < known->buckets; i++)
		if (strcmp(known->bucket[i].name, name) == 0)
			return &known->bucket[i];
	return NULL;
}

/* No bucket came or went: only what is in them is asked for. */
static void
count_known(struct reading *reading, struct waiting_site *site, const struct waiting_site *known)
{
	struct str path = {0};

	site->rests = known->rests;
	for (size_t i = 0; i < known->buckets; i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s", site->name, known->bucket[i].name);
		count_bucket(reading, site, reading->spool->out, str_c(&path), known->bucket[i].name,
		    &known->bucket[i]);
	}
	str_free(&path);
}

static void
count_listed(struct reading *reading, struct waiting_site *site, const struct waiting_site *known)
{
	struct stat st;
	DIR *names = open_names(reading->spool->out, site->name, &st);

	if (names == NULL)
		return;
	site->stamp = stamp_of(reading, &st);
	atomic_fetch_add(&reading->fresh, 1);
	for (struct dirent *next; (next = readdir(names)) != NULL;) {
		site->rests = site->rests || strncmp(next->d_name, ".retry", 6) == 0;
		if (next->d_name[0] != '.' && (next->d_type == DT_DIR || next->d_type == DT_UNKNOWN))
			count_bucket(reading, site, dirfd(names), next->d_name, next->d_name,
			    known_bucket(known, next->d_name));
	}
	closedir(names);
}

static void
sum_up(struct waiting_site *site)
{
	const struct waiting_bucket *oldest = NULL;
	struct str path = {0};

	for (size_t i = 0; i < site->buckets; i++) {
		const struct waiting_bucket *bucket = &site->bucket[i];
		site->messages += bucket->messages;
		if (bucket->first != NULL && (oldest == NULL || strcmp(bucket->first, oldest->first) < 0))
			oldest = bucket;
	}
	if (oldest == NULL)
		return;
	str_printf(&path, "%s/%s", oldest->name, oldest->first);
	site->first = mem_text(str_c(&path));
	str_free(&path);
}

static void
count_site(struct reading *reading, struct waiting_site *site)
{
	const struct waiting_site *known = known_site(reading, site->name);
	struct stat st;

	if (known != NULL && fstatat(reading->spool->out, site->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode) && same(&known->stamp, &st)) {
		site->stamp = known->stamp;
		count_known(reading, site, known);
	} else {
		count_listed(reading, site, known);
	}
	sum_up(site);
	if (reading->also != NULL)
		reading->also(reading->ctx, site);
}

/* all */

static void *
read_sites(void *ctx)
{
	struct reading *reading = ctx;

	for (size_t i; (i = atomic_fetch_add(&reading->next, 1)) < reading->waiting->sites;)
		count_site(reading, reading->order[i]);
	return NULL;
}

static int
by_inode(const void *a, const void *b)
{
	const struct waiting_site *const *one = a, *const *other = b;
	uint64_t left = (*one)->stamp.inode, right = (*other)->stamp.inode;
	return left < right ? -1 : left > right;
}

static void
read_all(struct reading *reading)
{
	pthread_t reader[READERS];
	struct waiting *w = reading->waiting;
	size_t wanted = w->sites / EACH, readers = 0;

	reading->order = mem_get(w->sites * sizeof *reading->order + 1);
	for (size_t i = 0; i < w->sites; i++)
		reading->order[i] = &w->site[i];
	qsort(reading->order, w->sites, sizeof *reading->order, by_inode);
	while (readers < READERS && readers < wanted &&
	    thread_start(&reader[readers], read_sites, reading) == 0)
		readers++;
	read_sites(reading);		/* also when no thread could be had */
	while (readers > 0)
		pthread_join(reader[--readers], NULL);
	free(reading->order);
}

/* Until it is counted, a stamp has the inode of the list alone. */
static int
list_sites(struct waiting *w, const struct spool *spool, struct err *err)
{
	struct stat st;
	DIR *names = open_names(spool->out, ".", &st);

	if (names == NULL)
		return err_sys(err, "spool folder out");
	for (struct dirent *next; (next = readdir(names)) != NULL;) {
		if (next->d_name[0] == '.' || (next->d_type != DT_DIR && next->d_type != DT_UNKNOWN))
			continue;
		w->site = mem_resize(w->site, w->sites + 1, sizeof *w->site);
		w->site[w->sites++] = (struct waiting_site){ .name = mem_text(next->d_name), .stamp.inode = next->d_ino };
	}
	closedir(names);
	if (w->sites > 0)
		qsort(w->site, w->sites, sizeof *w->site, by_name);
	return 0;
}

/*
 * The file: a line for each destination, "SITE NAME INODE CHANGED RESTS", followed by one for
 * each of its buckets, "BUCKET NAME INODE CHANGED MESSAGES FIRST".
 */

static bool
fits_a_line(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	return true;
}

static void
add_stamp(const char *word, const char *name, const struct waiting_stamp *stamp, struct str *out)
{
	str_printf(out, "%s %s %llu %lld", word, name, (unsigned long long)stamp->inode, (long long)stamp->changed);
}

static void
add_site(const struct waiting_site *site, struct str *out)
{
	if (!fits_a_line(site->name))
		return;
	add_stamp("SITE", site->name, &site->stamp, out);
	str_printf(out, " %d\n", site->rests);
	for (size_t i = 0; i < site->buckets; i++) {
		const struct waiting_bucket *bucket = &site->bucket[i];
		if (!fits_a_line(bucket->name))
			continue;
		add_stamp("BUCKET", bucket->name, &bucket->stamp, out);
		str_printf(out, " %zu %s\n", bucket->messages, bucket->first != NULL ? bucket->first : "-");
	}
}

/* What could not be remembered is counted again the next time. */
static void
remember(const struct reading *reading)
{
	const struct waiting *w = reading->waiting;
	struct str text = {0};
	struct err ignored;
	size_t folders = w->sites, fresh = atomic_load(&reading->fresh);

	for (size_t i = 0; i < w->sites; i++)
		folders += w->site[i].buckets;
	/* A few are read as quickly as all this is written. */
	if (folders < REMEMBERED_LEAST || fresh <= folders / 16 || reading->spool->lease != NULL)
		return;
	str_printf(&text, "%s\n", first_line);
	for (size_t i = 0; i < w->sites; i++)
		add_site(&w->site[i], &text);
	fs_replace(reading->spool->tmp, file_name, str_span(&text), 0640, &ignored);
	str_free(&text);
}

static bool
read_stamp(struct span *line, struct waiting_stamp *stamp)
{
	uint64_t changed;

	if (span_number(span_word(line), UINT64_MAX, &stamp->inode) < 0 ||
	    span_number(span_word(line), INT64_MAX, &changed) < 0)
		return false;
	stamp->changed = (int64_t)changed;
	return true;
}

static bool
recall_site(struct waiting *known, const char *name, struct span line)
{
	struct waiting_site site = {0};
	struct span rests;

	if (!read_stamp(&line, &site.stamp))
		return false;
	rests = span_word(&line);
	site.rests = span_is(rests, "1");
	site.name = mem_text(name);
	known->site = mem_resize(known->site, known->sites + 1, sizeof *known->site);
	known->site[known->sites++] = site;
	return site.rests || span_is(rests, "0");
}

static bool
recall_bucket(struct waiting *known, const char *name, struct span line)
{
	struct waiting_bucket bucket = {0};
	uint64_t messages;

	if (known->sites == 0 || !read_stamp(&line, &bucket.stamp) ||
	    span_number(span_word(&line), SIZE_MAX, &messages) < 0)
		return false;
	struct span first = span_word(&line);
	char *id = mem_text_n(first.p, first.len);
	bool whole = messages == 0 ? span_is(first, "-") : spool_id_ok(id);
	bucket.messages = (size_t)messages;
	bucket.first = messages > 0 && whole ? id : NULL;
	if (bucket.first == NULL)
		free(id);
	bucket.name = mem_text(name);
	add_bucket(&known->site[known->sites - 1], &bucket);
	return whole;
}

static bool
recall_line(struct waiting *known, struct span line)
{
	struct span word = span_word(&line), name = span_word(&line);
	char *text = mem_text_n(name.p, name.len);
	bool good = false;

	if (name.len > 0 && memchr(name.p, '/', name.len) == NULL)
		good = span_is(word, "SITE") ? recall_site(known, text, line) :
		    span_is(word, "BUCKET") && recall_bucket(known, text, line);
	free(text);
	return good;
}

/* Whatever is wrong with it: then nothing is known. */
static void
recall(const struct spool *spool, struct waiting *known)
{
	struct str text = {0};
	struct err ignored;
	struct span rest, line;
	bool good = spool->lease == NULL &&
	    fs_load(spool->tmp, file_name, REMEMBERED_MAX, &text, &ignored) == 0;

	rest = str_span(&text);
	good = good && span_cut(&rest, '\n', &line) && span_is(line, first_line);
	while (good && span_cut(&rest, '\n', &line))
		good = line.len == 0 ? rest.len == 0 : recall_line(known, line);
	if (!good)
		waiting_free(known);
	str_free(&text);
	if (known->sites > 0)
		qsort(known->site, known->sites, sizeof *known->site, by_name);
}

int
waiting_read(struct waiting *w, const struct spool *spool, waiting_begin *begin, waiting_also *also,
    void *ctx, struct err *err)
{
	struct waiting known = {0};
	struct reading reading = { .spool = spool, .waiting = w, .known = &known, .also = also, .ctx = ctx,
		.began = time(NULL) };

	*w = (struct waiting){0};
	if (list_sites(w, spool, err) < 0)
		return -1;
	for (size_t i = 0; begin != NULL && i < w->sites; i++)
		begin(ctx, w->site[i].name);
	recall(spool, &known);
	read_all(&reading);
	waiting_free(&known);
	remember(&reading);
	return 0;
}

void
waiting_free(struct waiting *w)
{
	for (size_t i = 0; i < w->sites; i++) {
		struct waiting_site *site = &w->site[i];
		for (size_t j = 0; j < site->buckets; j++) {
			free(site->bucket[j].name);
			free(site->bucket[j].first);
		}
		free(site->bucket);
		free(site->name);
		free(site->first);
	}
	free(w->site);
	*w = (struct waiting){0};
}
