#include "relay/lane.h"

#include <stdlib.h>

#include "relay/relay.h"
#include "relay/road.h"
#include "relay/transport.h"

static struct lane *
opened(struct lane lane)
{
	struct lane *opened = mem_get(sizeof *opened);

	*opened = lane;
	if (opened->transport->open != NULL)
		opened->transport->open(opened);
	return opened;
}

struct lane *
lane_new(struct road *road)
{
	return opened((struct lane){ .relay = road->relay, .road = road, .rest = road->rest,
	    .transport = road->transport });
}

struct lane *
lane_of_its_own(struct relay *relay, const char *rest, const struct transport *transport,
    void (*over)(struct lane *lane, const struct err *err), void *ctx)
{
	return opened((struct lane){ .relay = relay, .rest = rest, .transport = transport, .over = over, .ctx = ctx });
}

void
lane_early(struct lane *lane)
{
	if (!lane->busy && lane->transport->early != NULL)
		lane->transport->early(lane);
}

void
lane_take(struct lane *lane)
{
	lane->busy = true;
	lane->relay->runner.busy++;
}

void
lane_send(struct lane *lane)
{
	lane_take(lane);
	lane->transport->send(lane);
}

void
lane_rest(struct lane *lane)
{
	lane->proven = false;
	if (lane->transport->rest != NULL)
		lane->transport->rest(lane);
}

bool
lane_at_work(const struct lane *lane)
{
	bool busy = lane->busy;

	for (size_t i = 0; i < lane->riders; i++)
		busy = busy || lane->rider[i]->busy;
	return busy;
}

static struct lane *
add_rider(struct lane *lane)
{
	struct lane *rider = mem_get(sizeof *rider);

	*rider = (struct lane){ .relay = lane->relay, .road = lane->road, .rest = lane->rest,
	    .transport = lane->transport, .stem = lane };
	lane->rider = mem_resize(lane->rider, lane->riders + 1, sizeof *lane->rider);
	return lane->rider[lane->riders++] = rider;
}

struct lane *
lane_slot(struct lane *lane)
{
	if (!lane->busy)
		return lane;
	for (size_t i = 0; i < lane->riders; i++)
		if (!lane->rider[i]->busy)
			return lane->rider[i];
	return add_rider(lane);
}

static void
end(struct lane *lane)
{
	if (lane->busy)
		message_close(&lane->message);
	free(lane);
}

void
lane_free(struct lane *lane)
{
	if (lane->transport->close != NULL)
		lane->transport->close(lane);
	for (size_t i = 0; i < lane->riders; i++)
		end(lane->rider[i]);
	free(lane->rider);
	end(lane);
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
	relay_gather(lane->relay);
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

struct lane *
lane_more(struct lane *lane)
{
	return lane->road != NULL ? road_more(lane) : NULL;
}

void
lane_done(struct lane *lane, const struct err *err)
{
	if (lane->road == NULL)
		lane->over(lane, err);
	else
		road_done(lane, err);
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
	if (lane->road == NULL)
		lane->over(lane, err);
	else
		road_broken(lane, err);
}

void
lane_back(struct lane *lane)
{
	struct err why = {0};

	if (lane->road != NULL) {
		road_back(lane);
		return;
	}
	err_set(&why, ERR_TEMP, "the connection broke");
	lane->over(lane, &why);
}
