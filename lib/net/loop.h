/*
 * loop - one thread that waits for everything: descriptors, times and signals.
 *
 * A thin cover over libevent, so that the rest of the house sees four small
 * things.  A callback runs to its end before another begins, and must not wait for a
 * network; inside it any watch, timer or stream may be freed, its own too.
 *
 * Out of memory ends the process with EX_TEMPFAIL, as everywhere.
 */
#ifndef LIB_NET_LOOP_H
#define LIB_NET_LOOP_H

#include "lib/base/err.h"

struct event;
struct event_base;
struct farewell;

enum { LOOP_SIGNALS = 8 };

struct loop {
	struct event_base *base;
	struct event *signal[LOOP_SIGNALS];
	size_t signals;
	struct farewell *farewells;	/* streams that only say goodbye (stream_finish) */
};

typedef void loop_call(void *ctx);

int loop_start(struct loop *loop, struct err *err);	/* also ignores SIGPIPE */
void loop_run(struct loop *loop);	/* until loop_stop */
void loop_stop(struct loop *loop);
void loop_signal(struct loop *loop, int number, loop_call *call, void *ctx);
void loop_free(struct loop *loop);

/* A timer rings once, after so many microseconds; setting it again moves it. */
struct timer {
	struct event *event;
	loop_call *call;
	void *ctx;
};
void timer_start(struct timer *timer, struct loop *loop, loop_call *call, void *ctx);
void timer_set(struct timer *timer, int64_t microseconds);
void timer_set_before(struct timer *timer, int64_t microseconds);	/* never later than it is set */
void timer_now(struct timer *timer);	/* in this turn of the loop, behind what came with it */
void timer_clear(struct timer *timer);
void timer_free(struct timer *timer);	/* {0} is fine, here and below */

/* A watch calls each time a descriptor is readable (or, once, writable). */
enum watch_for { WATCH_READ, WATCH_WRITE };
struct watch {
	struct event *event;
	loop_call *call;
	void *ctx;
};
void watch_start(struct watch *watch, struct loop *loop, int fd, enum watch_for what,
    loop_call *call, void *ctx);
void watch_pause(struct watch *watch);
void watch_resume(struct watch *watch);
void watch_free(struct watch *watch);

#endif
