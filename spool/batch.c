#include "spool/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

/* sent/SITE/NAME.d */
static void
folder_of(const char *site, const char *name, struct str *out)
{
	str_printf(out, "%s/%s.d", site, name);
}

/* A file in B.d: who asked to be told of success is told by us, once B is acknowledged. */
static const char relayed_mark[] = "relayed";

static bool
exists(int dir, const char *path)
{
	struct stat st;
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int
batch_new(struct batch *b, const struct spool *spool, const char *site, struct err *err)
{
	struct str folder = {0};
	int result = -1;

	*b = (struct batch){ .spool = spool, .fd = -1 };
	str_set(&b->site, site);
	spool_new_id(&b->name);
	folder_of(site, str_c(&b->name), &folder);
	if (fs_make_dir(spool->sent, site, 0750, err) == 0 &&
	    fs_make_dir(spool->sent, str_c(&folder), 0750, err) == 0) {
		b->fd = fs_create(spool->tmp, str_c(&b->name), 0640, err);
		result = b->fd < 0 ? -1 : 0;
	}
	if (result == 0 && spool->lease == NULL && flock(b->fd, LOCK_EX | LOCK_NB) < 0)
		result = err_sys(err, "batch file");
	str_free(&folder);
	if (result < 0)
		batch_close(b);
	return result;
}

int
batch_pick(struct batch *b, struct message *m, struct err *err)
{
	struct str to = {0};

	folder_of(str_c(&b->site), str_c(&b->name), &to);
	str_set_span(&m->queue->filled, str_span(&to));
	str_printf(&to, "/%s", str_c(&m->id));
	int result = fs_rename(message_dir(m), str_c(&m->id), b->spool->sent, str_c(&to), err);
	str_free(&to);
	if (result < 0)
		return -1;
	m->queue->removed = true;
	b->count++;
	return 0;
}

/* An empty file of B.d, and synced with that. */
static int
put_mark(struct batch *b, const char *name, struct err *err)
{
	struct str path = {0};

	folder_of(str_c(&b->site), str_c(&b->name), &path);
	str_printf(&path, "/%s", name);
	int fd = fs_create(b->spool->sent, str_c(&path), 0640, err);
	str_free(&path);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

int
batch_relayed(struct batch *b, struct err *err)
{
	if (put_mark(b, relayed_mark, err) < 0)
		return -1;
	b->relayed = true;
	return 0;
}

/* the note of a batch that needs a word of the peer */

static void
note_name(const char *ring, uint64_t name, struct str *out)
{
	str_printf(out, ".%s+%016llx", ring, (unsigned long long)name);
}

static bool
is_note(const char *name)
{
	return name[0] == '.' && strchr(name, '+') != NULL;
}

/* What lies beside the messages, and is none. */
static bool
is_mark(const char *name)
{
	return is_note(name) || strcmp(name, relayed_mark) == 0;
}

static int
remove_marks(int dir, struct err *err)
{
	struct fs_names names;
	int result = fs_names(dir, ".", &names, err);

	for (size_t i = 0; result == 0 && i < names.count; i++)
		if (is_mark(names.name[i]))
			result = fs_remove(dir, names.name[i], err);
	fs_names_free(&names);
	return result;
}

int
batch_needs(struct batch *b, const char *ring, uint64_t name, struct err *err)
{
	struct str note = {0};

	note_name(ring, name, &note);
	int result = put_mark(b, str_c(&note), err);
	str_free(&note);
	return result;
}

static int
has_note(const struct spool *spool, const char *folder, struct err *err)
{
	struct fs_names names;
	int found = fs_names(spool->sent, folder, &names, err);

	for (size_t i = 0; found == 0 && i < names.count; i++)
		found = is_note(names.name[i]);
	fs_names_free(&names);
	return found;
}

int
batch_offer(struct batch *b, struct err *err)
{
	const struct spool *spool = b->spool;
	struct str folder = {0}, path = {0};

	folder_of(str_c(&b->site), str_c(&b->name), &folder);
	str_printf(&path, "%s/%s", str_c(&b->site), str_c(&b->name));
	int result = fs_sync_dir(spool->sent, str_c(&folder), err);
	if (result == 0)
		result = fs_sync(b->fd, err);
	if (result == 0)
		result = fs_rename(spool->tmp, str_c(&b->name), spool->sent, str_c(&path), err);
	/* A name that could not be made durable is taken back: the caller undoes the batch,
	 * and its messages must not be offered by it all the same. */
	if (result == 0 && fs_sync_dir(spool->sent, str_c(&b->site), err) < 0) {
		unlinkat(spool->sent, str_c(&path), 0);
		result = -1;
	}
	str_free(&folder);
	str_free(&path);
	return result;
}

void
batch_close(struct batch *b)
{
	if (b->fd >= 0) {
		unlinkat(b->spool->tmp, str_c(&b->name), 0);	/* gone already when offered */
		close(b->fd);
	}
	b->fd = -1;
	str_free(&b->site);
	str_free(&b->name);
}

/* back to out/ */

static int
bring_back(const struct spool *spool, int folder, const char *id, const char *site, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	char grade = 'N';
	int fd = fs_open(folder, id, O_RDONLY, err);

	if (fd < 0)
		return -1;
	if (entry_read(fd, &at, false, &entry, err) > 0) {
		grade = entry.info.grade;
		entry_free(&entry);
	}
	close(fd);
	return bucket_place(spool, folder, id, site, id, grade, err);
}

/* q: it is a dead process's, which in a shared spool may still have the messages open. */
static int
undo_folder(const struct spool *spool, const char *site, const char *folder, struct queue *q,
    struct err *err)
{
	struct fs_names names;
	int dir = openat(spool->sent, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "sent/%s", folder);
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; result == 0 && i < names.count; i++)
		if (spool_id_ok(names.name[i]))
			result = q != NULL && spool->lease != NULL ? claim_take(q, dir, names.name[i], err) :
			    bring_back(spool, dir, names.name[i], site, err);
	if (result == 0)
		result = remove_marks(dir, err);
	if (result == 0 && unlinkat(spool->sent, folder, AT_REMOVEDIR) < 0)
		log_warn("sent/%s: left alone: %s", folder, strerror(errno));
	fs_names_free(&names);
	close(dir);
	return result;
}

int
batch_undo(struct batch *b, struct err *err)
{
	struct str folder = {0};

	folder_of(str_c(&b->site), str_c(&b->name), &folder);
	int result = undo_folder(b->spool, str_c(&b->site), str_c(&folder), NULL, err);
	str_free(&folder);
	return result;
}

/* the end of a batch */

/* Everybody who waited has it now; lines says so, and of whom we have to report.  False: nobody
 * asked for a report. */
static bool
relayed_lines(const struct entry *entry, struct str *lines)
{
	struct span reply = SPAN("250 2.0.0 acknowledged by a site that cannot report further");
	bool any = false;

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		const struct rcpt_status *status = &entry->status[i];
		struct str number = {0};
		bool wanted = dsn_wanted(str_span(&entry->env.rcpt[i].args), DSN_RELAYED);
		any |= status->due == DSN_RELAYED || (status->state < RCPT_DONE && wanted);
		if (status->state >= RCPT_DONE)
			continue;
		str_printf(&number, "%zu", i + 1);
		entry_state_line(clock_now(), str_c(&number), wanted ? "done due=relayed" : "done", "reply", reply,
		    lines);
		str_free(&number);
	}
	return any && entry->env.from.len > 0;
}

