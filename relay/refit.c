#include "relay/refit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/journal.h"

enum { PIECE = 64 << 10 };

int
refit_body(struct arrival *arrival, int fd, off_t at, uint64_t len, struct err *err)
{
	char *piece = mem_get(PIECE);
	int result = 0;

	while (len > 0 && result == 0) {
		ssize_t got = fs_pread(fd, piece, len < PIECE ? (size_t)len : PIECE, at, err);
		if (got == 0)
			err_set(err, ERR_TEMP, "what the filter left is shorter than it says");
		result = got <= 0 ? -1 : arrival_body(arrival, piece, (size_t)got, err);
		at += got;
		len -= got > 0 ? (uint64_t)got : 0;
	}
	free(piece);
	return result;
}

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
	    refit_body(arrival, fd, entry->body_at, entry->body_len, err) < 0)
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
		result = refit_body(&held, arrival->fd, at, arrival->body_len, err);
	if (result == 0)
		result = arrival_end(&held, err);
	if (result == 0)
		result = arrival_hold(&held, reason, err);
	arrival_close(&held);
	return result;
}

/* What is held beside a message that goes on: nobody sees it before that one is changed, so that no
 * person can release what is then held once more. */
static void
hidden_name(struct message *message, const char *id, struct str *name)
{
	str_printf(name, ".of-%s=%s", str_c(&message->id), id);
}

static int
hide_entry(struct message *message, int fd, struct entry *entry, struct err *err)
{
	struct arrival arrival;
	struct str name = {0}, line = {0};
	int result = arrival_open(&arrival, message->spool, NULL, err);

	if (result == 0)
		result = add_entry(&arrival, fd, entry, err);
	if (result == 0) {
		refit_mark(&arrival);
		entry_state_line(clock_now(), NULL, "held", "reason", str_span(&entry->held), &line);
		arrival_states(&arrival, str_span(&line));
		hidden_name(message, str_c(&entry->info.id), &name);
		result = arrival_replace(&arrival, message->spool->hold, str_c(&name), err);
	}
	arrival_close(&arrival);
	str_free(&name);
	str_free(&line);
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

/* Each that is hidden beside the message, by its own name or not at all. */
static int
each_hidden(struct message *message, bool show, struct err *err)
{
	const struct spool *spool = message->spool;
	struct fs_names names = {0};
	struct str before = {0};
	size_t found = 0;
	int result = fs_names(spool->hold, ".", &names, err);

	hidden_name(message, "", &before);
	for (size_t i = 0; i < names.count && result == 0; i++) {
		const char *name = names.name[i];
		if (strncmp(name, str_c(&before), before.len) != 0)
			continue;
		result = show ? fs_rename(spool->hold, name, spool->hold, name + before.len, err) :
		    fs_remove(spool->hold, name, err);
		if (result == 0 && show)
			tell_held(spool, name + before.len);
		found++;
	}
	if (result == 0 && found > 0)
		result = fs_sync_dir(spool->hold, ".", err);
	fs_names_free(&names);
	str_free(&before);
	return result;
}

int
refit_show(struct message *message, struct err *err)
{
	return each_hidden(message, true, err);
}

/* held: it says so itself, and is moved there by one rename, now or after a crash. */
static int
replace_by(struct message *message, int fd, const struct entry *entry, struct err *err)
{
	struct arrival arrival;
	struct str line = {0};
	int result = arrival_open(&arrival, message->spool, NULL, err);

	if (result == 0)
		result = add_entry(&arrival, fd, entry, err);
	if (result == 0) {
		refit_mark(&arrival);
		if (entry->held.len > 0)
			entry_state_line(clock_now(), NULL, "held", "reason", str_span(&entry->held), &line);
		arrival_states(&arrival, str_span(&line));
		result = message_still_there(message) ?
		    arrival_replace(&arrival, message_dir(message), str_c(&message->id), err) :
		    err_set(err, ERR_TEMP, "it was moved away while it was filtered");
	}
	arrival_close(&arrival);
	str_free(&line);
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
	    err_set(err, ERR_TEMP, "the filters left another message") : each_hidden(message, false, err);
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
