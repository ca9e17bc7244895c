#include "lib/net/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/net/stream.h"

static void *
need(void *p)
{
	if (p != NULL)
		return p;
	fputs("out of memory\n", stderr);
	exit(EX_TEMPFAIL);
}

int
loop_start(struct loop *loop, struct err *err)
{
	*loop = (struct loop){ .base = event_base_new() };
	if (loop->base == NULL)
		return err_set(err, ERR_TEMP, "libevent gives no event base");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

void
loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

/* Signals of a loop live as long as it does, so no owner keeps them. */
struct on_signal {
	loop_call *call;
	void *ctx;
};

static void
signal_came(evutil_socket_t number, short what, void *arg)
{
	const struct on_signal *on = arg;

	(void)number;
	(void)what;
	on->call(on->ctx);
}

void
loop_signal(struct loop *loop, int number, loop_call *call, void *ctx)
{
	struct on_signal *on = mem_get(sizeof *on);

	if (loop->signals == LOOP_SIGNALS)
		abort();	/* a fixed list of them in main() */
	*on = (struct on_signal){ call, ctx };
	struct event *event = need(evsignal_new(loop->base, number, signal_came, on));
	event_add(event, NULL);
	loop->signal[loop->signals++] = event;
}

void
loop_free(struct loop *loop)
{
	if (loop->base == NULL)
		return;
	stream_free_farewells(loop);
	for (size_t i = 0; i < loop->signals; i++) {
		void *on = event_get_callback_arg(loop->signal[i]);
		event_free(loop->signal[i]);
		free(on);
	}
	event_base_free(loop->base);
	*loop = (struct loop){0};
}

static void
timer_rings(evutil_socket_t fd, short what, void *arg)
{
	const struct timer *timer = arg;

	(void)fd;
	(void)what;
	timer->call(timer->ctx);
}

void
timer_start(struct timer *timer, struct loop *loop, loop_call *call, void *ctx)
{
	*timer = (struct timer){ .call = call, .ctx = ctx };
	timer->event = need(evtimer_new(loop->base, timer_rings, timer));
}

void
timer_set(struct timer *timer, int64_t microseconds)
{
	if (microseconds < 0)
		microseconds = 0;
	struct timeval pause = {
		.tv_sec = (time_t)(microseconds / CLOCK_SECOND),
		.tv_usec = (suseconds_t)(microseconds % CLOCK_SECOND),
	};
	event_add(timer->event, &pause);
}

void
timer_set_before(struct timer *timer, int64_t microseconds)
{
	struct timeval due, now;

	if (event_pending(timer->event, EV_TIMEOUT, &due) != 0) {
		evutil_gettimeofday(&now, NULL);
		int64_t left = (int64_t)(due.tv_sec - now.tv_sec) * CLOCK_SECOND +
		    (due.tv_usec - now.tv_usec);
		if (left <= microseconds)
			return;
	}
	timer_set(timer, microseconds);
}

void
timer_now(struct timer *timer)
{
	event_active(timer->event, EV_TIMEOUT, 0);
}

void
timer_clear(struct timer *timer)
{
	event_del(timer->event);
}

void
timer_free(struct timer *timer)
{
	if (timer->event != NULL)
		event_free(timer->event);
	*timer = (struct timer){0};
}

static void
watch_calls(evutil_socket_t fd, short what, void *arg)
{
	const struct watch *watch = arg;

	(void)fd;
	(void)what;
	watch->call(watch->ctx);
}

void
watch_start(struct watch *watch, struct loop *loop, int fd, enum watch_for what,
    loop_call *call, void *ctx)
{
	short events = what == WATCH_READ ? EV_READ | EV_PERSIST : EV_WRITE;

	*watch = (struct watch){ .call = call, .ctx = ctx };
	watch->event = need(event_new(loop->base, fd, events, watch_calls, watch));
	watch_resume(watch);
}

void
watch_pause(struct watch *watch)
{
	event_del(watch->event);
}

void
watch_resume(struct watch *watch)
{
	event_add(watch->event, NULL);
}

void
watch_free(struct watch *watch)
{
	if (watch->event != NULL)
		event_free(watch->event);
	*watch = (struct watch){0};
}
