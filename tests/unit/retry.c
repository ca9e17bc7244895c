/*
 * When what waits is tried again: pauses, grades, links that come up, and last words.
 */
#include "spool/retry.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

#include "spool/queue.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#define OK(call) do {							\
	err = (struct err){0};						\
	ck_assert_msg((call) >= 0, #call ": %s", err.text);		\
} while (0)

enum { HOUR = 3600, DAY = 86400 };

#define START (1795373102 * CLOCK_SECOND)

static const char *const said[] = {
	"spool.host=hub.example", "spool.site=hub", "spool.min-free=0",
	"spool.retry-after=5m A:1m", "spool.retry-max=4h",
	"spool.delay-after=4h", "spool.expire-after=5d A-F:4h z:1d",
	"site home.link=", "site ship.expire-after=2d 0:30m", "site ship.retry-after=10s",
	"site ship.delay-after=1h", "site ship.retry-max=30s",
	"routes.home.example=site:home", "routes.ship.example=site:ship",
	"routes.x.example=smtp:x.example:25", "routes.*=site:home",
};
static struct scratch s;
static struct err err;

static void
setup(void)
{
	scratch_open(&s, said, sizeof said / sizeof said[0]);
	clock_set(START);
}

static void
teardown(void)
{
	scratch_close(&s);
}

/* The rest of a destination, in seconds: retry-after, retry-max, failures, chance | the rest */
static const struct { int64_t after, max; unsigned failures; uint32_t chance; double rest; } pauses[] = {
	{ 300, 4 * HOUR, 1, 0, 300 },
	{ 300, 4 * HOUR, 2, 0, 600 },
	{ 300, 4 * HOUR, 3, 0, 1200 },
	{ 300, 4 * HOUR, 6, 0, 9600 },
	{ 300, 4 * HOUR, 7, 0, 4 * HOUR },
	{ 300, 4 * HOUR, 1000000, 0, 4 * HOUR },
	{ 300, 4 * HOUR, 1, 500, 330 },
	{ 300, 4 * HOUR, 1, 999, 359.94 },
	{ 300, 4 * HOUR, 1, UINT32_MAX, 317.7 },
	{ 300, 4 * HOUR, 1000000, 999, 4 * HOUR * 1.1998 },
	{ 60, 30, 1, 0, 30 },
	{ 0, 0, 9, 999, 0 },
	{ 100 * 366 * INT64_C(86400), 100 * 366 * INT64_C(86400), 9, 0, 100.0 * 366 * 86400 },
};

START_TEST(a_destination_that_fails_rests_longer_each_time)
{
	const struct patience patience = { .retry_after = pauses[_i].after * CLOCK_SECOND,
		.retry_max = pauses[_i].max * CLOCK_SECOND };
	int64_t rest = retry_pause(&patience, pauses[_i].failures, pauses[_i].chance);

	ck_assert_int_eq(rest, (int64_t)(pauses[_i].rest * CLOCK_SECOND));
}
END_TEST

/* What is said | a grade, and its seconds; -1: refused */
static const struct { const char *said; char grade; int64_t seconds; } times[] = {
	{ "5d", 'N', 5 * DAY }, { "5d", 0, 5 * DAY },
	{ "5d A:4h", 'A', 4 * HOUR }, { "5d A:4h", 'B', 5 * DAY }, { "5d A:4h", 0, 5 * DAY },
	{ "5d A-F:4h", 'A', 4 * HOUR }, { "5d A-F:4h", 'F', 4 * HOUR }, { "5d A-F:4h", 'G', 5 * DAY },
	{ "5d 0-z:4h", 'N', 4 * HOUR }, { "5d A-Z:4h N:1m", 'N', 60 }, { "5d  z:0", 'z', 0 },
	{ "A:4h", 'A', -1 }, { "5d A", 'A', -1 }, { "5d A:", 'A', -1 }, { "5d :4h", 'A', -1 },
	{ "5d F-A:4h", 'A', -1 }, { "5d AB:4h", 'A', -1 }, { "5d A-:4h", 'A', -1 }, { "5d A:4h;", 'A', -1 },
	{ "5d --z:4h", 'A', -1 }, { "5d A:4h B:x", 'A', -1 }, { "", 'A', -1 }, { "soon", 'A', -1 },
};

