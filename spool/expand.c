#include "spool/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/utf8.h"
#include "lib/mail/xtext.h"
#include "spool/alias.h"
#include "spool/route.h"

void
groups_free(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		str_free(&groups->group[i].folder);
		str_free(&groups->group[i].way);
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

/* Where it goes, and by which of its filters: who is to have a thin view is no company for who
 * is to have the whole. */
struct going {
	enum fate fate;
	struct str folder, way;
};

static void
going_free(struct going *going)
{
	str_free(&going->folder);
	str_free(&going->way);
}

static void
go_by_filters(const struct settings *settings, struct span to, struct going *going)
{
	struct span rest = span_of(settings_filters_of(settings, str_c(&going->folder))), name;

	while ((name = span_word(&rest)).len > 0) {
		const struct filter_settings *filter = settings_filter(settings, name);
		str_add_char(&going->way, filter != NULL && settings_filter_means(filter, to) ? '+' : '-');
	}
	route_by_filters(settings, &going->folder);
}

static struct group *
group_for(const struct spool *spool, struct groups *groups, const struct entry *entry, const struct going *going,
    bool aliased)
{
	for (size_t i = groups->count; i-- > 0; )
		if (groups->group[i].fate == going->fate &&
		    span_same(str_span(&groups->group[i].folder), str_span(&going->folder)) &&
		    span_same(str_span(&groups->group[i].way), str_span(&going->way)) &&
		    groups->group[i].aliased == aliased && has_room(spool, &groups->group[i]))
			return &groups->group[i];
	groups->group = mem_resize(groups->group, groups->count + 1, sizeof *groups->group);
	struct group *group = &groups->group[groups->count++];
	*group = (struct group){ .fate = going->fate, .aliased = aliased };
	str_set_span(&group->folder, str_span(&going->folder));
	str_set_span(&group->way, str_span(&going->way));
	envelope_from(&group->env, str_span(&entry->env.from), str_span(&entry->env.args));
	return group;
}

/* Recipient i of the entry, or one that he stands for. */
struct target {
	size_t i;
	struct span to, args;
	bool aliased;
};

static bool
is_there(const struct group *group, struct span to)
{
	for (size_t i = 0; i < group->env.rcpts; i++)
		if (span_same(str_span(&group->env.rcpt[i].to), to))
			return true;
	return false;
}

/* He joins the group, with his last words. */
static void
join_group(struct group *group, const struct entry *entry, const struct target *target)
{
	const struct rcpt_status *status = &entry->status[target->i];
	struct str event = {0};
	char number[24];

	if (target->aliased && is_there(group, target->to))
		return;		/* by way of another alias, or named himself: once is enough */
	envelope_add(&group->env, target->to, target->args);
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
mark_rcpt(struct entry *entry, size_t i, enum rcpt_state state, enum dsn_kind due)
{
	struct rcpt_status *status = &entry->status[i];

	status->state = state;
	status->due = due;
	status->at = clock_now();
	str_clear(&status->reply);
	str_clear(&status->via);
}

static void
refuse_rcpt(struct entry *entry, size_t i, const char *text)
{
	mark_rcpt(entry, i, RCPT_FAILED, DSN_FAILURE);
	str_printf(&entry->status[i].reply, "550 5.7.1 %s", text);
}

static int
route_target(const struct spool *spool, struct entry *entry, const struct target *target, struct groups *groups,
    struct err *err)
{
	struct route_match match = route_find(spool->settings, target->to);
	struct going going = { .fate = match.kind == ROUTE_NONE ? TO_HOLD : TO_OUT };

	if (match.kind == ROUTE_LATER)
		return err_set(err, ERR_TEMP, "%s", match.rest);
	if (match.kind == ROUTE_REJECT) {
		refuse_rcpt(entry, target->i, match.rest);
		return 0;
	}
	if (match.kind != ROUTE_NONE)
		route_folder(&match, &going.folder);
	if (match.kind != ROUTE_NONE && !entry->filtered)
		go_by_filters(spool->settings, target->to, &going);
	struct group *group = group_for(spool, groups, entry, &going, target->aliased);
	join_group(group, entry, target);
	if (match.kind == ROUTE_NONE && group->reason.len == 0 && match.rest[0] != '\0')
		str_add_text(&group->reason, match.rest);
	else if (match.kind == ROUTE_NONE && group->reason.len == 0)
		str_printf(&group->reason, "no route for <%.*s>; add one to [routes] and \"mochila release\" it",
		    (int)target->to.len, target->to.p);
	going_free(&going);
	return 0;
}

/* aliases */

/* What goes on with each that an alias for several stands for: SUCCESS is answered for here, and
 * who wanted nothing else wants nothing more (RFC 3461 5.2.7). */
static void
without_success(struct span words, struct str *out)
{
	struct span notify, part, word;

	while ((word = span_word(&words)).len > 0) {
		str_add_text(out, out->len > 0 ? " " : "");
		if (!span_begins_case(word, "NOTIFY=")) {
			str_add_span(out, word);
			continue;
		}
		str_add_text(out, "NOTIFY=");
		size_t before = out->len;
		for (notify = span_from(word, strlen("NOTIFY=")); span_cut(&notify, ',', &part); ) {
			if (span_is_case(part, "SUCCESS"))
				continue;
			str_add_text(out, out->len > before ? "," : "");
			str_add_span(out, part);
		}
		if (out->len == before)
			str_add_text(out, "NEVER");
	}
}

/* The address is another from here on; whom it was for is told by ORCPT. */
static void
args_for(const struct rcpt *rcpt, bool several, struct str *out)
{
	struct span ignored;

	if (several)
		without_success(str_span(&rcpt->args), out);
	else
		str_set_span(out, str_span(&rcpt->args));
	if (envelope_arg(str_span(&rcpt->args), "ORCPT", &ignored) || !utf8_is_ascii(str_span(&rcpt->to)))
		return;
	str_add_text(out, out->len > 0 ? " ORCPT=rfc822;" : "ORCPT=rfc822;");
	xtext_encode(str_span(&rcpt->to), out);
}

static int
route_all(const struct spool *spool, struct entry *entry, size_t i, const struct aliases *list,
    struct groups *groups, struct err *err)
{
	bool several = list->count > 1;
	struct str args = {0};
	int result = 0;

	if (several) {
		mark_rcpt(entry, i, RCPT_DONE, dsn_wanted(str_span(&entry->env.rcpt[i].args), DSN_EXPANDED) ?
		    DSN_EXPANDED : DSN_NONE);
		str_printf(&entry->status[i].reply, "250 2.1.5 it goes on to %zu addresses", list->count);
		entry->status[i].at = 0;	/* of no interest to those that it goes on to */
	}
	args_for(&entry->env.rcpt[i], several, &args);
	for (size_t n = 0; n < list->count && result == 0; n++) {
		const struct target target = { .i = i, .to = span_of(list->address[n]), .args = str_span(&args),
			.aliased = true };
		result = route_target(spool, entry, &target, groups, err);
	}
	str_free(&args);
	return result;
}

static bool
is_itself(const struct rcpt *rcpt, const struct aliases *list)
{
	char *to = mem_text_n(rcpt->to.p, rcpt->to.len);
	bool same = list->count == 1 && span_is_case(span_of(list->address[0]), to);

	free(to);
	return same;
}

/* -1 in err is of the tables, and for all of the message; what is of this recipient alone
 * is told of him. */
static int
route_by_alias(const struct spool *spool, struct entry *entry, size_t i, struct groups *groups, bool *routed,
    struct err *err)
{
	const struct rcpt *rcpt = &entry->env.rcpt[i];
	struct aliases list = {0};
	int found = alias_expand(spool->settings, str_span(&rcpt->to), &list, err);

	*routed = true;
	if (found < 0 && err->kind == ERR_PERM) {
		mark_rcpt(entry, i, RCPT_FAILED, DSN_FAILURE);
		str_printf(&entry->status[i].reply, "550 5.4.6 %s", err->text);
	} else if (found < 0 && err->kind == ERR_CONFIG) {
		const struct target target = { .i = i, .to = str_span(&rcpt->to), .args = str_span(&rcpt->args) };
		struct group *group = group_for(spool, groups, entry, &(struct going){ .fate = TO_HOLD }, false);
		join_group(group, entry, &target);
		if (group->reason.len == 0)
			str_add_text(&group->reason, err->text);
	} else if (found < 0) {
		return -1;
	} else if (found > 0 && !is_itself(rcpt, &list)) {
		groups->changed = true;
		found = route_all(spool, entry, i, &list, groups, err);
	} else {
		*routed = false;
		found = 0;
	}
	aliases_free(&list);
	return found < 0 && err->kind == ERR_TEMP ? -1 : 0;
}

static int
route_rcpt(const struct spool *spool, struct entry *entry, size_t i, struct groups *groups, struct err *err)
{
	const struct rcpt *rcpt = &entry->env.rcpt[i];
	const struct target target = { .i = i, .to = str_span(&rcpt->to), .args = str_span(&rcpt->args),
		.aliased = entry->info.aliased };
	bool routed = false;

	if (route_folder_ok(str_span(&entry->info.to))) {
		struct going going = { .fate = TO_OUT };
		str_set_span(&going.folder, str_span(&entry->info.to));
		if (!entry->filtered)
			go_by_filters(spool->settings, target.to, &going);
		join_group(group_for(spool, groups, entry, &going, target.aliased), entry, &target);
		going_free(&going);
		return 0;
	}
	if (!entry->info.aliased && route_by_alias(spool, entry, i, groups, &routed, err) < 0)
		return -1;
	return routed ? 0 : route_target(spool, entry, &target, groups, err);
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

int
expand_entry(const struct spool *spool, struct entry *entry, struct groups *groups, struct err *err)
{
	int result = 0;

	*groups = (struct groups){0};
	/* A message whose recipients all failed or are done, and of which nothing is to
	 * be told, was put here by a person: those that failed are tried again. */
	bool again = entry_waiting(entry) == 0 && !expand_reports_due(entry);
	for (size_t i = 0; i < entry->env.rcpts && result == 0; i++) {
		enum rcpt_state state = entry->status[i].state;
		if (state < RCPT_DONE || (again && state == RCPT_FAILED))
			result = route_rcpt(spool, entry, i, groups, err);
	}
	return result;
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
		const struct target target = { .i = i, .to = str_span(&entry->env.rcpt[i].to),
			.args = str_span(&entry->env.rcpt[i].args) };
		if (entry->env.from.len == 0)
			join_group(group_for(spool, groups, entry, &(struct going){ .fate = TO_FAILED }, false), entry, &target);
	}
}
