/* Both engines, each other's peer: whatever is offered and however the bytes are
 * cut, what the server keeps is what the client was given, and both agree on who
 * is to have it.  The server keeps the pace, so a client that runs ahead fails. */
#include <stdlib.h>

#include "tests/talk/fake.h"
#include "tests/talk/sender.h"
#include "tests/unit/unit.h"

static const struct {
	const char *body;
	const char *kept;	/* NULL: as it is */
} bodies[] = {
	{ "", NULL }, { "Subject: x\r\n\r\nhi\r\n", NULL }, { ".\r\n..\r\n.a\r\n\r\n.", ".\r\n..\r\n.a\r\n\r\n.\r\n" },
	{ "\r\n.\r\n", NULL }, { "BDAT 3 LAST\r\nQUIT\r\n", NULL },
};

static const unsigned withheld[] = {
	0, OFFER_PIPELINING, OFFER_CHUNKING, OFFER_PIPELINING | OFFER_CHUNKING, OFFER_DSN | OFFER_SIZE,
	~0u,
};

struct pair {
	struct sender sender;
	struct fake fake;
	size_t step;		/* bytes moved at a time; 0: all */
};

/* Moves bytes from one side to the other; false when there were none. */
static bool
move_up(struct pair *pair)
{
	struct str *out = &pair->sender.client.out;
	struct span piece = span_to(str_span(out), pair->step > 0 ? pair->step : out->len);

	if (piece.len == 0)
		return false;
	fake_feed(&pair->fake, piece, 0);
	str_cut(out, piece.len);
	smtp_client_pump(&pair->sender.client);
	return true;
}

static bool
move_down(struct pair *pair)
{
	struct str *out = &pair->fake.server.out;
	struct span piece = span_to(str_span(out), pair->step > 0 ? pair->step : out->len);

	if (piece.len == 0)
		return false;
	smtp_client_feed(&pair->sender.client, piece.p, piece.len);
	str_cut(out, piece.len);
	return true;
}

static void
talk(struct pair *pair)
{
	bool up = true, down = true;

	while (up || down) {
		up = move_up(pair);
		down = move_down(pair);
	}
}

static void
begin(struct pair *pair, unsigned withhold, bool chunks, bool slow, size_t step)
{
	const struct smtp_server_options options = {
		.host = "mx.example", .max_size = 1 << 22, .withhold = withhold, .max_errors = 1,
		/* in single bytes the next ones always seem early */
		.any_pace = step > 0,
	};

	*pair = (struct pair){ .step = step, .fake.slow = slow };
	fake_start(&pair->fake, &options);
	sender_start(&pair->sender);
	pair->sender.client.chunks = chunks;
	talk(pair);
	ck_assert(pair->sender.client.ready);
}

static void
end(struct pair *pair)
{
	smtp_client_quit(&pair->sender.client);
	talk(pair);
	ck_assert(pair->sender.client.closing && !pair->sender.client.failed);
	ck_assert(pair->fake.server.closing && !pair->fake.open);
	ck_assert_uint_eq(pair->fake.server.errors, 0);
	sender_free(&pair->sender);
	fake_free(&pair->fake);
}

static void
one_way(unsigned withhold, bool chunks, bool slow, size_t step)
{
	struct pair pair;
	struct str want = {0};
	bool by_chunks = chunks && (withhold & OFFER_CHUNKING) == 0;
	bool dsn = (withhold & OFFER_DSN) == 0;

	begin(&pair, withhold, chunks, slow, step);
	sender_mail(&pair.sender, "a@b", "RET=FULL SIZE=7");
	sender_rcpt(&pair.sender, "c@d", "NOTIFY=DELAY");
	sender_rcpt(&pair.sender, "refused@d", NULL);
	sender_rcpt(&pair.sender, "e@f", NULL);
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct span body = span_of(bodies[i].body);
		str_clear(&pair.fake.messages);
		str_clear(&pair.sender.events);
		sender_send(&pair.sender, body);
		talk(&pair);
		str_printf(&want, "MAIL FROM:<a@b>%s", dsn ? " RET=FULL" : "");
		if ((withhold & OFFER_SIZE) == 0 && body.len > 0)
			str_printf(&want, " SIZE=%zu", body.len);
		str_printf(&want, "\nRCPT TO:<c@d>%s\nRCPT TO:<e@f>\n\n", dsn ? " NOTIFY=DELAY" : "");
		str_add_text(&want, bodies[i].kept != NULL && !by_chunks ? bodies[i].kept : bodies[i].body);
		ck_assert_str_eq(str_c(&pair.fake.messages), str_c(&want));
		str_clear(&want);
		ck_assert(span_ends_case(str_span(&pair.sender.events), "done OK 250 2.0.0 message taken\n"));
	}
	end(&pair);
	str_free(&want);
}

START_TEST(what_is_given_is_what_is_kept)
{
	for (int way = 0; way < 4; way++) {
		for (size_t step = 0; step < 4; step++)
			one_way(withheld[_i], way & 1, way & 2, step);
	}
}
END_TEST