START_TEST(a_time_may_differ_by_grade)
{
	char text[80];
	const char *more[] = { text };
	struct settings_args args = { .root = s.root, .set = { more, 1 } };
	struct settings settings;

	snprintf(text, sizeof text, "spool.expire-after=%s", times[_i].said);
	int result = settings_load(&settings, &args, &err);
	ck_assert_int_eq(result, times[_i].seconds < 0 ? -1 : 0);
	if (result == 0)
		ck_assert_int_eq(settings_patience(&settings, "smtp:x:25", times[_i].grade).expire_after,
		    times[_i].seconds * CLOCK_SECOND);
	settings_free(&settings);
}
END_TEST

/* Destination, grade | retry-after, retry-max, delay-after, expire-after */
static const struct { const char *site; char grade; int64_t after, max, delay, expire; } patiences[] = {
	{ "smtp:x.example:25", 'N', 300, 4 * HOUR, 4 * HOUR, 5 * DAY },
	{ "smtp:x.example:25", 'A', 60, 4 * HOUR, 4 * HOUR, 4 * HOUR },
	{ "smtp:x.example:25", 'z', 300, 4 * HOUR, 4 * HOUR, DAY },
	{ "home", 'A', 60, 4 * HOUR, 0, 30 * DAY },	/* says nothing: the presets of a site */
	{ "ship", 'N', 10, 30, HOUR, 2 * DAY },
	{ "ship", 'A', 10, 30, HOUR, 2 * DAY },		/* what it says counts for all its grades */
	{ "ship", '0', 10, 30, HOUR, 1800 },
	{ "nobody", 'B', 300, 4 * HOUR, 4 * HOUR, 4 * HOUR },
};

START_TEST(a_site_says_for_itself_how_long_its_mail_waits)
{
	struct patience is = settings_patience(&s.settings, patiences[_i].site, patiences[_i].grade);

	ck_assert_int_eq(is.retry_after, patiences[_i].after * CLOCK_SECOND);
	ck_assert_int_eq(is.retry_max, patiences[_i].max * CLOCK_SECOND);
	ck_assert_int_eq(is.delay_after, patiences[_i].delay * CLOCK_SECOND);
	ck_assert_int_eq(is.expire_after, patiences[_i].expire * CLOCK_SECOND);
}
END_TEST

/* messages */

static void
accept_one(const char *first, const char *second, char grade)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = { .grade = grade };
	struct settled settled;

	envelope_from(&env, SPAN("ann@home.example"), SPAN(""));
	envelope_add(&env, span_of(first), SPAN(""));
	if (second != NULL)
		envelope_add(&env, span_of(second), SPAN(""));
	OK(arrival_open(&a, &s.spool, NULL, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, "Subject: x\r\n\r\nx\r\n", 17, &err));
	OK(arrival_end(&a, &err));
	OK(arrival_commit(&a, &err));
	arrival_close(&a);
	envelope_free(&env);
	OK(spool_settle(&s.spool, &settled, &err));
}

/* The next message for a site, or false; the queue stays open. */
static bool
next_message(struct queue *q, const char *site, struct message *m)
{
	OK(queue_open(q, &s.spool, site, false, &err));
	int got = queue_next(q, m, &err);
	ck_assert_int_ge(got, 0);
	return got > 0;
}

static size_t
waiting(const char *site)
{
	struct queue q;
	struct message m;
	size_t count = 0;

	OK(queue_open(&q, &s.spool, site, false, &err));
	for (; queue_next(&q, &m, &err) > 0; message_close(&m))
		count++;
	queue_close(&q);
	return count;
}

/* Grade of a message for ship, and of how many seconds | does it still wait? */
static const struct { char grade; int64_t age; size_t waits; } ages[] = {
	{ 'N', 2 * DAY - 1, 1 }, { 'N', 2 * DAY + 1, 0 }, { 'A', 2 * DAY - 1, 1 },
	{ '0', 1799, 1 }, { '0', 1801, 0 },
};

START_TEST(a_grade_is_given_up_in_its_own_time)
{
	s.settings.site[1].delay_after[0] = '0';	/* "1h" as "0h" */
	accept_one("eve@ship.example", NULL, ages[_i].grade);
	clock_set(START + ages[_i].age * CLOCK_SECOND);
	ck_assert_uint_eq(waiting("ship"), ages[_i].waits);
}
END_TEST

