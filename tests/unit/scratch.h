/*
 * scratch - a spool of a test's own, below /tmp, and its end.
 *
 *	static const char *const said[] = { "spool.site=hub", "routes.home.example=site:home" };
 *	struct scratch s;
 *	scratch_open(&s, said, ROWS(said));
 *	scratch_close(&s);
 */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/spool.h"

struct scratch {
	char root[40];
	struct settings settings;
	struct spool spool;
};

static inline void
scratch_remove(int at, const char *path)
{
	struct fs_names names;
	struct err ignored;
	int dir = openat(at, path, O_RDONLY | O_DIRECTORY);

	if (dir >= 0 && fs_names(dir, ".", &names, &ignored) == 0) {
		for (size_t i = 0; i < names.count; i++)
			if (unlinkat(dir, names.name[i], 0) < 0)
				scratch_remove(dir, names.name[i]);
		fs_names_free(&names);
	}
	if (dir >= 0)
		close(dir);
	unlinkat(at, path, AT_REMOVEDIR);
}

/* How many names are there that do not begin with a dot. */
static inline size_t
scratch_count(int dir, const char *path)
{
	struct fs_names names;
	struct err ignored;
	size_t found = 0;

	if (fs_names(dir, path, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count; i++)
		found += names.name[i][0] != '.';
	fs_names_free(&names);
	return found;
}

/* In the folder that is there already: s->root. */
static inline void
scratch_begin(struct scratch *s, const char *const *said, size_t count)
{
	struct err err = {0};
	struct settings_args args = { .root = s->root, .set = { mem_get(count * sizeof *said), count } };

	memcpy(args.set.text, said, count * sizeof *said);
	ck_assert_msg(log_open("unit", "none", LOG_LEVEL_ERROR, &err) >= 0, "%s", err.text);
	ck_assert_msg(settings_load(&s->settings, &args, &err) >= 0, "%s", err.text);
	ck_assert_msg(spool_open(&s->spool, &s->settings, true, &err) >= 0, "%s", err.text);
	opt_list_free(&args.set);
}

static inline void
scratch_make(struct scratch *s)
{
	strcpy(s->root, "/tmp/mochila-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->root));
}

static inline void
scratch_open(struct scratch *s, const char *const *said, size_t count)
{
	scratch_make(s);
	scratch_begin(s, said, count);
}

static inline void
scratch_close(struct scratch *s)
{
	spool_close(&s->spool);
	settings_free(&s->settings);
	log_close();
	clock_set(0);
	scratch_remove(AT_FDCWD, s->root);
}

#endif
