#include "spool/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/closer.h"
#include "lib/base/log.h"
#include "lib/mail/wish.h"
#include "spool/expand.h"
#include "spool/lease.h"
#include "spool/retry.h"

/* the site's lock */

static int
try_lock_site(const struct spool *spool, const char *site, bool wait, int *dir, struct spool_lock *lock,
    struct err *err)
{
	struct str name = {0};

	if (fs_make_dir(spool->out, site, 0750, err) < 0)
		return -1;
	*dir = fs_dir(spool->out, site, err);
	if (*dir < 0)
		return -1;
	str_printf(&name, "out.%s", site);
	int result = spool_lock(lock, spool, str_c(&name), *dir, ".lock", wait, err), number = errno;
	str_free(&name);
	if (result < 0) {
		close(*dir);
		errno = number;
		return number == EWOULDBLOCK ?
		    err_set(err, ERR_TEMP, "the queue for %s is being worked by another process", site) : -1;
	}
	return 0;
}

/* An empty folder may be taken away between two steps (queue_retire). */
static int
lock_site(const struct spool *spool, const char *site, bool wait, int *dir, struct spool_lock *lock,
    struct err *err)
{
	int result = -1;

	errno = ENOENT;
	for (int attempt = 0; attempt < 10 && result < 0 && errno == ENOENT; attempt++)
		result = try_lock_site(spool, site, wait, dir, lock, err);
	return result;
}

static void
note_trouble(struct queue *q)
{
	struct retry retry;
	struct err ignored;

	if (retry_load(q->spool, q->site, &retry, &ignored) < 0)
		return;
	if (retry.failures > 0) {
		q->tried = clock_now() - retry.next < 86400 * CLOCK_SECOND;
		q->why = mem_text(str_c(&retry.why));
	}
	str_free(&retry.why);
}

