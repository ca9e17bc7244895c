#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/bucket.h"
#include "spool/expand.h"
#include "spool/lease.h"
#include "spool/lock.h"
#include "spool/queue.h"
#include "spool/report.h"
#include "spool/seen.h"

/* A set of ids, by the first 16 bytes of their SHA-256; a size that is a power of 2. */
struct idset {
	unsigned char (*key)[DIGEST_SIZE / 2];
	size_t size, used;
};

static bool
idset_put(struct idset *set, const unsigned char *key)
{
	static const unsigned char empty[DIGEST_SIZE / 2];
	size_t at;

	memcpy(&at, key, sizeof at);
	for (at &= set->size - 1; memcmp(set->key[at], empty, sizeof empty) != 0; at = (at + 1) & (set->size - 1))
		if (memcmp(set->key[at], key, sizeof empty) == 0)
			return false;
	memcpy(set->key[at], key, sizeof empty);
	set->used++;
	return true;
}

static void
idset_grow(struct idset *set)
{
	static const unsigned char empty[DIGEST_SIZE / 2];
	struct idset larger = { .size = set->size > 0 ? 2 * set->size : 64 };

	larger.key = mem_get(larger.size * sizeof *larger.key);
	for (size_t i = 0; i < set->size; i++)
		if (memcmp(set->key[i], empty, sizeof empty) != 0)
			idset_put(&larger, set->key[i]);
	free(set->key);
	*set = larger;
}

/* false: it was there already */
static bool
idset_add(struct idset *set, struct span text)
{
	unsigned char sum[DIGEST_SIZE];

	if (2 * set->used >= set->size)
		idset_grow(set);
	digest_of(text.p, text.len, sum);
	return idset_put(set, sum);
}

static void
idset_clear(struct idset *set)
{
	free(set->key);
	*set = (struct idset){0};
}

/*
 * in/S is read, in/S.d/ is filled with what comes of it, S is renamed into S.d: that
 * is the commit.  A crash before it leaves S beside S.d, and S.d is begun again; a
 * crash after it leaves S inside S.d, and what is in S.d is moved on.  A file in S.d
 * is called FOLDER=GRADE=ID, =hold=ID or =failed=ID.
 *
 * In a shared spool S is first renamed to S=TOKEN, and S.d is S=TOKEN.d (spool/lease.h): so
 * one of several settles it, and one that is fenced has no S to commit any more.
 */
struct settling {
	const struct spool *spool;
	struct settled *settled;
	struct placer *placer;
	const struct arrival *own;	/* committed by this process a moment ago, or NULL */
	const char *name;	/* S */
	struct str source;	/* its name in in/ when we claimed it: S=TOKEN; else empty */
	struct str folder;	/* S.d */
	int fd, dir;		/* S and S.d; -1: not open */
	struct spool_lock *peers;	/* of the run: held from the first look-up in seen/ on, */
	struct seen_look *look;		/* which are those */
	bool vanished;		/* another has moved on some of it */
	struct idset ids;	/* of peers, in this file */
	struct str fresh;	/* those that were not seen before: PEER ID, one a line, */
	bool listed;		/* which are all: it was read to its end */
	size_t made;
	struct str head, out;	/* of the file being made: their room is used again */
};

enum { FEW = 4 };	/* files made: so many are synced each, more by one syncfs */

static void
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
	idset_clear(&s->ids);
	str_free(&s->fresh);
	str_free(&s->folder);
	str_free(&s->head);
	str_free(&s->out);
}

/* filling S.d */

/* Where a body comes from: the file that is settled, of which it may be in memory, or a text of
 * ours. */
struct body {
	const struct entry *entry;	/* NULL: the text */
	struct span text;		/* p NULL: it is in the file only */
};

static uint64_t
body_len(const struct body *body)
{
	return body->entry != NULL ? body->entry->body_len : body->text.len;
}