/* What goes wrong with one message leaves the session good for the next. */
static const struct {
	const char *from, *to;
	const char *events;
} troubles[] = {
	{ "nobody@b", "c@d", "done PERM 550 5.1.8 not from there\n" },
	{ "a@b", "refused@d", "rcpt 0 PERM 550 5.1.1 no such user\ndone OK\n" },
	{ "a@b", "later@d", "rcpt 0 TEMP 450 4.2.1 not today\ndone OK\n" },
	{ "a@b", "shy@d", "done TEMP 452 4.3.1 no room\n" },
	{ "a@b", "full@d", "done TEMP 452 4.3.1 disk full\n" },
	{ "a@b", "lost@d", "done TEMP 451 4.3.0 sync failed\n" },
};

START_TEST(after_trouble_the_next_message_goes)
{
	for (size_t way = 0; way < 2 * sizeof withheld / sizeof withheld[0]; way++) {
		struct pair pair;
		begin(&pair, withheld[way / 2], way % 2, false, 0);
		for (int round = 0; round < 3; round++) {
			str_clear(&pair.sender.events);
			sender_mail(&pair.sender, troubles[_i].from, NULL);
			sender_rcpt(&pair.sender, troubles[_i].to, NULL);
			sender_send(&pair.sender, span_of("x\r\n"));
			talk(&pair);
			struct span events = str_span(&pair.sender.events);
			if (span_begins(events, "commit\n"))
				events = span_from(events, 7);
			ck_assert_msg(span_is(events, troubles[_i].events), "%s", str_c(&pair.sender.events));
			str_clear(&pair.sender.events);
			sender_mail(&pair.sender, "a@b", NULL);
			sender_rcpt(&pair.sender, "c@d", NULL);
			sender_send(&pair.sender, span_of("x\r\n"));
			talk(&pair);
			ck_assert_str_eq(str_c(&pair.sender.events), "commit\ndone OK 250 2.0.0 message taken\n");
		}
		ck_assert_uint_eq(pair.fake.accepted, 3);
		end(&pair);
	}
}
END_TEST

START_TEST(large_bodies_arrive_as_they_left)
{
	struct str body = {0};
	struct pair pair;

	srand(3);
	while (body.len < 1 << 21)
		str_add_text(&body, rand() % 3 ? ".dots and words\r\n" : rand() % 2 ? ".\r\n" : "\r\n");
	begin(&pair, 0, _i, false, 0);
	sender_mail(&pair.sender, "a@b", NULL);
	sender_rcpt(&pair.sender, "c@d", NULL);
	sender_send(&pair.sender, str_span(&body));
	talk(&pair);
	ck_assert_uint_eq(pair.fake.accepted, 1);
	ck_assert(span_same(str_span(&pair.fake.body), str_span(&body)));
	end(&pair);
	str_free(&body);
}
END_TEST

/* Whatever happens to one of several under way, the others are kept as they were given. */
static void
in_one_flight(int trouble, unsigned withhold, bool chunks, size_t step)
{
	const char *const from[] = { "a@b", troubles[trouble].from, "a@b" }, *const to[] = { "1@d", troubles[trouble].to, "3@d" };
	struct sender more[2] = {0};
	struct pair pair;
	size_t given = 0;

	begin(&pair, withhold, chunks, false, step);
	while (given < 3) {
		struct sender *next = given == 0 ? &pair.sender : &more[given - 1];
		ck_assert(pair.sender.client.ready || smtp_client_more(&pair.sender.client));
		sender_mail(next, from[given], NULL);
		sender_rcpt(next, to[given], NULL);
		sender_join(next, &pair.sender, span_of(given == 2 ? "z\r\n" : "x\r\n"));
		while (++given < 3 && !pair.sender.client.ready && !smtp_client_more(&pair.sender.client) &&
		    (move_up(&pair) || move_down(&pair)))
			given--;
	}
	talk(&pair);
	struct span events = str_span(&more[0].events);
	if (span_begins(events, "commit\n"))
		events = span_from(events, 7);
	ck_assert_msg(span_is(events, troubles[trouble].events), "%s", str_c(&more[0].events));
	ck_assert_str_eq(str_c(&pair.sender.events), "commit\ndone OK 250 2.0.0 message taken\n");
	ck_assert_str_eq(str_c(&more[1].events), "commit\ndone OK 250 2.0.0 message taken\n");
	ck_assert_str_eq(str_c(&pair.fake.messages), "MAIL FROM:<a@b>\nRCPT TO:<1@d>\n\nx\r\nMAIL FROM:<a@b>\nRCPT TO:<3@d>\n\nz\r\n");
	sender_free(&more[0]);
	sender_free(&more[1]);
	end(&pair);
}

START_TEST(trouble_in_a_flight_is_that_messages_alone)
{
	for (size_t way = 0; way < 2 * sizeof withheld / sizeof withheld[0]; way++)
		for (size_t step = 0; step < 4; step++)
			in_one_flight(_i, withheld[way / 2] | OFFER_SIZE, way % 2, step);
}
END_TEST

UNIT("smtp-pair",
	{ trouble_in_a_flight_is_that_messages_alone, ROWS(troubles) },
	{ what_is_given_is_what_is_kept, ROWS(withheld) },
	{ after_trouble_the_next_message_goes, ROWS(troubles) },
	{ large_bodies_arrive_as_they_left, 2 })
