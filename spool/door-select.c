/* Which messages: --site, --from, --older ...; all that is said must hold. */
#include "spool/door.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"

static const struct { const char *word; enum door_where where; bool job; } places[] = {
	{ "waiting", DOOR_WAITING, false }, { "inflight", DOOR_SENT, false },
	{ "held", DOOR_HELD, false }, { "job", DOOR_HELD, true },
	{ "failed", DOOR_FAILED, false }, { "incoming", DOOR_ARRIVED, false },
};

bool
door_select_any(const struct door_select *select)
{
	return select->site != NULL || select->from != NULL || select->to != NULL ||
	    select->older != NULL || select->younger != NULL || select->larger != NULL ||
	    select->smaller != NULL || select->reason != NULL || select->where != NULL;
}

static int
read_value(const char *option, const struct conf_type *type, const char *value, void *to,
    struct err *err)
{
	if (value == NULL || type->set(to, value) == 0)
		return 0;
	err_set(err, ERR_CONFIG, "--%s=%.60s: want %s", option, value, type->what);
	return err_as(err, EX_USAGE, NULL);
}

static int
read_where(struct door_select *select, struct err *err)
{
	if (select->where == NULL)
		return 0;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		if (strcmp(select->where, places[i].word) == 0) {
			select->place = places[i].where;
			select->jobs = places[i].job;
			return 0;
		}
	}
	err_set(err, ERR_CONFIG, "--where=%.60s: want waiting, inflight, held, failed, incoming or job",
	    select->where);
	return err_as(err, EX_USAGE, NULL);
}

int
door_select_read(struct door_select *select, struct err *err)
{
	return read_where(select, err) < 0 ||
	    read_value("older", &conf_seconds, select->older, &select->older_than, err) < 0 ||
	    read_value("younger", &conf_seconds, select->younger, &select->younger_than, err) < 0 ||
	    read_value("larger", &conf_bytes, select->larger, &select->larger_than, err) < 0 ||
	    read_value("smaller", &conf_bytes, select->smaller, &select->smaller_than, err) < 0 ? -1 : 0;
}

bool
door_select_place(const struct door_select *select, const struct door_file *file)
{
	if (select->site != NULL && file->site[0] != '\0' && strcmp(file->site, select->site) != 0)
		return false;
	if (select->where == NULL)
		return true;
	/* What lies in drop/ comes in, too. */
	enum door_where where = file->where == DOOR_DROPPED ? DOOR_ARRIVED : file->where;
	return where == select->place && (where != DOOR_HELD || !select->jobs || door_is_job(file->name));
}

static bool
aged(const struct door_select *select, int64_t since)
{
	int64_t age = since == 0 ? 0 : clock_now() - since;

	return (select->older == NULL || (since != 0 && age > select->older_than * CLOCK_SECOND)) &&
	    (select->younger == NULL || (since != 0 && age < select->younger_than * CLOCK_SECOND));
}

static bool
sized(const struct door_select *select, uint64_t size)
{
	return (select->larger == NULL || size > select->larger_than) &&
	    (select->smaller == NULL || size < select->smaller_than);
}

static bool
goes_to(const struct entry *entry, const char *pattern)
{
	bool any = false;

	for (size_t i = 0; !any && i < entry->env.rcpts; i++)
		any = span_glob(str_span(&entry->env.rcpt[i].to), pattern);
	return any;
}

/* A damaged file has no sender and no recipients that one could trust. */
static bool
addressed(const struct door_select *select, const struct door_message *message)
{
	const struct entry *entry = &message->entry;

	if (message->damaged)
		return select->from == NULL && select->to == NULL;
	return (select->from == NULL || span_glob(str_span(&entry->env.from), select->from)) &&
	    (select->to == NULL || goes_to(entry, select->to));
}

static bool
contains(struct span text, const char *words)
{
	return words[0] == '\0' || (text.len > 0 && memmem(text.p, text.len, words, strlen(words)) != NULL);
}

bool
door_selected(const struct door_select *select, const struct door_file *file,
    const struct door_message *message)
{
	return door_select_place(select, file) &&
	    (select->site == NULL || span_is(str_span(&message->site), select->site)) &&
	    aged(select, message->damaged ? spool_id_time(file->name) : message->entry.info.time) &&
	    sized(select, message->size) && addressed(select, message) &&
	    (select->reason == NULL || contains(str_span(&message->why), select->reason));
}
