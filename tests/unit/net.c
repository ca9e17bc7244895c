/* The loop, streams, listeners and dialling, over loopback sockets. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/stream.h"
#include "tests/unit/looping.h"

static struct loop loop;

struct end {			/* one end of a connection, and what befell it */
	struct stream stream;
	struct str got;
	struct err err;
	bool ended, late, pause_at_once, free_at_once;
	size_t sent;
};

static void
end_input(void *ctx, const void *bytes, size_t len)
{
	struct end *end = ctx;

	str_add(&end->got, bytes, len);
	if (end->pause_at_once)
		stream_pause(&end->stream, true);
	if (end->free_at_once)
		stream_free(&end->stream);
}

static void
end_sent(void *ctx)
{
	struct end *end = ctx;

	end->sent++;
}

static void
end_ended(void *ctx, const struct err *err)
{
	struct end *end = ctx;

	end->ended = true;
	end->err = *err;
	stream_free(&end->stream);
	loop_stop(&loop);
}

static void
end_late(void *ctx)
{
	struct end *end = ctx;

	end->late = true;
	loop_stop(&loop);
}

static const struct stream_hooks end_hooks = {
	.input = end_input, .sent = end_sent, .ended = end_ended, .late = end_late,
};

static struct end left, right;

static void
setup(void)
{
	int pair[2];
	struct err err;

	left = right = (struct end){0};
	ck_assert_int_eq(loop_start(&loop, &err), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stream_start(&left.stream, &loop, pair[0], &end_hooks, &left);
	stream_start(&right.stream, &loop, pair[1], &end_hooks, &right);
}

static void
teardown(void)
{
	stream_free(&left.stream);
	stream_free(&right.stream);
	str_free(&left.got);
	str_free(&right.got);
	loop_free(&loop);
}

START_TEST(bytes_cross_and_the_end_is_seen)
{
	stream_send(&left.stream, "hello", 5);
	stream_finish(&left.stream);
	looping(&loop, 2000);
	ck_assert_str_eq(str_c(&right.got), "hello");
	ck_assert(right.ended);
	ck_assert_int_eq(right.err.kind, ERR_NONE);
}
END_TEST

START_TEST(a_paused_stream_gives_nothing_until_it_goes_on)
{
	right.pause_at_once = true;
	stream_pause(&right.stream, true);
	stream_send(&left.stream, "one", 3);
	looping(&loop, 30);
	ck_assert_uint_eq(right.got.len, 0);
	stream_pause(&right.stream, false);
	looping(&loop, 30);
	ck_assert_str_eq(str_c(&right.got), "one");
	stream_send(&left.stream, "two", 3);
	looping(&loop, 30);
	ck_assert_str_eq(str_c(&right.got), "one");
}
END_TEST

START_TEST(what_came_before_the_pause_is_given_after_it)
{
	static char much[40000];	/* more than one piece */

	right.pause_at_once = true;
	stream_send(&left.stream, much, sizeof much);
	looping(&loop, 50);
	ck_assert_uint_lt(right.got.len, sizeof much);
	right.pause_at_once = false;
	stream_pause(&right.stream, false);
	looping(&loop, 50);
	ck_assert_uint_eq(right.got.len, sizeof much);
}
END_TEST

START_TEST(a_stream_may_be_freed_inside_its_hook)
{
	right.free_at_once = true;
	stream_send(&left.stream, "bye", 3);
	looping(&loop, 2000);
	ck_assert_str_eq(str_c(&right.got), "bye");
	ck_assert(left.ended);
}
END_TEST

START_TEST(the_deadline_is_not_moved_by_trickling_bytes)
{
	stream_deadline(&right.stream, 1);
	int64_t begun = clock_mono();
	while (!right.late && clock_mono() - begun < 5 * CLOCK_SECOND) {
		stream_send(&left.stream, "x", 1);
		looping(&loop, 100);
	}
	ck_assert(right.late);
	ck_assert_int_lt(clock_mono() - begun, 3 * CLOCK_SECOND);
}
END_TEST

START_TEST(who_does_not_listen_is_not_read)
{
	static char much[64 << 10];

	/* Left asks and asks; right answers each piece with more, which nobody reads. */
	stream_pause(&left.stream, true);
	for (int i = 0; i < 20; i++)
		stream_send(&right.stream, much, sizeof much);
	stream_send(&left.stream, "more?", 5);
	looping(&loop, 50);
	ck_assert_uint_eq(right.got.len, 0);
	stream_pause(&left.stream, false);
	for (int i = 0; i < 300 && (left.got.len < 20 * sizeof much || right.got.len == 0); i++)
		looping(&loop, 200);
	ck_assert_uint_eq(left.got.len, 20 * sizeof much);
	ck_assert_str_eq(str_c(&right.got), "more?");
}
END_TEST

START_TEST(a_finished_stream_sends_all_to_a_peer_that_closed_its_side)
{
	static char much[600 << 10];
	int pair[2];
	size_t got = 0;
	ssize_t n;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	stream_free(&left.stream);
	stream_start(&left.stream, &loop, pair[0], &end_hooks, &left);
	stream_send(&left.stream, much, sizeof much);
	shutdown(pair[1], SHUT_WR);
	stream_finish(&left.stream);
	for (int i = 0; i < 200 && got < sizeof much; i++) {
		looping(&loop, 5);
		while ((n = read(pair[1], much, sizeof much)) > 0)
			got += (size_t)n;
	}
	ck_assert_uint_eq(got, sizeof much);
	close(pair[1]);
}
END_TEST

/* Peers who never close: the first are let go when there are too many of them. */
START_TEST(farewells_are_waited_for_up_to_a_number)
{
	int far[STREAM_FAREWELLS + 20];

	stream_free(&left.stream);
	for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
		int pair[2];
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
		stream_start(&left.stream, &loop, pair[0], &end_hooks, &left);
		stream_send(&left.stream, "bye", 3);
		stream_finish(&left.stream);
		far[i] = pair[1];
	}
	looping(&loop, 50);
	for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
		char said[4] = "";
		ck_assert_int_eq(read(far[i], said, 3), 3);	/* all have heard it */
		ck_assert_int_eq(send(far[i], "x", 1, MSG_NOSIGNAL) == 1, i >= 20);
		close(far[i]);
	}
}
END_TEST

