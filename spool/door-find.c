#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/route.h"

/* walking: each place knows how its folder is built */

struct walk {
	const struct spool *spool;
	const char *site;	/* only this one, or NULL */
	door_visit *visit;
	void *of;
	struct err *err;
};

static const struct place {
	const char *folder, *name;
	enum door_where where;
	int (*walk)(struct walk *walk, const struct place *place);
} places[];

const char *
door_where_name(enum door_where where)
{
	for (const struct place *place = places; place->folder != NULL; place++)
		if (place->where == where)
			return place->name;
	return "?";
}

/* A folder that is not there, or no longer, is an empty one. */
static int
names_of(int dir, const char *path, struct fs_names *names, struct err *err)
{
	if (fs_names(dir, path, names, err) == 0)
		return 0;
	*names = (struct fs_names){0};
	if (errno != ENOENT && errno != ENOTDIR)
		return -1;
	*err = (struct err){0};
	return 0;
}

static bool
is_folder(int dir, const char *path)
{
	struct stat st;
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool
has_reason_ending(const char *name)
{
	size_t len = strlen(name);
	return len > 7 && strcmp(name + len - 7, ".reason") == 0;
}

/* in/: entries one behind the other, each a message.  A journal being written
 * (in/ID.open) ends where its last whole one does. */
static int
visit_entries(struct walk *walk, struct door_file *file)
{
	size_t len = strlen(file->file);
	bool journal = len > 5 && strcmp(file->file + len - 5, ".open") == 0;
	struct entry entry;
	struct err err = {0};
	off_t at = 0;
	int got, result = 0, fd = fs_open(file->dir, file->file, O_RDONLY, &err);

	if (fd < 0)
		return errno == ENOENT ? 0 : walk->visit(walk->of, file, walk->err);
	while (result == 0 && (got = entry_read(fd, &at, false, &entry, &err)) != 0) {
		if (got < 0 && journal)
			break;
		file->name = got > 0 ? str_c(&entry.info.id) : file->file;
		file->at = got > 0 ? entry.start : at;
		result = walk->visit(walk->of, file, walk->err);
		entry_free(&entry);
		if (got < 0)
			break;
	}
	close(fd);
	return result;
}

/* Visits the files of one folder; skip names what is not a message there. */
static int
visit_files(struct walk *walk, const struct door_file *like, const char *folder, const char *skip)
{
	struct fs_names names;
	struct str path = {0};
	int result = 0;
	int dir = openat(walk->spool->dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 :
		    err_sys(walk->err, "%s", folder);
	result = names_of(dir, ".", &names, walk->err);
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		struct door_file file = *like;
		const char *name = names.name[i];
		if (name[0] == '.' || has_reason_ending(name) || strcmp(name, skip) == 0 ||
		    is_folder(dir, name))
			continue;
		str_clear(&path);
		str_printf(&path, "%s/%s", folder, name);
		file.name = file.file = name;
		file.path = str_c(&path);
		file.dir = dir;
		result = file.where == DOOR_ARRIVED ? visit_entries(walk, &file) :
		    walk->visit(walk->of, &file, walk->err);
	}
	fs_names_free(&names);
	str_free(&path);
	close(dir);
	return result;
}

static int
walk_flat(struct walk *walk, const struct place *place)
{
	struct door_file like = { .where = place->where, .site = "", .batch = "" };
	return visit_files(walk, &like, place->folder, "");
}

static int
walk_buckets(struct walk *walk, const struct place *place, const char *site)
{
	struct door_file like = { .where = place->where, .site = site, .batch = "" };
	struct fs_names names;
	struct str path = {0};

	str_printf(&path, "%s/%s", place->folder, site);
	/* What a person laid beside the buckets is shown too. */
	int result = visit_files(walk, &like, str_c(&path), "");
	if (result == 0)
		result = names_of(walk->spool->dir, str_c(&path), &names, walk->err);
	else
		names = (struct fs_names){0};
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s/%s", place->folder, site, names.name[i]);
		if (names.name[i][0] != '.' && is_folder(walk->spool->dir, str_c(&path)))
			result = visit_files(walk, &like, str_c(&path), "");
	}
	fs_names_free(&names);
	str_free(&path);
	return result;
}

