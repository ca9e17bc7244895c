#include "uucico-ssh/m-ring.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/log.h"
#include "spool/class.h"
#include "spool/dictionary.h"
#include "uucico-ssh/m-taught.h"

#define NAMES_ONLY (64ULL << 10)	/* the window of a ring that holds only names */

uint64_t
m_ring_key(const unsigned char name[M_NAME])
{
	return bytes_number(name, 8);
}

bool
m_ring_keeps(const struct site_settings *site, const struct m_object *object)
{
	return object->stream && object->length <= M_HISTORY_MAX && object->length <= site->history / 2 &&
	    strcmp(object->class, CLASS_NONE) != 0;
}

void
m_ring_trouble(int result, const struct err *why)
{
	if (result < 0)
		log_warn("event=no-history why=\"%s\"", why->text);
}

bool
m_ring_open(struct ring *ring, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class)
{
	uint64_t window = site->history > NAMES_ONLY ? site->history : NAMES_ONLY;
	struct err why = {0};
	int result = settings_site_name(class) ? ring_open(ring, spool, site->name, way, class, window, &why) :
	    err_set(&why, ERR_PERM, "a class whose name no class can have");

	m_ring_trouble(result, &why);
	return result == 0;
}

bool
m_ring_dictionary(uint64_t version, bool before, struct str *bytes)
{
	struct err why = {0};
	str_clear(bytes);
	int result = dictionary_load(version, bytes, &why);

	m_ring_trouble(result, &why);
	if (result == 0 && before)
		str_cut(bytes, DICTIONARY_MARK);
	return result == 0;
}

/* --- what a HELLO tells --- */

static bool
read_marks(const struct spool *spool, const struct site_settings *site, struct m_class *class)
{
	struct ring ring;
	struct { enum ring_way way; struct m_mark *mark; } ways[] = {
		{ RING_FROM, &class->from }, { RING_TO, &class->to },
	};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		if (!m_ring_open(&ring, spool, site, ways[i].way, class->name))
			return false;
		*ways[i].mark = (struct m_mark){ ring_last(&ring).k, ring_last(&ring).link };
		ring_close(&ring);
	}
	class->kept = m_taught_number(spool, site, class->name);
	return class->from.k > 0 || class->to.k > 0;
}

static size_t
add_class(const struct spool *spool, const struct site_settings *site, const char *name,
    struct m_class *classes, size_t count, size_t most)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(classes[i].name, name) == 0)
			return count;
	if (count == most || strlen(name) > M_CLASS_MAX)
		return count;
	classes[count] = (struct m_class){0};
	memcpy(classes[count].name, name, strlen(name) + 1);
	return count + read_marks(spool, site, &classes[count]);
}

size_t
m_ring_classes(const struct spool *spool, const struct site_settings *site, struct m_class *classes,
    size_t most)
{
	struct ring_files files;
	struct err ignored;
	size_t count = add_class(spool, site, CLASS_MAIN, classes, 0, most);

	if (ring_list(spool, &files, &ignored) < 0)
		return count;
	for (size_t i = 0; i < files.count; i++) {
		const char *name = strchr(files.file[i].name, '-');
		if (strcmp(files.file[i].site, site->name) == 0 && name != NULL)
			count = add_class(spool, site, name + 1, classes, count, most);
	}
	ring_files_free(&files);
	return count;
}

/* --- commits --- */

void
m_commits_add(struct m_commits *c, const struct m_object *object, struct span bytes)
{
	if (c->count == c->room) {
		c->room = c->room > 0 ? 2 * c->room : 16;
		c->commit = mem_resize(c->commit, c->room, sizeof *c->commit);
	}
	struct m_commit *commit = &c->commit[c->count++];
	*commit = (struct m_commit){ .name = m_ring_key(object->name) };
	memcpy(commit->class, object->class, sizeof commit->class);
	str_add_span(&commit->bytes, bytes);
}

/* Writes those of the first class, and takes them off. */
static void
write_class(struct m_commits *c, const struct spool *spool, const struct site_settings *site,
    enum ring_way way)
{
	struct ring_item *items = mem_get(c->count * sizeof *items);
	char class[M_CLASS_MAX + 1];
	size_t count = 0;
	struct ring ring;
	struct err why = {0};

	memcpy(class, c->commit[0].class, sizeof class);
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->commit[i].class, class) == 0)
			items[count++] = (struct ring_item){ c->commit[i].name, str_span(&c->commit[i].bytes) };
	if (m_ring_open(&ring, spool, site, way, class)) {
		m_ring_trouble(ring_commit(&ring, items, count, &why), &why);
		/* The acknowledgement tells them: no batch needs to. */
		if (way == RING_FROM)
			m_ring_trouble(ring_said(&ring, &why), &why);
		ring_close(&ring);
	}
	free(items);
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->commit[i].class, class) == 0)
			str_free(&c->commit[i].bytes);
	count = 0;
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->commit[i].class, class) != 0)
			c->commit[count++] = c->commit[i];
	c->count = count;
}

void
m_commits_write(struct m_commits *c, const struct spool *spool, const struct site_settings *site,
    enum ring_way way)
{
	while (c->count > 0)
		write_class(c, spool, site, way);
}

void
m_commits_free(struct m_commits *c)
{
	for (size_t i = 0; i < c->count; i++)
		str_free(&c->commit[i].bytes);
	free(c->commit);
	*c = (struct m_commits){0};
}