static struct {
	int fd;
	struct err err;
	bool called;
} dialled;
static int taken = -1;

static void
on_dialled(void *ctx, int fd, const struct err *err)
{
	(void)ctx;
	dialled.fd = fd;
	dialled.err = *err;
	dialled.called = true;
	loop_stop(&loop);
}

static void
on_taken(void *ctx, int fd, const struct sockaddr *peer)
{
	(void)ctx;
	ck_assert_int_eq(peer->sa_family, AF_INET);
	taken = fd;
}

START_TEST(a_call_meets_its_listener)
{
	struct listener listener;
	struct dial dial;

	dialled.called = false;
	looping_listen(&loop, &listener, on_taken, NULL);
	ck_assert(strcmp(str_c(&listener.where), "127.0.0.1:0") != 0);
	dial_start(&dial, &loop, str_c(&listener.where), 5, on_dialled, NULL);
	ck_assert(!dialled.called);
	looping(&loop, 3000);
	ck_assert(dialled.called);
	ck_assert_int_ge(dialled.fd, 0);
	looping(&loop, 20);
	ck_assert_int_ge(taken, 0);
	close(taken);
	close(dialled.fd);
	dial_cancel(&dial);
	listener_close(&listener);
}
END_TEST

static const char *const nowhere[] = {	/* where | what the error names */
	"127.0.0.1:1|refused",
	"no-such-host.invalid:25|no-such-host.invalid",
	"nonsense|HOST:PORT",
};

