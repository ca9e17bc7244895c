/* mochila hold, release, retry, remove: a message goes where a person wants it. */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"

/* A file of a match, with its folder open. */
struct held_file {
	int dir;
	const char *name;
	const struct door_match *match;
};

static int
open_folder(const struct spool *spool, const struct door_match *match, struct held_file *file,
    struct err *err)
{
	char *folder = mem_text_n(match->path, (size_t)(strrchr(match->path, '/') - match->path));

	*file = (struct held_file){ .name = match->name, .match = match };
	file->dir = fs_dir(spool->dir, folder, err);
	free(folder);
	return file->dir < 0 ? -1 : 0;
}

/* One rename, durable on both ends.  Never over another message of that name: a copy
 * made by hand may have other recipients. */
static int
move_as(const struct held_file *file, int dir, const char *folder, const char *name, struct err *err)
{
	if (renameat2(file->dir, file->name, dir, name, RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return err_set(err, ERR_PERM, "%s/%s is there already; move one of the two by hand",
			    folder, name);
		if (errno == ENOENT)
			return err_set(err, ERR_TEMP, "%s has just been moved; look again", file->name);
		return err_sys(err, "rename of %s to %s/", file->match->path, folder);
	}
	return fs_sync_dir(dir, ".", err) < 0 || fs_sync(file->dir, err) < 0 ? -1 : 0;
}

static int
move_to(const struct held_file *file, int dir, const char *folder, struct err *err)
{
	return move_as(file, dir, folder, file->name, err);
}

/* Appends a line to the history of the message in dir/name.  A file that is no whole
 * entry has no history; it is moved all the same. */
static int
note(int dir, const char *name, const char *event, const char *word, struct span text, struct err *err)
{
	struct entry entry = {0};
	struct str line = {0};
	struct err ignored;
	off_t at = 0;
	int result = 0, fd = fs_open(dir, name, O_RDWR, err);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (entry_read(fd, &at, false, &entry, &ignored) > 0) {
		entry_state_line(clock_now(), NULL, event, word, text, &line);
		/* A torn line of a dead writer makes room for ours. */
		if (ftruncate(fd, entry.states_end) < 0)
			result = err_sys(err, "%s", name);
		if (result == 0)
			result = fs_pwrite(fd, line.p, line.len, entry.states_end, err);
		if (result == 0)
			result = fs_sync_data(fd, err);
	}
	close(fd);
	entry_free(&entry);
	str_free(&line);
	return result;
}

static int
not_from(const struct door_match *match, const char *what, struct err *err)
{
	err_set(err, ERR_PERM, "%s is %s%s%s and cannot be %s", match->name, door_where_name(match->where),
	    match->batch[0] != '\0' ? " in batch " : "", match->batch, what);
	return err_as(err, EX_UNAVAILABLE, NULL);
}

/* what is done to each place of a message */

typedef int act(struct door *door, const struct held_file *file, const char *words, struct err *err);

static int
act_hold(struct door *door, const struct held_file *file, const char *reason, struct err *err)
{
	struct spool *spool = &door->spool;

	if (file->match->where != DOOR_WAITING && file->match->where != DOOR_FAILED)
		return not_from(file->match, "held", err);
	/* Taken away first: from then on nobody sends it. */
	if (move_to(file, spool->hold, "hold", err) < 0 ||
	    note(spool->hold, file->name, "held", "reason", span_of(reason), err) < 0)
		return -1;
	spool_event(spool, file->name, "event=held by=hand reason=\"%s\"", reason);
	return 0;
}

static void
drop_reason(const struct held_file *file)
{
	struct str reason = {0};
	struct err ignored;

	str_printf(&reason, "%s.reason", file->name);
	fs_remove(file->dir, str_c(&reason), &ignored);
	str_free(&reason);
}

/* A job goes back to where uuxqt looks for it. */
static int
let_job_in(struct door *door, const struct held_file *file, struct err *err)
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
let_in(struct door *door, const struct held_file *file, const char *event, struct err *err)
{
	struct spool *spool = &door->spool;

	if (note(file->dir, file->name, "released", NULL, (struct span){0}, err) < 0 ||
	    move_to(file, spool->in, "in", err) < 0)
		return -1;
	drop_reason(file);
	spool_event(spool, file->name, "event=%s by=hand", event);
	return 0;
}

static int
act_release(struct door *door, const struct held_file *file, const char *words, struct err *err)
{
	(void)words;
	if (file->match->where != DOOR_HELD)
		return not_from(file->match, "released", err);
	if (door_is_job(file->name))
		return let_job_in(door, file, err);
	return let_in(door, file, "released", err);
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
act_retry(struct door *door, const struct held_file *file, const char *words, struct err *err)
{
	(void)words;
	if (file->match->where == DOOR_FAILED)
		return let_in(door, file, "retried", err);
	if (file->match->where != DOOR_WAITING)
		return not_from(file->match, "tried again", err);
	if (make_due(door, file->match->site, err) < 0)
		return -1;
	spool_event(&door->spool, file->name, "event=due by=hand site=%s", file->match->site);
	return 0;
}

static int
act_remove(struct door *door, const struct held_file *file, const char *words, struct err *err)
{
	(void)words;
	if (file->match->where == DOOR_SENT || file->match->where == DOOR_ARRIVED)
		return not_from(file->match, "removed", err);
	if (fs_remove(file->dir, file->name, err) < 0)
		return -1;
	drop_reason(file);
	if (fs_sync(file->dir, err) < 0)
		return -1;
	spool_event(&door->spool, file->name, "event=removed by=hand from=%s", file->match->path);
	return 0;
}

static int
act_on(struct door *door, const struct door_match *match, act *action, const char *words,
    struct err *err)
{
	struct held_file file;

	if (open_folder(&door->spool, match, &file, err) < 0)
		return -1;
	int result = action(door, &file, words, err);
	close(file.dir);
	return result;
}

static int
act_on_id(struct door *door, const char *id, act *action, const char *words, struct err *err)
{
	struct door_matches matches = {0};
	int result = door_find(&door->spool, id, &matches, err);

	for (size_t i = 0; result == 0 && i < matches.count; i++)
		result = act_on(door, &matches.match[i], action, words, err);
	door_matches_free(&matches);
	return result;
}

/* What was let in is routed at once, also where no daemon runs. */
static int
settle(struct door *door, struct err *err)
{
	struct settled settled = {0};

	if (spool_settle(&door->spool, &settled, err) < 0)
		return -1;
	spool_ring(&door->spool);
	return 0;
}

static int
hold_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool help = false;
	const struct opt_row rows[] = { DOOR_HELP(&help), {0} };
	struct str reason = {0};
	int result = door_options(door, &door_hold, rows, 1, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	for (int i = 1; i < argc; i++)
		str_printf(&reason, "%s%s", i > 1 ? " " : "", argv[i]);
	result = act_on_id(door, argv[0], act_hold, reason.len > 0 ? str_c(&reason) : "by hand", err);
	str_free(&reason);
	return result;
}

static int
release_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool help = false;
	const struct opt_row rows[] = { DOOR_HELP(&help), {0} };
	int result = door_options(door, &door_release, rows, 1, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	for (int i = 0; i < argc && result == 0; i++)
		result = act_on_id(door, argv[i], act_release, NULL, err);
	return result < 0 ? -1 : settle(door, err);
}

static bool
has_queue(const struct spool *spool, const char *site)
{
	struct stat st;
	return strchr(site, '/') == NULL && site[0] != '.' &&
	    fstatat(spool->out, site, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
retry_one(struct door *door, const char *what, struct err *err)
{
	if (settings_site(&door->settings, what) == NULL && !has_queue(&door->spool, what))
		return act_on_id(door, what, act_retry, NULL, err);
	return make_due(door, what, err);
}

static int
retry_all(struct door *door, struct err *err)
{
	struct fs_names names;

	if (fs_names(door->spool.out, ".", &names, err) < 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (names.name[i][0] != '.')
			result = make_due(door, names.name[i], err);
	fs_names_free(&names);
	return result;
}

static int
retry_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool help = false;
	const struct opt_row rows[] = { DOOR_HELP(&help), {0} };
	int result = door_options(door, &door_retry, rows, 0, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	result = argc == 0 ? retry_all(door, err) : 0;
	for (int i = 0; i < argc && result == 0; i++)
		result = retry_one(door, argv[i], err);
	return result < 0 ? -1 : settle(door, err);
}

static int
remove_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool help = false;
	const struct opt_row rows[] = { DOOR_HELP(&help), {0} };
	int result = door_options(door, &door_remove, rows, 1, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	for (int i = 0; i < argc && result == 0; i++)
		result = act_on_id(door, argv[i], act_remove, NULL, err);
	return result;
}

const struct door_command door_hold = {
	"hold", "ID [REASON ...]", "keep a message here until it is released", true, hold_run
};
const struct door_command door_release = {
	"release", "ID ...", "let held messages go on", true, release_run
};
const struct door_command door_retry = {
	"retry", "[SITE | ID ...]", "due now: a site, a message, all; also what failed", true, retry_run
};
const struct door_command door_remove = {
	"remove", "ID ...", "delete messages for good", true, remove_run
};
