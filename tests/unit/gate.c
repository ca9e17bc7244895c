/* What the gate asks: the greylist's table, who read his mail, the words of its settings. */
#include <fcntl.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "relay/check.h"
#include "relay/grey.h"
#include "relay/lists.h"
#include "relay/window.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

enum { DELAY = 300, KEEP = 86400 };
#define START (INT64_C(1795286702) * CLOCK_SECOND)

static struct err err;
static struct scratch s;

/* A folder of the test's own, until it ends. */
static char *
scratch(void)
{
	static const char *const said[] = { "spool.site=home" };

	if (s.root[0] == '\0')
		scratch_open(&s, said, ROWS(said));
	return s.root;
}

static struct ip
ip(const char *text)
{
	struct ip found;

	ck_assert_int_eq(ip_parse(span_of(text), &found), 0);
	return found;
}

/* In a new table: who comes, at which second after START | what he hears: seconds, or 0 */
static const struct { const char *client, *from, *to; int64_t at, wait; } visits[] = {
	{ "192.0.2.1", "a@x", "b@y", 0, DELAY },
	{ "192.0.2.1", "a@x", "b@y", 100, DELAY - 100 },
	{ "192.0.2.200", "A@X", "B@y", DELAY - 1, 1 },		/* of the same network, in another case */
	{ "192.0.2.1", "a@x", "c@y", DELAY, DELAY },		/* to somebody else */
	{ "192.0.3.1", "a@x", "b@y", DELAY, DELAY },
	{ "2001:db8::1", "a@x", "b@y", DELAY, DELAY },
	{ "2001:db8::ff", "a@x", "b@y", 2 * DELAY, 0 },
	{ "2001:db8:0:1::1", "a@x", "b@y", 2 * DELAY, DELAY },
	{ "192.0.2.1", "a@x", "b@y", DELAY, 0 },
	{ "192.0.2.1", "a@x", "b@y", DELAY + KEEP, 0 },		/* kept from his last mail */
	{ "192.0.2.1", "a@x", "b@y", DELAY + 2 * KEEP + 1, DELAY },
	{ "192.0.2.1", "a@x", "c@y", DELAY + GREY_WINDOW + 1, DELAY },	/* who came back too late is new */
	{ "192.0.2.1", "a@x", "c@y", DELAY + GREY_WINDOW + 1 - 10 * KEEP, DELAY },	/* as when the clock went back */
};

START_TEST(a_stranger_comes_back)
{
	struct grey grey = {0};
	struct str path = {0};
	int64_t wait;

	str_printf(&path, "%s/grey", scratch());
	for (size_t i = 0; i < ROWS(visits); i++) {
		struct ip client = ip(visits[i].client);
		int got = grey_seen(&grey, str_c(&path), &client, span_of(visits[i].from), span_of(visits[i].to),
		    START + visits[i].at * CLOCK_SECOND, DELAY, KEEP, &wait, &err);
		ck_assert_msg(got == (visits[i].wait > 0) && (got == 0 || wait == visits[i].wait), "%zu: %d, %lld", i, got,
		    (long long)wait);
		if (i % 3 == 0)
			grey_close(&grey);	/* it survives a restart */
	}
	grey_close(&grey);
	str_free(&path);
	scratch_close(&s);
	s = (struct scratch){0};	/* the next test may be of this process */
}
END_TEST

START_TEST(a_flood_of_strangers_displaces_nobody_who_is_known)
{
	struct grey grey = {0};
	struct ip client = ip("192.0.2.1");
	struct str path = {0}, from = {0};
	struct stat st;
	int64_t wait;

	str_printf(&path, "%s/grey", scratch());
	for (int64_t at = 0; at <= DELAY; at += DELAY)
		grey_seen(&grey, str_c(&path), &client, SPAN("a@x"), SPAN("b@y"), START + at * CLOCK_SECOND, DELAY, KEEP,
		    &wait, &err);
	for (unsigned i = 0; i < 2 * GREY_ROWS; i++) {
		str_clear(&from);
		str_printf(&from, "%u@spam", i);
		ck_assert_int_eq(grey_seen(&grey, str_c(&path), &client, str_span(&from), SPAN("b@y"),
		    START + (DELAY + 1) * CLOCK_SECOND, DELAY, KEEP, &wait, &err), 1);
	}
	ck_assert_int_eq(grey_seen(&grey, str_c(&path), &client, SPAN("a@x"), SPAN("b@y"),
	    START + (DELAY + 2) * CLOCK_SECOND, DELAY, KEEP, &wait, &err), 0);
	ck_assert(stat(str_c(&path), &st) == 0 && st.st_size == 64 + 16 * GREY_ROWS);
	grey_close(&grey);
	str_free(&path);
	str_free(&from);
	scratch_close(&s);
	s = (struct scratch){0};	/* the next test may be of this process */
}
END_TEST

