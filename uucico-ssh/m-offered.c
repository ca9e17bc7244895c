#include "uucico-ssh/m-offered.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { FILE_MAX = 8 << 20, LINES_MAX = 4096, KEY = 8 };

static const char file_name[] = ".offered";

static void
put_item(struct offered *o, const unsigned char name[M_NAME], struct span where, bool old)
{
	if (o->count == o->room) {
		o->room = o->room > 0 ? 2 * o->room : 64;
		o->item = mem_resize(o->item, o->room, sizeof *o->item);
	}
	struct offered_item *item = &o->item[o->count++];
	*item = (struct offered_item){ .where = mem_text_n(where.p, where.len), .old = old };
	memcpy(item->name, name, M_NAME);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
take_name(struct span text, unsigned char name[M_NAME])
{
	if (text.len != 2 * M_NAME)
		return false;
	for (size_t i = 0; i < M_NAME; i++) {
		int high = hex_digit(text.p[2 * i]), low = hex_digit(text.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		name[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* Never a path that leads elsewhere. */
static bool
is_place(struct span where)
{
	return where.len > 1 && where.len < 512 && where.p[0] != '.' && where.p[0] != '/' &&
	    memchr(where.p, '\0', where.len) == NULL && memmem(where.p, where.len, "/.", 2) == NULL;
}

static int
by_name(const void *a, const void *b)
{
	const struct offered_item *one = a, *other = b;

	return memcmp(one->name, other->name, M_NAME);
}

void
offered_load(struct offered *o, int dir)
{
	struct str text = {0};
	struct err ignored;
	unsigned char name[M_NAME];

	*o = (struct offered){ .dir = dir, .fd = -1 };
	if (fs_load(dir, file_name, FILE_MAX, &text, &ignored) == 0) {
		struct span rest = str_span(&text), line;
		while (memchr(rest.p, '\n', rest.len) != NULL && span_cut(&rest, '\n', &line)) {
			struct span word = span_word(&line);
			if (take_name(word, name) && is_place(span_trim(line)))
				put_item(o, name, span_trim(line), true);
		}
	}
	str_free(&text);
	if (o->count > 0)
		qsort(o->item, o->count, sizeof *o->item, by_name);
	o->olds = o->count;
}

/* Old ones are sorted and come first. */
static struct offered_item *
find_old(const struct offered *o, const unsigned char *name, size_t len)
{
	size_t low = 0, high = o->olds;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(o->item[middle].name, name, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < o->olds && memcmp(o->item[low].name, name, len) == 0 ? &o->item[low] : NULL;
}

bool
offered_before(const struct offered *o, const unsigned char name[M_NAME])
{
	return find_old(o, name, M_NAME) != NULL;
}

struct offered_item *
offered_find(struct offered *o, const unsigned char *name)
{
	struct offered_item *item = find_old(o, name, KEY);

	return item != NULL && !item->over ? item : NULL;
}

static void
print_item(const struct offered_item *item, struct str *out)
{
	digest_hex(item->name, M_NAME, out);
	str_printf(out, " %s\n", item->where);
}

/* Those of this call that are over are forgotten. */
static void
forget_over(struct offered *o)
{
	size_t kept = o->olds;

	for (size_t i = o->olds; i < o->count; i++) {
		if (o->item[i].over)
			free(o->item[i].where);
		else
			o->item[kept++] = o->item[i];
	}
	o->count = kept;
}

/* Anew, with what is not over. */
static void
write_anew(struct offered *o)
{
	struct str text = {0};
	struct err ignored;

	forget_over(o);
	o->lines = 0;
	for (size_t i = 0; i < o->count; i++) {
		if (o->item[i].over)
			continue;
		print_item(&o->item[i], &text);
		o->lines++;
	}
	if (o->fd >= 0)
		close(o->fd);
	o->fd = openat(o->dir, file_name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (o->fd >= 0 && text.len > 0 && fs_write(o->fd, text.p, text.len, &ignored) < 0)
		log_debug("%s: %s", file_name, ignored.text);
	str_free(&text);
}

void
offered_add(struct offered *o, const unsigned char name[M_NAME], const char *where)
{
	struct str line = {0};
	struct err ignored;

	put_item(o, name, span_of(where), false);
	if (o->fd < 0 || o->lines >= LINES_MAX + 2 * o->olds) {
		write_anew(o);
		return;
	}
	print_item(&o->item[o->count - 1], &line);
	if (fs_write(o->fd, line.p, line.len, &ignored) < 0)
		log_debug("%s: %s", file_name, ignored.text);
	o->lines++;
	str_free(&line);
}

void
offered_over(struct offered *o, const unsigned char name[M_NAME])
{
	struct offered_item *old = find_old(o, name, M_NAME);

	if (old != NULL)
		old->over = true;
	for (size_t i = o->count; i-- > o->olds;)
		if (memcmp(o->item[i].name, name, M_NAME) == 0)
			o->item[i].over = true;
}

/* What a person took away meanwhile is nobody's matter. */
static void
drop_vanished(struct offered *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->item[i].where[0] != '=' && faccessat(o->dir, o->item[i].where, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			o->item[i].over = true;
}

static bool
any_left(const struct offered *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (!o->item[i].over)
			return true;
	return false;
}

void
offered_close(struct offered *o)
{
	drop_vanished(o);
	if (any_left(o))
		write_anew(o);
	else if (o->olds > 0 || o->fd >= 0)
		unlinkat(o->dir, file_name, 0);
	if (o->fd >= 0)
		close(o->fd);
	for (size_t i = 0; i < o->count; i++)
		free(o->item[i].where);
	free(o->item);
	*o = (struct offered){ .fd = -1 };
}