/* Adds the body to out, to be written with it; a large one is written behind what is there. */
static int
put_body(struct settling *s, const struct body *body, int fd, struct str *out,
    unsigned char sum[DIGEST_SIZE], struct err *err)
{
	uint64_t len = body_len(body);

	if (body->entry == NULL)
		digest_of(body->text.p, body->text.len, sum);
	else
		memcpy(sum, body->entry->body_sum, DIGEST_SIZE);	/* what reads otherwise now is found by it */
	if (body->text.p != NULL) {
		str_add_span(out, body->text);
		return 0;
	}
	if (len > ENTRY_AT_ONCE) {
		int result = fs_write(fd, out->p, out->len, err);
		str_clear(out);
		return result < 0 ? -1 : fs_copy(s->fd, body->entry->body_at, len, fd, err);
	}
	ssize_t got = fs_pread(s->fd, str_room(out, (size_t)len), (size_t)len, body->entry->body_at, err);
	if (got < (ssize_t)len)
		return got < 0 ? -1 : err_set(err, ERR_TEMP, "the body ended early");
	out->len += (size_t)len;
	return 0;
}

static void
add_states(const struct body *body, const struct group *group, struct str *out)
{
	str_add_span(out, str_span(&group->history));
	if (body->entry != NULL && body->entry->filtered)
		entry_state_line(clock_now(), NULL, "filtered", NULL, (struct span){0}, out);
	if (body->entry != NULL && (body->entry->delayed != 0 || body->entry->delay_due))
		entry_state_line(clock_now(), NULL, "delayed", NULL, (struct span){0}, out);
	if (group->fate == TO_HOLD)
		entry_state_line(clock_now(), NULL, "held", "reason", str_span(&group->reason), out);
}

static int
write_entry(struct settling *s, const struct body *body, const struct entry_info *info,
    const struct group *group, int fd, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];

	str_clear(&s->head);
	str_clear(&s->out);
	entry_head(info, &group->env, body_len(body), &s->head);
	str_add_span(&s->out, str_span(&s->head));
	int result = put_body(s, body, fd, &s->out, sum, err);
	if (result == 0) {
		entry_end_line(str_span(&s->head), sum, &s->out);
		add_states(body, group, &s->out);
		result = fs_write(fd, s->out.p, s->out.len, err);
	}
	if (result == 0 && s->made < FEW)
		result = fs_sync(fd, err);
	return result;
}

static int
make_file(struct settling *s, const struct body *body, const struct entry_info *info,
    const struct group *group, struct err *err)
{
	struct str name = {0};
	struct span id = str_span(&info->id);

	if (group->fate != TO_OUT)
		str_printf(&name, "=%s=%.*s", group->fate == TO_HOLD ? "hold" : "failed", (int)id.len, id.p);
	else
		str_printf(&name, "%.*s=%c=%.*s", (int)group->folder.len, group->folder.p, info->grade,
		    (int)id.len, id.p);
	int fd = name.len > NAME_MAX ?
	    err_set(err, ERR_CONFIG, "the destination's name is too long: %s", str_c(&name)) :
	    fs_create(s->dir, str_c(&name), 0640, err);
	str_free(&name);
	if (fd < 0)
		return -1;
	int result = write_entry(s, body, info, group, fd, err);
	if (close(fd) < 0 && result == 0)
		result = err_sys(err, "close");
	s->made++;
	return result;
}

static bool
ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);
	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static int settle_name(const struct settling *run, const char *name, struct err *err);

/* From the first look-up on.  A process that died between its commit and noting the ids has
 * left the lock to us, and its S.d: that comes first, or its messages would come twice. */
static int
lock_peers(struct settling *s, struct err *err)
{
	struct fs_names names = {0};
	int result = spool_lock(s->peers, s->spool, "seen", s->spool->seen, ".lock", true, err);

	if (result == 0)
		result = fs_names(s->spool->in, ".", &names, err);
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (ends_in(names.name[i], ".d") && strcmp(names.name[i], str_c(&s->folder)) != 0)
			result = settle_name(s, names.name[i], err);
	fs_names_free(&names);
	if (result < 0) {
		seen_look_end(s->look);
		spool_unlock(s->peers);
	}
	return result;
}

/* An id of a peer's, be it a site or not.  The peer becomes a folder's name, and a person may
 * have written what he likes. */
