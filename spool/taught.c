#include "spool/taught.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mail/mix-keep.h"

enum { MODEL_VERSION = 1, LINE_MAX_LEN = 512, MODEL_MAX = 128 << 20 };

static const char behind[] = "~model";

/* Another model, or another machine, has no use for it. */
static void
kind(char out[32])
{
	static const uint16_t order = 1;

	snprintf(out, 32, "%d.%d.%zu%c", MIX_MODEL, MIX_KEPT, sizeof(size_t), *(const char *)&order == 1 ? 'l' : 'b');
}

static void
file_name(enum ring_way way, const char *class, struct str *out)
{
	str_printf(out, "%s-%s%s", way == RING_FROM ? "from" : "to", class, behind);
}

/* the line */

static int
take_digest(struct span digits, unsigned char digest[DIGEST_SIZE])
{
	uint64_t byte;

	if (digits.len != 2 * DIGEST_SIZE)
		return -1;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		if (span_hex(span_to(span_from(digits, 2 * i), 2), &byte) < 0)
			return -1;
		digest[i] = (unsigned char)byte;
	}
	return 0;
}

static int
take_word(struct span name, struct span value, struct taught *t)
{
	char ours[32];

	if (span_is(name, "mix")) {
		kind(ours);
		return span_is(value, ours) ? 0 : -1;
	}
	if (span_is(name, "k"))
		return span_number(value, RING_K_MAX, &t->mark.k);
	if (span_is(name, "link"))
		return span_hex(value, &t->mark.link);
	if (span_is(name, "length"))
		return span_number(value, TAUGHT_PAST, &t->length);
	if (span_is(name, "dictionary"))
		return span_number(value, UINT32_MAX, &t->dictionary);
	if (span_is(name, "taught"))
		return span_number(value, TAUGHT_BYTES, &t->bytes);
	if (span_is(name, "past"))
		return take_digest(value, t->past);
	return -1;
}

static int
parse_line(struct span line, struct taught *t, struct err *err)
{
	static const char start[] = "mochila-model=";
	struct span word = span_word(&line), name;
	uint64_t version;

	if (!span_begins(word, start) || span_number(span_from(word, strlen(start)), UINT32_MAX, &version) < 0)
		return 0;
	if (version > MODEL_VERSION)
		return err_set(err, ERR_CONFIG, "the model is of version %llu, which this mochila does not know",
		    (unsigned long long)version);
	while ((word = span_word(&line)).len > 0)
		if (!span_cut(&word, '=', &name) || take_word(name, word, t) < 0)
			return 0;
	return t->mark.k > 0 && t->length > 0 && t->bytes > 0;
}

static void
print_line(const struct taught *t, struct str *out)
{
	char ours[32];

	kind(ours);
	str_printf(out, "mochila-model=%d mix=%s k=%llu link=%016llx length=%llu dictionary=%llu taught=%llu past=", MODEL_VERSION, ours,
	    (unsigned long long)t->mark.k, (unsigned long long)t->mark.link, (unsigned long long)t->length,
	    (unsigned long long)t->dictionary, (unsigned long long)t->bytes);
	digest_hex(t->past, sizeof t->past, out);
	str_add_char(out, '\n');
}

/* reading */

static int
map_file(struct taught *t, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "the model");
	if (st.st_size == 0 || st.st_size > MODEL_MAX)
		return 0;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "the model");
	t->map = map;
	t->mapped = (size_t)st.st_size;
	return 1;
}

static int
read_file(struct taught *t, int fd, struct err *err)
{
	int result = map_file(t, fd, err);
	struct span rest = { t->map, t->mapped }, line;

	if (result <= 0)
		return result;
	if (!span_cut(&rest, '\n', &line) || line.len > LINE_MAX_LEN)
		return 0;
	t->model = rest;
	return parse_line(line, t, err);
}

int
taught_open(struct taught *t, const struct spool *spool, const char *site, enum ring_way way, const char *class,
    struct err *err)
{
	struct str path = {0};
	struct err why;

	*t = (struct taught){0};
	str_printf(&path, "%s/", site);
	file_name(way, class, &path);
	int fd = fs_open(spool->ring, str_c(&path), O_RDONLY, &why), result = 0;
	if (fd >= 0) {
		result = read_file(t, fd, err);
		close(fd);
	}
	str_free(&path);
	if (result <= 0)
		taught_close(t);
	return result;
}

void
taught_close(struct taught *t)
{
	if (t->map != NULL)
		munmap((void *)(uintptr_t)t->map, t->mapped);
	*t = (struct taught){0};
}

int64_t
taught_grown(const struct ring *r, const struct taught *t)
{
	uint64_t n = t->mark.k - r->head.base.k;

	return ring_knows(r, t->mark) && n > 0 ? (int64_t)(r->size - r->commit[n - 1].end) : -1;
}

bool
taught_may_grow(size_t past, size_t bytes, uint64_t grown)
{
	return grown <= TAUGHT_GROWN && mix_may_grow(past, bytes, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL, (size_t)grown);
}

/* writing */

static void
file_of_ring(const struct ring *r, struct str *out)
{
	str_add_span(out, str_span(&r->name));
	str_add_text(out, behind);
}

void
taught_drop(const struct ring *r)
{
	struct str name = {0};

	file_of_ring(r, &name);
	unlinkat(r->dir, str_c(&name), 0);
	str_free(&name);
}

/* Bytes that it had. */
static uint64_t
erase(const struct spool *spool, const struct ring_file *file)
{
	struct str path = {0};
	struct stat st;

	str_printf(&path, "%s/%s%s", file->site, file->name, behind);
	bool gone = fstatat(spool->ring, str_c(&path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    unlinkat(spool->ring, str_c(&path), 0) == 0;
	str_free(&path);
	return gone ? (uint64_t)st.st_size : 0;
}

void
taught_budget(const struct spool *spool, struct ring_files *files, uint64_t budget)
{
	for (size_t i = 0; i < files->count && files->bytes > budget; i++) {
		uint64_t bytes = erase(spool, &files->file[i]);
		files->file[i].bytes -= bytes;
		files->bytes -= bytes;
	}
}

static bool
has_room(const struct ring *r, size_t bytes)
{
	struct ring_files files;
	struct err ignored;
	bool room = ring_list(r->spool, &files, &ignored) == 0 &&
	    files.bytes + bytes <= r->spool->settings->spool.history_budget;

	ring_files_free(&files);
	return room;
}

int
taught_write(struct ring *r, const struct taught *t, struct err *err)
{
	struct str name = {0}, bytes = {0};
	int result = 0;

	taught_drop(r);
	print_line(t, &bytes);
	str_add_span(&bytes, t->model);
	file_of_ring(r, &name);
	if (ring_knows(r, t->mark) && has_room(r, bytes.len))
		result = fs_replace(r->dir, str_c(&name), str_span(&bytes), 0600, err);
	str_free(&name);
	str_free(&bytes);
	return result;
}