/* 1: the message is in in/, and settle writes the report.  0: there is none to write. */
static int
report_relayed(const struct spool *spool, int dir, const char *id, struct err *err)
{
	struct entry entry;
	struct str lines = {0};
	off_t at = 0;
	int fd = fs_open(dir, id, O_RDWR, err);

	if (fd < 0)
		return -1;
	int result = entry_read(fd, &at, false, &entry, err);
	if (result > 0) {
		result = relayed_lines(&entry, &lines);
		if (result > 0 && (ftruncate(fd, entry.states_end) < 0 ||
		    fs_pwrite(fd, lines.p, lines.len, entry.states_end, err) < 0 || fs_sync_data(fd, err) < 0 ||
		    fs_rename(dir, id, spool->in, id, err) < 0 || fs_sync_dir(spool->in, ".", err) < 0))
			result = -1;
		entry_free(&entry);
	}
	close(fd);
	str_free(&lines);
	return result;
}

static int
finish_acked(const struct spool *spool, int dir, const char *id, const char *batch, bool relayed,
    struct err *err)
{
	int reported = relayed ? report_relayed(spool, dir, id, err) : 0;

	if (reported < 0 || (reported == 0 && fs_remove(dir, id, err) < 0))
		return -1;
	spool_event(spool, id, "event=sent batch=%s%s", batch, reported > 0 ? " report=relayed" : "");
	return 0;
}