START_TEST(what_is_no_table_is_left_alone)
{
	struct grey grey = {0};
	struct ip client = ip("192.0.2.1");
	struct str path = {0};
	int64_t wait;

	str_printf(&path, "%s/grey", scratch());
	int fd = open(str_c(&path), O_CREAT | O_WRONLY, 0600);
	ck_assert(fd >= 0 && write(fd, "hello", 5) == 5);
	close(fd);
	ck_assert_int_eq(grey_seen(&grey, str_c(&path), &client, SPAN("a@x"), SPAN("b@y"), START, DELAY, KEEP, &wait, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert(unlink(str_c(&path)) == 0 && symlink("/etc/passwd", str_c(&path)) == 0);
	ck_assert_int_eq(grey_seen(&grey, str_c(&path), &client, SPAN("a@x"), SPAN("b@y"), START, DELAY, KEEP, &wait, &err), -1);
	str_free(&path);
	scratch_close(&s);
	s = (struct scratch){0};	/* the next test may be of this process */
}
END_TEST

START_TEST(a_window_is_open_for_its_time_and_address)
{
	struct settings settings = { .root = scratch() };
	struct ip a = ip("192.0.2.1"), mapped = ip("::ffff:192.0.2.1"), other = ip("192.0.2.10"), six = ip("2001:db8::1");
	struct str user = {0}, path = {0};

	ck_assert(!window_is_open(&settings, &a, 3600, &user));
	ck_assert_int_eq(window_open(&settings, &a, SPAN("bob"), &err), 0);
	ck_assert_int_eq(window_open(&settings, &six, SPAN("eve"), &err), 0);
	ck_assert(window_is_open(&settings, &a, 3600, &user) && span_is(str_span(&user), "bob"));
	ck_assert(window_is_open(&settings, &mapped, 3600, &user));
	ck_assert(window_is_open(&settings, &six, 3600, &user) && span_is(str_span(&user), "eve"));
	ck_assert(!window_is_open(&settings, &other, 3600, &user) && user.len == 0);
	/* a time long ago, or to come, is none */
	str_printf(&path, "%s/pop-before-smtp/192.0.2.1", scratch());
	for (int sign = -1; sign <= 1; sign += 2) {
		const struct timespec when = { .tv_sec = clock_now() / CLOCK_SECOND + sign * 3601 };
		ck_assert_int_eq(window_open(&settings, &a, SPAN("bob"), &err), 0);
		ck_assert_int_eq(utimensat(AT_FDCWD, str_c(&path), (struct timespec[]){ when, when }, 0), 0);
		ck_assert(!window_is_open(&settings, &a, 3600, &user));
		ck_assert(access(str_c(&path), F_OK) != 0);
	}
	/* one that a person has closed is not opened by a session that goes on */
	window_refresh(&settings, &a);
	ck_assert(!window_is_open(&settings, &a, 3600, &user));
	ck_assert_int_eq(symlink("/etc/passwd", str_c(&path)), 0);
	ck_assert(!window_is_open(&settings, &a, 3600, &user));
	str_free(&user);
	str_free(&path);
	scratch_close(&s);
	s = (struct scratch){0};	/* the next test may be of this process */
}
END_TEST

static const struct { const char *setting; bool good; } list_settings[] = {
	{ "", true }, { "bl.example", true }, { "a.example:-2 b.example/127.0.0.2:3  c", true },
	{ "a.example/127.0.0.2,127.0.0.10", true }, { "a.example:", false }, { "a.example:x", false },
	{ "a.example:101", false }, { "a.example/", false }, { "a.example/127.0.0", false }, { "a.example/::1", false },
	{ ".example", false }, { "a..b/c", false }, { "a;b", false }, { ":1", false },
	{ "a b c d e f g h i j k l m n o p", true }, { "a b c d e f g h i j k l m n o p q", false },
};

START_TEST(the_words_of_lists)
{
	bool good = list_settings[_i].good && (HAVE_CARES || list_settings[_i].setting[0] == '\0');	/* who else would ask? */

	ck_assert_int_eq(lists_check(list_settings[_i].setting, &err), good ? 0 : -1);
}
END_TEST

static const struct { const char *setting; bool good; } source_settings[] = {
	{ "", true }, { "local:", true }, { "local:0-9, maildir:mail/%u,file:x ,|/bin/x a b", true },
	{ "net:h:1,call:", true }, { "maildir:", false }, { "|", false }, { "ldap:x", false }, { "local", false },
};

START_TEST(the_words_of_verifiers)
{
	ck_assert_int_eq(check_sources(source_settings[_i].setting, &err), source_settings[_i].good ? 0 : -1);
}
END_TEST

UNIT("gate",
	{ a_stranger_comes_back, 1 },
	{ a_flood_of_strangers_displaces_nobody_who_is_known, 1 },
	{ what_is_no_table_is_left_alone, 1 },
	{ a_window_is_open_for_its_time_and_address, 1 },
	{ the_words_of_lists, ROWS(list_settings) },
	{ the_words_of_verifiers, ROWS(source_settings) })
