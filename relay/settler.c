#include "relay/settler.h"

#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum { QUIET = 50000 };	/* microseconds */

static void
settle(struct settler *settler, bool sure)
{
	struct settled settled = {0};
	struct err err;

	if (acceptor_hand_over(&settler->relay->acceptor, &err) < 0)
		log_error("-: event=settle-failed why=\"%s\"", err.text);
	if (spool_settle(&settler->relay->spool, &settled, &err) == 0)
		settler->bytes = 0;
	else
		log_error("-: event=settle-failed why=\"%s\"", err.text);
	settler->relay->meters.messages_settled_total += settled.messages;
	settler->relay->meters.repeats_total += settled.repeats;
	settler->relay->meters.held_total += settled.held;
	if (settled.messages > 0 || settled.held > 0)
		log_debug("-: event=settled messages=%zu repeats=%zu held=%zu", settled.messages,
		    settled.repeats, settled.held);
	settler->settled = clock_mono();
	runner_look(&settler->relay->runner, sure);
}

static bool
is_full(const struct settler *settler)
{
	return settler->relay->acceptor.journal.good >= JOURNAL_MAX || settler->bytes >= UNSETTLED_MAX;
}

/* Sessions side by side are between two messages all the time, and so is one that sends one
 * after the other: that is no rest yet. */
static bool
more_will_come(const struct settler *settler)
{
	return (settler->relay->session_count > 1 || settler->stream) && !is_full(settler) &&
	    clock_mono() - settler->first < CLOCK_SECOND;
}

static void
settle_soon(void *ctx)
{
	struct settler *settler = ctx;
	int64_t rest = settler->last + QUIET - clock_mono();

	if (rest > 0 && more_will_come(settler)) {
		timer_set(&settler->soon, rest);
		return;
	}
	settler->first = 0;
	settle(settler, false);
}

static void
each_minute(void *ctx)
{
	struct settler *settler = ctx;

	timer_set(&settler->minute, 60 * CLOCK_SECOND);
	settle(settler, true);
}

static void
bell_rang(void *ctx)
{
	struct settler *settler = ctx;
	char dust[256];

	while (read(settler->bell, dust, sizeof dust) > 0)
		;
	timer_set_before(&settler->soon, 0);
}

void
settler_start(struct settler *settler, struct relay *relay)
{
	struct err err;

	*settler = (struct settler){ .relay = relay };
	timer_start(&settler->soon, &relay->loop, settle_soon, settler);
	timer_start(&settler->minute, &relay->loop, each_minute, settler);
	settler->bell = spool_bell_open(&relay->spool, &err);
	if (settler->bell >= 0)
		watch_start(&settler->watch, &relay->loop, settler->bell, WATCH_READ, bell_rang, settler);
	else
		log_warn("-: event=no-bell why=\"%s\"", err.text);
	each_minute(settler);
}

void
settler_count(struct settler *settler, uint64_t bytes)
{
	settler->bytes += bytes;
}

void
settler_wake(struct settler *settler, bool busy)
{
	settler_stir(settler);
	if (settler->first == 0) {
		settler->first = settler->last;
		settler->stream = settler->settled != 0 && settler->first - settler->settled < QUIET;
	}
	timer_set_before(&settler->soon, busy && !is_full(settler) ? CLOCK_SECOND : 0);
}

void
settler_stir(struct settler *settler)
{
	settler->last = clock_mono();
}

void
settler_close(struct settler *settler)
{
	if (settler->relay == NULL)
		return;
	watch_free(&settler->watch);
	timer_free(&settler->soon);
	timer_free(&settler->minute);
	if (settler->bell >= 0)
		close(settler->bell);
	*settler = (struct settler){ .bell = -1 };
}
