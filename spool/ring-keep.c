/* ring, all of them: what there is, what it takes, and who has to go. */
#include "spool/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/taught.h"

bool
ring_split(const char *name, enum ring_way *way, const char **class)
{
	static const struct { const char *prefix; enum ring_way way; } ways[] = {
		{ "from-", RING_FROM }, { "to-", RING_TO },
	};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		if (!span_begins(span_of(name), ways[i].prefix))
			continue;
		*way = ways[i].way;
		*class = name + strlen(ways[i].prefix);
		return settings_site_name(*class);
	}
	return false;
}

static void
add_file(struct ring_files *files, const char *site, const char *name)
{
	files->file = mem_resize(files->file, files->count + 1, sizeof *files->file);
	files->file[files->count++] = (struct ring_file){ .site = mem_text(site), .name = mem_text(name) };
}

/* "to-main+9a01...": bytes of a ring that may not be there yet; "to-main~model": what was taught its history */
static size_t
ring_part(const char *name)
{
	return strcspn(name, "+~");
}

static void
add_name(struct ring_files *files, const char *site, const char *name)
{
	char *ring = mem_text_n(name, ring_part(name));
	enum ring_way way;
	const char *class;

	if (ring_split(ring, &way, &class) && (files->count == 0 ||
	    strcmp(files->file[files->count - 1].site, site) != 0 ||
	    strcmp(files->file[files->count - 1].name, ring) != 0))
		add_file(files, site, ring);
	free(ring);
}

static void
add_size(struct ring_files *files, int dir, const char *name)
{
	struct ring_file *file = files->count > 0 ? &files->file[files->count - 1] : NULL;
	struct stat st;
	size_t len = ring_part(name);

	if (file == NULL || strlen(file->name) != len || strncmp(file->name, name, len) != 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	file->bytes += (uint64_t)st.st_size;
	files->bytes += (uint64_t)st.st_size;
	if (st.st_mtime > file->used)
		file->used = st.st_mtime;
}

static int
list_site(const struct spool *spool, const char *site, struct ring_files *files, struct err *err)
{
	struct fs_names names;
	int dir = openat(spool->ring, site, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)	/* gone, or no folder */
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : err_sys(err, "ring/%s", site);
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; i < names.count; i++) {	/* sorted: a ring comes before what waits for it */
		add_name(files, site, names.name[i]);
		add_size(files, dir, names.name[i]);
	}
	fs_names_free(&names);
	close(dir);
	return result;
}

int
ring_list(const struct spool *spool, struct ring_files *files, struct err *err)
{
	struct fs_names sites;

	*files = (struct ring_files){0};
	int result = fs_names(spool->ring, ".", &sites, err);
	for (size_t i = 0; i < sites.count && result == 0; i++)
		if (settings_site_name(sites.name[i]))
			result = list_site(spool, sites.name[i], files, err);
	fs_names_free(&sites);
	return result;
}

void
ring_files_free(struct ring_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->file[i].site);
		free(files->file[i].name);
	}
	free(files->file);
	*files = (struct ring_files){0};
}

/* erasing */

static int
remove_all(const struct ring *r, struct err *err)
{
	struct fs_names names;
	int result = fs_names(r->dir, ".", &names, err);

	for (size_t i = 0; i < names.count && result == 0; i++) {
		size_t len = ring_part(names.name[i]);
		if (len == r->name.len && memcmp(names.name[i], r->name.p, len) == 0)
			result = fs_remove(r->dir, names.name[i], err);
	}
	fs_names_free(&names);
	return result < 0 ? -1 : fs_sync_dir(r->dir, ".", err);
}

/* What we received goes on elsewhere with what the sender was not told; what we sent is
 * simply not there, until the receiver tells where it is. */
int
ring_erase(const struct spool *spool, const char *site, const char *name, struct err *err)
{
	enum ring_way way = RING_FROM;
	const char *class = "";
	struct ring r;

	if (!ring_split(name, &way, &class))
		return err_set(err, ERR_CONFIG, "ring/%s/%s: no ring is called so", site, name);
	if (ring_open(&r, spool, site, way, class, RING_WINDOW_MAX, err) < 0)
		return -1;
	taught_drop(&r);
	int result = way == RING_FROM && r.fd >= 0 ? ring_anew(&r, err) : remove_all(&r, err);
	ring_close(&r);
	if (result == 0)
		log_info("ring=%s/%s event=ring-erased", site, name);
	return result;
}

/* the budget */

enum { EMPTY_RING = 8192 };	/* one that was erased still tells something: no more to gain */

static int
by_use(const void *a, const void *b)
{
	const struct ring_file *one = a, *other = b;

	return one->used < other->used ? -1 : one->used > other->used;
}

int
ring_budget(const struct spool *spool, struct err *err)
{
	uint64_t budget = spool->settings->spool.history_budget;
	struct ring_files files;
	int result = ring_list(spool, &files, err);

	if (files.count > 1)
		qsort(files.file, files.count, sizeof *files.file, by_use);
	taught_budget(spool, &files, budget);
	for (size_t i = 0; i + 1 < files.count && files.bytes > budget; i++) {
		if (files.file[i].bytes <= EMPTY_RING)
			continue;
		if (ring_erase(spool, files.file[i].site, files.file[i].name, err) < 0)
			result = -1;	/* one that will not go does not keep the others */
		files.bytes -= files.file[i].bytes;
	}
	ring_files_free(&files);
	return result;
}