/* What other processes were at when they were taken for dead. */
static int
recover_claims(struct queue *q, struct err *err)
{
	struct fs_names names;
	int result = 0;

	if (q->spool->lease == NULL)
		return 0;
	if (fs_names(q->dir, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (claim_is(names.name[i]))
			result = claim_recover(q, names.name[i], err);
	fs_names_free(&names);
	return result;
}

int
queue_open(struct queue *q, const struct spool *spool, const char *site, bool wait,
    struct err *err)
{
	*q = (struct queue){ .spool = spool, .dir = -1, .lock = SPOOL_UNLOCKED, .claims = -1, .bucket_dir = -1 };
	if (site[0] == '\0' || site[0] == '.' || strchr(site, '/') != NULL)
		return err_set(err, ERR_CONFIG, "%s: not a site's folder", site);
	if (lock_site(spool, site, wait, &q->dir, &q->lock, err) < 0)
		return -1;
	q->site = mem_text(site);
	note_trouble(q);
	if (batch_recover(q, err) < 0 || recover_claims(q, err) < 0 ||
	    fs_names(q->dir, ".", &q->buckets, err) < 0) {
		int number = errno;
		queue_close(q);
		errno = number;
		return -1;
	}
	return 0;
}

static struct bucket_held *
hold(int fd)
{
	struct bucket_held *held = mem_get(sizeof *held);

	*held = (struct bucket_held){ .fd = fd, .holders = 1 };
	return held;
}

static void
drop_held(struct bucket_held *held)
{
	struct err err;

	if (--held->holders > 0)
		return;
	if (held->since > 0 && fs_sync(held->fd, &err) < 0)
		log_warn("queue: %s", err.text);
	close(held->fd);
	free(held);
}

static void
close_bucket(struct queue *q)
{
	if (q->held != NULL)
		drop_held(q->held);
	else if (q->bucket_dir >= 0)
		close(q->bucket_dir);
	q->held = NULL;
	q->bucket_dir = -1;
}

void
queue_close(struct queue *q)
{
	struct err err;

	if (q->bucket_dir >= 0 && queue_sync(q, &err) < 0)
		log_warn("queue %s: %s", q->site, err.text);
	close_bucket(q);
	claim_close(q);
	spool_unlock(&q->lock);
	if (q->dir >= 0)
		close(q->dir);
	fs_names_free(&q->buckets);
	fs_names_free(&q->names);
	free(q->site);
	free(q->why);
	str_free(&q->filled);
	*q = (struct queue){ .dir = -1, .lock = SPOOL_UNLOCKED, .claims = -1, .bucket_dir = -1 };
}

int
queue_sync(struct queue *q, struct err *err)
{
	if (!q->removed || q->bucket_dir < 0)
		return 0;
	/* Gone from here and not yet there they would be lost.  No folder: the batch was undone. */
	if (q->filled.len > 0 && fs_sync_dir(q->spool->sent, str_c(&q->filled), err) < 0 && errno != ENOENT)
		return -1;
	if (fs_sync(q->bucket_dir, err) < 0 || (q->claims >= 0 && fs_sync(q->claims, err) < 0))
		return -1;
	q->removed = false;
	return 0;
}

/* Who puts a message there makes the folder, a bucket and the name in three steps, and the
 * last of them again from the beginning where it fails for want of a folder (bucket.c): so
 * rmdir, which a bucket hinders, takes nothing from him.  Who waits for the lock sees
 * that its file is gone (fs_lock). */
static int
remove_folder(const struct spool *spool, const char *site, int dir, int64_t idle, struct err *err)
{
	struct stat st;
	struct fs_names names;
	bool waiting = false;

	if (fstat(dir, &st) < 0 || fs_names(dir, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		waiting = waiting || (strcmp(names.name[i], ".lock") != 0 && strcmp(names.name[i], ".retry") != 0);
	fs_names_free(&names);
	if (waiting || clock_now() - (int64_t)st.st_mtim.tv_sec * CLOCK_SECOND < idle)
		return 0;
	unlinkat(dir, ".retry", 0);
	unlinkat(dir, ".lock", 0);
	if (unlinkat(spool->out, site, AT_REMOVEDIR) < 0)
		return errno == ENOTEMPTY || errno == EEXIST ? 0 : err_sys(err, "out/%s", site);
	return fs_sync(spool->out, err) < 0 ? -1 : 1;
}

int
queue_retire(const struct spool *spool, const char *site, int64_t idle, struct err *err)
{
	struct spool_lock lock;
	int dir;

	if (spool->lease != NULL)
		return 0;	/* its lock is not in the folder; few spools are shared, and few domains many */
	if (try_lock_site(spool, site, false, &dir, &lock, err) < 0)
		return errno == EWOULDBLOCK || errno == ENOENT ? 0 : -1;
	int result = remove_folder(spool, site, dir, idle, err);
	spool_unlock(&lock);
	close(dir);
	return result;
}

/* walking the buckets */

static const char *
bucket_name(const struct queue *q)
{
	return q->buckets.name[q->bucket - 1];
}

static void
leave_bucket(struct queue *q)
{
	struct err err;

	if (q->bucket_dir < 0)
		return;
	bool synced = queue_sync(q, &err) == 0, last = q->held == NULL || q->held->holders == 1;
	if (!synced)
		log_warn("queue %s: %s", q->site, err.text);
	close_bucket(q);
	/* Fails while anything is in it; settle makes it anew when it needs it. */
	if (synced && last)
		closer_remove_dir(q->dir, bucket_name(q));
	fs_names_free(&q->names);
	q->next = 0;
}

/* 1: q->names is the next bucket's; 0: no more. */
static int
enter_bucket(struct queue *q, struct err *err)
{
	leave_bucket(q);
	while (q->bucket < q->buckets.count) {
		const char *name = q->buckets.name[q->bucket++];
		if (name[0] == '.' || (q->spool->lease != NULL && claim_is(name)))
			continue;
		q->bucket_dir = openat(q->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (q->bucket_dir < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;	/* emptied meanwhile, or a person's file: not ours */
		if (q->bucket_dir < 0)
			return err_sys(err, "queue %s/%s", q->site, name);
		if (fs_names(q->bucket_dir, ".", &q->names, err) < 0)
			return -1;
		return 1;
	}
	return 0;
}

/* Nobody asks when a message was read last, and to note that is to write. */
static int
open_file(int dir, const char *name, struct fs_file *file, struct err *err)
{
#ifdef O_NOATIME
	int fd = fs_open_file(dir, name, O_RDWR | O_NOATIME, file, err);

	if (fd >= 0 || errno != EPERM)	/* it is not ours */
		return fd;
#endif
	return fs_open_file(dir, name, O_RDWR, file, err);
}

static int
open_message(struct queue *q, int dir, const char *bucket, const char *name, struct message *m,
    struct err *err)
{
	off_t at = 0;

	*m = (struct message){ .spool = q->spool, .queue = q };
	m->fd = open_file(dir, name, &m->file, err);
	if (m->fd < 0)
		return -1;
	str_set(&m->id, name);
	str_set(&m->bucket, bucket);
	errno = 0;	/* and so it stays where the file is only damaged */
	int got = entry_read(m->fd, &at, false, &m->entry, err), number = errno;
	if (got == 0)
		got = err_set(err, ERR_PERM, "an empty file");
	if (got > 0)
		m->fresh = mem_get(m->entry.env.rcpts * sizeof *m->fresh);
	else
		message_close(m);
	errno = number;
	return got;
}

bool
queue_must_stop(int number)
{
	static const int numbers[] = { ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE, ENOMEM, ESTALE, 0 };
	size_t i = 0;

	while (numbers[i] != 0 && numbers[i] != number)
		i++;
	return numbers[i] != 0;
}

/* A message that cannot be read or settled blocks only itself: 0, or -1 where the next
 * would fare no better. */
static int
leave_alone(const struct queue *q, const char *name, const char *event, const struct err *err)
{
	if (errno == ENOENT)
		return 0;	/* a person has just moved it */
	if (queue_must_stop(errno))
		return -1;
	log_error("%s: event=%s where=out/%s/%s why=\"%s\"", name, event, q->site, bucket_name(q), err->text);
	return 0;
}

/* Too old, or all was said of it and its writer died before the last step. */
static int
settle_over(struct queue *q, const char *name, struct message *m, struct err *err)
{
	int result = message_settle(m, err);

	message_close(m);
	return result < 0 ? leave_alone(q, name, "unsettled", err) : 0;
}

/* It is kept until then (RFC 4865). */
static int64_t
released(const struct message *m)
{
	return wish_release(str_span(&m->entry.env.args), m->entry.info.time);
}

/* 1: m is to be sent; 0: not this one; -1: nor any of those behind it. */
static int
take_name(struct queue *q, const char *name, struct message *m, struct err *err)
{
	if (!spool_id_ok(name) || (q->passes != NULL && !q->passes(q->arg, name)))
		return 0;	/* not ours: doctor names it */
	if (open_message(q, q->bucket_dir, bucket_name(q), name, m, err) <= 0)
		return leave_alone(q, name, "unreadable", err);
	if (released(m) > clock_now()) {
		message_close(m);
		return 0;
	}
	/* With a report due its writer died before the rename: whatever became of the others would
	 * be the end of the file, and of the report. */
	if (entry_waiting(&m->entry) > 0 && !expand_reports_due(&m->entry) && !message_age(m, clock_now()))
		return 1;
	return settle_over(q, name, m, err);
}

int
queue_next(struct queue *q, struct message *m, struct err *err)
{
	int got = 0;

	while (got == 0) {
		if (q->bucket_dir >= 0 && q->next < q->names.count)
			got = take_name(q, q->names.name[q->next++], m, err);
		else if ((got = enter_bucket(q, err)) == 0)
			return 0;
		else
			got = got < 0 ? -1 : 0;
	}
	return got;
}

size_t
queue_left(const struct queue *q)
{
	return q->names.count * (1 + q->buckets.count - q->bucket) - q->next;
}

int
queue_again(struct queue *q, struct err *err)
{
	leave_bucket(q);
	fs_names_free(&q->buckets);
	q->bucket = 0;
	return fs_names(q->dir, ".", &q->buckets, err);
}

int
queue_take(struct queue *q, const char *bucket, const char *id, struct message *m, struct err *err)
{
	int dir = openat(q->dir, bucket, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "queue %s/%s", q->site, bucket);
	if (open_message(q, dir, bucket, id, m, err) > 0) {
		m->kept = hold(dir);
		return 1;
	}
	int number = errno;
	close(dir);
	errno = number;
	return number == ENOENT ? 0 : -1;
}

/* one message */

void
message_keep(struct message *m)
{
	struct queue *q = m->queue;

	if (m->kept != NULL)
		return;
	if (q->held == NULL)
		q->held = hold(q->bucket_dir);
	q->held->holders++;
	m->kept = q->held;
}

static void
forget_fresh(struct message *m)
{
	for (size_t i = 0; m->fresh != NULL && i < m->entry.env.rcpts; i++) {
		str_free(&m->fresh[i].reply);
		str_free(&m->fresh[i].via);
	}
	free(m->fresh);
	m->fresh = NULL;
}

int
message_reopen(struct message *m, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	struct fs_file file;
	int fd = fs_open_file(message_dir(m), str_c(&m->id), O_RDWR, &file, err);
	int got = fd < 0 ? -1 : entry_read(fd, &at, false, &entry, err);

	if (got <= 0) {
		if (fd >= 0)
			close(fd);
		return got < 0 ? -1 : err_set(err, ERR_PERM, "an empty file");
	}
	close(m->fd);
	m->fd = fd;
	m->file = file;
	forget_fresh(m);
	entry_free(&m->entry);
	m->entry = entry;
	m->fresh = mem_get(entry.env.rcpts * sizeof *m->fresh);
	return 0;
}

int
message_sync(struct message *m, struct err *err)
{
	if (fs_sync(m->kept != NULL ? m->kept->fd : m->queue->bucket_dir, err) < 0)
		return -1;
	return m->claimed ? fs_sync(m->queue->claims, err) : 0;
}

/* Others of that bucket come soon, and one sync is for all. */
static bool
others_come(const struct bucket_held *held)
{
	return held->holders > 1 && clock_mono() - held->since < LEFT_SECONDS * CLOCK_SECOND;
}

int
message_left(struct message *m, struct err *err)
{
	struct bucket_held *held = m->kept;

	if (held == NULL || held == m->queue->held)
		return 0;	/* the walk sees to it */
	if (held->since == 0 && (m->removed || !fs_is_file(&m->file, held->fd, str_c(&m->id))))
		held->since = clock_mono();
	if (held->since == 0 || (others_come(held) && !m->claimed))
		return 0;
	if (message_sync(m, err) < 0)
		return -1;
	held->since = 0;
	if (held->holders == 1)
		closer_remove_dir(m->queue->dir, str_c(&m->bucket));	/* fails while anything is in it */
	return 0;
}

int
message_left_by_others(struct message *m, struct err *err)
{
	struct bucket_held *held = m->kept;

	if (held == NULL || held->since == 0)
		return 0;
	if (fs_sync(held->fd, err) < 0)
		return -1;
	held->since = 0;
	return 0;
}

void
message_close(struct message *m)
{
	message_unclaim(m);
	if (m->kept != NULL)
		drop_held(m->kept);
	m->kept = NULL;
	forget_fresh(m);
	if (m->fd >= 0 && m->removed)
		closer_close(m->fd, m->entry.states_end);
	else if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	entry_free(&m->entry);
	str_free(&m->id);
	str_free(&m->bucket);
}

static int
path_in_site(const struct message *m, struct str *out)
{
	str_printf(out, "%.*s/%.*s", (int)m->bucket.len, m->bucket.p, (int)m->id.len, m->id.p);
	return 0;
}

int
message_still_there(struct message *m)
{
	struct str path = {0};

	if (m->spool->lease != NULL)
		return message_claim(m);
	path_in_site(m, &path);
	bool there = fs_is_file(&m->file, m->queue->dir, str_c(&path));
	str_free(&path);
	return there;
}

void
message_rcpt(struct message *m, size_t rcpt, enum rcpt_state state, const char *reply)
{
	struct rcpt_status *fresh = &m->fresh[rcpt];

	fresh->state = state;
	fresh->at = clock_now();
	fresh->due = state == RCPT_FAILED ? DSN_FAILURE : DSN_NONE;
	str_set(&fresh->reply, reply);
}

void
message_report(struct message *m, size_t rcpt, enum dsn_kind kind)
{
	if (kind != DSN_NONE && dsn_wanted(str_span(&m->entry.env.rcpt[rcpt].args), kind))
		m->fresh[rcpt].due = kind;
}

/* A reply begins with its code; what we say ourselves does not (given up, returned). */
static bool
said_by_peer(const struct str *reply)
{
	uint64_t code;
	return span_number(span_to(str_span(reply), 3), 999, &code) == 0 && reply->len >= 3 && code >= 200;
}

/* A host that was off for a week has not tried for a week: mail for next hops counts as
 * too old only when it was tried within a day.  Sites call when they can. */
static bool
too_old(const struct message *m, size_t i, int64_t now)
{
	const struct rcpt_status *status = &m->entry.status[i];

	return status->state < RCPT_DONE &&
	    (m->queue->tried || settings_site(m->spool->settings, m->queue->site) != NULL ||
	    (status->at != 0 && now - status->at < 86400 * CLOCK_SECOND));
}

/* The peer's own last words tell more than that time is over. */
static void
give_up(struct message *m, size_t i)
{
	struct str *last = &m->entry.status[i].reply, reply = {0};
	const char *words = last->len > 0 ? str_c(last) : m->queue->why;

	if (said_by_peer(last))
		str_set_span(&reply, str_span(last));
	else
		str_printf(&reply, "4.4.7 given up after waiting too long%s%s",
		    words != NULL ? "; the last trouble was: " : "", words != NULL ? words : "");
	message_rcpt(m, i, RCPT_FAILED, str_c(&reply));
	str_free(&reply);
}

static bool
expire(struct message *m, int64_t now)
{
	bool any = false;

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		if (!too_old(m, i, now))
			continue;
		give_up(m, i);
		any = true;
	}
	return any;
}

/* The days that it was under way to us from a peer are none of ours: he had his patience, and
 * nothing was tried here.  Nor are those for which it was to be kept. */
static int64_t
waits_since(struct message *m)
{
	int64_t came = m->entry.info.peer.len > 0 ? spool_id_time(str_c(&m->id)) : 0;
	int64_t since = m->entry.info.time, kept = released(m);

	if (came > since)
		since = came;
	return kept > since ? kept : since;
}

/* RFC 2852 4.2: its time is over, whoever has tried it or not. */
static bool
give_up_late(struct message *m)
{
	bool any = false;

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		if (m->entry.status[i].state >= RCPT_DONE)
			continue;
		message_rcpt(m, i, RCPT_FAILED, "5.4.7 it could not be there in the time that was asked for");
		any = true;
	}
	return any;
}

bool
message_age(struct message *m, int64_t now)
{
	const struct patience patience = settings_patience(m->spool->settings, m->queue->site, m->entry.info.grade);
	int64_t age = now - waits_since(m), due = 0;
	bool gives_up = false, late = wish_due(str_span(&m->entry.env.args), m->entry.info.time, &due, &gives_up) &&
	    now > due;

	if (late && gives_up && give_up_late(m))
		return true;
	if (patience.expire_after > 0 && age > patience.expire_after && expire(m, now))
		return true;
	m->delayed = ((patience.delay_after > 0 && age > patience.delay_after) || late) && m->entry.delayed == 0 &&
	    m->entry.env.from.len > 0;
	return m->delayed;
}

enum { LINES_ROOM = 4096 };

int
message_room(struct message *m, struct err *err)
{
	/* Of a message for one, what is done is removed, and that needs no room. */
	if (m->entry.env.rcpts < 2 || m->entry.env.rcpts * 64 > INT_MAX)
		return 0;
	off_t len = LINES_ROOM + (off_t)m->entry.env.rcpts * 64;
	if (fallocate(m->fd, FALLOC_FL_KEEP_SIZE, m->entry.states_end, len) == 0 ||
	    !queue_must_stop(errno))
		return 0;	/* this file system makes no promises */
	return err_sys(err, "room for what becomes of it");
}

/* Claimed it is ours; moved away by a person, it is still while the site is.  Else another
 * host may be writing to it. */
static bool
may_write(struct message *m)
{
	return m->spool->lease == NULL || message_claim(m) || spool_lock_ours(&m->queue->lock);
}

int
message_append(struct message *m, struct span lines, struct err *err)
{
	struct stat st;

	if (!may_write(m))
		return err_set(err, ERR_TEMP, "another host has taken the queue for %s", m->queue->site);
	if (fstat(m->fd, &st) < 0)
		return err_sys(err, "state line");
	/* A torn line of a dead writer goes before ours is put in its place. */
	if (st.st_size > m->entry.states_end && ftruncate(m->fd, m->entry.states_end) < 0)
		return err_sys(err, "state line");
	if (fs_pwrite(m->fd, lines.p, lines.len, m->entry.states_end, err) < 0 ||
	    fs_sync_data(m->fd, err) < 0)
		return -1;
	/* Written to what is a copy's original by now, it counts no more. */
	if (!may_write(m))
		return err_set(err, ERR_TEMP, "another host has taken the queue for %s", m->queue->site);
	m->entry.states_end += (off_t)lines.len;
	return 0;
}

static bool
same_outcome(const struct rcpt_status *a, const struct rcpt_status *b)
{
	return a->at != 0 && a->state == b->state && a->due == b->due &&
	    span_same(str_span(&a->reply), str_span(&b->reply));
}

static void
rcpt_list(const struct message *m, size_t first, struct str *list)
{
	const struct rcpt_status *same = &m->fresh[first];

	for (size_t i = first; i < m->entry.env.rcpts; i++) {
		if (same_outcome(&m->fresh[i], same))
			str_printf(list, "%s%zu", list->len > 0 ? "," : "", i + 1);
	}
}

/* Was recipient i's outcome already written with an earlier one's line? */
static bool
listed_before(const struct message *m, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (same_outcome(&m->fresh[j], &m->fresh[i]))
			return true;
	return false;
}

void
message_lines(const struct message *m, struct str *out)
{
	static const char *const words[] = {
		[RCPT_WAITING] = "waiting", [RCPT_DEFERRED] = "deferred",
		[RCPT_DONE] = "done", [RCPT_FAILED] = "failed",
	};

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		struct rcpt_status *fresh = &m->fresh[i];
		struct str list = {0}, event = {0};
		if (fresh->at == 0 || listed_before(m, i))
			continue;
		rcpt_list(m, i, &list);
		str_add_text(&event, words[fresh->state]);
		if (fresh->due != DSN_NONE)
			str_printf(&event, " due=%s", dsn_word(fresh->due));
		if ((fresh->state != RCPT_DONE || fresh->due != DSN_NONE) && said_by_peer(&fresh->reply))
			str_printf(&event, " via=%s", m->queue->site);
		entry_state_line(fresh->at, str_c(&list), str_c(&event), "reply", str_span(&fresh->reply), out);
		str_free(&list);
		str_free(&event);
	}
	if (m->delayed)
		entry_state_line(clock_now(), NULL, "delay-due", NULL, (struct span){0}, out);
}

/* The outcomes are the entry's.  True when something is to be told. */
static bool
take_fresh(struct message *m)
{
	bool due = m->delayed || m->entry.delay_due;

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		struct rcpt_status *now = &m->entry.status[i], *fresh = &m->fresh[i];
		if (fresh->at != 0) {
			str_set_span(&now->reply, str_span(&fresh->reply));
			now->state = fresh->state;
			now->at = fresh->at;
			now->due = fresh->due;
			fresh->at = 0;
		}
		due = due || now->due != DSN_NONE;
	}
	return due;
}

static int
move_message(struct message *m, int dir, const char *folder, struct err *err)
{
	if (fs_rename(message_dir(m), str_c(&m->id), dir, str_c(&m->id), err) < 0)
		return -1;
	m->queue->removed = true;
	return fs_sync_dir(dir, ".", err) < 0 ? err_prefix(err, "%s", folder) : 0;
}

/* The end: everybody has it, and nothing is to be told. */
static bool
is_done(const struct message *m)
{
	bool done = !m->delayed && !m->entry.delay_due;

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		const struct rcpt_status *last = m->fresh[i].at != 0 ? &m->fresh[i] : &m->entry.status[i];
		done = done && last->state >= RCPT_DONE && last->due == DSN_NONE;
	}
	return done;
}

static int
append_outcomes(struct message *m, struct err *err)
{
	struct str lines = {0};

	message_lines(m, &lines);
	int result = lines.len > 0 ? message_append(m, str_span(&lines), err) : 0, number = errno;
	str_free(&lines);
	errno = number;
	return result;
}

/* Everybody has it: its name goes.  A person who moved it just now, between our look and
 * the removal, has it still: then it says itself that it is done. */
static int
remove_done(struct message *m, struct err *err)
{
	struct stat st;

	if (unlinkat(message_dir(m), str_c(&m->id), 0) < 0) {
		if (errno != ENOENT)
			return err_sys(err, "remove %s", str_c(&m->id));
		/* A person did it, or another host, who cannot know that it was sent. */
		if (m->spool->lease != NULL && !spool_lock_ours(&m->queue->lock))
			return err_set(err, ERR_TEMP, "another host has taken the queue for %s", m->queue->site);
	}
	m->queue->removed = m->removed = true;
	return fstat(m->fd, &st) == 0 && st.st_nlink > 0 ? append_outcomes(m, err) : 0;
}

/* What is kept needs its history; what a person moved away needs it most: it must
 * not be sent again from where it lies now. */
static int
keep_with_outcomes(struct message *m, bool there, struct err *err)
{
	int noted = append_outcomes(m, err), number = errno;
	bool due = take_fresh(m);

	errno = number;
	if (noted < 0 || !there || !due)
		return noted;
	/* settle writes the report, what still waits, what failed, together */
	if (move_message(m, m->spool->in, "in", err) < 0)
		return -1;
	spool_ring(m->spool);
	return 0;
}

int
message_settle(struct message *m, struct err *err)
{
	bool there = message_still_there(m);

	if (!there || !is_done(m))
		return keep_with_outcomes(m, there, err);
	int result = remove_done(m, err), number = errno;
	take_fresh(m);
	errno = number;
	return result;
}

/* Beside a message that takes no line of its own any more. */
static int
put_reason(struct message *m, const char *reason, struct err *err)
{
	struct str name = {0}, text = {0};

	str_printf(&name, "%s.reason", str_c(&m->id));
	str_printf(&text, "%s\n", reason);
	int result = fs_replace(m->spool->hold, str_c(&name), str_span(&text), 0640, err);
	str_free(&name);
	str_free(&text);
	return result;
}

int
message_hold(struct message *m, const char *reason, struct err *err)
{
	struct str line = {0};

	entry_state_line(clock_now(), NULL, "held", "reason", span_of(reason), &line);
	int result = message_append(m, str_span(&line), err);
	str_free(&line);
	if (!message_still_there(m))
		return result;
	if (result < 0 && (queue_must_stop(errno) || put_reason(m, reason, err) < 0))
		return -1;
	return move_message(m, m->spool->hold, "hold", err);
}
