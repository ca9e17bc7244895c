#include "relay/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/relay.h"
#include "relay/transport.h"
#include "spool/retry.h"

enum {
	PASSED_AT_ONCE = 100,	/* messages not due yet, before others have their turn */
	LOCKED_SECONDS = 5,	/* another process works the queue */
	TROUBLE_SECONDS = 60,	/* it cannot be read */
	OTHERS_MICROSECONDS = 200000,	/* until it is asked again whether others are done */
};

/* when */

static void
pause_for(struct lane *lane, int64_t microseconds)
{
	if (!lane->relay->runner.stopping)
		timer_set(&lane->timer, microseconds);
}

static int64_t
between(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* When a recipient may be tried, after somebody asked for it then: 0 is now. */
static int64_t
rcpt_due(const struct lane *lane, const struct rcpt_status *status, const struct patience *patience,
    int64_t asked)
{
	int64_t age = status->at - lane->message.entry.info.time;

	if (status->state != RCPT_DEFERRED || status->at <= asked)
		return 0;
	return status->at + between(age, patience->retry_after, patience->retry_max);
}

/* Of the recipients that wait, the first that is due. */
static int64_t
message_due(const struct lane *lane, int64_t asked)
{
	const struct entry *entry = &lane->message.entry;
	const struct patience patience = settings_patience(&lane->relay->setup->settings, lane->folder,
	    entry->info.grade);
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		int64_t due = lane_waiting(lane, i) ? rcpt_due(lane, &entry->status[i], &patience, asked) : INT64_MAX;
		first = due < first ? due : first;
	}
	return first;
}

/* True while the destination as a whole pauses. */
static bool
is_paused(struct lane *lane)
{
	struct retry retry;
	struct err err;

	lane->asked = 0;
	lane->failing = false;
	if (retry_load(&lane->relay->spool, lane->folder, &retry, &err) < 0)
		return false;
	int64_t left = retry.next - clock_now();
	lane->failing = retry.failures > 0;
	lane->asked = retry.asked;
	str_free(&retry.why);
	if (left <= 0)
		return false;
	/* Looked at again each minute: somebody may clear it. */
	pause_for(lane, between(left, 0, 60 * CLOCK_SECOND));
	return true;
}

/* The first success brings all of it back.  What somebody asked for is done with only when
 * the whole queue has been gone through. */
static void
came_back(struct lane *lane)
{
	struct err err;
	int64_t done = lane->asked > 0 ? lane->asked - 1 : 0;

	lane->broken = 0;
	if (lane->failing && retry_came_back(&lane->relay->spool, lane->folder, done, &err) < 0)
		log_error("-: event=retry-lost to=%s why=\"%s\"", lane->folder, err.text);
	lane->failing = false;
}

static void
gone_through(struct lane *lane)
{
	struct err err;

	if (lane->asked != 0 && retry_came_back(&lane->relay->spool, lane->folder, lane->asked, &err) < 0)
		log_error("-: event=retry-lost to=%s why=\"%s\"", lane->folder, err.text);
	lane->asked = 0;
}

/* the queue */