static int
remove_acked(const struct spool *spool, const char *folder, const char *name, struct err *err)
{
	struct fs_names names;
	int dir = openat(spool->sent, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)	/* gone: another process finished the same work */
		return errno == ENOENT ? 0 : err_sys(err, "sent/%s", folder);
	bool relayed = exists(dir, relayed_mark);
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		/* B, the mark of the acknowledgement, and what was marked with it go last */
		if (strcmp(names.name[i], name) != 0 && !is_mark(names.name[i]))
			result = finish_acked(spool, dir, names.name[i], name, relayed, err);
	}
	fs_names_free(&names);
	if (result == 0)
		result = fs_sync(dir, err);
	if (result == 0)
		result = remove_marks(dir, err);
	if (result == 0)
		result = fs_remove(dir, name, err);
	if (result == 0 && relayed)
		spool_ring(spool);
	close(dir);
	if (result == 0 && unlinkat(spool->sent, folder, AT_REMOVEDIR) < 0)
		log_warn("sent/%s: left alone: %s", folder, strerror(errno));
	return result;
}

/* from: below sent/ */
static int
end_batch(const struct spool *spool, const char *from, const char *site, const char *name,
    struct err *err)
{
	struct str folder = {0}, to = {0};

	folder_of(site, name, &folder);
	str_printf(&to, "%s/%s", str_c(&folder), name);
	int result = fs_rename(spool->sent, from, spool->sent, str_c(&to), err);
	if (result == 0)
		result = fs_sync_dir(spool->sent, str_c(&folder), err);
	if (result == 0)
		result = remove_acked(spool, str_c(&folder), name, err);
	str_free(&folder);
	str_free(&to);
	return result;
}

static void
path_taken(const char *site, const char *name, struct str *out)
{
	str_printf(out, "%s/%s.taken", site, name);
}

static int
end_or_keep(const struct spool *spool, const char *from, const char *site, const char *name,
    struct err *err)
{
	struct str folder = {0}, taken = {0};

	folder_of(site, name, &folder);
	path_taken(site, name, &taken);
	int needs = has_note(spool, str_c(&folder), err);
	int result = needs < 0 ? -1 : needs == 0 ? end_batch(spool, from, site, name, err) :
	    fs_rename(spool->sent, from, spool->sent, str_c(&taken), err);
	if (needs > 0 && result == 0)
		result = fs_sync_dir(spool->sent, site, err);
	str_free(&folder);
	str_free(&taken);
	return result;
}

int
batch_acked(const struct spool *spool, const char *site, const char *name, struct err *err)
{
	struct str from = {0};
	int result = 0;

	str_printf(&from, "%s/%s", site, name);
	/* Gone: the peer's word that it has it, or could not read it, was faster. */
	if (exists(spool->sent, str_c(&from)))
		result = end_or_keep(spool, str_c(&from), site, name, err);
	str_free(&from);
	return result;
}