/* Accepted by a peer a month ago, and here a moment ago: neither late nor given up. */
START_TEST(the_time_it_was_under_way_to_us_is_no_time_it_waits_here)
{
	struct envelope env = {0};
	struct arrival a;
	struct entry_info info = { .time = clock_now() - 31 * DAY * CLOCK_SECOND };
	struct settled settled;

	str_set(&info.peer, "hub");
	str_set(&info.peer_id, "1");
	envelope_from(&env, SPAN("ann@home.example"), SPAN(""));
	envelope_add(&env, SPAN("eve@ship.example"), SPAN(""));
	OK(arrival_open(&a, &s.spool, NULL, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, "Subject: x\r\n\r\nx\r\n", 17, &err));
	OK(arrival_end(&a, &err));
	OK(arrival_commit(&a, &err));
	arrival_close(&a);
	entry_info_free(&info);
	envelope_free(&env);
	OK(spool_settle(&s.spool, &settled, &err));
	ck_assert_uint_eq(waiting("ship"), 1);
	ck_assert_uint_eq(scratch_count(s.spool.in, "."), 0);
}
END_TEST

START_TEST(the_best_grade_that_waits_says_how_long_its_destination_rests)
{
	struct retry retry;

	accept_one("x@x.example", NULL, 'N');
	OK(retry_failed(&s.spool, "smtp:x.example:25", "no route", &err));
	OK(retry_load(&s.spool, "smtp:x.example:25", &retry, &err));
	ck_assert_int_ge(retry.next, START + 300 * CLOCK_SECOND);
	str_free(&retry.why);
	retry_clear(&s.spool, "smtp:x.example:25");
	accept_one("y@x.example", NULL, 'A');
	OK(retry_failed(&s.spool, "smtp:x.example:25", "no route", &err));
	OK(retry_load(&s.spool, "smtp:x.example:25", &retry, &err));
	ck_assert_int_ge(retry.next, START + 60 * CLOCK_SECOND);
	ck_assert_int_le(retry.next, START + 72 * CLOCK_SECOND);
	str_free(&retry.why);
}
END_TEST

START_TEST(last_words_are_kept_for_each_recipient_across_tries_and_told)
{
	struct queue q;
	struct message m;
	struct str text = {0};

	accept_one("bob@ship.example", "eve@ship.example", 'N');
	for (int try = 0; try < 3; try++) {
		ck_assert(next_message(&q, "ship", &m));
		ck_assert_str_eq(str_c(&m.entry.status[0].reply), try == 0 ? "" : "451 bob");
		ck_assert_str_eq(str_c(&m.entry.status[1].reply), try == 0 ? "" : try == 1 ? "452 eve 0" :
		    "452 eve 1");
		char words[40];
		snprintf(words, sizeof words, "452 eve %d", try);
		if (try == 0)
			message_rcpt(&m, 0, RCPT_DEFERRED, "451 bob");
		message_rcpt(&m, 1, RCPT_DEFERRED, words);
		OK(message_settle(&m, &err));
		message_close(&m);
		queue_close(&q);
	}
	s.settings.site[1].delay_after[0] = '0';
	clock_set(START + 3 * DAY * CLOCK_SECOND);
	ck_assert_uint_eq(waiting("ship"), 0);
	struct settled settled;
	OK(spool_settle(&s.spool, &settled, &err));
	ck_assert(next_message(&q, "home", &m));	/* the report, to ann */
	OK(fs_read_all(m.fd, 20000, &text, &err));
	ck_assert_msg(strstr(str_c(&text), "451 bob") != NULL, "%s", str_c(&text));
	ck_assert_ptr_nonnull(strstr(str_c(&text), "452 eve 2"));
	ck_assert_ptr_null(strstr(str_c(&text), "eve 1"));
	message_close(&m);
	queue_close(&q);
	str_free(&text);
}
END_TEST

/* A full disk: a file system of its own, and in it a message that ends just before a page
 * does, so that one more line of its history needs another. */

enum { PAGE = 4096, DISK = 512 << 10 };

static bool
small_disk(void)
{
	char size[40];

	scratch_close(&s);
	scratch_make(&s);
	snprintf(size, sizeof size, "size=%d", DISK);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", s.root, "tmpfs", 0, size) < 0) {
		printf("a file system of our own needs root: %s\n", strerror(errno));
		return false;
	}
	return true;
}

