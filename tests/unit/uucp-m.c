/*
 * How protocol m is chosen in the handshake, and what an optimistic caller does when it was
 * wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "tests/unit/m-ends.h"
#include "tests/unit/unit.h"
#include "tests/unit/uucp.h"

static struct end hub, home;
static struct uucp caller, called;
static struct side old;			/* an end that does not speak m */

static void
make(void)
{
	end_make(&home, "home");
	end_make(&hub, "hub");
	end_mail(&home, 2000, 'N', 1);
	end_mail(&hub, 2000, 'N', 2);
}

static void
drop(void)
{
	uucp_free(&caller);
	uucp_free(&called);
	caller = called = (struct uucp){0};
	side_free(&old);
	old = (struct side){0};
	end_free(&home);
	end_free(&hub);
}

static struct uucp_config
config_of(struct end *end, bool calls)
{
	end->config.caller = calls;
	return (struct uucp_config){
		.caller = calls, .name = calls ? "home" : "hub", .peer = calls ? "hub" : "home", .letters = "mie",
		.timeout = 60, .m_hooks = &end_hooks, .m = &end->config, .m_arg = end,
	};
}

static void
start(struct uucp *u, struct end *end, const struct uucp_config *config)
{
	const struct uucp_hooks *hooks = &side_hooks;

	end->on = false;
	uucp_start(u, config, hooks, &old, 0);
}

START_TEST(two_ends_of_ours_speak_m)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	start(&caller, &home, &a);
	start(&called, &hub, &b);
	wire_run(&caller, &called, _i > 0 ? 1 : 4096, UNCUT, UNCUT);
	ck_assert_msg(caller.err.kind == ERR_NONE, "%s", caller.err.text);
	ck_assert_msg(called.err.kind == ERR_NONE, "%s", called.err.text);
	ck_assert_int_eq(uucp_letter(&caller), 'm');
	ck_assert_int_eq(uucp_letter(&called), 'm');
	ck_assert_uint_eq(caller.jobs_out, 1);
	ck_assert_uint_eq(caller.jobs_in, 1);
	ck_assert_int_eq(end_arrived(&home, &hub), 1);
	ck_assert_int_eq(end_arrived(&hub, &home), 1);
	ck_assert(!caller.redial);
}
END_TEST

START_TEST(an_optimist_says_all_at_once)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	a.optimistic = true;
	start(&caller, &home, &a);
	start(&called, &hub, &b);
	uucp_fill(&caller);
	ck_assert_uint_gt(caller.out.len, 400);	/* its mail is in it */
	wire_run(&caller, &called, _i > 0 ? 1 : 4096, UNCUT, UNCUT);
	ck_assert_msg(caller.err.kind == ERR_NONE, "%s", caller.err.text);
	ck_assert_msg(called.err.kind == ERR_NONE, "%s", called.err.text);
	ck_assert_int_eq(end_arrived(&home, &hub), 1);
	ck_assert_int_eq(end_arrived(&hub, &home), 1);
}
END_TEST

START_TEST(with_an_old_end_another_protocol_is_spoken)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	if (_i == 0) {
		start(&caller, &home, &a);
		side_start(&old, false, "hub", "home");
		wire_run(&caller, &old.u, 1, UNCUT, UNCUT);
		ck_assert_int_eq(uucp_letter(&caller), 'e');
		ck_assert_int_eq(caller.err.kind, ERR_NONE);
	} else {
		start(&called, &hub, &b);
		side_start(&old, true, "home", "hub");
		wire_run(&old.u, &called, 1, UNCUT, UNCUT);
		ck_assert_int_eq(uucp_letter(&called), 'e');
		ck_assert_int_eq(called.err.kind, ERR_NONE);
	}
}
END_TEST

START_TEST(an_optimist_that_was_wrong_is_to_dial_again)
{
	struct uucp_config a = config_of(&home, true);

	a.optimistic = true;
	start(&caller, &home, &a);
	side_start(&old, false, "hub", "home");
	wire_run(&caller, &old.u, 1, UNCUT, _i > 0 ? (size_t)_i * 3 : UNCUT);
	ck_assert(caller.redial);
	ck_assert_int_eq(caller.err.kind, ERR_TEMP);
	ck_assert_int_eq(home.thing[0].fate, M_LATER);
	ck_assert_uint_eq(home.thing[0].fates, 1);
	ck_assert_int_ne(old.u.err.kind, ERR_NONE);
	ck_assert_uint_eq(old.count, 0);
}
END_TEST