static int
hold_folder(const struct spool *spool, const char *folder, const char *reason, struct err *err)
{
	struct fs_names names;
	struct str line = {0};
	int dir = openat(spool->sent, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "sent/%s", folder);
	entry_state_line(clock_now(), NULL, "held", "reason", span_of(reason), &line);
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		const char *id = names.name[i];
		if (is_mark(id)) {
			result = fs_remove(dir, id, err);
			continue;
		}
		int fd = fs_open(dir, id, O_WRONLY | O_APPEND, err);
		if (fd < 0 || fs_write(fd, line.p, line.len, err) < 0 || fs_sync_data(fd, err) < 0 ||
		    fs_rename(dir, id, spool->hold, id, err) < 0)
			result = -1;
		else
			spool_event(spool, id, "event=held reason=\"%s\"", reason);
		if (fd >= 0)
			close(fd);
	}
	fs_names_free(&names);
	str_free(&line);
	close(dir);
	return result;
}

static int
refuse_locked(const struct spool *spool, const char *site, const char *name,
    const char *reason, struct err *err)
{
	struct str folder = {0}, path = {0};

	/* The batch goes first: without it what is left in B.d was only picked, and
	 * a crash in between brings it back to out/. */
	folder_of(site, name, &folder);
	str_printf(&path, "%s/%s", site, name);
	int result = fs_remove(spool->sent, str_c(&path), err);
	if (result == 0)
		result = fs_sync_dir(spool->sent, site, err);
	if (result == 0)
		result = hold_folder(spool, str_c(&folder), reason, err);
	if (result == 0)
		result = fs_sync_dir(spool->hold, ".", err);
	if (result == 0)
		unlinkat(spool->sent, str_c(&folder), AT_REMOVEDIR);
	str_free(&folder);
	str_free(&path);
	return result;
}

int
batch_refused(const struct spool *spool, const char *site, const char *name,
    const char *reason, struct err *err)
{
	struct queue q;

	if (queue_open(&q, spool, site, true, err) < 0)
		return -1;
	int result = refuse_locked(spool, site, name, reason, err);
	queue_close(&q);
	return result;
}

int
batch_refused_in(const struct queue *q, const char *name, const char *reason, struct err *err)
{
	return refuse_locked(q->spool, q->site, name, reason, err);
}

/* in flight */

int
batch_names(const struct spool *spool, const char *site, struct fs_names *names, struct err *err)
{
	*names = (struct fs_names){0};
	if (!exists(spool->sent, site))
		return 0;
	if (fs_names(spool->sent, site, names, err) < 0)
		return -1;
	size_t kept = 0;
	for (size_t i = 0; i < names->count; i++) {
		if (spool_id_ok(names->name[i]))
			names->name[kept++] = names->name[i];
		else
			free(names->name[i]);
	}
	names->count = kept;
	return 0;
}

int
batch_open(const struct spool *spool, const char *site, const char *name, struct err *err)
{
	struct str path = {0};

	str_printf(&path, "%s/%s", site, name);
	int fd = fs_open(spool->sent, str_c(&path), O_RDONLY, err);
	str_free(&path);
	return fd;
}

/* the recipients of a batch of one message */

static int
add_rcpts(int dir, const char *id, struct str *words, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	int fd = fs_open(dir, id, O_RDONLY, err);
	int got = fd < 0 ? -1 : entry_read(fd, &at, false, &entry, err);

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return got < 0 ? -1 : err_set(err, ERR_PERM, "%s: an empty file", id);
	for (size_t i = 0; i < entry.env.rcpts; i++)
		if (entry.status[i].state < RCPT_DONE) {
			str_add_char(words, ' ');
			str_add_span(words, str_span(&entry.env.rcpt[i].to));
		}
	entry_free(&entry);
	return 0;
}

/* A line "mb1 ...", or from version 2 on a byte with which no text begins, which is 0x90 more. */
bool
batch_is_labelled(struct span first)
{
	static const char word[] = "mb";
	unsigned char c = first.len > 0 ? (unsigned char)first.p[0] : 0;

	return (c >= 0x92 && c <= 0x9f) || (span_begins(first, word) && first.len > strlen(word) &&
	    first.p[strlen(word)] >= '0' && first.p[strlen(word)] <= '9');
}