START_TEST(a_call_that_fails_says_why)
{
	struct span rest = span_of(nowhere[_i]), where;
	struct dial dial;

	span_cut(&rest, '|', &where);
	char *text = mem_text_n(where.p, where.len);
	dialled.called = false;
	dial_start(&dial, &loop, text, 5, on_dialled, NULL);
	looping(&loop, 8000);
	ck_assert(dialled.called);
	ck_assert_int_eq(dialled.fd, -1);
	ck_assert_msg(strstr(dialled.err.text, rest.p) != NULL, "%s", dialled.err.text);
	dial_cancel(&dial);
	free(text);
}
END_TEST

START_TEST(a_call_given_up_is_never_answered)
{
	struct dial dial;

	dialled.called = false;
	dial_start(&dial, &loop, "127.0.0.1:1", 5, on_dialled, NULL);
	dial_cancel(&dial);
	dial_start(&dial, &loop, "no-such-host.invalid:25", 5, on_dialled, NULL);
	dial_cancel(&dial);
	looping(&loop, 50);
	ck_assert(!dialled.called);
}
END_TEST

START_TEST(a_port_is_bound_once)
{
	struct listener one, two;
	struct err err;

	ck_assert_int_eq(listener_bind(&one, "127.0.0.1:0", &err), 0);
	ck_assert_int_eq(listener_bind(&two, str_c(&one.where), &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	listener_close(&two);
	listener_close(&one);
}
END_TEST

/* Two pipes have something at once; who reads the first asks for a look behind both, and fills a third. */
static struct {
	int pipe[3][2];
	struct watch watch[3];
	struct timer now;
	struct str order;
} turn;

static void
turn_reads(void *ctx)
{
	const int *end = ctx;
	char byte;

	ck_assert_int_eq(read(end[0], &byte, 1), 1);
	if (turn.order.len == 0) {
		timer_now(&turn.now);
		ck_assert_int_eq(write(turn.pipe[2][1], "c", 1), 1);
	}
	str_add_char(&turn.order, byte);
	if (byte == 'c')
		loop_stop(&loop);
}

static void
turn_ends(void *ctx)
{
	str_add_char(ctx, '.');
}

START_TEST(now_is_behind_what_came_and_before_what_comes)
{
	timer_start(&turn.now, &loop, turn_ends, &turn.order);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pipe(turn.pipe[i]), 0);
		watch_start(&turn.watch[i], &loop, turn.pipe[i][0], WATCH_READ, turn_reads, turn.pipe[i]);
	}
	ck_assert_int_eq(write(turn.pipe[0][1], "a", 1), 1);
	ck_assert_int_eq(write(turn.pipe[1][1], "a", 1), 1);
	looping(&loop, 60000);
	ck_assert_str_eq(str_c(&turn.order), "aa.c");
	for (int i = 0; i < 3; i++) {
		watch_free(&turn.watch[i]);
		close(turn.pipe[i][0]);
		close(turn.pipe[i][1]);
	}
	timer_free(&turn.now);
	str_free(&turn.order);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("net");
	TCase *tests = tcase_create("net");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);	/* under valgrind, too */
	tcase_add_test(tests, bytes_cross_and_the_end_is_seen);
	tcase_add_test(tests, a_paused_stream_gives_nothing_until_it_goes_on);
	tcase_add_test(tests, what_came_before_the_pause_is_given_after_it);
	tcase_add_test(tests, a_stream_may_be_freed_inside_its_hook);
	tcase_add_test(tests, the_deadline_is_not_moved_by_trickling_bytes);
	tcase_add_test(tests, who_does_not_listen_is_not_read);
	tcase_add_test(tests, a_finished_stream_sends_all_to_a_peer_that_closed_its_side);
	tcase_add_test(tests, farewells_are_waited_for_up_to_a_number);
	tcase_add_test(tests, a_call_meets_its_listener);
	tcase_add_loop_test(tests, a_call_that_fails_says_why, 0,
	    (int)(sizeof nowhere / sizeof nowhere[0]));
	tcase_add_test(tests, a_call_given_up_is_never_answered);
	tcase_add_test(tests, a_port_is_bound_once);
	tcase_add_test(tests, now_is_behind_what_came_and_before_what_comes);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
