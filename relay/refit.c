#include "relay/refit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/body.h"
#include "spool/journal.h"

void
refit_mark(struct arrival *arrival)
{
	struct str line = {0};

	entry_state_line(clock_now(), NULL, "filtered", NULL, (struct span){0}, &line);
	arrival_states(arrival, str_span(&line));
	str_free(&line);
}

static int
add_entry(struct arrival *arrival, int fd, const struct entry *entry, struct err *err)
{
	if (arrival_begin(arrival, &entry->info, &entry->env, err) < 0 ||
	    body_pieces(fd, entry->body_at, entry->body_len, body_to_arrival, arrival, err) < 0)
		return -1;
	return arrival_end(arrival, err);
}

static int
hold_entry(const struct spool *spool, int fd, struct entry *entry, bool filtered, struct err *err)
{
	struct arrival arrival;
	int result = arrival_open(&arrival, spool, str_c(&entry->info.id), err);

	if (result == 0)
		result = add_entry(&arrival, fd, entry, err);
	if (result == 0 && filtered)
		refit_mark(&arrival);
	if (result == 0)
		result = arrival_hold(&arrival, str_c(&entry->held), err);
	arrival_close(&arrival);
	return result;
}

int
refit_arrival(struct arrival *arrival, const struct spool *spool, struct journal *journal, int fd,
    bool filtered, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	int got, count = 0, result = 0;

	arrival_close(arrival);
	if (journal != NULL)
		arrival_join(arrival, journal);
	else if (arrival_open(arrival, spool, NULL, err) < 0)
		return -1;
	while (result == 0 && (got = entry_read(fd, &at, false, &entry, err)) != 0) {
		if (got < 0)
			return -1;
		result = entry.held.len > 0 ? hold_entry(spool, fd, &entry, filtered, err) :
		    add_entry(arrival, fd, &entry, err);
		if (entry.held.len == 0 && result == 0) {
			count++;
			if (filtered)
				refit_mark(arrival);
		}
		entry_free(&entry);
	}
	return result < 0 ? -1 : count;
}

int
refit_hold(struct arrival *arrival, const struct spool *spool, const char *reason, struct err *err)
{
	struct arrival held;
	struct span text;
	off_t at;
	int result = arrival_text(arrival, &text, &at, err);

	if (result < 0 || arrival_open(&held, spool, str_c(&arrival->info.id), err) < 0)
		return -1;
	if (arrival_begin(&held, &arrival->info, &arrival->env, err) < 0)
		result = -1;
	else if (text.p != NULL)
		result = arrival_body(&held, text.p, text.len, err);
	else
		result = body_pieces(arrival->fd, at, arrival->body_len, body_to_arrival, &held, err);
	if (result == 0)
		result = arrival_end(&held, err);
	if (result == 0)
		result = arrival_hold(&held, reason, err);
	arrival_close(&held);
	return result;
}

/* What is held beside a message that goes on: nobody sees it before that one is changed, so that no
 * person can release what is then held once more.  A folder of its own: most have none, and that is
 * soon known. */
static const char hidden[] = ".of-";

static int
hide_arrival(struct message *message, struct arrival *arrival, const char *id, struct err *err)
{
	struct str name = {0};

	str_printf(&name, "%s%s", hidden, str_c(&message->id));
	int result = fs_make_dir(message->spool->hold, str_c(&name), 0750, err);
	int folder = result == 0 ? fs_dir(message->spool->hold, str_c(&name), err) : -1;
	str_free(&name);
	if (folder < 0)
		return -1;
	result = arrival_replace(arrival, folder, id, err);
	close(folder);
	return result;
}

/* An entry as a file of its own, that says whether it is held.  Close the arrival, whatever is returned. */
static int
write_entry(struct arrival *arrival, const struct spool *spool, int fd, const struct entry *entry, struct err *err)
{
	struct str line = {0};

	if (arrival_open(arrival, spool, NULL, err) < 0 || add_entry(arrival, fd, entry, err) < 0)
		return -1;
	refit_mark(arrival);
	if (entry->held.len > 0)
		entry_state_line(clock_now(), NULL, "held", "reason", str_span(&entry->held), &line);
	arrival_states(arrival, str_span(&line));
	str_free(&line);
	return 0;
}

static int
hide_entry(struct message *message, int fd, struct entry *entry, struct err *err)
{
	struct arrival arrival;
	int result = write_entry(&arrival, message->spool, fd, entry, err);

	if (result == 0)
		result = hide_arrival(message, &arrival, str_c(&entry->info.id), err);
	arrival_close(&arrival);
	return result;
}

static void
tell_held(const struct spool *spool, const char *id)
{
	struct entry entry;
	struct err ignored;
	off_t at = 0;
	int fd = fs_open(spool->hold, id, O_RDONLY, &ignored);

	if (fd >= 0 && entry_read(fd, &at, false, &entry, &ignored) > 0) {
		spool_event(spool, id, "event=held reason=\"%s\"", str_c(&entry.held));
		entry_free(&entry);
	}
	if (fd >= 0)
		close(fd);
}

