#include "spool/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/bucket.h"
#include "spool/expand.h"
#include "spool/lease.h"
#include "spool/lock.h"
#include "spool/seen.h"

bool
settle_ends(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);
	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

void
settling_close(struct settling *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir >= 0)
		close(s->dir);
	/* What was not done is given back; what was, is not there any more. */
	if (s->source.len > 0)
		renameat(s->spool->in, str_c(&s->source), s->spool->in, s->name);
	str_free(&s->source);
	settle_places_free(s);
	idset_clear(&s->ids);
	str_free(&s->fresh);
	str_free(&s->folder);
	str_free(&s->head);
	str_free(&s->out);
}

/* One whole entry of our own for one place, unchanged: a rename is all it needs.  1:
 * done, 0: the long way, -1. */
static int
short_way(struct settling *s, struct err *err)
{
	struct entry entry;
	struct groups groups;
	struct stat st;
	off_t at = 0;
	int result = 0;

	if (entry_read(s->fd, &at, !spool_id_ok(s->name), &entry, err) <= 0)
		return 0;	/* settle_make will say what is wrong with it */
	if (expand_entry(s->spool, &entry, &groups, err) < 0)
		result = -1;
	if (result == 0 && !groups.changed && fstat(s->fd, &st) == 0 && st.st_size == at && groups.count == 1 &&
	    groups.group[0].fate == TO_OUT && entry_waiting(&entry) == entry.env.rcpts &&
	    entry_check_envelope(&entry.env, err) == 0 &&
	    !expand_reports_due(&entry) &&
	    entry.info.peer_id.len == 0 && spool_id_ok(str_c(&entry.info.id))) {
		const char *site = str_c(&groups.group[0].folder);
		result = placer_put(s->placer, s->spool->in, settle_source(s), site, str_c(&entry.info.id),
		    entry.info.grade, err);
		if (result == 0) {
			spool_event(s->spool, str_c(&entry.info.id), "event=queued site=%s", site);
			s->settled->messages++;
			result = 1;
		}
	}
	groups_free(&groups);
	entry_free(&entry);
	return result;
}

int
settle_hold(struct settling *s, int dir, const struct err *why, struct err *err)
{
	struct str reason = {0}, name = {0};

	str_printf(&reason, "%s\n", why->text);
	str_printf(&name, "%s.reason", s->name);
	log_error("%s: event=held reason=\"%s\"", s->name, why->text);
	int result = fs_replace(s->spool->hold, str_c(&name), str_span(&reason), 0640, err);
	if (result == 0)
		result = fs_rename(dir, dir == s->spool->in ? settle_source(s) : s->name, s->spool->hold, s->name, err);
	if (result == 0)
		result = fs_sync_dir(s->spool->hold, ".", err);
	s->settled->held++;
	str_free(&reason);
	str_free(&name);
	return result;
}

static int
long_way(struct settling *s, struct err *err)
{
	int result = settle_start(s, err);

	if (result == 0)
		result = settle_make(s, err);
	if (result == 0)	/* a commit that fails leaves S.d to the next run */
		return settle_commit(s, err) < 0 ? -1 : settle_move_on(s, err);
	if (s->dir >= 0) {	/* S is beside S.d: nobody saw what was made */
		struct err ignored;
		settle_empty(s->dir, &ignored);
		unlinkat(s->spool->in, str_c(&s->folder), AT_REMOVEDIR);
	}
	if (err->kind != ERR_PERM)
		return -1;
	struct err why = *err;
	return settle_hold(s, s->spool->in, &why, err);
}