static bool
is_of_peer(const struct entry_info *info)
{
	const struct str *peer = &info->peer;

	return info->peer_id.len > 0 && peer->len > 0 && peer->len <= NAME_MAX && peer->p[0] != '.' &&
	    memchr(peer->p, '/', peer->len) == NULL && memchr(peer->p, '\0', peer->len) == NULL;
}

/* 1: a peer delivered this (peer, id) before, in this file or another; 0; -1. */
static int
repeated(struct settling *s, const struct entry_info *info, struct err *err)
{
	struct str text = {0};

	if (!is_of_peer(info))
		return 0;
	if (!spool_locked(s->peers) && lock_peers(s, err) < 0)
		return -1;
	str_printf(&text, "%.*s %.*s", (int)info->peer.len, info->peer.p, (int)info->peer_id.len,
	    info->peer_id.p);
	int seen = idset_add(&s->ids, str_span(&text)) ? 0 : 1;
	if (seen == 0) {
		char *peer = mem_text_n(info->peer.p, info->peer.len);
		seen = seen_look(s->look, s->spool, peer, str_span(&info->peer_id), err);
		free(peer);
	}
	if (seen == 0) {
		str_add_span(&s->fresh, str_span(&text));
		str_add_char(&s->fresh, '\n');
	}
	str_free(&text);
	return seen;
}

static int
make_groups(struct settling *s, const struct entry *entry, struct span text, const struct groups *groups,
    struct err *err)
{
	const struct body body = { .entry = entry, .text = text };
	int result = 0;

	for (size_t i = 0; i < groups->count && result == 0; i++) {
		struct entry_info info = {0};
		entry_info_copy(&info, &entry->info);
		/* From here on it is ours: it must never again look like a repeat. */
		str_clear(&info.peer_id);
		info.aliased = groups->group[i].aliased;
		if (i > 0 || !spool_id_ok(str_c(&info.id))) {
			str_clear(&info.id);
			spool_new_id(&info.id);
		}
		if (i > 0)
			spool_event(s->spool, str_c(&info.id), "event=split from=%.*s",
			    (int)entry->info.id.len, entry->info.id.p);
		result = make_file(s, &body, &info, &groups->group[i], err);
		for (size_t n = 0; info.aliased && n < groups->group[i].env.rcpts; n++)
			spool_event(s->spool, str_c(&info.id), "event=alias to=<%s>", str_c(&groups->group[i].env.rcpt[n].to));
		entry_info_free(&info);
	}
	return result;
}

/* A report is routed like any other message. */
static int
make_report(struct settling *s, const struct entry *entry, enum dsn_kind kind, struct err *err)
{
	struct report report;
	int got = report_make(s->spool, s->fd, entry, kind, &report, err);
	struct entry as = { .env = report.env, .status = mem_get(sizeof *as.status) };
	struct groups groups = {0};
	int result = got < 0 ? -1 : 0;

	if (got > 0) {
		struct body body = { .text = str_span(&report.text) };
		struct str id = entry->info.id;
		spool_event(s->spool, str_c(&id), "event=report kind=%s id=%s to=<%.*s>", dsn_word(kind),
		    str_c(&report.info.id), (int)entry->env.from.len, entry->env.from.p);
		result = expand_entry(s->spool, &as, &groups, err);
		for (size_t i = 0; i < groups.count && result == 0; i++) {
			if (i > 0) {	/* its sender was an alias for several */
				str_clear(&report.info.id);
				spool_new_id(&report.info.id);
			}
			report.info.aliased = groups.group[i].aliased;
			result = make_file(s, &body, &report.info, &groups.group[i], err);
		}
	}
	groups_free(&groups);
	str_free(&as.status->reply);
	free(as.status);
	report_free(&report);
	return result;
}

