/* mochila hold, release, retry, remove, bounce: a message goes where a person wants it. */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/queue.h"
#include "spool/whole.h"

/* One rename, durable on both ends.  Never over another message of that name: a copy
 * made by hand may have other recipients. */
static int
move_as(const struct door_file *file, int dir, const char *folder, const char *name, struct err *err)
{
	if (renameat2(file->dir, file->name, dir, name, RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return err_set(err, ERR_PERM, "%s/%s is there already; move one of the two by hand",
			    folder, name);
		if (errno == ENOENT)
			return err_set(err, ERR_TEMP, "%s has just been moved; look again", file->name);
		return err_sys(err, "rename of %s to %s/", file->path, folder);
	}
	return fs_sync_dir(dir, ".", err) < 0 || fs_sync(file->dir, err) < 0 ? -1 : 0;
}

static int
move_to(const struct door_file *file, int dir, const char *folder, struct err *err)
{
	return move_as(file, dir, folder, file->name, err);
}

/* 1: the entry in dir/name, open for a line of history; 0: it is no whole entry, and has
 * none; -1. */
static int
open_entry(int dir, const char *name, int *fd, struct entry *entry, struct err *err)
{
	struct err ignored;
	off_t at = 0;

	*entry = (struct entry){0};
	*fd = fs_open(dir, name, O_RDWR, err);
	if (*fd < 0)
		return -1;
	return entry_read(*fd, &at, false, entry, &ignored) > 0;
}

static int
append(int fd, const struct entry *entry, struct span line, struct err *err)
{
	/* A torn line of a dead writer makes room for ours. */
	if (ftruncate(fd, entry->states_end) < 0)
		return err_sys(err, "state line");
	return fs_pwrite(fd, line.p, line.len, entry->states_end, err) < 0 ||
	    fs_sync_data(fd, err) < 0 ? -1 : 0;
}

/* A file that is no whole entry is moved all the same. */
static int
note(int dir, const char *name, const char *event, const char *word, struct span text, struct err *err)
{
	struct entry entry;
	struct str line = {0};
	int fd, result = open_entry(dir, name, &fd, &entry, err);

	if (result < 0)
		return errno == ENOENT ? 0 : -1;
	if (result > 0) {
		entry_state_line(clock_now(), NULL, event, word, text, &line);
		result = append(fd, &entry, str_span(&line), err);
	}
	close(fd);
	entry_free(&entry);
	str_free(&line);
	return result;
}

static int
not_from(const struct door_file *file, const char *what, struct err *err)
{
	err_set(err, ERR_PERM, "%s is %s%s%s and cannot be %s", file->name, door_where_name(file->where),
	    file->batch[0] != '\0' ? " in batch " : "", file->batch, what);
	return err_as(err, EX_UNAVAILABLE, NULL);
}

/* what is done to each place of a message */

static int
act_hold(struct door_acting *acting, const struct door_file *file, struct err *err)
{
	struct spool *spool = &acting->door->spool;
	const char *reason = acting->words[0] != '\0' ? acting->words : "by hand";

	if (file->where != DOOR_WAITING && file->where != DOOR_FAILED)
		return not_from(file, "held", err);
	/* Taken away first: from then on nobody sends it. */
	if (move_to(file, spool->hold, "hold", err) < 0 ||
	    note(spool->hold, file->name, "held", "reason", span_of(reason), err) < 0)
		return -1;
	spool_event(spool, file->name, "event=held by=hand reason=\"%s\"", reason);
	return 0;
}

static void
drop_reason(const struct door_file *file)
{
	struct str reason = {0};
	struct err ignored;

	str_printf(&reason, "%s.reason", file->name);
	fs_remove(file->dir, str_c(&reason), &ignored);
	str_free(&reason);
}

/* A job goes back to where uuxqt looks for it. */
static int
let_job_in(struct door *door, const struct door_file *file, struct err *err)
{
	size_t peer_len = strlen(file->name) - DOOR_JOB_TAIL;
	char *peer = mem_text_n(file->name, peer_len);
	char *key = mem_text_n(file->name + peer_len + 1, 16);
	int result = settings_site(&door->settings, peer) != NULL ?
	    fs_make_dir(door->spool.xqt, peer, 0750, err) :
	    err_set(err, ERR_PERM, "%s: half a job, or of a site that is not known", file->name);
	int dir = result < 0 ? -1 : fs_dir(door->spool.xqt, peer, err);

	result = dir < 0 ? -1 : move_as(file, dir, "xqt", key, err);
	if (result == 0) {
		drop_reason(file);
		spool_event(&door->spool, file->name, "event=released by=hand");
	}
	if (dir >= 0)
		close(dir);
	free(peer);
	free(key);
	return result;
}

/* Back through the one door: settle finds its way anew. */
static int
let_in(struct door *door, const struct door_file *file, const char *event, struct err *err)
{
	struct spool *spool = &door->spool;

	if (note(file->dir, file->name, "released", NULL, (struct span){0}, err) < 0 ||
	    move_to(file, spool->in, "in", err) < 0)
		return -1;
	drop_reason(file);
	spool_event(spool, file->name, "event=%s by=hand", event);
	return 0;
}

/* A summary of what the peer holds back: it goes to the peer as a request. */
static int
ask(struct spool *spool, const struct door_file *file, bool drop, bool *asked, struct err *err)
{
	struct entry entry;
	int fd, got = open_entry(file->dir, file->name, &fd, &entry, err);
	int result = got < 0 ? -1 : 0;

	*asked = got > 0 && span_is(str_span(&entry.info.from), "summary") && entry.info.to.len > 0;
	if (*asked) {
		const char *site = str_c(&entry.info.to);
		if (note(file->dir, file->name, drop ? "held" : "released", drop ? "reason" : NULL,
		    drop ? SPAN("drop") : (struct span){0}, err) < 0 ||
		    bucket_place(spool, file->dir, file->name, site, file->name, entry.info.grade, err) < 0 ||
		    fs_sync(file->dir, err) < 0)
			result = -1;
		else
			spool_event(spool, file->name, "event=asked site=%s what=%s by=hand", site, drop ? "drop" : "send");
	}
	if (got >= 0)
		close(fd);
	entry_free(&entry);
	return result;
}

static int
let_first_in(struct door_acting *acting, const struct door_file *file, struct err *err)
{
	uint64_t bytes;

	if (conf_bytes.set(&bytes, acting->first) == 0)
		return whole_first(&acting->door->spool, file->name, bytes, err);
	err_set(err, ERR_CONFIG, "--first %s: want %s", acting->first, conf_bytes.what);
	return err_as(err, EX_USAGE, NULL);
}

static int
act_release(struct door_acting *acting, const struct door_file *file, struct err *err)
{
	if (file->where != DOOR_HELD)
		return not_from(file, "released", err);
	if (acting->first != NULL)
		return let_first_in(acting, file, err);
	if (door_is_job(file->name))
		return let_job_in(acting->door, file, err);
	bool asked;
	int result = ask(&acting->door->spool, file, false, &asked, err);
	if (result < 0 || asked)
		return result;
	return let_in(acting->door, file, "released", err);
}

/* A site is due as a whole; what the relay carries may be deferred by recipient, too. */
static int
make_due(struct door *door, const char *site, struct err *err)
{
	if (strchr(site, ':') != NULL)
		return retry_now(&door->spool, site, err);
	retry_clear(&door->spool, site);
	return 0;
}

static int
act_retry(struct door_acting *acting, const struct door_file *file, struct err *err)
{
	if (file->where == DOOR_FAILED)
		return let_in(acting->door, file, "retried", err);
	if (file->where != DOOR_WAITING)
		return not_from(file, "tried again", err);
	if (make_due(acting->door, file->site, err) < 0)
		return -1;
	spool_event(&acting->door->spool, file->name, "event=due by=hand site=%s", file->site);
	return 0;
}

static int
act_remove(struct door_acting *acting, const struct door_file *file, struct err *err)
{
	if (file->where == DOOR_SENT || file->where == DOOR_ARRIVED)
		return not_from(file, "removed", err);
	bool asked = false;
	int result = file->where == DOOR_HELD && !door_is_job(file->name) ?
	    ask(&acting->door->spool, file, true, &asked, err) : 0;
	if (result < 0 || asked)
		return result;
	if (fs_remove(file->dir, file->name, err) < 0)
		return -1;
	drop_reason(file);
	if (fs_sync(file->dir, err) < 0)
		return -1;
	spool_event(&acting->door->spool, file->name, "event=removed by=hand from=%s", file->path);
	return 0;
}

/* What still waits; of a message whose recipients all failed, those. */
static void
given_up(const struct entry *entry, struct str *rcpts)
{
	bool waits = entry_waiting(entry) > 0;

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		enum rcpt_state state = entry->status[i].state;
		if (state < RCPT_DONE || (!waits && state == RCPT_FAILED))
			str_printf(rcpts, "%s%zu", rcpts->len > 0 ? "," : "", i + 1);
	}
}