int
settle_take(struct settling *s, int dir, struct err *err)
{
	s->fd = fs_open(dir, s->name, O_RDWR, err);
	if (s->fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (s->spool->lease == NULL && flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(err, "lock in/%s", s->name);
	return fs_is(s->fd, dir, s->name);
}

/* in/S becomes in/S=TOKEN: of several hosts one does that.  Returns as settle_take. */
static int
claim_file(struct settling *s, struct err *err)
{
	lease_name(s->spool, s->name, "", &s->source);
	if (renameat(s->spool->in, s->name, s->spool->in, str_c(&s->source)) < 0) {
		str_clear(&s->source);
		return errno == ENOENT ? 0 : err_sys(err, "in/%s", s->name);
	}
	/* Whoever fences us from now on gives it back. */
	if (lease_alive(s->spool, err) < 0)
		return -1;
	s->fd = fs_open(s->spool->in, str_c(&s->source), O_RDWR, err);
	return s->fd >= 0 ? 1 : errno == ENOENT ? 0 : -1;
}

static bool
in_drop(const struct spool *spool, const char *name)
{
	struct stat st;
	return strncmp(name, "d-", 2) == 0 &&
	    fstatat(spool->drop, name + 2, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int settle_folder(struct settling *s, struct err *err);

/* An earlier arrival of the same name, committed and half moved on by a process that died, is
 * finished first: its ids may be in seen/ already, so this one's would pass for repeats.  1:
 * nothing of it is left, 0: another is at it, -1. */
static int
finish_earlier(const struct settling *s, struct err *err)
{
	struct settling earlier = { .spool = s->spool, .settled = s->settled, .placer = s->placer,
		.peers = s->peers, .look = s->look, .name = s->name, .fd = -1, .dir = -1 };
	struct stat st;
	struct str inside = {0};

	str_set_span(&earlier.folder, str_span(&s->folder));
	str_printf(&inside, "%s/%s", str_c(&earlier.folder), s->name);
	int result = settle_folder(&earlier, err);
	settling_close(&earlier);
	if (result == 0)
		result = fstatat(s->spool->in, str_c(&inside), &st, AT_SYMLINK_NOFOLLOW) < 0;
	str_free(&inside);
	return result;
}

static int
settle_file(struct settling *s, struct err *err)
{
	int got = s->spool->lease != NULL ? claim_file(s, err) : settle_take(s, s->spool->in, err);

	if (got > 0)
		got = finish_earlier(s, err);

	/* What came through drop/ waits until it can come no second time. */
	if (got <= 0 || in_drop(s->spool, s->name))
		return got < 0 ? -1 : 0;
	s->settled->files++;
	got = short_way(s, err);
	if (got != 0)
		return got < 0 ? -1 : 0;
	return long_way(s, err);
}

/* in/S.d: 1 when S is inside (then it is moved on), 0 when it is not. */
static int
settle_folder(struct settling *s, struct err *err)
{
	s->dir = openat(s->spool->in, str_c(&s->folder), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "in/%s", str_c(&s->folder));
	int got = settle_take(s, s->dir, err);
	if (got > 0)	/* the dead process may not have got as far as this sync */
		return fs_sync(s->dir, err) < 0 ? -1 : settle_move_on(s, err);
	if (got == 0 && s->fd < 0) {
		if (s->spool->lease != NULL)	/* S was given back, and nobody saw what is here */
			settle_empty(s->dir, err);
		/* fails unless it is empty: only rmdir was left to do */
		unlinkat(s->spool->in, str_c(&s->folder), AT_REMOVEDIR);
	}
	return got;
}

/* A name with a token is somebody's work, and is to be left to him while he lives: false.
 * Of the dead it is S, or S.d, all the same: *base is S. */
static bool
may_take(const struct settling *run, const char *name, char **base)
{
	bool folder = settle_ends(name, ".d");
	struct span s, token, ending;

	if (!lease_parse(name, &s, &token, &ending)) {
		*base = mem_text_n(name, strlen(name) - (folder ? 2 : 0));
		return true;
	}
	bool ours = span_is(token, lease_token(run->spool));
	*base = mem_text_n(s.p, s.len);
	if (folder)
		return ours || lease_dead(run->spool, token);
	/* claimed late, by a process that was fenced before: given back here */
	return !ours && lease_dead(run->spool, token) && renameat(run->spool->in, name, run->spool->in, *base) == 0;
}

static bool
exists(int dir, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool
exists(int dir, const char *format, ...)
{
	struct str path = {0};
	struct stat st;
	va_list args;

	va_start(args, format);
	str_vprintf(&path, format, args);
	va_end(args);
	bool there = fstatat(dir, str_c(&path), &st, AT_SYMLINK_NOFOLLOW) == 0;
	str_free(&path);
	return there;
}

/* S.d was left by a dead process.  With S inside it is moved on; with S beside it, and not
 * inside, S's turn does it.  Of several hosts that hold no lock on S one does it, who has
 * that of seen/; to take it is to do all that there are. */
static int
settle_left(struct settling *s, struct err *err)
{
	int in = s->spool->in;
	const char *folder = str_c(&s->folder);

	if (!exists(in, "%s/%s", folder, s->name) && exists(in, "%.*s", (int)strlen(folder) - 2, folder))
		return 0;
	if (s->spool->lease != NULL && !spool_locked(s->peers)) {
		str_clear(&s->folder);		/* none of them is ours to leave out */
		return settle_lock(s, err);
	}
	return settle_folder(s, err);
}

int
settle_name(const struct settling *run, const char *name, struct err *err)
{
	struct settling s = { .spool = run->spool, .settled = run->settled, .placer = run->placer,
		.peers = run->peers, .look = run->look, .own = run->own, .fd = -1, .dir = -1 };
	char *base = NULL;
	int result = 0;

	if (may_take(run, name, &base)) {
		s.name = base;
		if (settle_ends(name, ".d")) {
			str_set(&s.folder, name);
			result = settle_left(&s, err);
		} else {
			if (s.spool->lease != NULL)
				lease_name(s.spool, base, ".d", &s.folder);
			else
				str_printf(&s.folder, "%s.d", base);
			result = settle_file(&s, err);
		}
		settling_close(&s);
	}
	free(base);
	return result < 0 ? -1 : 0;
}

int
spool_settle(const struct spool *spool, struct settled *settled, struct err *err)
{
	return spool_settle_own(spool, NULL, settled, err);
}

int
spool_settle_own(const struct spool *spool, const struct arrival *own, struct settled *settled, struct err *err)
{
	struct placer placer = { .spool = spool };
	struct spool_lock peers = SPOOL_UNLOCKED;
	struct seen_look look = {0};
	const struct settling run = { .spool = spool, .placer = &placer, .settled = settled, .peers = &peers,
		.look = &look, .own = own };
	struct fs_names names;
	struct err first = {0};

	*settled = (struct settled){0};
	if (lease_begin(spool, err) < 0)
		return -1;
	if (settle_drop(spool, settled, err) < 0)
		first = *err;
	if (settle_opened(spool, err) < 0 && first.kind == ERR_NONE)
		first = *err;
	if (fs_names(spool->in, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.name[i];
		if (name[0] == '.' || settle_ends(name, ".open"))
			continue;
		*err = (struct err){0};
		if (settle_name(&run, name, err) == 0)
			continue;
		/* One file's trouble does not stop the others. */
		log_error("in/%s: event=unsettled why=\"%s\"", name, err->text);
		if (first.kind == ERR_NONE)
			first = *err;
	}
	fs_names_free(&names);
	seen_look_end(&look);
	spool_unlock(&peers);
	int result = placer_sync(&placer, err);
	placer_free(&placer);
	if (result == 0 && first.kind != ERR_NONE) {
		*err = first;
		result = -1;
	}
	return result;
}