START_TEST(a_refusal_is_no_reason_to_dial_again)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	a.optimistic = true;
	b.busy = "LCK";
	start(&caller, &home, &a);
	start(&called, &hub, &b);
	wire_run(&caller, &called, 100, UNCUT, UNCUT);
	ck_assert(!caller.redial);
	ck_assert_ptr_nonnull(strstr(caller.err.text, "busy"));
}
END_TEST

START_TEST(who_requires_m_speaks_no_other)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	a.require_m = b.require_m = true;
	if (_i == 0) {
		start(&caller, &home, &a);
		side_start(&old, false, "hub", "home");
		wire_run(&caller, &old.u, 1, UNCUT, UNCUT);
		ck_assert_int_eq(caller.err.kind, ERR_CONFIG);
	} else if (_i == 1) {
		start(&called, &hub, &b);
		side_start(&old, true, "home", "hub");
		wire_run(&old.u, &called, 1, UNCUT, UNCUT);
		ck_assert_int_eq(called.err.kind, ERR_CONFIG);
		ck_assert_int_eq(old.u.err.kind, ERR_CONFIG);
	} else {
		start(&caller, &home, &a);
		start(&called, &hub, &b);
		wire_run(&caller, &called, 100, UNCUT, UNCUT);
		ck_assert_int_eq(caller.err.kind, ERR_NONE);
	}
}
END_TEST

START_TEST(with_one_floor_the_called_end_is_silent_until_it_has_it)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	home.config.half_duplex = hub.config.half_duplex = true;
	home.config.burst = hub.config.burst = 30;
	start(&caller, &home, &a);
	start(&called, &hub, &b);
	uucp_fill(&called);
	ck_assert_uint_eq(called.out.len, 0);
	wire_run(&caller, &called, _i > 0 ? 1 : 4096, UNCUT, UNCUT);
	ck_assert_msg(caller.err.kind == ERR_NONE, "%s", caller.err.text);
	ck_assert_msg(called.err.kind == ERR_NONE, "%s", called.err.text);
	ck_assert_uint_eq(caller.m->turns, 2);
	ck_assert_int_eq(end_arrived(&home, &hub), 1);
	ck_assert_int_eq(end_arrived(&hub, &home), 1);
}
END_TEST

START_TEST(the_grade_of_the_caller_counts_at_both_ends)
{
	struct uucp_config a = config_of(&home, true), b = config_of(&hub, false);

	a.grade = 'C';
	start(&caller, &home, &a);
	start(&called, &hub, &b);
	wire_run(&caller, &called, 100, UNCUT, UNCUT);
	ck_assert_int_eq(caller.err.kind, ERR_NONE);
	ck_assert_int_eq(home.thing[0].fate, M_LATER);
	ck_assert_int_eq(hub.thing[0].fate, M_LATER);
}
END_TEST

START_TEST(the_handshake_tells_how_long_a_round_trip_is)
{
	struct uucp_config a = config_of(&home, true);

	start(&caller, &home, &a);
	uucp_feed(&caller, "\020Shere=hub", 11, CLOCK_SECOND);
	uucp_feed(&caller, "\020ROKN047 -m1\0\020Pmi", 18, CLOCK_SECOND * 3 / 2);
	ck_assert_ptr_nonnull(caller.m);
	ck_assert_int_eq(caller.m->rtt, CLOCK_SECOND / 2);
}
END_TEST

UNIT_WITH("uucp-m", make, drop,
	{ two_ends_of_ours_speak_m, 2 },
	{ an_optimist_says_all_at_once, 2 },
	{ with_an_old_end_another_protocol_is_spoken, 2 },
	{ an_optimist_that_was_wrong_is_to_dial_again, 8 },
	{ a_refusal_is_no_reason_to_dial_again, 1 },
	{ who_requires_m_speaks_no_other, 3 },
	{ with_one_floor_the_called_end_is_silent_until_it_has_it, 2 },
	{ the_grade_of_the_caller_counts_at_both_ends, 1 },
	{ the_handshake_tells_how_long_a_round_trip_is, 1 })