static void
fill(void)
{
	char page[PAGE] = "";
	int fd = openat(s.spool.tmp, "filler", O_WRONLY | O_CREAT, 0640);

	ck_assert_int_ge(fd, 0);
	while (write(fd, page, sizeof page) == sizeof page)
		;
	ck_assert_int_eq(errno, ENOSPC);
	close(fd);
}

static void
accept_of_size(size_t len)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};
	struct settled settled;
	char body[2 * PAGE];

	memset(body, 'x', sizeof body);
	envelope_from(&env, SPAN("ann@home.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@ship.example"), SPAN(""));
	envelope_add(&env, SPAN("eve@ship.example"), SPAN(""));
	OK(arrival_open(&a, &s.spool, NULL, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, body, len, &err));
	OK(arrival_end(&a, &err));
	OK(arrival_commit(&a, &err));
	arrival_close(&a);
	envelope_free(&env);
	OK(spool_settle(&s.spool, &settled, &err));
}

/* Takes the only message, sized so that its page is all but full. */
static void
take_full_page(struct queue *q, struct message *m)
{
	accept_of_size(100);
	ck_assert(next_message(q, "ship", m));
	size_t len = 100 + PAGE - 10 - (size_t)m->entry.states_end % PAGE;
	for (size_t i = 0; i < 2; i++)
		message_rcpt(m, i, RCPT_DONE, "250 ok");
	OK(message_settle(m, &err));
	message_close(m);
	queue_close(q);
	accept_of_size(len);
	ck_assert(next_message(q, "ship", m));
	ck_assert_int_eq(m->entry.states_end % PAGE, PAGE - 10);
}

START_TEST(there_is_room_for_the_outcome_before_a_message_is_sent)
{
	struct queue q;
	struct message m;

	bool small = small_disk();
	scratch_begin(&s, said, ROWS(said));
	if (!small)
		return;
	take_full_page(&q, &m);
	if (_i == 0)		/* room was made in time */
		OK(message_room(&m, &err));
	fill();
	message_rcpt(&m, 0, RCPT_DONE, "250 ok");
	message_rcpt(&m, 1, RCPT_DEFERRED, "451 later");
	if (_i == 0) {
		OK(message_settle(&m, &err));
	} else {		/* nothing is sent without */
		ck_assert_int_lt(message_room(&m, &err), 0);
		ck_assert_int_eq(err.kind, ERR_TEMP);
		ck_assert(queue_must_stop(errno));
		ck_assert_int_lt(message_settle(&m, &err), 0);
	}
	message_close(&m);
	queue_close(&q);
	umount2(s.root, MNT_DETACH);	/* the namespace ends with this process anyway */
}
END_TEST

/* What the relay does with one whose outcome could not be noted: sent with every round
 * otherwise. */
START_TEST(a_message_that_takes_no_line_is_held_with_the_reason_beside_it)
{
	struct queue q;
	struct message m;
	struct str text = {0}, name = {0};

	accept_one("bob@ship.example", "eve@ship.example", 'N');
	ck_assert(next_message(&q, "ship", &m));
	str_printf(&name, "%s.reason", str_c(&m.id));
	int only = fs_open(q.bucket_dir, str_c(&m.id), O_RDONLY, &err);
	ck_assert_int_ge(dup2(only, m.fd), 0);	/* every write fails now */
	close(only);
	message_rcpt(&m, 0, RCPT_DONE, "250 ok");
	ck_assert_int_lt(message_settle(&m, &err), 0);
	ck_assert(!queue_must_stop(errno));
	OK(message_hold(&m, "may have been delivered", &err));
	OK(fs_load(s.spool.hold, str_c(&name), 100, &text, &err));
	ck_assert_str_eq(str_c(&text), "may have been delivered\n");
	message_close(&m);
	queue_close(&q);
	ck_assert_uint_eq(waiting("ship"), 0);
	ck_assert_uint_eq(scratch_count(s.spool.hold, "."), 2);
	str_free(&text);
	str_free(&name);
}
END_TEST

/* links */

/* Events at a destination, one after the other, a second apart: f it cannot be reached,
 * l a link comes up and makes it due, i the same within the minute and nothing, b it is
 * reached again, h a person's word, m a minute passes | failures then, and is it due? */
