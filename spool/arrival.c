#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/journal.h"
#include "spool/lease.h"

enum {
	BUFFER = JOURNAL_BODY_MAX,	/* an entry that outgrows it has outgrown the journal */
	PAGE = 4096,
	HEADER_MAX = 1 << 20,	/* of one that is masked */
	SMALL_SUMS = 1 << 16,	/* that are kept, of bodies that fit the buffer */
	AHEAD = 4 << 20,	/* so much is written, and the disk is told to begin with it; for less,
				   more requests cost it more than it gains by the time */
};

/* tmp/NAME, locked */
static int
open_file(struct arrival *a, struct err *err)
{
	const struct spool *spool = a->spool;

	if (lease_begin(spool, err) < 0)
		return -1;
	/* A file of this name can only be a dead writer's: a living one holds its lock. */
	int fd = openat(spool->tmp, str_c(&a->name),
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_sys(err, "spool tmp/%s", str_c(&a->name));
	/* In a shared spool tmp/ is this process's own. */
	if ((spool->lease == NULL && flock(fd, LOCK_EX | LOCK_NB) < 0) || ftruncate(fd, 0) < 0) {
		err_sys(err, "spool tmp/%s", str_c(&a->name));
		err->kind = ERR_TEMP;
		close(fd);
		return -1;
	}
	a->fd = fd;
	return 0;
}

int
arrival_open(struct arrival *a, const struct spool *spool, const char *name, struct err *err)
{
	*a = (struct arrival){ .spool = spool, .fd = -1 };
	if (name != NULL)
		str_set(&a->name, name);
	else
		spool_new_id(&a->name);
	if (open_file(a, err) == 0)
		return 0;
	str_free(&a->name);
	return -1;
}

void
arrival_join(struct arrival *a, struct journal *journal)
{
	*a = (struct arrival){ .spool = journal->spool, .journal = journal, .fd = -1 };
	spool_new_id(&a->name);
}

static off_t
where(const struct arrival *a)
{
	return a->at + (off_t)a->buffer.len;
}

static int
flush(struct arrival *a, struct err *err)
{
	if (a->fd < 0 && open_file(a, err) < 0)	/* it has outgrown the journal */
		return -1;
	if (fs_pwrite(a->fd, a->buffer.p, a->buffer.len, a->at, err) < 0)
		return -1;
	a->at += (off_t)a->buffer.len;
	str_clear(&a->buffer);
	return 0;
}

/* As much of a body as makes whole pages: half pages are copied and written twice.  The
 * disk begins while the rest still comes and is summed up; the first page waits for the
 * head's length. */
static int
spill(struct arrival *a, struct err *err)
{
	struct str rest = {0};
	size_t part = (size_t)(where(a) % PAGE);

	str_add(&rest, a->buffer.p + a->buffer.len - part, part);
	a->buffer.len -= part;
	int result = flush(a, err);
	str_add_span(&a->buffer, str_span(&rest));
	str_free(&rest);
	if (result == 0 && a->at - a->begun >= AHEAD) {
		fs_write_behind(a->fd, a->begun, a->at - a->begun);
		a->begun = a->at;
	}
	return result;
}

int
arrival_begin(struct arrival *a, const struct entry_info *info, const struct envelope *env,
    struct err *err)
{
	if (entry_check_envelope(env, err) < 0)
		return -1;
	if (!env->begun || env->rcpts == 0)
		return err_set(err, ERR_PERM, "a message without %s", env->begun ? "recipients" : "a sender");
	entry_info_copy(&a->info, info);
	envelope_copy(&a->env, env);
	if (a->info.id.len == 0) {
		/* The only entry of its own file has the file's name, so that settle
		 * can simply move it. */
		if (a->count == 0 && spool_id_ok(str_c(&a->name)))
			str_set_span(&a->info.id, str_span(&a->name));
		else
			spool_new_id(&a->info.id);
	}
	if (a->info.time == 0)
		a->info.time = clock_now();
	if (a->info.grade == 0)
		a->info.grade = 'N';
	a->start = where(a);
	entry_head(&a->info, env, 0, &a->buffer);
	a->body_at = where(a);
	a->body_len = 0;
	a->begun = a->start / PAGE * PAGE + PAGE;	/* all of a short head */
	a->in_entry = true;
	a->mask.on = false;
	a->header = (struct header_gather){ .text = a->header.text, .max = HEADER_MAX };
	str_clear(&a->header.text);
	digest_start(&a->digest);
	return 0;
}

void
arrival_mask(struct arrival *a, struct mask mask)
{
	a->mask = mask;
}

static int
write_body(struct arrival *a, const void *bytes, size_t len, struct err *err)
{
	if (len == 0)
		return 0;
	digest_add(&a->digest, bytes, len);
	a->body_len += len;
	str_add(&a->buffer, bytes, len);
	return a->buffer.len >= BUFFER ? spill(a, err) : 0;
}

/* The header, and what of the body came with it. */
static int
write_masked(struct arrival *a, struct err *err)
{
	struct span text = str_span(&a->header.text);
	struct str other = {0};
	int result = 0;

	a->mask.on = false;
	if (a->header.over)
		log_warn("%s: event=not-masked why=\"its header is longer than %d bytes\"", str_c(&a->info.id), HEADER_MAX);
	else if ((result = masquerade_header(a->spool->settings, a->mask.way, text, &other, err)) == 0)
		text = str_span(&other);
	if (result == 0)
		result = write_body(a, text.p, text.len, err);
	str_free(&other);
	str_clear(&a->header.text);
	return result;
}

int
arrival_body(struct arrival *a, const void *bytes, size_t len, struct err *err)
{
	size_t before = a->header.text.len;

	if (!a->mask.on)
		return write_body(a, bytes, len, err);
	header_gather(&a->header, (struct span){ bytes, len });
	if (!a->header.done)
		return 0;
	size_t gathered = a->header.text.len - before;
	return write_masked(a, err) < 0 ? -1 : write_body(a, (const char *)bytes + gathered, len - gathered, err);
}

/* The head again, now with the length; over the one that is there. */
static int
write_head(struct arrival *a, struct span head, struct err *err)
{
	if (a->start >= a->at) {
		memcpy(a->buffer.p + (a->start - a->at), head.p, head.len);
		return 0;
	}
	if (where(a) < a->start + (off_t)head.len)
		return err_set(err, ERR_TEMP, "entry head out of place");
	/* What of it still waits in the buffer is written first. */
	if (a->at < a->start + (off_t)head.len && flush(a, err) < 0)
		return -1;
	return fs_pwrite(a->fd, head.p, head.len, a->start, err);
}

/* What settle need not sum up once more; of a batch without end not all. */
static void
keep_sum(struct arrival *a, const unsigned char body[DIGEST_SIZE])
{
	struct entry_sums *sums = &a->sums;

	if (a->journal != NULL || (a->body_len < BUFFER && sums->count >= SMALL_SUMS))
		return;
	if ((sums->count & (sums->count - 1)) == 0)
		sums->one = mem_resize(sums->one, sums->count > 0 ? 2 * sums->count : 1, sizeof *sums->one);
	sums->one[sums->count].body_at = a->body_at;
	memcpy(sums->one[sums->count++].body, body, DIGEST_SIZE);
}

int
arrival_end(struct arrival *a, struct err *err)
{
	unsigned char body[DIGEST_SIZE];
	struct str head = {0};

	if (a->mask.on && write_masked(a, err) < 0)
		return -1;
	digest_end(&a->digest, body);
	entry_head(&a->info, &a->env, a->body_len, &head);
	if (head.len != (size_t)(a->body_at - a->start)) {
		str_free(&head);
		return err_set(err, ERR_PERM, "a body of %llu bytes is more than an entry holds",
		    (unsigned long long)a->body_len);
	}
	int result = write_head(a, str_span(&head), err);
	entry_end_line(str_span(&head), body, &a->buffer);
	keep_sum(a, body);
	str_free(&head);
	a->in_entry = false;
	a->count++;
	return result;
}

void
arrival_states(struct arrival *a, struct span lines)
{
	str_add_span(&a->buffer, lines);
}

int
arrival_undo(struct arrival *a, struct err *err)
{
	if (!a->in_entry)
		return 0;
	a->in_entry = a->mask.on = false;
	digest_free(&a->digest);
	if (a->start >= a->at) {
		a->buffer.len = (size_t)(a->start - a->at);
		return 0;
	}
	str_clear(&a->buffer);
	a->at = a->start;
	return ftruncate(a->fd, a->at) == 0 ? 0 : err_sys(err, "spool tmp/%s", str_c(&a->name));
}

int
arrival_flush(struct arrival *a, struct err *err)
{
	return flush(a, err);
}

int
arrival_text(struct arrival *a, struct span *text, off_t *at, struct err *err)
{
	*text = (struct span){0};
	*at = a->body_at;
	if (a->body_at < a->at)
		return flush(a, err);
	*text = (struct span){ a->body_len > 0 ? a->buffer.p + (a->body_at - a->at) : "", (size_t)a->body_len };
	return 0;
}

int
arrival_hold(struct arrival *a, const char *reason, struct err *err)
{
	const struct spool *spool = a->spool;
	const char *name = str_c(&a->name);

	entry_state_line(clock_now(), NULL, "held", "reason", span_of(reason), &a->buffer);
	if (flush(a, err) < 0 || fs_sync(a->fd, err) < 0 ||
	    fs_rename(spool->tmp, name, spool->hold, name, err) < 0)
		return -1;
	a->committed = true;
	spool_event(spool, name, "event=held reason=\"%s\"", reason);
	return fs_sync_dir(spool->hold, ".", err);
}

int
arrival_replace(struct arrival *a, int dir, const char *name, struct err *err)
{
	if (flush(a, err) < 0 || fs_sync(a->fd, err) < 0 ||
	    fs_rename(a->spool->tmp, str_c(&a->name), dir, name, err) < 0)
		return -1;
	a->committed = true;
	return fs_sync_dir(dir, ".", err);
}

/* tmp/NAME to in/NAME, durably.  Settle leaves it alone while our lock, or our name, is on
 * it: a name that could not be made durable is taken back, and nobody has seen it. */
static int
put_in(struct arrival *a, const char *as, struct err *err)
{
	const struct spool *spool = a->spool;

	if (fs_rename(spool->tmp, str_c(&a->name), spool->in, as, err) < 0)
		return -1;
	if (fs_sync_dir(spool->in, ".", err) < 0) {
		unlinkat(spool->in, as, 0);
		return -1;
	}
	return 0;
}

/* Whoever fences us between the two renames does the second one. */
static int
put_in_shared(struct arrival *a, struct err *err)
{
	const struct spool *spool = a->spool;
	struct str as = {0};

	lease_name(spool, str_c(&a->name), "", &as);
	int result = put_in(a, str_c(&as), err);
	if (result == 0 && renameat(spool->in, str_c(&as), spool->in, str_c(&a->name)) < 0 && errno != ENOENT)
		result = err_sys(err, "spool in/%s", str_c(&a->name));
	str_free(&as);
	return result;
}

int
arrival_commit(struct arrival *a, struct err *err)
{
	if (a->in_entry && arrival_undo(a, err) < 0)
		return -1;
	if (flush(a, err) < 0 || fs_sync(a->fd, err) < 0)
		return -1;
	if (a->spool->lease != NULL ? put_in_shared(a, err) < 0 : put_in(a, str_c(&a->name), err) < 0)
		return -1;
	a->committed = true;
	if (a->spool->lease == NULL)
		flock(a->fd, LOCK_UN);
	return 0;
}

int
arrival_post(struct arrival *a, struct err *err)
{
	if (a->journal == NULL || a->fd >= 0)
		return arrival_commit(a, err);
	if (a->in_entry && arrival_undo(a, err) < 0)
		return -1;
	journal_post(a->journal, str_span(&a->buffer));
	str_clear(&a->buffer);
	a->count = 0;
	return 1;
}

void
arrival_close(struct arrival *a)
{
	if (a->fd >= 0) {
		if (!a->committed)
			unlinkat(a->spool->tmp, str_c(&a->name), 0);
		close(a->fd);
	}
	a->fd = -1;
	digest_free(&a->digest);
	str_free(&a->name);
	str_free(&a->buffer);
	str_free(&a->header.text);
	free(a->sums.one);
	entry_info_free(&a->info);
	envelope_free(&a->env);
}

int
arrival_at_once(const struct spool *spool, const struct entry_info *info, const struct envelope *env,
    struct span body, struct err *err)
{
	struct arrival a;

	if (arrival_open(&a, spool, NULL, err) < 0)
		return -1;
	int result = arrival_begin(&a, info, env, err) < 0 || arrival_body(&a, body.p, body.len, err) < 0 ||
	    arrival_end(&a, err) < 0 || arrival_commit(&a, err) < 0 ? -1 : 0;
	arrival_close(&a);
	return result;
}