/* sent/SITE/B.d/ID; B itself is inside once it was acknowledged. */
static int
walk_batches(struct walk *walk, const struct place *place, const char *site)
{
	struct fs_names names;
	struct str path = {0};

	str_printf(&path, "%s/%s", place->folder, site);
	int result = names_of(walk->spool->dir, str_c(&path), &names, walk->err);
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		size_t len = strlen(names.name[i]);
		if (len < 3 || strcmp(names.name[i] + len - 2, ".d") != 0)
			continue;
		str_clear(&path);
		str_printf(&path, "%s/%s/%s", place->folder, site, names.name[i]);
		names.name[i][len - 2] = '\0';
		struct door_file like = { .where = place->where, .site = site, .batch = names.name[i] };
		result = visit_files(walk, &like, str_c(&path), names.name[i]);
	}
	fs_names_free(&names);
	str_free(&path);
	return result;
}

static int
walk_sites(struct walk *walk, const struct place *place)
{
	struct fs_names names;
	int result = names_of(walk->spool->dir, place->folder, &names, walk->err);

	for (size_t i = 0; result == 0 && i < names.count; i++) {
		const char *site = names.name[i];
		if (site[0] == '.' || (walk->site != NULL && strcmp(site, walk->site) != 0))
			continue;
		result = place->where == DOOR_SENT ? walk_batches(walk, place, site) :
		    walk_buckets(walk, place, site);
	}
	fs_names_free(&names);
	return result;
}

static const struct place places[] = {	/* in the order a message passes through them */
	{ "drop", "dropped", DOOR_DROPPED, walk_flat },
	{ "in", "arrived", DOOR_ARRIVED, walk_flat },
	{ "out", "waiting", DOOR_WAITING, walk_sites },
	{ "sent", "in flight", DOOR_SENT, walk_sites },
	{ "hold", "held", DOOR_HELD, walk_flat },
	{ "failed", "failed", DOOR_FAILED, walk_flat },
	{0},
};

int
door_walk(const struct spool *spool, unsigned which, const char *site, door_visit *visit,
    void *of, struct err *err)
{
	struct walk walk = { .spool = spool, .site = site, .visit = visit, .of = of, .err = err };
	int result = 0;

	for (const struct place *place = places; result == 0 && place->folder != NULL; place++)
		result = (which & 1u << place->where) != 0 ? place->walk(&walk, place) : 0;
	return result < 0 ? -1 : 0;
}

/* what a file holds */

static void
load_reason(const struct door_file *file, struct str *why)
{
	struct str name = {0}, text = {0};
	struct err ignored;

	str_printf(&name, "%s.reason", file->name);
	if (fs_load(file->dir, str_c(&name), 4096, &text, &ignored) == 0) {
		if (why->len > 0)
			str_add_text(why, ": ");
		while (text.len > 0 && text.p[text.len - 1] == '\n')
			text.len--;
		str_add_span(why, str_span(&text));
	}
	str_free(&name);
	str_free(&text);
}

static void
find_site(const struct spool *spool, const struct door_file *file, struct door_message *message)
{
	str_set(&message->site, file->site);
	if (message->site.len > 0 || message->damaged || message->entry.env.rcpts == 0)
		return;
	struct route_match match = route_find(spool->settings, str_span(&message->entry.env.rcpt[0].to));
	if (route_waits(match.kind))
		route_folder(&match, &message->site);
}

static void
find_why(const struct door_file *file, struct door_message *message)
{
	const struct entry *entry = &message->entry;
	const struct rcpt_status *last = NULL;

	if (file->where == DOOR_HELD && entry->held.len > 0) {
		str_set_span(&message->why, str_span(&entry->held));
		return;
	}
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state == RCPT_DEFERRED || entry->status[i].state == RCPT_FAILED)
			last = last == NULL || entry->status[i].at > last->at ? &entry->status[i] : last;
	if (last != NULL)
		str_set_span(&message->why, str_span(&last->reply));
	if (file->where == DOOR_HELD || file->where == DOOR_FAILED)
		load_reason(file, &message->why);
}

bool
door_is_job(const char *name)
{
	size_t len = strlen(name);
	return len > DOOR_JOB_TAIL && name[len - DOOR_JOB_TAIL] == '-' && strcmp(name + len - 4, ".job") == 0 &&
	    strspn(name + len - DOOR_JOB_TAIL + 1, "0123456789abcdef") == 16;
}