/* text: its body, where that is in memory. */
static int
settle_entry(struct settling *s, struct entry *entry, struct span text, struct err *err)
{
	struct groups groups;
	int seen = repeated(s, &entry->info, err);

	if (seen != 0) {
		if (seen > 0) {
			s->settled->repeats++;
			spool_event(s->spool, str_c(&entry->info.id), "event=repeat peer=%s peer-id=%s",
			    str_c(&entry->info.peer), str_c(&entry->info.peer_id));
		}
		return seen < 0 ? -1 : 0;
	}
	if (entry->info.peer_id.len > 0)
		spool_event(s->spool, str_c(&entry->info.id), "event=received peer=%s peer-id=%s",
		    str_c(&entry->info.peer), str_c(&entry->info.peer_id));
	if (expand_entry(s->spool, entry, &groups, err) < 0) {
		groups_free(&groups);
		return -1;
	}
	expand_failed(s->spool, entry, &groups);
	if (groups.count == 0 && !expand_reports_due(entry))
		spool_event(s->spool, str_c(&entry->info.id), "event=nothing-left-to-do");
	int result = make_groups(s, entry, text, &groups, err);
	groups_free(&groups);
	for (enum dsn_kind kind = DSN_FAILURE; kind < DSN_KINDS && result == 0; kind++)
		result = make_report(s, entry, kind, err);
	return result;
}

static int
empty_folder(int dir, struct err *err)
{
	struct fs_names names;
	int result = fs_names(dir, ".", &names, err);

	for (size_t i = 0; i < names.count && result == 0; i++)
		result = fs_remove(dir, names.name[i], err);
	fs_names_free(&names);
	return result;
}