static int64_t
changed_at(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* Changes when a name comes, goes or changes in the lane's folder or one of its
 * buckets.  So mail for one destination does not make all the others read their queues. */
static int64_t
folder_stamp(const struct lane *lane)
{
	struct err err;
	struct fs_names names = {0};
	int64_t stamp = changed_at(lane->relay->spool.out, lane->folder);

	if (fs_names(lane->relay->spool.out, lane->folder, &names, &err) < 0)
		return stamp;
	int dir = fs_dir(lane->relay->spool.out, lane->folder, &err);
	for (size_t i = 0; i < names.count && dir >= 0; i++)
		stamp = (int64_t)((uint64_t)stamp * 31) ^ changed_at(dir, names.name[i]);
	if (dir >= 0)
		close(dir);
	fs_names_free(&names);
	return stamp;
}

static void
close_queue(struct lane *lane)
{
	if (lane->open)
		queue_close(&lane->queue);
	lane->open = false;
}

static bool
open_queue(struct lane *lane)
{
	struct err err;

	if (lane->open)
		return true;
	lane->stamp = folder_stamp(lane);	/* before anything is read */
	if (is_paused(lane))
		return false;
	if (queue_open(&lane->queue, &lane->relay->spool, lane->folder, false, &err) < 0) {
		bool locked = errno == EWOULDBLOCK;
		if (!locked)
			log_error("-: event=queue-failed to=%s why=\"%s\"", lane->folder, err.text);
		pause_for(lane, (locked ? LOCKED_SECONDS : TROUBLE_SECONDS) * CLOCK_SECOND);
		return false;
	}
	lane->open = true;
	lane->again = false;
	lane->due = 0;
	return true;
}

static void
end_of_queue(struct lane *lane)
{
	close_queue(lane);
	if (!lane->failing)
		gone_through(lane);
	if (lane->again) {
		pause_for(lane, 0);
		return;
	}
	if (lane->transport->rest != NULL)
		lane->transport->rest(lane);
	if (lane->due > 0)
		pause_for(lane, between(lane->due - clock_now(), CLOCK_SECOND, 60 * CLOCK_SECOND));
}

/* What message_settle writes decides what is sent again, so a failure is no trifle: a
 * message that takes no line is put aside, or it would be sent with every round. */
static bool
note(struct lane *lane)
{
	struct err err;

	if (message_settle(&lane->message, &err) == 0)
		return true;
	bool alone = !queue_must_stop(errno);
	log_error("%s: event=not-noted why=\"%s\"", str_c(&lane->message.id), err.text);
	return alone && message_hold(&lane->message, "what became of it could not be noted: it may have "
	    "been delivered, to some or all", &err) == 0;
}

static void
come_back_at(struct lane *lane, int64_t due)
{
	if (due < INT64_MAX && (lane->due == 0 || due < lane->due))
		lane->due = due;
}

/* Not to be sent now: not due, or, after a crash, with everything done already. */
static void
pass_over(struct lane *lane, int64_t due)
{
	if (due == INT64_MAX)
		note(lane);
	come_back_at(lane, due);
	message_close(&lane->message);
}

static void
in_trouble(struct lane *lane, const struct err *why)
{
	log_error("-: event=queue-failed to=%s why=\"%s\"", lane->folder, why->text);
	close_queue(lane);
	pause_for(lane, TROUBLE_SECONDS * CLOCK_SECOND);
}

/* The next message that is due to the transport; true to be called again. */
static bool
take_next(struct lane *lane)
{
	struct err err;
	int got = queue_next(&lane->queue, &lane->message, &err);

	if (got < 0) {
		in_trouble(lane, &err);
		return false;
	}
	if (got == 0) {
		end_of_queue(lane);
		return false;
	}
	int64_t due = message_due(lane, lane->asked);
	if (due > clock_now()) {
		pass_over(lane, due);
		return true;
	}
	if (message_room(&lane->message, &err) < 0) {
		message_close(&lane->message);
		in_trouble(lane, &err);
		return false;
	}
	lane->busy = true;
	lane->relay->runner.busy++;
	lane->transport->send(lane);
	return false;
}

/* So many others are at work that there are no descriptors, or no bandwidth, for one more. */
static bool
is_enough(const struct lane *lane)
{
	uint64_t most = lane->relay->setup->settings.spool.max_outgoing;

	return most > 0 && lane->relay->runner.busy >= most;
}

static void
step(void *ctx)
{
	struct lane *lane = ctx;

	if (lane->busy)
		return;
	if (is_enough(lane)) {
		pause_for(lane, OTHERS_MICROSECONDS);
		return;
	}
	if (!open_queue(lane))
		return;
	for (int i = 0; i < PASSED_AT_ONCE; i++)
		if (!take_next(lane))
			return;
	pause_for(lane, 0);
}

struct lane *
lane_new(struct relay *relay, const char *folder, const char *rest,
    const struct transport *transport)
{
	struct lane *lane = mem_get(sizeof *lane);

	*lane = (struct lane){ .relay = relay, .folder = mem_text(folder), .rest = mem_text(rest),
	    .transport = transport };
	timer_start(&lane->timer, &relay->loop, step, lane);
	if (transport->open != NULL)
		transport->open(lane);
	return lane;
}

void
lane_wake(struct lane *lane, bool sure)
{
	if (!sure && lane->stamp == folder_stamp(lane))
		return;
	if (lane->open)
		lane->again = true;
	else
		timer_set_before(&lane->timer, 0);
}

void
lane_stop(struct lane *lane)
{
	timer_clear(&lane->timer);
	if (lane->busy)
		return;
	close_queue(lane);
	if (lane->transport->rest != NULL)
		lane->transport->rest(lane);
}

void
lane_free(struct lane *lane)
{
	if (lane->transport->close != NULL)
		lane->transport->close(lane);
	if (lane->busy)
		message_close(&lane->message);
	close_queue(lane);
	timer_free(&lane->timer);
	free(lane->folder);
	free(lane->rest);
	free(lane);
}

/* what became of it */

bool
lane_waiting(const struct lane *lane, size_t rcpt)
{
	return lane->message.entry.status[rcpt].state < RCPT_DONE;
}

void
lane_rcpt(struct lane *lane, size_t rcpt, enum rcpt_state state, const char *reply)
{
	static const char *const words[] = {
		[RCPT_WAITING] = "waiting", [RCPT_DEFERRED] = "deferred",
		[RCPT_DONE] = "delivered", [RCPT_FAILED] = "failed",
	};
	struct str *to = &lane->message.entry.env.rcpt[rcpt].to;

	message_rcpt(&lane->message, rcpt, state, reply);
	spool_event(&lane->relay->spool, str_c(&lane->message.id), "event=%s to=<%s> by=%s:%s reply=\"%s\"",
	    words[state], str_c(to), lane->transport->name, lane->rest, reply);
}

void
lane_rcpt_done(struct lane *lane, size_t rcpt, const char *reply, enum dsn_kind kind)
{
	lane_rcpt(lane, rcpt, RCPT_DONE, reply);
	message_report(&lane->message, rcpt, kind);
}

void
lane_rcpt_err(struct lane *lane, size_t rcpt, const struct err *err)
{
	struct str reply = {0};

	err_reply(err, &reply);
	lane_rcpt(lane, rcpt, err->kind == ERR_PERM ? RCPT_FAILED : RCPT_DEFERRED, str_c(&reply));
	str_free(&reply);
}

static void
pause_destination(struct lane *lane, const struct err *why)
{
	struct err err;

	log_warn("-: event=unreachable by=%s:%s why=\"%s\"", lane->transport->name, lane->rest, why->text);
	if (retry_failed(&lane->relay->spool, lane->folder, why->text, &err) < 0)
		log_error("-: event=retry-lost to=%s why=\"%s\"", lane->folder, err.text);
	close_queue(lane);
	if (!is_paused(lane))	/* no hint could be written: do not spin */
		pause_for(lane, TROUBLE_SECONDS * CLOCK_SECOND);
}

static void
after_failure(struct lane *lane, const struct err *why)
{
	lane->broken = 0;
	pause_destination(lane, why);
}

/* The message is done with; what comes next depends on why. */
static void
message_over(struct lane *lane, const struct err *why)
{
	bool noted = note(lane);

	come_back_at(lane, message_due(lane, 0));
	message_close(&lane->message);
	lane->busy = false;
	lane->relay->runner.busy--;
	if (why != NULL)
		after_failure(lane, why);
	else
		pause_for(lane, noted ? 0 : TROUBLE_SECONDS * CLOCK_SECOND);
	if (lane->relay->runner.stopping) {
		lane_stop(lane);
		relay_left(lane->relay);
	}
}

void
lane_done(struct lane *lane, const struct err *err)
{
	if (err == NULL)
		came_back(lane);
	message_over(lane, err);
}

void
lane_broken(struct lane *lane, const struct err *err)
{
	struct str words = {0};

	str_printf(&words, "4.4.2 the connection broke while it was sent: %s", err->text);
	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
		if (lane_waiting(lane, i) && lane->message.fresh[i].at == 0)
			lane_rcpt(lane, i, RCPT_DEFERRED, str_c(&words));
	str_free(&words);
	message_over(lane, ++lane->broken < LANE_BROKEN ? NULL : err);
}
