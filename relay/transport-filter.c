/*
 * transport-filter - through the filters of a destination, and then there.
 *
 *	out/filter:home/BUCKET/ID	waits for the filters of [site home]
 *	out/home/BUCKET/ID		has been through them
 *
 * What they changed is written anew under its id in the first place, with a line that says it
 * was filtered, and only then moved to the second by one rename, or to hold/: killed at any
 * moment the message is in one place, whole, and what was done is not done again.
 */
#include "relay/transport.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/filters.h"
#include "relay/lane.h"
#include "relay/refit.h"
#include "relay/relay.h"
#include "spool/bucket.h"

enum { TROUBLES = 3 };	/* in a row, and all of it pauses */

struct work {
	struct lane *lane;
	struct filters_asking asking;
	struct str folder;	/* behind the filters */
	unsigned troubles;
};

static void
tell_all(struct lane *lane, const struct err *err)
{
	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
		if (lane_waiting(lane, i))
			lane_rcpt_err(lane, i, err);
}

/* It has been through: to where it goes. */
static int
move_on(struct work *work, struct err *err)
{
	struct message *m = &work->lane->message;
	const char *folder = str_c(&work->folder);

	if (!message_still_there(m))
		return 0;	/* a person took it */
	if (bucket_place(m->spool, message_dir(m), str_c(&m->id), folder, str_c(&m->id), m->entry.info.grade, err) < 0)
		return -1;
	m->queue->removed = true;
	spool_event(m->spool, str_c(&m->id), "event=filtered site=%s", folder);
	spool_ring(m->spool);
	return message_sync(m, err);
}

static int
mark(struct message *m, struct err *err)
{
	struct str line = {0};

	entry_state_line(clock_now(), NULL, "filtered", NULL, (struct span){0}, &line);
	int result = message_append(m, str_span(&line), err);
	str_free(&line);
	return result;
}

static int
pass(struct work *work, struct err *err)
{
	return mark(&work->lane->message, err) < 0 ? -1 : move_on(work, err);
}

/* One that was filtered and written: on its way, or to a person. */
static int
go_where_it_says(struct work *work, struct err *err)
{
	struct message *m = &work->lane->message;

	if (m->entry.held.len == 0)
		return move_on(work, err);
	struct str why = {0};
	str_set_span(&why, str_span(&m->entry.held));
	int result = message_still_there(m) ? message_hold(m, str_c(&why), err) : 0;
	str_free(&why);
	return result;
}

/* Where the filters send it, if not there. */
static void
take_destination(struct work *work, int fd)
{
	struct entry entry;
	struct err ignored;
	off_t at = 0;

	if (entry_read(fd, &at, false, &entry, &ignored) <= 0)
		return;
	if (route_folder_ok(str_span(&entry.info.to)))
		str_set_span(&work->folder, str_span(&entry.info.to));
	entry_free(&entry);
}

static int
change(struct work *work, int fd, struct err *err)
{
	struct message *m = &work->lane->message;

	take_destination(work, fd);
	int result = refit_message(m, fd, err);
	return result < 0 ? -1 : go_where_it_says(work, err);
}

/* Whatever it is, it is no fault of the message. */
static void
trouble(struct work *work, const struct err *err)
{
	struct lane *lane = work->lane;
	struct err later = *err;

	later.kind = ERR_TEMP;
	tell_all(lane, &later);
	lane_done(lane, ++work->troubles >= TROUBLES ? &later : NULL);
}

/* The nth of those that were waiting when it was asked, and still are. */
static void
tell_each(struct work *work, struct span outcomes)
{
	struct lane *lane = work->lane;
	struct span line;
	size_t count = 0;

	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++) {
		uint64_t n;
		if (!lane_waiting(lane, i))
			continue;
		if (!span_cut(&outcomes, '\n', &line) || span_number(span_word(&line), UINT32_MAX, &n) < 0 || n != count++)
			break;
		struct span word = span_word(&line);
		struct str reply = {0};
		if (span_is(word, "wait"))
			continue;
		str_add_span(&reply, span_trim(line));
		lane_rcpt(lane, i, span_is(word, "done") ? RCPT_DONE : span_is(word, "failed") ? RCPT_FAILED : RCPT_DEFERRED,
		    str_c(&reply));
		str_free(&reply);
	}
}