int
batch_rcpts(const struct spool *spool, const char *site, const char *name, struct str *words,
    struct err *err)
{
	struct fs_names names;
	struct str folder = {0};

	folder_of(site, name, &folder);
	int dir = fs_dir(spool->sent, str_c(&folder), err);
	str_free(&folder);
	if (dir < 0)
		return -1;
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; result == 0 && i < names.count; i++)
		if (spool_id_ok(names.name[i]))
			result = add_rcpts(dir, names.name[i], words, err);
	fs_names_free(&names);
	close(dir);
	return result < 0 || words->len > 0 ? result :
	    err_set(err, ERR_PERM, "batch %s has no recipients", name);
}

/* what a dead process left: called with the site's lock held */

static int
recover_one(struct queue *q, const char *folder_name, struct err *err)
{
	const struct spool *spool = q->spool;
	struct str folder = {0}, beside = {0}, inside = {0}, taken = {0};
	char *name = mem_text_n(folder_name, strlen(folder_name) - 2);
	int result = 0;

	str_printf(&folder, "%s/%s", q->site, folder_name);
	str_printf(&beside, "%s/%s", q->site, name);
	str_printf(&inside, "%s/%s", str_c(&folder), name);
	path_taken(q->site, name, &taken);
	/* Beside first: who acknowledges it just now, without the lock, moves it inside. */
	if (!exists(spool->sent, str_c(&beside)) && !exists(spool->sent, str_c(&taken)))
		result = exists(spool->sent, str_c(&inside)) ? remove_acked(spool, str_c(&folder), name, err) :
		    undo_folder(spool, q->site, str_c(&folder), q, err);
	str_free(&folder);
	str_free(&beside);
	str_free(&inside);
	str_free(&taken);
	free(name);
	return result;
}

