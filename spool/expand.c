#include "spool/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "spool/route.h"

void
groups_free(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		str_free(&groups->group[i].folder);
		str_free(&groups->group[i].reason);
		str_free(&groups->group[i].history);
		envelope_free(&groups->group[i].env);
	}
	free(groups->group);
}

/* Where recipients are words of a command line, a message has no more than fit there. */
static bool
has_room(const struct spool *spool, const struct group *group)
{
	enum { COMMAND_ROOM = 4000, LONGEST = 512 };
	struct str folder = group->folder;
	const struct site_settings *site = group->fate == TO_OUT ?
	    settings_site(spool->settings, str_c(&folder)) : NULL;
	size_t bytes = 0;

	if (site == NULL || strcmp(site->format, "rmail") != 0)
		return true;
	for (size_t i = 0; i < group->env.rcpts; i++)
		bytes += group->env.rcpt[i].to.len + 1;
	return bytes + LONGEST <= COMMAND_ROOM;
}

static struct group *
group_for(const struct spool *spool, struct groups *groups, const struct entry *entry, enum fate fate,
    struct span folder)
{
	for (size_t i = groups->count; i-- > 0; )
		if (groups->group[i].fate == fate && span_same(str_span(&groups->group[i].folder), folder) &&
		    has_room(spool, &groups->group[i]))
			return &groups->group[i];
	groups->group = mem_resize(groups->group, groups->count + 1, sizeof *groups->group);
	struct group *group = &groups->group[groups->count++];
	*group = (struct group){ .fate = fate };
	str_set_span(&group->folder, folder);
	envelope_from(&group->env, str_span(&entry->env.from), str_span(&entry->env.args));
	return group;
}

/* Recipient i joins the group, with its last words. */
static void
join_group(struct group *group, const struct entry *entry, size_t i)
{
	const struct rcpt *rcpt = &entry->env.rcpt[i];
	const struct rcpt_status *status = &entry->status[i];
	struct str event = {0};
	char number[24];

	envelope_add(&group->env, str_span(&rcpt->to), str_span(&rcpt->args));
	if (status->at == 0)
		return;
	snprintf(number, sizeof number, "%zu", group->env.rcpts);
	str_add_text(&event, group->fate == TO_FAILED ? "failed" : "deferred");
	if (status->via.len > 0)
		str_printf(&event, " via=%.*s", (int)status->via.len, status->via.p);
	entry_state_line(status->at, number, str_c(&event), "reply", str_span(&status->reply), &group->history);
	str_free(&event);
}

static void
refuse_rcpt(struct entry *entry, size_t i, const char *text)
{
	struct rcpt_status *status = &entry->status[i];

	status->state = RCPT_FAILED;
	status->due = DSN_FAILURE;
	status->at = clock_now();
	str_clear(&status->reply);
	str_printf(&status->reply, "550 5.7.1 %s", text);
}

static void
route_rcpt(const struct spool *spool, struct entry *entry, size_t i, struct groups *groups)
{
	const struct rcpt *rcpt = &entry->env.rcpt[i];
	struct route_match match = route_find(spool->settings, str_span(&rcpt->to));
	struct str folder = {0};

	if (route_folder_ok(str_span(&entry->info.to))) {
		join_group(group_for(spool, groups, entry, TO_OUT, str_span(&entry->info.to)), entry, i);
		return;
	}
	if (match.kind == ROUTE_REJECT) {
		refuse_rcpt(entry, i, match.rest);
		return;
	}
	if (match.kind != ROUTE_NONE)
		route_folder(&match, &folder);
	struct group *group = group_for(spool, groups, entry, match.kind == ROUTE_NONE ? TO_HOLD : TO_OUT,
	    str_span(&folder));
	join_group(group, entry, i);
	if (match.kind == ROUTE_NONE && group->reason.len == 0)
		str_printf(&group->reason, "no route for <%.*s>; add one to [routes] and \"mochila release\" it",
		    (int)rcpt->to.len, rcpt->to.p);
	str_free(&folder);
}

/* Is there more to do with it than to move it on? */
bool
expand_reports_due(const struct entry *entry)
{
	bool due = entry->delay_due;

	for (size_t i = 0; i < entry->env.rcpts; i++)
		due |= entry->status[i].due != DSN_NONE;
	return due;
}

void
expand_entry(const struct spool *spool, struct entry *entry, struct groups *groups)
{
	*groups = (struct groups){0};
	/* A message whose recipients all failed or are done, and of which nothing is to
	 * be told, was put here by a person: those that failed are tried again. */
	bool again = entry_waiting(entry) == 0 && !expand_reports_due(entry);
	for (size_t i = 0; i < entry->env.rcpts; i++) {
		enum rcpt_state state = entry->status[i].state;
		if (state < RCPT_DONE || (again && state == RCPT_FAILED))
			route_rcpt(spool, entry, i, groups);
	}
}

/* Nobody can be told of the failure of a message without sender: it waits for a person. */
void
expand_failed(const struct spool *spool, const struct entry *entry, struct groups *groups)
{
	for (size_t i = 0; i < entry->env.rcpts; i++) {
		if (entry->status[i].due != DSN_FAILURE)
			continue;
		struct str id = entry->info.id;
		spool_event(spool, str_c(&id), "event=failed to=<%.*s> reply=\"%.*s\"",
		    (int)entry->env.rcpt[i].to.len, entry->env.rcpt[i].to.p,
		    (int)entry->status[i].reply.len, entry->status[i].reply.p);
		if (entry->env.from.len == 0)
			join_group(group_for(spool, groups, entry, TO_FAILED, (struct span){ "", 0 }), entry, i);
	}
}