static int
each_in(const struct spool *spool, int folder, bool show, struct err *err)
{
	struct fs_names names = {0};
	int result = fs_names(folder, ".", &names, err);

	for (size_t i = 0; i < names.count && result == 0; i++) {
		const char *name = names.name[i];
		result = show ? fs_rename(folder, name, spool->hold, name, err) : fs_remove(folder, name, err);
		if (result == 0 && show)
			tell_held(spool, name);
	}
	/* there before it is gone from here */
	if (result == 0 && show && names.count > 0)
		result = fs_sync(spool->hold, err);
	fs_names_free(&names);
	return result < 0 ? -1 : fs_sync(folder, err);
}

/* Each that is hidden beside the message of that id, by its own name or not at all. */
static int
each_hidden(const struct spool *spool, const char *id, bool show, struct err *err)
{
	struct str name = {0};

	str_printf(&name, "%s%s", hidden, id);
	int folder = openat(spool->hold, str_c(&name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = folder >= 0 ? each_in(spool, folder, show, err) :
	    errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(err, "hold/%s", str_c(&name));
	if (folder >= 0)
		close(folder);
	if (folder >= 0 && result == 0)
		unlinkat(spool->hold, str_c(&name), AT_REMOVEDIR);
	str_free(&name);
	return result;
}

int
refit_show(struct message *message, struct err *err)
{
	return each_hidden(message->spool, str_c(&message->id), true, err);
}

/* In one of the folders of this one? */
static bool
is_below(int dir, const char *folder, const char *id)
{
	struct fs_names names = {0};
	struct err ignored;
	struct str path = {0};
	bool found = false;

	if (fs_names(dir, folder, &names, &ignored) < 0)
		return errno != ENOENT && errno != ENOTDIR;	/* what cannot be seen is not gone */
	for (size_t i = 0; i < names.count && !found; i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s/%s", folder, names.name[i], id);
		found = faccessat(dir, str_c(&path), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
	fs_names_free(&names);
	str_free(&path);
	return found;
}

static bool
is_somewhere(const struct spool *spool, const char *id)
{
	const int places[] = { spool->hold, spool->failed, spool->in };
	struct fs_names sites = {0};
	struct err ignored;
	bool found = false;

	for (size_t i = 0; i < sizeof places / sizeof places[0] && !found; i++)
		found = faccessat(places[i], id, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (found || fs_names(spool->out, ".", &sites, &ignored) < 0)
		return true;
	for (size_t i = 0; i < sites.count && !found; i++)
		found = is_below(spool->out, sites.name[i], id);
	fs_names_free(&sites);
	return found;
}

int
refit_left(const struct spool *spool, struct err *err)
{
	struct fs_names names = {0};
	/* Where several share it others may be at work. */
	int result = spool->lease != NULL ? 0 : fs_names(spool->hold, ".", &names, err);

	for (size_t i = 0; i < names.count && result == 0; i++) {
		const char *id = names.name[i] + strlen(hidden);
		if (strncmp(names.name[i], hidden, strlen(hidden)) == 0 && spool_id_ok(id) && !is_somewhere(spool, id))
			result = each_hidden(spool, id, true, err);
	}
	fs_names_free(&names);
	return result;
}

/* held: it says so itself, and is moved there by one rename, now or after a crash. */
static int
replace_by(struct message *message, int fd, const struct entry *entry, struct err *err)
{
	struct arrival arrival;
	int result = write_entry(&arrival, message->spool, fd, entry, err);

	if (result == 0)
		result = message_still_there(message) ?
		    arrival_replace(&arrival, message_dir(message), str_c(&message->id), err) :
		    err_set(err, ERR_TEMP, "it was moved away while it was filtered");
	arrival_close(&arrival);
	return result < 0 ? -1 : message_reopen(message, err);
}

static int
hide_others(struct message *message, int fd, off_t at, size_t *others, struct err *err)
{
	struct entry entry;
	int got, result = 0;

	while (result == 0 && (got = entry_read(fd, &at, false, &entry, err)) != 0) {
		if (got < 0)
			return -1;
		result = entry.held.len > 0 ? hide_entry(message, fd, &entry, err) :
		    err_set(err, ERR_TEMP, "the filters left more than one message");
		++*others;
		entry_free(&entry);
	}
	return result;
}

int
refit_message(struct message *message, int fd, struct err *err)
{
	struct entry entry;
	size_t others = 0;
	off_t at = 0;
	int got = entry_read(fd, &at, false, &entry, err);

	if (got <= 0)
		return got < 0 ? -1 : err_set(err, ERR_TEMP, "the filters left nothing");
	int result = !span_same(str_span(&entry.info.id), str_span(&message->id)) ?
	    err_set(err, ERR_TEMP, "the filters left another message") :
	    each_hidden(message->spool, str_c(&message->id), false, err);
	if (result == 0)	/* of a try that failed nothing is left; of one that fails all is: it may be in place */
		result = hide_others(message, fd, at, &others, err);
	if (result == 0)
		result = replace_by(message, fd, &entry, err);
	if (result == 0 && others > 0)
		result = refit_show(message, err);
	if (result == 0 && entry.held.len > 0)
		result = 1;
	entry_free(&entry);
	return result;
}