int
batch_recover(struct queue *q, struct err *err)
{
	struct fs_names names;
	int result = 0;

	if (!exists(q->spool->sent, q->site))
		return 0;
	if (fs_names(q->spool->sent, q->site, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count && result == 0; i++) {
		size_t len = strlen(names.name[i]);
		if (len > 2 && strcmp(names.name[i] + len - 2, ".d") == 0)
			result = recover_one(q, names.name[i], err);
	}
	fs_names_free(&names);
	return result;
}

/* what the peer says of batches that need its word */

/* The batch B with that note; NULL: none has it. */
static char *
find_noted(const struct spool *spool, const char *site, const char *ring, uint64_t name, struct err *err)
{
	struct fs_names names;
	struct str note = {0}, path = {0};
	char *found = NULL;

	if (!exists(spool->sent, site) || fs_names(spool->sent, site, &names, err) < 0)
		return NULL;
	note_name(ring, name, &note);
	for (size_t i = 0; i < names.count && found == NULL; i++) {
		size_t len = strlen(names.name[i]);
		str_clear(&path);
		str_printf(&path, "%s/%s/%s", site, names.name[i], str_c(&note));
		if (len > 2 && strcmp(names.name[i] + len - 2, ".d") == 0 && exists(spool->sent, str_c(&path)))
			found = mem_text_n(names.name[i], len - 2);
	}
	fs_names_free(&names);
	str_free(&note);
	str_free(&path);
	return found;
}

int
batch_known(const struct spool *spool, const char *site, const char *ring, uint64_t name,
    struct err *err)
{
	struct err none = {0};
	char *batch = find_noted(spool, site, ring, name, &none);
	struct str beside = {0}, taken = {0};
	int result = 0;

	if (batch == NULL)
		return none.kind == ERR_NONE ? 0 : (*err = none, -1);
	str_printf(&beside, "%s/%s", site, batch);
	path_taken(site, batch, &taken);
	if (exists(spool->sent, str_c(&taken)))
		result = end_batch(spool, str_c(&taken), site, batch, err);
	else if (exists(spool->sent, str_c(&beside)))
		result = end_batch(spool, str_c(&beside), site, batch, err);
	log_info("batch=%s event=known peer=%s", batch, site);
	str_free(&beside);
	str_free(&taken);
	free(batch);
	return result;
}

/* First the batch, so that what a crash leaves was only picked.  An acknowledgement that comes
 * at the same time renames it: then it is found under its other name. */
static int
take_back(const struct queue *q, const char *batch, struct err *err)
{
	struct str path = {0}, folder = {0};

	str_printf(&path, "%s/%s", q->site, batch);
	folder_of(q->site, batch, &folder);
	if (unlinkat(q->spool->sent, str_c(&path), 0) < 0 && errno == ENOENT) {
		str_clear(&path);
		path_taken(q->site, batch, &path);
		unlinkat(q->spool->sent, str_c(&path), 0);
	}
	int result = fs_sync_dir(q->spool->sent, q->site, err);
	if (result == 0)
		result = undo_folder(q->spool, q->site, str_c(&folder), NULL, err);
	str_free(&path);
	str_free(&folder);
	return result;
}

int
batch_lost(const struct queue *q, const char *ring, uint64_t name, struct err *err)
{
	struct err none = {0};
	char *batch = find_noted(q->spool, q->site, ring, name, &none);

	if (batch == NULL)
		return none.kind == ERR_NONE ? 0 : (*err = none, -1);
	log_warn("batch=%s event=no-reference peer=%s; its messages are packed again", batch, q->site);
	int result = take_back(q, batch, err);
	free(batch);
	return result < 0 ? -1 : 1;
}

/* Does B.d, the folder of a batch B.taken, have a note of that ring? */
static bool
waits_for(const struct queue *q, const char *batch, const char *ring)
{
	struct str folder = {0}, prefix = {0};
	struct fs_names names;
	struct err ignored;
	bool does = false;

	folder_of(q->site, batch, &folder);
	str_printf(&prefix, ".%s+", ring);
	if (fs_names(q->spool->sent, str_c(&folder), &names, &ignored) == 0) {
		for (size_t i = 0; i < names.count && !does; i++)
			does = span_begins(span_of(names.name[i]), str_c(&prefix));
		fs_names_free(&names);
	}
	str_free(&folder);
	str_free(&prefix);
	return does;
}

/* Takes back each batch B.taken that is one of those. */
static int
take_back_all(const struct queue *q, bool (*is_one)(const struct queue *q, int dir, const char *file,
    const char *batch, const void *what), const void *what, const char *event, struct err *err)
{
	struct fs_names names;
	int result = 0;

	if (!exists(q->spool->sent, q->site))
		return 0;
	int dir = fs_dir(q->spool->sent, q->site, err);
	if (dir < 0 || fs_names(dir, ".", &names, err) < 0) {
		if (dir >= 0)
			close(dir);
		return -1;
	}
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		char *dot = strrchr(names.name[i], '.');
		if (dot == NULL || strcmp(dot, ".taken") != 0)
			continue;
		char *batch = mem_text_n(names.name[i], (size_t)(dot - names.name[i]));
		if (is_one(q, dir, names.name[i], batch, what)) {
			log_warn("batch=%s event=%s peer=%s; its messages are packed again", batch, event, q->site);
			result = take_back(q, batch, err);
		}
		free(batch);
	}
	fs_names_free(&names);
	close(dir);
	return result;
}

static bool
is_of_ring(const struct queue *q, int dir, const char *file, const char *batch, const void *what)
{
	(void)dir;
	(void)file;
	return waits_for(q, batch, what);
}

int
batch_untold(const struct queue *q, const char *ring, struct err *err)
{
	return take_back_all(q, is_of_ring, ring, "untold", err);
}

static bool
is_older(const struct queue *q, int dir, const char *file, const char *batch, const void *what)
{
	const int64_t *seconds = what;
	struct stat st;

	(void)q;
	(void)batch;
	return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime <= clock_now() / CLOCK_SECOND - *seconds;
}

int
batch_overdue(const struct queue *q, int64_t seconds, struct err *err)
{
	return seconds == 0 ? 0 : take_back_all(q, is_older, &seconds, "overdue", err);
}
