#include "relay/road.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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
	OVER_SECONDS = 3600,	/* nothing waited for so long: its folder goes */
	OTHERS_MICROSECONDS = 200000,	/* until it is asked again whether others are done */
};

/* when */

static void
pause_for(struct road *road, int64_t microseconds)
{
	if (!road->relay->runner.stopping)
		timer_set(&road->timer, microseconds);
}

static int64_t
between(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* When a recipient may be tried, after somebody asked for it then: 0 is now. */
static int64_t
rcpt_due(const struct message *message, const struct rcpt_status *status, const struct patience *patience,
    int64_t asked)
{
	int64_t age = status->at - message->entry.info.time;

	if (status->state != RCPT_DEFERRED || status->at <= asked)
		return 0;
	return status->at + between(age, patience->retry_after, patience->retry_max);
}

/* Of the recipients that wait, the first that is due. */
static int64_t
message_due(const struct lane *lane, int64_t asked)
{
	const struct entry *entry = &lane->message.entry;
	const struct patience patience = settings_patience(&lane->relay->setup->settings, lane->road->folder,
	    entry->info.grade);
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		int64_t due = lane_waiting(lane, i) ? rcpt_due(&lane->message, &entry->status[i], &patience, asked) : INT64_MAX;
		first = due < first ? due : first;
	}
	return first;
}

/* True while the destination as a whole pauses. */
static bool
is_paused(struct road *road)
{
	struct retry retry;
	struct err err;

	road->asked = 0;
	road->failing = false;
	if (retry_load(&road->relay->spool, road->folder, &retry, &err) < 0)
		return false;
	int64_t left = retry.next - clock_now();
	road->failing = retry.failures > 0;
	road->asked = retry.asked;
	str_free(&retry.why);
	if (left <= 0)
		return false;
	/* Looked at again each minute: somebody may clear it. */
	pause_for(road, between(left, 0, 60 * CLOCK_SECOND));
	return true;
}

/* The first success brings all of it back.  What somebody asked for is done with only when
 * the whole queue has been gone through. */
static void
came_back(struct road *road)
{
	struct err err;
	int64_t done = road->asked > 0 ? road->asked - 1 : 0;

	road->broken = 0;
	if (road->failing && retry_came_back(&road->relay->spool, road->folder, done, &err) < 0)
		log_error("-: event=retry-lost to=%s why=\"%s\"", road->folder, err.text);
	road->failing = false;
}

static void
gone_through(struct road *road)
{
	struct err err;

	if (road->asked != 0 && retry_came_back(&road->relay->spool, road->folder, road->asked, &err) < 0)
		log_error("-: event=retry-lost to=%s why=\"%s\"", road->folder, err.text);
	road->asked = 0;
}

/* lanes */

bool
road_busy(const struct road *road)
{
	for (size_t i = 0; i < road->lanes; i++)
		if (lane_at_work(road->lane[i]))
			return true;
	return false;
}

/* How many it may have at most. */
static size_t
most_lanes(const struct road *road)
{
	if (!road->transport->many)
		return 1;
	uint64_t said = settings_hop(&road->relay->setup->settings, road->transport->name, road->rest)->connections;
	return (size_t)between((int64_t)said, 1, ROAD_LANES_MAX);
}

static struct lane *
add_lane(struct road *road)
{
	road->lane = mem_resize(road->lane, road->lanes + 1, sizeof *road->lane);
	road->lane[road->lanes] = lane_new(road);
	return road->lane[road->lanes++];
}

/* One to send by, rather one with a connection; NULL: all that may be are at work. */
static struct lane *
free_lane(struct road *road)
{
	struct lane *best = NULL;
	size_t busy = 0;

	for (size_t i = 0; i < road->lanes; i++) {
		struct lane *lane = road->lane[i];
		bool at_work = lane_at_work(lane);
		busy += at_work;
		if (!at_work && (best == NULL || (lane->proven && !best->proven)))
			best = lane;
	}
	if (busy >= road->window)
		return NULL;
	return best != NULL ? best : add_lane(road);
}

/* May another one be sent by? */
static bool
any_lane_free(const struct road *road)
{
	size_t busy = 0;

	for (size_t i = 0; i < road->lanes; i++)
		busy += lane_at_work(road->lane[i]);
	return busy < road->window;
}

static struct lane *
stem_of(struct lane *lane)
{
	return lane->stem != NULL ? lane->stem : lane;
}

