#include "spool/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/bucket.h"
#include "spool/lease.h"

/* A process that was fenced may have gone on with what it had committed. */
static int
or_vanished(struct settling *s, const char *name, int result)
{
	if (result == 0 || s->spool->lease == NULL ||
	    faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return result;
	s->vanished = true;
	return 0;
}

/* The history says why, so that one grep answers. */
static void
tell_held(const struct settling *s, const char *name, const char *id)
{
	struct entry entry = {0};
	struct err ignored;
	off_t at = 0;
	int fd = fs_open(s->dir, name, O_RDONLY, &ignored);

	if (fd >= 0 && entry_read(fd, &at, false, &entry, &ignored) > 0)
		spool_event(s->spool, id, "event=held reason=\"%s\"", str_c(&entry.held));
	entry_free(&entry);
	if (fd >= 0)
		close(fd);
}

/* FOLDER=BUCKET, and both of them. */
static bool
is_bucket(const char *name, struct span *folder, const char **bucket)
{
	const char *equals = strchr(name, '=');

	if (equals == NULL || equals == name || !entry_grade_ok(equals[1]) || equals[2] != '-' ||
	    strchr(equals + 1, '=') != NULL)
		return false;
	*folder = (struct span){ name, (size_t)(equals - name) };
	*bucket = equals + 1;
	return true;
}

static int
move_one(struct settling *s, const char *name, struct err *err)
{
	struct span rest = span_of(name), folder, grade;
	const char *bucket;

	if (is_bucket(name, &folder, &bucket)) {
		char *site = mem_text_n(folder.p, folder.len);
		int result = or_vanished(s, name, placer_put_bucket(s->placer, s->dir, name, site, bucket, err));
		free(site);
		return result;
	}
	span_cut(&rest, '=', &folder);
	span_cut(&rest, '=', &grade);
	if (rest.p == NULL || !spool_id_ok(rest.p)) {
		log_warn("in/%s/%s: not ours, left alone", str_c(&s->folder), name);
		return 0;
	}
	if (folder.len == 0) {
		bool held = span_is(grade, "hold");
		s->settled->held++;
		if (held)
			tell_held(s, name, rest.p);
		return or_vanished(s, name, fs_rename(s->dir, name, held ? s->spool->hold : s->spool->failed,
		    rest.p, err));
	}
	char *site = mem_text_n(folder.p, folder.len);
	int result = or_vanished(s, name, placer_put(s->placer, s->dir, name, site, rest.p, grade.p[0], err));
	free(site);
	return result;
}

static void
tell_one(const struct settling *s, const char *id, struct span folder)
{
	if (spool_id_ok(id))
		spool_event(s->spool, id, "event=queued site=%.*s", (int)folder.len, folder.p);
}

static void
tell_bucket(const struct settling *s, const char *name, struct span folder)
{
	struct fs_names ids;
	struct err ignored;

	if (fs_names(s->dir, name, &ids, &ignored) < 0)
		return;
	for (size_t i = 0; i < ids.count; i++)
		tell_one(s, ids.name[i], folder);
	fs_names_free(&ids);
}

/* It is committed, so it will be queued, by this process or the next.  Told before, of all of them:
 * who finds a message in out/ may send it at once, and tell that. */
static void
tell_queued(struct settling *s, const struct fs_names *names)
{
	history_gather(s->spool);
	for (size_t i = 0; i < names->count; i++) {
		struct span rest = span_of(names->name[i]), folder, grade;
		const char *bucket;
		if (is_bucket(rest.p, &folder, &bucket)) {
			tell_bucket(s, rest.p, folder);
			continue;
		}
		span_cut(&rest, '=', &folder);
		span_cut(&rest, '=', &grade);
		if (rest.p != NULL && folder.len > 0)
			tell_one(s, rest.p, folder);
	}
	history_write(s->spool);
}

static int
move_on(struct settling *s, struct err *err)
{
	struct fs_names names;
	size_t held = s->settled->held;

	if (settle_note(s, err) < 0 || fs_names(s->dir, ".", &names, err) < 0)
		return -1;
	int result = 0;
	tell_queued(s, &names);
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (strcmp(names.name[i], s->name) != 0)
			result = move_one(s, names.name[i], err);
	fs_names_free(&names);
	if (result == 0)
		result = placer_sync(s->placer, err);
	if (result == 0 && s->settled->held > held &&
	    (fs_sync(s->spool->hold, err) < 0 || fs_sync(s->spool->failed, err) < 0))
		result = -1;
	if (result == 0 && s->vanished && syncfs(s->spool->dir) < 0)
		result = err_sys(err, "sync in/%s", str_c(&s->folder));
	if (result == 0)
		result = fs_remove(s->dir, s->name, err);
	if (result == 0 && unlinkat(s->spool->in, str_c(&s->folder), AT_REMOVEDIR) < 0)
		log_warn("in/%s: left alone: %s", str_c(&s->folder), strerror(errno));
	return result;
}

const char *
settle_source(struct settling *s)
{
	return s->source.len > 0 ? str_c(&s->source) : s->name;
}

int
settle_commit(struct settling *s, struct err *err)
{
	/* what is in S.d, and its name there */
	if (s->made > SETTLE_FEW ? syncfs(s->spool->dir) < 0 : fsync(s->dir) < 0)
		return err_sys(err, "sync in/%s", str_c(&s->folder));
	if (fs_rename(s->spool->in, settle_source(s), s->dir, s->name, err) < 0)
		return -1;
	if (fs_sync(s->dir, err) == 0)
		return 0;
	/* Whether the rename is on disk nobody knows: back, while nothing was moved on. */
	struct err ignored;
	if (lease_alive(s->spool, &ignored) == 0)
		fs_rename(s->dir, s->name, s->spool->in, settle_source(s), &ignored);
	return -1;
}

/* Committed and not all moved on: anybody may go on with it, at once. */
int
settle_move_on(struct settling *s, struct err *err)
{
	struct str left = {0};
	int result = move_on(s, err);

	str_printf(&left, "%s.d", s->name);
	if (result < 0 && s->spool->lease != NULL)
		renameat(s->spool->in, str_c(&s->folder), s->spool->in, str_c(&left));
	str_free(&left);
	return result;
}
