/* What one process works on in a queue that several hosts share (spool/queue.h). */
#include "spool/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/lease.h"

bool
claim_is(const char *bucket)
{
	return bucket[0] == '=' && lease_is_token(span_of(bucket + 1));
}

static void
folder_name(const struct queue *q, struct str *out)
{
	/* as we were when we took the lock: fenced, we are to work on nothing here */
	str_printf(out, "=%s", q->lock.token);
}

static int
open_claims(struct queue *q, struct err *err)
{
	struct str name = {0};

	if (q->claims >= 0)
		return 0;
	folder_name(q, &name);
	if (fs_make_dir(q->dir, str_c(&name), 0750, err) == 0)
		q->claims = fs_dir(q->dir, str_c(&name), err);
	str_free(&name);
	return q->claims < 0 ? -1 : 0;
}

void
claim_close(struct queue *q)
{
	struct str name = {0};

	if (q->claims < 0)
		return;
	close(q->claims);
	q->claims = -1;
	folder_name(q, &name);
	unlinkat(q->dir, str_c(&name), AT_REMOVEDIR);	/* fails while anything is in it */
	str_free(&name);
}

int
message_dir(const struct message *m)
{
	return m->claimed ? m->queue->claims : m->kept != NULL ? m->kept->fd : m->queue->bucket_dir;
}

bool
message_claim(struct message *m)
{
	struct queue *q = m->queue;
	struct err err;

	if (m->spool->lease == NULL || m->claimed)
		return lease_names(m->spool, message_dir(m), str_c(&m->id), m->fd);
	if (open_claims(q, &err) < 0 || !lease_names(m->spool, message_dir(m), str_c(&m->id), m->fd) ||
	    renameat(message_dir(m), str_c(&m->id), q->claims, str_c(&m->id)) < 0)
		return false;
	m->claimed = true;
	q->removed = true;
	/* After the claim: if the lock is ours still, then whoever takes it finds the claim. */
	if (spool_lock_ours(&q->lock) && lease_names(m->spool, q->claims, str_c(&m->id), m->fd))
		return true;
	message_unclaim(m);
	return false;
}

void
message_unclaim(struct message *m)
{
	struct queue *q = m->queue;
	struct str to = {0};

	if (!m->claimed)
		return;
	m->claimed = false;
	str_printf(&to, "%.*s/%s", (int)m->bucket.len, m->bucket.p, str_c(&m->id));
	/* Gone, moved on or another's: then there is nothing to put back. */
	if (renameat(q->claims, str_c(&m->id), q->dir, str_c(&to)) < 0 && errno != ENOENT)
		log_warn("%s: left in out/%s/=%s/: %s", str_c(&m->id), q->site, q->lock.token, strerror(errno));
	str_free(&to);
}

static int
grade_of(int dir, const char *id, char *grade, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	int fd = fs_open(dir, id, O_RDONLY, err);

	*grade = 'N';
	if (fd < 0)
		return -1;
	if (entry_read(fd, &at, false, &entry, err) > 0) {
		*grade = entry.info.grade;
		entry_free(&entry);
	}
	close(fd);
	return 0;
}

int
claim_take(struct queue *q, int dir, const char *id, struct err *err)
{
	char grade;
	off_t size;

	if (open_claims(q, err) < 0)
		return -1;
	if (renameat(dir, id, q->claims, id) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s", id);
	if (lease_copy(q->spool, q->claims, id, false, &size, err) < 0 || grade_of(q->claims, id, &grade, err) < 0)
		return -1;
	log_info("%s: event=recovered site=%s", id, q->site);
	return bucket_place(q->spool, q->claims, id, q->site, id, grade, err);
}

int
claim_recover(struct queue *q, const char *folder, struct err *err)
{
	struct fs_names names;
	int dir = openat(q->dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "out/%s/%s", q->site, folder);
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; result == 0 && i < names.count; i++)
		if (spool_id_ok(names.name[i]))
			result = claim_take(q, dir, names.name[i], err);
	fs_names_free(&names);
	close(dir);
	if (result == 0)
		unlinkat(q->dir, folder, AT_REMOVEDIR);
	return result;
}