/* Do others get through, while this one does not? */
static size_t
others_served(const struct road *road, const struct lane *lane)
{
	size_t count = 0;

	for (size_t i = 0; i < road->lanes; i++)
		count += road->lane[i] != lane && road->lane[i]->proven;
	return count;
}

static void
rest_lanes(struct road *road)
{
	for (size_t i = 0; i < road->lanes; i++)
		if (!lane_at_work(road->lane[i]))
			lane_rest(road->lane[i]);
}

static void
kept_long_enough(void *ctx)
{
	rest_lanes(ctx);
}

static void
keep_lanes(struct road *road)
{
	int64_t keep = settings_hop(&road->relay->setup->settings, road->transport->name, road->rest)->keep;

	if (keep > 0 && road->transport->many && !road->relay->runner.stopping)
		timer_set(&road->keep, keep * CLOCK_SECOND);
	else
		rest_lanes(road);
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

/* Changes when a name comes, goes or changes in the road's folder or one of its
 * buckets.  So mail for one destination does not make all the others read their queues. */
static int64_t
folder_stamp(const struct road *road)
{
	struct err err;
	struct fs_names names = {0};
	int64_t stamp = changed_at(road->relay->spool.out, road->folder);

	if (fs_names(road->relay->spool.out, road->folder, &names, &err) < 0)
		return stamp;
	int dir = fs_dir(road->relay->spool.out, road->folder, &err);
	for (size_t i = 0; i < names.count && dir >= 0; i++)
		stamp = (int64_t)((uint64_t)stamp * 31) ^ changed_at(dir, names.name[i]);
	if (dir >= 0)
		close(dir);
	fs_names_free(&names);
	return stamp;
}

static void
close_queue(struct road *road)
{
	if (road->open)
		queue_close(&road->queue);
	road->open = false;
}

static bool
has_in_hand(struct lane *lane, const char *id)
{
	if (lane->busy && strcmp(str_c(&lane->message.id), id) == 0)
		return true;
	for (size_t i = 0; i < lane->riders; i++)
		if (has_in_hand(lane->rider[i], id))
			return true;
	return false;
}

/* Not one that a lane has in hand. */
static bool
is_free(void *arg, const char *id)
{
	const struct road *road = arg;

	for (size_t i = 0; i < road->lanes; i++)
		if (has_in_hand(road->lane[i], id))
			return false;
	return true;
}

static bool
open_queue(struct road *road)
{
	struct err err;

	if (road->open)
		return true;
	road->stamp = folder_stamp(road);	/* before anything is read */
	if (is_paused(road))
		return false;
	if (queue_open(&road->queue, &road->relay->spool, road->folder, false, &err) < 0) {
		bool locked = errno == EWOULDBLOCK;
		if (!locked)
			log_error("-: event=queue-failed to=%s why=\"%s\"", road->folder, err.text);
		pause_for(road, (locked ? LOCKED_SECONDS : TROUBLE_SECONDS) * CLOCK_SECOND);
		return false;
	}
	road->queue.passes = is_free;
	road->queue.arg = road;
	road->open = true;
	road->walked = road->again = road->full = false;
	/* Those that kept their connection, and one more. */
	road->window = (size_t)between((int64_t)others_served(road, NULL) + 1, 1, (int64_t)most_lanes(road));
	road->due = 0;
	return true;
}

/* the walk */

static void
end_of_queue(struct road *road)
{
	close_queue(road);
	if (!road->failing)
		gone_through(road);
	if (road->again) {
		pause_for(road, 0);
		return;
	}
	keep_lanes(road);
	if (road->due > 0)
		pause_for(road, between(road->due - clock_now(), CLOCK_SECOND, 60 * CLOCK_SECOND));
}

/* No more of this queue: closed when nobody is at work on it, and then it pauses. */
static void
halt(struct road *road, int64_t pause)
{
	if (road->halted == 0)
		road->halted = pause;
	if (road_busy(road))
		return;
	close_queue(road);
	pause = road->halted;
	road->halted = 0;
	rest_lanes(road);
	if (!is_paused(road))
		pause_for(road, pause);
}

static void
in_trouble(struct road *road, const struct err *why)
{
	log_error("-: event=queue-failed to=%s why=\"%s\"", road->folder, why->text);
	halt(road, TROUBLE_SECONDS * CLOCK_SECOND);
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
come_back_at(struct road *road, int64_t due)
{
	if (due < INT64_MAX && (road->due == 0 || due < road->due))
		road->due = due;
}

/* One that hangs for minutes keeps its bucket, and without this what the others had done would hang
 * there with it: a power cut would send it again. */
static void
sync_left(void *ctx)
{
	struct road *road = ctx;
	struct err err;

	if (road->open && road->queue.bucket_dir >= 0 && queue_sync(&road->queue, &err) < 0)
		log_warn("queue %s: %s", road->folder, err.text);
	for (size_t i = 0; i < road->lanes; i++) {
		struct lane *lane = road->lane[i];
		if (message_left_by_others(&lane->message, &err) < 0)
			log_warn("queue %s: %s", road->folder, err.text);
		for (size_t n = 0; n < lane->riders; n++)
			if (message_left_by_others(&lane->rider[n]->message, &err) < 0)
				log_warn("queue %s: %s", road->folder, err.text);
	}
}

static void
close_message(struct lane *lane)
{
	struct err err;

	if (lane->message.removed)
		timer_set_before(&lane->road->left, LEFT_SECONDS * CLOCK_SECOND);
	if (message_left(&lane->message, &err) < 0)
		log_warn("queue %s: %s", lane->road->folder, err.text);
	message_close(&lane->message);
}

/* Not to be sent now: not due, or, after a crash, with everything done already. */
static void
pass_over(struct lane *lane, int64_t due)
{
	if (due == INT64_MAX)
		note(lane);
	come_back_at(lane->road, due);
	close_message(lane);
}

/* 1: the lane has a message to send; 0: there was one, that is not due; -1: none, or not now. */
static int
take_message(struct road *road, struct lane *lane)
{
	struct err err;
	int got = queue_next(&road->queue, &lane->message, &err);

	if (got < 0)
		in_trouble(road, &err);
	road->walked = got == 0;
	if (got <= 0)
		return -1;
	int64_t due = message_due(lane, road->asked);
	if (due > clock_now()) {
		pass_over(lane, due);
		return 0;
	}
	message_keep(&lane->message);
	if (message_room(&lane->message, &err) == 0)
		return 1;
	message_close(&lane->message);
	in_trouble(road, &err);
	return -1;
}

/* So many others are at work that there are no descriptors, or no bandwidth, for one more. */
static bool
is_enough(const struct road *road)
{
	uint64_t most = road->relay->setup->settings.spool.max_outgoing;

	return most > 0 && road->relay->runner.busy >= most;
}

/* All of it was seen.  What came meanwhile, and what is due by now, is looked at while
 * some are still under way; else that is the end. */
static bool
walk_again(struct road *road)
{
	struct err err;
	bool due = road->due > 0 && road->due <= clock_now();

	if (!road_busy(road)) {
		end_of_queue(road);
		return false;
	}
	if (!road->again && !due) {
		if (road->due > 0)
			pause_for(road, between(road->due - clock_now(), CLOCK_SECOND, 60 * CLOCK_SECOND));
		return false;
	}
	road->walked = road->again = false;
	road->due = 0;
	road->stamp = folder_stamp(road);
	if (queue_again(&road->queue, &err) == 0)
		return true;
	in_trouble(road, &err);
	return false;
}

/* The next message that is due to a lane; true to be called again. */
static bool
take_next(struct road *road)
{
	struct lane *lane = free_lane(road);

	if (lane == NULL)
		return false;	/* the first that is free again calls us */
	if (is_enough(road)) {
		pause_for(road, OTHERS_MICROSECONDS);
		return false;
	}
	if (road->walked && !walk_again(road))
		return false;
	int got = take_message(road, lane);
	if (got > 0) {
		lane_send(lane);
		return lane->busy;	/* else it is over already, and we are called by the loop */
	}
	return got == 0 || road->walked;
}

/* What is nearest of the queue; where a lane is free it is for that one, in a step. */
struct lane *
road_more(struct lane *lane)
{
	struct road *road = lane->road;

	for (int i = 0; i < PASSED_AT_ONCE; i++) {
		if (!road->open || road->halted != 0 || road->walked || road->relay->runner.stopping ||
		    is_enough(road) || any_lane_free(road))
			return NULL;
		struct lane *slot = lane_slot(lane);
		if (take_message(road, slot) > 0) {
			lane_take(slot);
			return slot;
		}
	}
	return NULL;
}

static void
step(void *ctx)
{
	struct road *road = ctx;

	if (road->halted != 0 || !open_queue(road))
		return;
	for (int i = 0; i < PASSED_AT_ONCE; i++)
		if (!take_next(road) || road->halted != 0)
			return;
	pause_for(road, 0);
}

struct road *
road_new(struct relay *relay, const char *folder, const char *rest, const struct transport *transport)
{
	struct road *road = mem_get(sizeof *road);

	*road = (struct road){ .relay = relay, .folder = mem_text(folder), .rest = mem_text(rest),
	    .transport = transport, .window = 1 };
	timer_start(&road->timer, &relay->loop, step, road);
	timer_start(&road->keep, &relay->loop, kept_long_enough, road);
	timer_start(&road->left, &relay->loop, sync_left, road);
	return road;
}

void
road_wake(struct road *road, bool sure)
{
	if (!sure && road->stamp == folder_stamp(road))
		return;
	road->again = road->open;
	if (!road->open || road->walked)
		timer_set_before(&road->timer, 0);
}

bool
road_over(struct road *road)
{
	struct err err;

	/* A site's and a next hop's folders are as many as there are in the settings; those of filters are
	 * before each of them, and before domains. */
	if ((road->transport->kind != ROUTE_MX && road->transport->kind != ROUTE_FILTER) || road->open)
		return false;
	int gone = queue_retire(&road->relay->spool, road->folder, OVER_SECONDS * CLOCK_SECOND, &err);
	if (gone < 0)
		log_warn("-: event=not-removed to=%s why=\"%s\"", road->folder, err.text);
	return gone > 0;
}

void
road_stop(struct road *road)
{
	timer_clear(&road->timer);
	timer_clear(&road->keep);
	rest_lanes(road);
	if (!road_busy(road))
		close_queue(road);
}

void
road_free(struct road *road)
{
	for (size_t i = 0; i < road->lanes; i++)
		lane_free(road->lane[i]);
	free(road->lane);
	close_queue(road);
	timer_free(&road->timer);
	timer_free(&road->keep);
	timer_free(&road->left);
	free(road->folder);
	free(road->rest);
	free(road);
}

/* what lanes report */

static void
unreachable(struct road *road, const struct err *why)
{
	struct err err;

	log_warn("-: event=unreachable by=%s:%s why=\"%s\"", road->transport->name, road->rest, why->text);
	road->broken = 0;
	/* The others of its lanes that find it so are no more tries of it. */
	if (road->halted == 0 && retry_failed(&road->relay->spool, road->folder, why->text, &err) < 0)
		log_error("-: event=retry-lost to=%s why=\"%s\"", road->folder, err.text);
	halt(road, TROUBLE_SECONDS * CLOCK_SECOND);	/* if no hint could be written: do not spin */
}

/* It takes so many connections of ours and no more. */
static void
crowded(struct road *road, struct lane *lane, size_t served, const struct err *why)
{
	log_info("-: event=crowded by=%s:%s connections=%zu why=\"%s\"", road->transport->name, road->rest, served,
	    why->text);
	lane_rest(stem_of(lane));
	road->full = road->again = true;
	road->window = served;
	timer_set_before(&road->timer, 0);
}

static void
got_through(struct road *road, struct lane *lane)
{
	stem_of(lane)->proven = true;
	if (!road->full && road->window < most_lanes(road))
		road->window++;
}

/* The message is done with; what comes next depends on why. */
static void
message_over(struct lane *lane, const struct err *why)
{
	struct road *road = lane->road;
	bool noted = note(lane);

	come_back_at(road, message_due(lane, 0));
	close_message(lane);
	lane->busy = false;
	road->relay->runner.busy--;
	size_t served = why != NULL ? others_served(road, stem_of(lane)) : 0;
	if (served > 0 && road->halted == 0)	/* else the last one ends it, whatever it says */
		crowded(road, lane, served, why);
	else if (why != NULL)
		unreachable(road, why);
	else if (!noted || road->halted != 0)
		halt(road, TROUBLE_SECONDS * CLOCK_SECOND);
	else
		timer_set_before(&road->timer, 0);
	if (road->relay->runner.stopping) {
		road_stop(road);
		relay_left(road->relay);
	}
}

void
road_done(struct lane *lane, const struct err *err)
{
	if (err == NULL) {
		came_back(lane->road);
		got_through(lane->road, lane);
	}
	message_over(lane, err);
}

void
road_broken(struct lane *lane, const struct err *err)
{
	struct road *road = lane->road;

	stem_of(lane)->proven = false;
	message_over(lane, ++road->broken < ROAD_BROKEN ? NULL : err);
}

void
road_back(struct lane *lane)
{
	lane->road->again = true;	/* the walk has passed it */
	message_over(lane, NULL);
}