static const struct { const char *events; unsigned failures; bool due; } links[] = {
	{ "", 0, true }, { "f", 1, false }, { "fl", 1, true }, { "flf", 2, false },
	{ "flfi", 2, false }, { "flfmli", 2, true }, { "flb", 0, true }, { "ffffl", 4, true },
	{ "ffffh", 0, true }, { "l", 0, true }, { "li", 0, true }, { "lf", 1, false }, { "hi", 0, true },
};

static void
happens(char event)
{
	struct retry retry;

	switch (event) {
	case 'f':
		OK(retry_failed(&s.spool, "home", "no carrier", &err));
		break;
	case 'l':
	case 'i':
		ck_assert_int_eq(retry_link_up(&s.spool, "home", &err), event == 'l');
		break;
	case 'b':
		OK(retry_load(&s.spool, "home", &retry, &err));
		OK(retry_came_back(&s.spool, "home", retry.asked, &err));
		str_free(&retry.why);
		break;
	case 'h':
		OK(retry_now(&s.spool, "home", &err));
		break;
	case 'm':
		clock_set(clock_now() + 60 * CLOCK_SECOND);
		break;
	}
	clock_set(clock_now() + CLOCK_SECOND);
}

START_TEST(a_link_that_comes_up_makes_due_and_wins_no_tries)
{
	struct retry retry;

	for (const char *event = links[_i].events; *event != '\0'; event++)
		happens(*event);
	OK(retry_load(&s.spool, "home", &retry, &err));
	ck_assert_uint_eq(retry.failures, links[_i].failures);
	ck_assert_int_eq(retry.next <= clock_now(), links[_i].due);
	if (links[_i].failures > 0)
		ck_assert_str_eq(str_c(&retry.why), "no carrier");
	str_free(&retry.why);
}
END_TEST

START_TEST(what_was_asked_for_meanwhile_is_not_forgotten)
{
	struct retry retry;

	OK(retry_now(&s.spool, "home", &err));
	OK(retry_came_back(&s.spool, "home", START - CLOCK_SECOND, &err));
	OK(retry_load(&s.spool, "home", &retry, &err));
	ck_assert_int_eq(retry.asked, START);
	str_free(&retry.why);
	OK(retry_came_back(&s.spool, "home", START, &err));
	OK(retry_load(&s.spool, "home", &retry, &err));
	ck_assert_int_eq(retry.asked, 0);
}
END_TEST

static const char *const hints[] = {	/* that some other hand wrote: they count as now */
	"", "next=soon failures=x why=y\n", "next=2026-11-21T18:45:02Z", "failures=1 failures=", "\n\n", "why=",
};

START_TEST(a_hint_that_cannot_be_read_counts_as_now)
{
	struct retry retry;

	OK(fs_make_dir(s.spool.out, "home", 0750, &err));
	int fd = openat(s.spool.out, "home/.retry", O_WRONLY | O_CREAT, 0640);
	OK(fs_write(fd, hints[_i], strlen(hints[_i]), &err));
	close(fd);
	OK(retry_load(&s.spool, "home", &retry, &err));
	ck_assert_int_le(retry.next, clock_now());
	str_free(&retry.why);
}
END_TEST

UNIT_WITH("retry", setup, teardown,
    { a_destination_that_fails_rests_longer_each_time, ROWS(pauses) },
    { a_time_may_differ_by_grade, ROWS(times) },
    { a_site_says_for_itself_how_long_its_mail_waits, ROWS(patiences) },
    { a_grade_is_given_up_in_its_own_time, ROWS(ages) },
    { the_time_it_was_under_way_to_us_is_no_time_it_waits_here, 1 },
    { the_best_grade_that_waits_says_how_long_its_destination_rests, 1 },
    { last_words_are_kept_for_each_recipient_across_tries_and_told, 1 },
    { there_is_room_for_the_outcome_before_a_message_is_sent, 2 },
    { a_message_that_takes_no_line_is_held_with_the_reason_beside_it, 1 },
    { a_link_that_comes_up_makes_due_and_wins_no_tries, ROWS(links) },
    { what_was_asked_for_meanwhile_is_not_forgotten, 1 },
    { a_hint_that_cannot_be_read_counts_as_now, ROWS(hints) })
