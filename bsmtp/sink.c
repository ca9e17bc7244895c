#include "bsmtp/sink.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/conf.h"
#include "spool/seen.h"

#define X(name) extern const struct sink sink_##name;
SINKS(X)
#undef X

static const struct sink *const sinks[] = {
#define X(name) &sink_##name,
	SINKS(X)
#undef X
	NULL
};

static const char *
name_at(const void *list, size_t i)
{
	const struct sink *const *row = list;
	return row[i] != NULL ? row[i]->name : NULL;
}

static const struct sink *
sink_named(const char *name, struct err *err)
{
	for (size_t i = 0; sinks[i] != NULL; i++)
		if (strcmp(sinks[i]->name, name) == 0)
			return sinks[i];
	const char *nearest = conf_nearest(name, name_at, sinks);
	err_set(err, ERR_CONFIG, "no sink %.40s:; %s%s", name, nearest != NULL ? "did you mean " :
	    "there are spool:, smtp:HOST:PORT and maildir:DIR", nearest != NULL ? nearest : "");
	return NULL;
}

const struct sink *
sink_of(const char *text, const char **where, struct err *err)
{
	size_t len = strcspn(text, ":");
	char *name = mem_text_n(text, len);
	const struct sink *sink = sink_named(name, err);

	free(name);
	*where = text[len] == ':' ? text + len + 1 : "";
	if (sink != NULL && sink->check(*where, err) < 0)
		return NULL;
	if (sink == NULL)
		err_as(err, EX_USAGE, NULL);
	return sink;
}

/* messages that a sink would not have */

static int
copy_body(struct arrival *a, int fd, const struct entry *entry, struct err *err)
{
	char piece[16384];
	off_t at = entry->body_at;
	uint64_t left = entry->body_len;

	while (left > 0) {
		ssize_t got = fs_pread(fd, piece, left < sizeof piece ? (size_t)left : sizeof piece, at, err);
		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_TEMP, "the batch became shorter");
		if (arrival_body(a, piece, (size_t)got, err) < 0)
			return -1;
		at += got;
		left -= (uint64_t)got;
	}
	return 0;
}

static size_t
recipients_of(const struct entry *entry, const struct outcome *outcome, enum err_kind kind,
    struct envelope *env)
{
	envelope_from(env, str_span(&entry->env.from), str_span(&entry->env.args));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (outcome[i].kind == kind)
			envelope_add(env, str_span(&entry->env.rcpt[i].to), str_span(&entry->env.rcpt[i].args));
	return env->rcpts;
}

static int
add_entry(struct arrival *a, int fd, const struct entry *entry, const struct envelope *env,
    const struct entry_info *info, struct err *err)
{
	return arrival_begin(a, info, env, err) < 0 || copy_body(a, fd, entry, err) < 0 ||
	    arrival_end(a, err) < 0 ? -1 : 0;
}

static int
keep_for_later(struct delivery *d, int fd, const struct entry *entry, const struct envelope *env,
    struct err *err)
{
	if (d->kept.fd < 0 && arrival_open(&d->kept, &d->spool, NULL, err) < 0)
		return -1;
	if (add_entry(&d->kept, fd, entry, env, &entry->info, err) < 0)
		return -1;
	d->later++;
	return 0;
}

static const char *
first_reply(const struct entry *entry, struct outcome *outcome, enum err_kind kind)
{
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (outcome[i].kind == kind)
			return str_c(&outcome[i].reply);
	return "";
}

static int
hold(struct delivery *d, int fd, const struct entry *entry, const struct envelope *env,
    const char *reason, struct err *err)
{
	struct arrival held;

	if (arrival_open(&held, &d->spool, NULL, err) < 0)
		return -1;
	/* An id of its own: the others of this message may wait under the first. */
	struct entry_info info = entry->info;
	info.id = (struct str){0};
	int result = add_entry(&held, fd, entry, env, &info, err);
	if (result == 0)
		result = arrival_hold(&held, reason, err);
	arrival_close(&held);
	d->held += result == 0;
	return result;
}