static int
note_failed(const struct door_file *file, const char *text, struct err *err)
{
	struct entry entry;
	struct str rcpts = {0}, reply = {0}, line = {0};
	int fd, result = open_entry(file->dir, file->name, &fd, &entry, err);

	if (result < 0)
		return errno == ENOENT ?
		    err_set(err, ERR_TEMP, "%s has just been moved; look again", file->name) : -1;
	str_printf(&reply, "5.0.0 returned by the operator%s%s", text[0] != '\0' ? ": " : "", text);
	given_up(&entry, &rcpts);
	if (result == 0)
		result = err_set(err, ERR_PERM, "%s: damaged; nobody can be told of it, so look at it and "
		    "remove it", file->name);
	else if (rcpts.len == 0)
		result = err_set(err, ERR_PERM, "%s: all its recipients have it", file->name);
	else {
		entry_state_line(clock_now(), str_c(&rcpts), "failed due=failure", "reply", str_span(&reply), &line);
		result = append(fd, &entry, str_span(&line), err);
	}
	close(fd);
	entry_free(&entry);
	str_free(&rcpts);
	str_free(&reply);
	str_free(&line);
	return result;
}

/* Until the next message of another site nobody else works this site's queue. */
static int
lock_queue(struct door_acting *acting, const char *site, struct err *err)
{
	struct queue *queue = &acting->queue;

	if (queue->site != NULL && strcmp(queue->site, site) == 0)
		return 0;
	queue_close(queue);
	if (queue_open(queue, &acting->door->spool, site, false, err) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return -1;
	log_warn("%s; waiting for it", err->text);
	return queue_open(queue, &acting->door->spool, site, true, err);
}

/* The line first, then the rename: cut off between them, it is due all the same where it
 * waited, and can be returned again where it was held. */
static int
act_bounce(struct door_acting *acting, const struct door_file *file, struct err *err)
{
	struct spool *spool = &acting->door->spool;

	if ((file->where != DOOR_WAITING && file->where != DOOR_HELD && file->where != DOOR_FAILED) ||
	    door_is_job(file->name))
		return not_from(file, "returned", err);
	if (file->where == DOOR_WAITING && lock_queue(acting, file->site, err) < 0)
		return -1;
	if (note_failed(file, acting->words, err) < 0 || move_to(file, spool->in, "in", err) < 0)
		return -1;
	drop_reason(file);
	spool_event(spool, file->name, "event=bounced by=hand reason=\"%s\"", acting->words);
	return 0;
}

/* what retry takes besides messages: a site, or all of them */

bool
door_has_queue(const struct spool *spool, const char *site)
{
	struct stat st;
	return strchr(site, '/') == NULL && site[0] != '.' &&
	    fstatat(spool->out, site, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
retry_all(struct door *door, struct err *err)
{
	struct fs_names names;

	/* What a program that died has left half done is finished, too. */
	if (spool_repair(&door->spool, err) < 0 || fs_names(door->spool.out, ".", &names, err) < 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (names.name[i][0] != '.')
			result = make_due(door, names.name[i], err);
	fs_names_free(&names);
	return result;
}

static int
retry_other(struct door_acting *acting, const char *what, struct err *err)
{
	struct door *door = acting->door;

	if (what != NULL && settings_site(&door->settings, what) == NULL && !door_has_queue(&door->spool, what))
		return 0;
	if (acting->dry) {
		err_set(err, ERR_CONFIG, "--dry-run shows messages; say --site to select a site's");
		return err_as(err, EX_USAGE, NULL);
	}
	return (what != NULL ? make_due(door, what, err) : retry_all(door, err)) < 0 ? -1 : 1;
}

/* the commands */

#define PLACE(where) (1u << DOOR_##where)

static const struct door_action
    hold = { &door_hold, "held", PLACE(WAITING) | PLACE(FAILED), true, false, false, act_hold, NULL },
    release = { &door_release, "released", PLACE(HELD), false, true, true, act_release, NULL },
    retry = { &door_retry, "due now", PLACE(WAITING) | PLACE(FAILED), false, true, false, act_retry, retry_other },
    removal = { &door_remove, "removed", PLACE(WAITING) | PLACE(HELD) | PLACE(FAILED) | PLACE(DROPPED),
	false, false, false, act_remove, NULL },
    bounce = { &door_bounce, "returned", PLACE(WAITING) | PLACE(HELD) | PLACE(FAILED), true, true, false,
	act_bounce, NULL };

static int
hold_run(struct door *door, int argc, char **argv, struct err *err)
{
	return door_act(door, &hold, argc, argv, err);
}

static int
release_run(struct door *door, int argc, char **argv, struct err *err)
{
	return door_act(door, &release, argc, argv, err);
}

static int
retry_run(struct door *door, int argc, char **argv, struct err *err)
{
	return door_act(door, &retry, argc, argv, err);
}

static int
remove_run(struct door *door, int argc, char **argv, struct err *err)
{
	return door_act(door, &removal, argc, argv, err);
}

static int
bounce_run(struct door *door, int argc, char **argv, struct err *err)
{
	return door_act(door, &bounce, argc, argv, err);
}

const struct door_command door_hold = {
	"hold", "ID | SELECTION [REASON]", "keep messages here until they are released", true, hold_run
};
const struct door_command door_release = {
	"release", "ID ... | SELECTION", "let held messages go on", true, release_run
};
const struct door_command door_retry = {
	"retry", "[SITE | ID ... | SELECTION]", "due now: a site, messages, all; also what failed", true, retry_run
};
const struct door_command door_remove = {
	"remove", "ID ... | SELECTION", "delete messages for good", true, remove_run
};
const struct door_command door_bounce = {
	"bounce", "ID | SELECTION [TEXT]", "give messages up: their senders are told", true, bounce_run
};
