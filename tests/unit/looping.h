/*
 * looping - what tests of lib/net share: a loop that runs for a while, and somebody who
 * listens.
 */
#ifndef TESTS_UNIT_LOOPING_H
#define TESTS_UNIT_LOOPING_H

#include <check.h>

#include "lib/net/listen.h"
#include "lib/net/loop.h"

static inline void
looping_stop(void *loop)
{
	loop_stop(loop);
}

/* Until something stops the loop, or for that long. */
static inline void
looping(struct loop *loop, int64_t milliseconds)
{
	struct timer timer;

	timer_start(&timer, loop, looping_stop, loop);
	timer_set(&timer, milliseconds * 1000);
	loop_run(loop);
	timer_free(&timer);
}

/* On a free port of 127.0.0.1, which listener->where tells. */
static inline void
looping_listen(struct loop *loop, struct listener *listener,
    void (*taken)(void *ctx, int fd, const struct sockaddr *peer), void *ctx)
{
	struct err err = {0};

	ck_assert_msg(listener_bind(listener, "127.0.0.1:0", &err) == 0, "%s", err.text);
	listener_start(listener, loop, taken, ctx);
}

#endif