static int
open_folder(struct settling *s, struct err *err)
{
	bool old = mkdirat(s->spool->in, str_c(&s->folder), 0750) < 0;
	if (old && errno != EEXIST)
		return err_sys(err, "in/%s", str_c(&s->folder));
	s->dir = openat(s->spool->in, str_c(&s->folder), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return err_sys(err, "in/%s", str_c(&s->folder));
	/* That S is beside S.d is on disk before anything in S.d goes: after a commit that
	 * failed and was taken back, a power cut might show S inside, and nothing else. */
	if (old && (fs_sync_dir(s->spool->in, ".", err) < 0 || fs_sync(s->dir, err) < 0)) {
		close(s->dir);
		s->dir = -1;
		return -1;
	}
	if (empty_folder(s->dir, err) < 0)
		return -1;
	/* S must not lose the folder that it is renamed into, whoever made it. */
	return fs_sync_dir(s->spool->in, ".", err);
}

/* Behind the last entry may be the zeros of a journal, and nothing else: what nobody can
 * read is held with the rest, not dropped. */
static int
check_rest(struct settling *s, off_t at, struct err *err)
{
	char chunk[16384];
	ssize_t got;

	while ((got = fs_pread(s->fd, chunk, sizeof chunk, at, err)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			if (chunk[i] != '\0')
				return err_set(err, ERR_PERM, "something stands behind its last message");
		at += got;
	}
	return (int)got;
}

/* That of our own arrival, if S is that. */
static const struct entry_sums *
known_sums(const struct settling *s)
{
	struct stat ours, its;

	return s->own != NULL && fstat(s->fd, &its) == 0 && fstat(s->own->fd, &ours) == 0 && its.st_ino == ours.st_ino &&
	    its.st_dev == ours.st_dev ? &s->own->sums : NULL;
}

static int
make_all_of(struct settling *s, struct err *err)
{
	struct entry_reader reader = { .fd = s->fd, .known = known_sums(s) };
	struct entry entry;
	off_t at = 0;
	int got, result = 0;

	while (result == 0 && (got = entry_next(&reader, &at, &entry, err)) > 0) {
		/* Whatever its sum says: a line end or worse in it would go on into a dialogue. */
		result = entry_check_envelope(&entry.env, err);
		if (result == 0)
			result = settle_entry(s, &entry, entry_body(&reader, &entry), err);
		entry_free(&entry);
		s->settled->messages += result == 0;
	}
	entry_reader_free(&reader);
	if (result < 0)
		return -1;
	s->listed = got == 0;
	idset_clear(&s->ids);	/* many they may be, and what is done next needs room of its own */
	return got < 0 ? -1 : check_rest(s, at, err);
}

static int
make_all(struct settling *s, struct err *err)
{
	history_gather(s->spool);
	int result = make_all_of(s, err);
	history_write(s->spool);
	return result;
}

/* moving on what is in S.d, S inside it */

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

static int
move_one(struct settling *s, const char *name, struct err *err)
{
	struct span rest = span_of(name), folder, grade;

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

/* It is committed, so it will be queued, by this process or the next.  Told before, of all of them:
 * who finds a message in out/ may send it at once, and tell that. */
static void
tell_queued(struct settling *s, const struct fs_names *names)
{
	history_gather(s->spool);
	for (size_t i = 0; i < names->count; i++) {
		struct span rest = span_of(names->name[i]), folder, grade;
		span_cut(&rest, '=', &folder);
		span_cut(&rest, '=', &grade);
		if (rest.p != NULL && spool_id_ok(rest.p) && folder.len > 0)
			spool_event(s->spool, rest.p, "event=queued site=%.*s", (int)folder.len, folder.p);
	}
	history_write(s->spool);
}

/* Of a process that died between its commit and this: the ids that are not noted. */
static int
list_fresh(struct settling *s, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	int got;

	idset_clear(&s->ids);
	while ((got = entry_read(s->fd, &at, false, &entry, err)) > 0) {
		int seen = repeated(s, &entry.info, err);
		entry_free(&entry);
		if (seen < 0)
			return -1;
	}
	return got;
}

/* Those of one peer, with one sync; behind them nothing of it was looked at. */
static int
note_some(struct settling *s, struct span peer, const struct span *ids, size_t count, struct err *err)
{
	if (count == 0)
		return 0;
	char *name = mem_text_n(peer.p, peer.len);
	int result = seen_note(s->spool, name, ids, count, err);
	free(name);
	seen_look_end(s->look);
	return result;
}

static int
note_ids(struct settling *s, struct err *err)
{
	struct span rest, line, last = {0};
	size_t count = 0;
	int result = s->listed ? 0 : list_fresh(s, err);

	rest = str_span(&s->fresh);
	struct span *ids = mem_get(span_count(rest, '\n') * sizeof *ids);
	while (result == 0 && rest.len > 0 && span_cut(&rest, '\n', &line)) {
		struct span peer = span_word(&line);
		if (!span_same(peer, last)) {
			result = note_some(s, last, ids, count, err);
			last = peer;
			count = 0;
		}
		ids[count++] = span_from(line, 1);
	}
	if (result == 0)
		result = note_some(s, last, ids, count, err);
	free(ids);
	str_free(&s->fresh);
	return result;
}

static int
move_on(struct settling *s, struct err *err)
{
	struct fs_names names;
	size_t held = s->settled->held;

	if (note_ids(s, err) < 0 || fs_names(s->dir, ".", &names, err) < 0)
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

/* one file */

/* Its name in in/. */
static const char *
source(struct settling *s)
{
	return s->source.len > 0 ? str_c(&s->source) : s->name;
}

static int
commit(struct settling *s, struct err *err)
{
	/* what is in S.d, and its name there */
	if (s->made > FEW ? syncfs(s->spool->dir) < 0 : fsync(s->dir) < 0)
		return err_sys(err, "sync in/%s", str_c(&s->folder));
	if (fs_rename(s->spool->in, source(s), s->dir, s->name, err) < 0)
		return -1;
	if (fs_sync(s->dir, err) == 0)
		return 0;
	/* Whether the rename is on disk nobody knows: back, while nothing was moved on. */
	struct err ignored;
	if (lease_alive(s->spool, &ignored) == 0)
		fs_rename(s->dir, s->name, s->spool->in, source(s), &ignored);
	return -1;
}

/* Committed and not all moved on: anybody may go on with it, at once. */
static int
move_on_or_leave(struct settling *s, struct err *err)
{
	struct str left = {0};
	int result = move_on(s, err);

	str_printf(&left, "%s.d", s->name);
	if (result < 0 && s->spool->lease != NULL)
		renameat(s->spool->in, str_c(&s->folder), s->spool->in, str_c(&left));
	str_free(&left);
	return result;
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
		return 0;	/* make_all will say what is wrong with it */
	if (expand_entry(s->spool, &entry, &groups, err) < 0)
		result = -1;
	if (result == 0 && !groups.changed && fstat(s->fd, &st) == 0 && st.st_size == at && groups.count == 1 &&
	    groups.group[0].fate == TO_OUT && entry_waiting(&entry) == entry.env.rcpts &&
	    entry_check_envelope(&entry.env, err) == 0 &&
	    !expand_reports_due(&entry) &&
	    entry.info.peer_id.len == 0 && spool_id_ok(str_c(&entry.info.id))) {
		const char *site = str_c(&groups.group[0].folder);
		result = placer_put(s->placer, s->spool->in, source(s), site, str_c(&entry.info.id),
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

static int
hold_file(struct settling *s, int dir, const struct err *why, struct err *err)
{
	struct str reason = {0}, name = {0};

	str_printf(&reason, "%s\n", why->text);
	str_printf(&name, "%s.reason", s->name);
	log_error("%s: event=held reason=\"%s\"", s->name, why->text);
	int result = fs_replace(s->spool->hold, str_c(&name), str_span(&reason), 0640, err);
	if (result == 0)
		result = fs_rename(dir, dir == s->spool->in ? source(s) : s->name, s->spool->hold, s->name, err);
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
	int result = open_folder(s, err);

	if (result == 0)
		result = make_all(s, err);
	if (result == 0)	/* a commit that fails leaves S.d to the next run */
		return commit(s, err) < 0 ? -1 : move_on_or_leave(s, err);
	if (s->dir >= 0) {	/* S is beside S.d: nobody saw what was made */
		struct err ignored;
		empty_folder(s->dir, &ignored);
		unlinkat(s->spool->in, str_c(&s->folder), AT_REMOVEDIR);
	}
	if (err->kind != ERR_PERM)
		return -1;
	struct err why = *err;
	return hold_file(s, s->spool->in, &why, err);
}

/* Opens and locks dir/S.  1: ours, 0: gone or another's, -1. */
static int
take_file(struct settling *s, int dir, struct err *err)
{
	s->fd = fs_open(dir, s->name, O_RDWR, err);
	if (s->fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (s->spool->lease == NULL && flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(err, "lock in/%s", s->name);
	return fs_is(s->fd, dir, s->name);
}

/* in/S becomes in/S=TOKEN: of several hosts one does that.  Returns as take_file. */
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
	int got = s->spool->lease != NULL ? claim_file(s, err) : take_file(s, s->spool->in, err);

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
	int got = take_file(s, s->dir, err);
	if (got > 0)	/* the dead process may not have got as far as this sync */
		return fs_sync(s->dir, err) < 0 ? -1 : move_on_or_leave(s, err);
	if (got == 0 && s->fd < 0) {
		if (s->spool->lease != NULL)	/* S was given back, and nobody saw what is here */
			empty_folder(s->dir, err);
		/* fails unless it is empty: only rmdir was left to do */
		unlinkat(s->spool->in, str_c(&s->folder), AT_REMOVEDIR);
	}
	return got;
}

/* The same for in/ID=TOKEN.open of a dead process that may still write to it. */
static int
take_open(const struct spool *spool, const char *name, struct err *err)
{
	struct span base, token, ending;
	struct str ours = {0};
	off_t size = 0;

	if (!lease_parse(name, &base, &token, &ending))
		base = span_to(span_of(name), strlen(name) - strlen(".open"));
	else if (!lease_dead(spool, token))
		return 0;
	char *id = mem_text_n(base.p, base.len);
	lease_name(spool, id, ".open", &ours);
	const char *mine = str_c(&ours);
	int result = renameat(spool->in, name, spool->in, mine) == 0 ? 1 :
	    errno == ENOENT ? 0 : err_sys(err, "in/%s", name);
	if (result > 0 && (lease_alive(spool, err) < 0 || lease_copy(spool, spool->in, mine, true, &size, err) < 0 ||
	    (size == 0 ? fs_remove(spool->in, mine, err) : fs_rename(spool->in, mine, spool->in, id, err)) < 0)) {
		renameat(spool->in, mine, spool->in, name);	/* for the next to try */
		result = -1;
	}
	if (result > 0)
		log_info("in/%s: event=recovered bytes=%lld", id, (long long)size);
	str_free(&ours);
	free(id);
	return result < 0 ? -1 : 0;
}

/* in/ID.open of a dead writer: cut behind its last whole entry, it becomes in/ID. */
static int
turn_open(const struct spool *spool, const char *name, struct err *err)
{
	struct settling s = { .spool = spool, .name = name, .fd = -1, .dir = -1 };
	struct entry entry;
	off_t good = 0;

	if (spool->lease != NULL)
		return take_open(spool, name, err);
	int result = take_file(&s, spool->in, err);

	if (result <= 0) {	/* a living writer's */
		settling_close(&s);
		return result;
	}
	while (entry_read(s.fd, &good, true, &entry, err) > 0)
		entry_free(&entry);
	result = 0;
	if (err->kind == ERR_TEMP)
		result = -1;
	else if (good == 0)
		result = fs_remove(spool->in, name, err);
	else if (ftruncate(s.fd, good) < 0)
		result = err_sys(err, "in/%s", name);
	else
		result = fs_sync(s.fd, err);
	if (result == 0 && good > 0) {
		char *settled = mem_text_n(name, strlen(name) - strlen(".open"));
		result = fs_rename(spool->in, name, spool->in, settled, err);
		log_info("in/%s: event=recovered bytes=%lld", settled, (long long)good);
		free(settled);
	}
	settling_close(&s);
	return result;
}

/* Before the others are settled, so that their turn is in this run. */
static int
turn_all_open(const struct spool *spool, struct err *err)
{
	struct fs_names names;
	int result = fs_names(spool->in, ".", &names, err);

	for (size_t i = 0; i < names.count; i++) {
		*err = (struct err){0};
		if (ends_in(names.name[i], ".open") && turn_open(spool, names.name[i], err) < 0)
			result = -1;
	}
	fs_names_free(&names);
	return result;
}

/* A name with a token is somebody's work, and is to be left to him while he lives: false.
 * Of the dead it is S, or S.d, all the same: *base is S. */
static bool
may_take(const struct settling *run, const char *name, char **base)
{
	bool folder = ends_in(name, ".d");
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
		return lock_peers(s, err);
	}
	return settle_folder(s, err);
}

static int
settle_name(const struct settling *run, const char *name, struct err *err)
{
	struct settling s = { .spool = run->spool, .settled = run->settled, .placer = run->placer,
		.peers = run->peers, .look = run->look, .own = run->own, .fd = -1, .dir = -1 };
	char *base = NULL;
	int result = 0;

	if (may_take(run, name, &base)) {
		s.name = base;
		if (ends_in(name, ".d")) {
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

/* drop/ */

static int
import_body(struct arrival *a, int fd, const struct entry *entry, struct err *err)
{
	char chunk[16384];
	off_t at = entry->body_at;
	uint64_t left = entry->body_len;

	while (left > 0) {
		ssize_t got = fs_pread(fd, chunk, left < sizeof chunk ? (size_t)left : sizeof chunk, at, err);
		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_PERM, "the body ended early");
		if (arrival_body(a, chunk, (size_t)got, err) < 0)
			return -1;
		at += got;
		left -= (uint64_t)got;
	}
	return 0;
}

static int
import_entry(const struct spool *spool, const char *name, int fd, const struct stat *st,
    const struct entry *entry, struct err *err)
{
	struct arrival a;
	struct entry_info info = {0};
	struct str as = {0};

	/* Nothing of its first line counts: an ordinary user wrote it. */
	str_printf(&as, "d-%s", name);
	str_set(&info.from, "local");
	str_printf(&info.client, "uid:%lu", (unsigned long)st->st_uid);
	int result = arrival_open(&a, spool, str_c(&as), err);
	if (result == 0) {
		if (arrival_begin(&a, &info, &entry->env, err) < 0 ||
		    import_body(&a, fd, entry, err) < 0 || arrival_end(&a, err) < 0 ||
		    arrival_commit(&a, err) < 0)
			result = -1;
		else
			spool_event(spool, str_c(&a.info.id), "event=accepted from=local client=%s bytes=%llu drop=%s",
			    str_c(&info.client), (unsigned long long)entry->body_len, name);
		arrival_close(&a);
	}
	entry_info_free(&info);
	str_free(&as);
	return result;
}

static int
import_file(const struct spool *spool, const char *name, struct err *err)
{
	struct entry entry;
	struct stat st;
	off_t at = 0;
	int fd = fs_open(spool->drop, name, O_RDONLY, err);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	int result = fstat(fd, &st) < 0 ? err_sys(err, "drop/%s", name) : 0;
	if (result == 0 && (st.st_nlink != 1 ||
	    (uint64_t)st.st_size > spool->settings->spool.max_size + ENTRY_HEAD_MAX))
		result = err_set(err, ERR_PERM, "linked twice, or larger than a message may be");
	if (result == 0)
		result = entry_read(fd, &at, true, &entry, err) > 0 ? 0 :
		    err->kind == ERR_NONE ? err_set(err, ERR_PERM, "empty") : -1;
	if (result == 0) {
		result = at == st.st_size ? import_entry(spool, name, fd, &st, &entry, err) :
		    err_set(err, ERR_PERM, "more than one message");
		entry_free(&entry);
	}
	close(fd);
	if (result == 0)
		result = fs_remove(spool->drop, name, err);
	if (result == 0)
		result = fs_sync_dir(spool->drop, ".", err);
	return result;
}

/* Any user may put anything here: what cannot be taken stays, is told, and stops neither
 * the others' mail nor what the caller is at. */
static void
import_name(const struct spool *spool, const char *name, struct settled *settled)
{
	struct settling s = { .spool = spool, .settled = settled, .name = name };
	struct err err = {0}, why;

	if (import_file(spool, name, &err) == 0)
		return;
	why = err;
	if (err.kind != ERR_PERM || hold_file(&s, spool->drop, &why, &err) < 0)
		log_error("drop/%s: event=not-taken why=\"%s\"", name, err.text);
}

static int
import_drop(const struct spool *spool, struct settled *settled, struct err *err)
{
	struct fs_names names;

	if (fs_names(spool->drop, ".", &names, err) < 0)
		return -1;
	struct spool_lock lock = SPOOL_UNLOCKED;
	int result = names.count == 0 ? 0 : spool_lock(&lock, spool, "drop", spool->tmp, ".drop-lock", true, err);
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (spool_id_ok(names.name[i]))	/* else: being written, or no one's message */
			import_name(spool, names.name[i], settled);
	spool_unlock(&lock);
	fs_names_free(&names);
	return result;
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
	if (import_drop(spool, settled, err) < 0)
		first = *err;
	if (turn_all_open(spool, err) < 0 && first.kind == ERR_NONE)
		first = *err;
	if (fs_names(spool->in, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.name[i];
		if (name[0] == '.' || ends_in(name, ".open"))
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

/* repair */

static void
remove_orphan(const struct spool *spool, const char *name)
{
	struct err ignored;
	int fd = fs_open(spool->tmp, name, O_RDWR, &ignored);

	if (fd < 0)
		return;
	/* A living writer holds the lock of its file. */
	if (name[0] != '.' && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		unlinkat(spool->tmp, name, 0);
		log_info("%s: event=orphan-removed where=tmp", name);
	}
	close(fd);
}

/* The folders of the dead; a file beside them is of a time when nothing was shared. */
static void
remove_shared_orphan(const struct spool *spool, const char *name)
{
	enum { DAY = 86400 };
	struct stat st;
	int tmp = lease_tmp(spool);

	if (lease_is_token(span_of(name)))
		lease_dead(spool, span_of(name));
	else if (name[0] != '.' && fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    clock_now() / CLOCK_SECOND - st.st_mtime > DAY)
		unlinkat(tmp, name, 0);
}

int
spool_repair(const struct spool *spool, struct err *err)
{
	struct fs_names names;
	struct queue q;

	if (lease_begin(spool, err) < 0 || fs_names(lease_tmp(spool), ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		(spool->lease != NULL ? remove_shared_orphan : remove_orphan)(spool, names.name[i]);
	fs_names_free(&names);
	if (fs_names(spool->sent, ".", &names, err) < 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < names.count; i++) {
		if (queue_open(&q, spool, names.name[i], false, err) == 0)
			queue_close(&q);	/* opening it repairs it */
		else if (errno != EWOULDBLOCK)
			result = -1;
	}
	fs_names_free(&names);
	return result;
}