/* It has been decided; err: this could not be written down, or they want a rest. */
static int
act(struct work *work, const struct filtered *filtered, struct err *err)
{
	struct lane *lane = work->lane;

	switch (filtered->verdict) {
	case FILTERED_SAME:
		return pass(work, err);
	case FILTERED_CHANGED:
		return change(work, filtered->fd, err);
	case FILTERED_GONE:
		for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
			if (lane_waiting(lane, i))
				lane_rcpt(lane, i, RCPT_DONE, "250 2.0.0 a filter has taken it");
		return 0;
	case FILTERED_EACH:
		tell_each(work, str_span(&filtered->outcomes));
		return 0;
	case FILTERED_HELD:
		/* Who releases it has looked at it: it is not held once more for the same. */
		return mark(&lane->message, err) < 0 ? -1 : message_hold(&lane->message, filtered->err.text, err);
	case FILTERED_REFUSED:
	case FILTERED_LATER:
		break;
	}
	tell_all(lane, &filtered->err);
	return 0;
}

static void
log_notes(const struct work *work, const struct filtered *filtered)
{
	struct span rest = str_span(&filtered->notes), line;

	while (span_cut(&rest, '\n', &line))
		if (line.len > 0)
			log_info("%.*s: %.*s", (int)work->lane->message.id.len, work->lane->message.id.p, (int)line.len, line.p);
}

static void
on_filtered(struct filters_asking *asking, struct filtered *filtered)
{
	struct work *work = (struct work *)((char *)asking - offsetof(struct work, asking));
	struct lane *lane = work->lane;
	struct err err = {0};
	bool rests = filtered->rest_after;

	log_notes(work, filtered);
	if (filtered->rescan) {
		spool_ring(&lane->relay->spool);
		runner_look(&lane->relay->runner, true);
	}
	/* A filter that says "later" has decided; one that cannot be asked has not. */
	if (filtered->verdict == FILTERED_LATER && filtered->err.reply == 0) {
		trouble(work, &filtered->err);
		filtered_free(filtered);
		return;
	}
	int result = act(work, filtered, &err);
	filtered_free(filtered);
	if (result < 0) {
		trouble(work, &err);
		return;
	}
	work->troubles = 0;
	if (rests)
		err_set(&err, ERR_TEMP, "a filter wants no more for now");
	lane_done(lane, rests ? &err : NULL);
}

/* 1: there is nothing to ask, it goes on as it is. */
static int
ask(struct work *work, struct err *err)
{
	struct lane *lane = work->lane;
	const struct settings *settings = &lane->relay->setup->settings;
	struct entry *entry = &lane->message.entry;
	struct filters_text text = { .file = lane->message.fd, .at = entry->body_at, .len = entry->body_len };
	struct filter_job job = {0};
	struct envelope env = {0};

	entry_still_waiting(entry, &env);
	work->asking.answer = on_filtered;
	int result = chain_take(&job, settings, settings_filters_of(settings, str_c(&work->folder)), &env, err);
	str_set_span(&job.destination, str_span(&work->folder));
	if (result == 0 && job.specs == 0)
		result = pass(work, err) == 0 ? 1 : -1;
	else if (result == 0)
		result = filters_ask(&lane->relay->filters, &job, &entry->info, &env, &text, &work->asking, err);
	envelope_free(&env);
	chain_free(&job);
	return result;
}

static void
filter_open(struct lane *lane)
{
	struct work *work = mem_get(sizeof *work);

	*work = (struct work){ .lane = lane };
	lane->work = work;
}

static void
filter_send(struct lane *lane)
{
	struct work *work = lane->work;
	struct err err = {0};

	str_clear(&work->folder);
	route_behind_filters(lane->rest, &work->folder);
	if (lane->message.entry.filtered) {	/* and it died right behind that */
		if (route_folder_ok(str_span(&lane->message.entry.info.to)))
			str_set_span(&work->folder, str_span(&lane->message.entry.info.to));
		if (refit_show(&lane->message, &err) == 0 && go_where_it_says(work, &err) == 0)
			lane_done(lane, NULL);
		else
			trouble(work, &err);
	} else {
		int asked = ask(work, &err);
		if (asked < 0)
			trouble(work, &err);
		else if (asked > 0)
			lane_done(lane, NULL);
	}
}

static void
filter_close(struct lane *lane)
{
	struct work *work = lane->work;

	filters_leave(&work->asking);
	str_free(&work->folder);
	free(work);
	lane->work = NULL;
}

const struct transport transport_filter = {
	.name = "filter",
	.kind = ROUTE_FILTER,
	.many = true,
	.open = filter_open,
	.send = filter_send,
	.close = filter_close,
};