/* The recipients that did not get it: both kinds may be among them.  Returns how many
 * wait in d->kept, or -1. */
static int
keep_failed(struct delivery *d, int fd, const struct entry *entry, struct outcome *outcome,
    struct err *err)
{
	struct envelope later = {0}, refused = {0};
	int result = 0;

	recipients_of(entry, outcome, ERR_TEMP, &later);
	recipients_of(entry, outcome, ERR_PERM, &refused);
	if (later.rcpts > 0)
		result = keep_for_later(d, fd, entry, &later, err);
	if (result == 0 && refused.rcpts > 0)
		result = hold(d, fd, entry, &refused, first_reply(entry, outcome, ERR_PERM), err);
	d->done += later.rcpts + refused.rcpts < entry->env.rcpts;
	if (result == 0)
		result = (int)later.rcpts;
	envelope_free(&later);
	envelope_free(&refused);
	return result;
}

/* one by one */

static int
known(struct delivery *d, const struct entry *entry, struct err *err)
{
	if (d->peer == NULL || entry->info.peer_id.len == 0)
		return 0;
	return seen_has(&d->spool, d->peer, str_span(&entry->info.peer_id), err);
}

/* Only what is done with: d->kept is not on disk yet, and settle will note it. */
static int
note(struct delivery *d, const struct entry *entry, struct err *err)
{
	struct span id = str_span(&entry->info.peer_id);

	return d->peer == NULL || id.len == 0 ? 0 : seen_note(&d->spool, d->peer, &id, 1, err);
}

static void
log_outcomes(struct delivery *d, const struct entry *entry, struct outcome *outcome)
{
	static const char *const words[] = {
		[ERR_NONE] = "delivered", [ERR_TEMP] = "later", [ERR_PERM] = "held", [ERR_CONFIG] = "later",
	};
	struct str id = {0};

	str_add_span(&id, str_span(&entry->info.id));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		spool_event(&d->spool, str_c(&id), "event=%s rcpt=%.*s reply=\"%s\"", words[outcome[i].kind],
		    (int)entry->env.rcpt[i].to.len, entry->env.rcpt[i].to.p, str_c(&outcome[i].reply));
	str_free(&id);
}

static int
deliver_entry(struct delivery *d, const struct entry *entry, sink_one *one, void *ctx, struct err *err)
{
	size_t rcpts = entry->env.rcpts;
	int fd = d->batch.fd, seen = known(d, entry, err);

	if (seen != 0) {
		d->repeats += seen > 0;
		return seen > 0 ? 0 : -1;
	}
	struct outcome *outcome = mem_get(rcpts * sizeof *outcome);
	int result = one(ctx, entry, fd, outcome, err);
	for (size_t i = 0; i < rcpts; i++)	/* what a person must mend is tried again */
		if (outcome[i].kind == ERR_CONFIG)
			outcome[i].kind = ERR_TEMP;
	if (result == 0) {
		log_outcomes(d, entry, outcome);
		int later = keep_failed(d, fd, entry, outcome, err);
		result = later == 0 ? note(d, entry, err) : later < 0 ? -1 : 0;
	}
	for (size_t i = 0; i < rcpts; i++)
		str_free(&outcome[i].reply);
	free(outcome);
	return result;
}

static int
commit_kept(struct delivery *d, struct err *err)
{
	struct settled settled;
	struct err why = {0};

	if (d->kept.fd < 0)
		return 0;
	if (arrival_commit(&d->kept, err) < 0)
		return -1;
	/* They are safe; that they are not routed yet is for the next who settles. */
	spool_settle(&d->spool, &settled, &why);
	spool_ring(&d->spool);
	return 0;
}

int
sink_each(struct delivery *d, sink_one *one, void *ctx, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	int got, result = arrival_flush(&d->batch, err);

	while (result == 0 && (got = entry_read(d->batch.fd, &at, false, &entry, err)) != 0) {
		if (got < 0)
			return -1;
		result = deliver_entry(d, &entry, one, ctx, err);
		entry_free(&entry);
	}
	return result < 0 ? -1 : commit_kept(d, err);
}
