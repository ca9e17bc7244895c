#include "spool/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/lease.h"

static bool
is_open(const struct journal *j)
{
	return j->name.len > 0;
}

static void
forget(struct journal *j)
{
	if (is_open(j))
		close(j->fd);
	str_clear(&j->name);
	j->fd = -1;
	j->good = j->filled = 0;
	j->count = 0;
}

static int
open_file(struct journal *j, struct err *err)
{
	struct str name = {0}, id = {0};

	if (lease_begin(j->spool, err) < 0)
		return -1;
	spool_new_id(&id);
	if (j->spool->lease != NULL)
		lease_name(j->spool, str_c(&id), ".open", &name);
	else
		str_printf(&name, "%s.open", str_c(&id));
	str_free(&id);
	/* Who settles may come to it before it is locked, and remove it: it is empty.  Then there is another. */
	int fd = j->spool->lease != NULL ? fs_create(j->spool->in, str_c(&name), 0640, err) :
	    fs_lock(j->spool->in, str_c(&name), true, err);
	if (fd >= 0 && fs_sync_dir(j->spool->in, ".", err) < 0) {
		unlinkat(j->spool->in, str_c(&name), 0);
		close(fd);
		fd = -1;
	}
	if (fd >= 0) {
		j->fd = fd;
		fs_file_of(fd, &j->file);
		j->good = j->filled = 0;
		j->count = 0;
		j->opened = clock_mono();
		str_set_span(&j->name, str_span(&name));
	}
	str_free(&name);
	return fd < 0 ? -1 : 0;
}

void
journal_post(struct journal *j, struct span entry)
{
	str_add_span(&j->pending, entry);
	j->posted++;
}

/* Is in/ID.open still the file that we write?  A person or another host may have
 * taken it away: then nothing written to it is a promise. */
static int
still_ours(const struct journal *j, struct err *err)
{
	struct str name = j->name;

	if (j->spool->lease != NULL ? lease_names(j->spool, j->spool->in, str_c(&name), j->fd) :
	    fs_is_file(&j->file, j->spool->in, str_c(&name)))
		return 0;
	return err_set(err, ERR_TEMP, "in/%s was taken from under its writer", str_c(&name));
}

/* Zeros for the entries to come, from END on: as many as we have room for, and more the next time. */
static int
write_ahead(struct journal *j, off_t end, struct err *err)
{
	static char zeros[JOURNAL_AHEAD];	/* the same each time: they stay in the processor's caches */
	size_t room = end < JOURNAL_MAX ? (size_t)(JOURNAL_MAX - end) : 0;
	size_t ahead = j->ahead < room ? j->ahead : room;

	for (j->filled = end; ahead > 0; ) {
		size_t some = ahead < sizeof zeros ? ahead : sizeof zeros;
		if (fs_pwrite(j->fd, zeros, some, j->filled, err) < 0)
			return -1;
		j->filled += (off_t)some;
		ahead -= some;
	}
	j->ahead = 2 * j->ahead < JOURNAL_MAX ? 2 * j->ahead : JOURNAL_MAX;
	return 0;
}

/* The pending entries, and where they end behind the zeros more of these. */
static int
write_pending(struct journal *j, struct err *err)
{
	off_t end = j->good + (off_t)j->pending.len;

	if (fs_pwrite(j->fd, j->pending.p, j->pending.len, j->good, err) < 0)
		return -1;
	return end > j->filled ? write_ahead(j, end, err) : 0;
}

/* What was promised before stays; what was not is cut off, and the file is done with. */
static void
give_up(struct journal *j)
{
	struct err err;

	log_error("in/%s: event=suspect promised=%zu", str_c(&j->name), j->count);
	if (ftruncate(j->fd, j->good) < 0)
		log_error("in/%s: cannot be cut back: %s", str_c(&j->name), strerror(errno));
	if (journal_turn(j, &err) < 0) {
		log_error("%s", err.text);
		forget(j);
	}
}

/* None of what was not promised is. */
static int
refuse(struct journal *j, struct err *err)
{
	struct err why = *err;

	give_up(j);
	*err = why;
	return -1;
}

int
journal_write(struct journal *j, struct err *err)
{
	if (j->pending.len == 0)
		return 0;
	if (j->ahead == 0)
		j->ahead = JOURNAL_AHEAD;
	int result = is_open(j) ? 0 : open_file(j, err);
	if (result == 0 && write_pending(j, err) < 0)
		result = refuse(j, err);
	if (result == 0) {
		j->under_way = j->pending.len;
		j->under_way_count = j->posted;
	}
	str_clear(&j->pending);
	j->posted = 0;
	return result < 0 ? -1 : 1;
}

int
journal_written(struct journal *j, int synced, struct err *err)
{
	size_t len = j->under_way;

	j->under_way = 0;
	if (synced < 0 || still_ours(j, err) < 0)
		return refuse(j, err);
	j->good += (off_t)len;
	j->count += j->under_way_count;
	return 0;
}

int
journal_sync(struct journal *j, struct err *err)
{
	int got = journal_write(j, err);

	return got > 0 ? journal_written(j, fs_sync_data(j->fd, err), err) : got;
}

bool
journal_due(const struct journal *j, bool idle)
{
	if (!is_open(j) || j->pending.len > 0 || j->under_way > 0)
		return false;
	return idle || j->good >= JOURNAL_MAX || clock_mono() - j->opened >= CLOCK_SECOND;
}

/* The next file will hold about as much as this one did: fewer zeros are a write more that
 * changes its size, more of them are written for nothing, each second. */
static size_t
ahead_of_next(const struct journal *j)
{
	size_t like = (size_t)j->good + (size_t)j->good / 4, pages = like / JOURNAL_AHEAD + 1;

	return pages < JOURNAL_MAX / JOURNAL_AHEAD ? pages * JOURNAL_AHEAD : JOURNAL_MAX;
}

int
journal_turn(struct journal *j, struct err *err)
{
	if (!is_open(j))
		return 0;
	j->ahead = ahead_of_next(j);
	int result;
	struct str name = {0};
	str_add(&name, j->name.p, j->name.len - (j->spool->lease != NULL ?
	    strlen(strrchr(str_c(&j->name), '=')) : strlen(".open")));
	if (j->good == 0)
		result = fs_remove(j->spool->in, str_c(&j->name), err);
	else if (ftruncate(j->fd, j->good) < 0)
		result = err_sys(err, "in/%s", str_c(&j->name));
	else
		result = fs_rename(j->spool->in, str_c(&j->name), j->spool->in, str_c(&name), err);
	str_free(&name);
	/* Either way we write no more into it; settle takes up what is left. */
	forget(j);
	return result;
}

void
journal_close(struct journal *j)
{
	struct err err;

	if (journal_turn(j, &err) < 0)
		log_warn("%s", err.text);
	str_free(&j->name);
	str_free(&j->pending);
	*j = (struct journal){ .spool = j->spool, .fd = -1 };
}