static void
load_damaged(const struct door_file *file, const char *why, struct door_message *message)
{
	struct stat st;

	message->damaged = true;
	if (door_is_job(file->name))
		str_add_text(&message->why, "a job of another site");
	else
		str_printf(&message->why, "damaged: %s", why);
	if (fstatat(file->dir, file->file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		message->size = (uint64_t)st.st_size;
	load_reason(file, &message->why);
}

int
door_load(const struct spool *spool, const struct door_file *file, struct door_message *message,
    struct err *err)
{
	off_t at = file->at;

	*message = (struct door_message){0};
	message->fd = fs_open(file->dir, file->file, O_RDONLY, err);
	if (message->fd < 0 && errno == ENOENT) {
		*err = (struct err){0};
		return 0;
	}
	int got = message->fd < 0 ? -1 : entry_read(message->fd, &at, false, &message->entry, err);
	if (got > 0) {
		message->size = message->entry.body_len;
		find_why(file, message);
	} else {
		load_damaged(file, got == 0 ? "an empty file" : err->text, message);
		*err = (struct err){0};
	}
	find_site(spool, file, message);
	return 1;
}

void
door_message_free(struct door_message *message)
{
	if (message->fd >= 0)
		close(message->fd);
	message->fd = -1;
	entry_free(&message->entry);
	str_free(&message->why);
	str_free(&message->site);
}

/* by id */

struct search {
	const char *prefix;
	struct door_matches *found;
};

static int
match_visit(void *of, const struct door_file *file, struct err *err)
{
	struct search *search = of;
	struct door_matches *found = search->found;

	(void)err;
	if (strncmp(file->name, search->prefix, strlen(search->prefix)) != 0)
		return 0;
	found->match = mem_resize(found->match, found->count + 1, sizeof *found->match);
	found->match[found->count++] = (struct door_match){
		.where = file->where, .name = mem_text(file->name), .site = mem_text(file->site),
		.batch = mem_text(file->batch), .path = mem_text(file->path), .at = file->at,
	};
	return found->count >= 1000;	/* enough to call it ambiguous */
}

static int
one_message(const char *prefix, const struct door_matches *found, struct err *err)
{
	const char *other = NULL;

	if (found->count == 0) {
		err_set(err, ERR_PERM, "no message %.80s in the spool; \"mochila log %.80s\" tells what "
		    "became of it", prefix, prefix);
		return err_as(err, EX_NOINPUT, NULL);
	}
	for (size_t i = 1; i < found->count; i++)
		if (strcmp(found->match[i].name, found->match[0].name) != 0)
			other = found->match[i].name;
	if (other == NULL)
		return 0;
	err_set(err, ERR_PERM, "%.80s is the beginning of several: %.80s, %.80s ...; say more of it",
	    prefix, found->match[0].name, other);
	return err_as(err, EX_USAGE, NULL);
}

/* A whole name is itself, also where it begins a longer one. */
static void
keep_exact(const char *name, struct door_matches *found)
{
	size_t kept = 0;
	bool exact = false;

	for (size_t i = 0; i < found->count; i++)
		exact = exact || strcmp(found->match[i].name, name) == 0;
	for (size_t i = 0; exact && i < found->count; i++) {
		if (strcmp(found->match[i].name, name) == 0) {
			struct door_match match = found->match[kept];
			found->match[kept++] = found->match[i];
			found->match[i] = match;
		}
	}
	while (exact && found->count > kept) {
		struct door_match *last = &found->match[--found->count];
		free(last->name);
		free(last->site);
		free(last->batch);
		free(last->path);
	}
}

int
door_find(const struct spool *spool, const char *prefix, struct door_matches *matches,
    struct err *err)
{
	struct search search = { .prefix = prefix, .found = matches };

	*matches = (struct door_matches){0};
	if (prefix[0] == '\0') {
		err_set(err, ERR_PERM, "an empty id names no message");
		return err_as(err, EX_USAGE, NULL);
	}
	if (door_walk(spool, (unsigned)DOOR_ALL, NULL, match_visit, &search, err) < 0)
		return -1;
	keep_exact(prefix, matches);
	return one_message(prefix, matches, err);
}

int
door_match_open(const struct spool *spool, const struct door_match *match, struct door_file *file,
    struct err *err)
{
	const char *slash = strrchr(match->path, '/');
	char *folder = mem_text_n(match->path, (size_t)(slash - match->path));

	*file = (struct door_file){ .where = match->where, .name = match->name, .site = match->site,
		.file = slash + 1, .at = match->at, .batch = match->batch, .path = match->path,
		.dir = fs_dir(spool->dir, folder, err) };
	free(folder);
	return file->dir < 0 ? -1 : 0;
}

void
door_matches_free(struct door_matches *matches)
{
	for (size_t i = 0; i < matches->count; i++) {
		free(matches->match[i].name);
		free(matches->match[i].site);
		free(matches->match[i].batch);
		free(matches->match[i].path);
	}
	free(matches->match);
	*matches = (struct door_matches){0};
}
