/* A host of many addresses, some of which lead nowhere; and a proxy in between. */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/stream.h"
#include "tests/unit/looping.h"
#include "tests/unit/unit.h"

static struct loop loop;
static struct listener listener;	/* the far end */
static unsigned port, deaf_port;
static int deaf = -1, filling[8];	/* a socket that never answers */
static bool has_six;

static struct {
	int fd;
	struct err err;
	bool called;
} dialled;
static int taken = -1;
static size_t taken_count;

/* --- a name service of our own: "A,B,C.test" has these addresses --- */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);

static unsigned
port_of(struct span word)
{
	return span_is(word, "deaf") ? deaf_port : span_is(word, "shut") ? 1 : port;
}

static struct addrinfo *
one_address(struct span word)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *list;
	char number[16];

	snprintf(number, sizeof number, "%u", port_of(word));
	const char *host = span_is(word, "six") || span_is(word, "shut6") ? "::1" : "127.0.0.1";
	if (span_is(word, "shut6"))
		strcpy(number, "1");
	ck_assert_int_eq(__real_getaddrinfo(host, number, &hints, &list), 0);
	ck_assert_ptr_null(list->ai_next);
	return list;
}

int
__wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
	size_t len = strlen(host);

	if ((hints->ai_flags & AI_NUMERICHOST) != 0 || len < 5 || strcmp(host + len - 5, ".test") != 0)
		return __real_getaddrinfo(host, service, hints, list);
	struct span rest = { host, len - 5 }, word;
	struct addrinfo **end = list;
	while (span_cut(&rest, ',', &word)) {
		*end = one_address(word);
		end = &(*end)->ai_next;
	}
	return 0;
}

/* --- around each test --- */

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
	(void)peer;
	if (taken >= 0)
		close(taken);
	taken = fd;
	taken_count++;
}

static unsigned
port_at(int fd)
{
	struct sockaddr_in in;
	socklen_t len = sizeof in;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	return ntohs(in.sin_port);
}

/* Nobody accepts, and its queue is full: the kernel drops what comes. */
static void
make_deaf(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(deaf, (struct sockaddr *)&in, sizeof in), 0);
	ck_assert_int_eq(listen(deaf, 0), 0);
	deaf_port = port_at(deaf);
	in.sin_port = htons((uint16_t)deaf_port);
	for (size_t i = 0; i < sizeof filling / sizeof filling[0]; i++) {
		filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(filling[i], (struct sockaddr *)&in, sizeof in);
	}
	usleep(50000);
}

static void
setup(void)
{
	struct err err = {0};
	int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	has_six = six >= 0 && bind(six, (struct sockaddr *)&in6, sizeof in6) == 0;
	if (six >= 0)
		close(six);
	ck_assert_int_eq(loop_start(&loop, &err), 0);
	looping_listen(&loop, &listener, on_taken, NULL);
	port = port_at(listener.fd);
	make_deaf();
	dialled.called = false;
	dialled.fd = taken = -1;
	taken_count = 0;
}

static void
teardown(void)
{
	close(deaf);
	for (size_t i = 0; i < sizeof filling / sizeof filling[0]; i++)
		close(filling[i]);
	if (taken >= 0)
		close(taken);
	if (dialled.fd >= 0)
		close(dialled.fd);
	listener_close(&listener);
	loop_free(&loop);
}

/* --- many addresses --- */

static const struct {
	const char *host;
	int64_t limit;		/* seconds */
	int64_t least, most;	/* milliseconds until there is an answer; most: the machine may be busy */
	bool connects;
	bool needs_six;
} hosts[] = {
	{ "good.test:1", 30, 0, 10000, true, false },
	{ "shut,good.test:1", 30, 0, 10000, true, false },		/* a refusal: the next at once */
	{ "deaf,good.test:1", 30, 240, 10000, true, false },	/* silence: the next a little later */
	{ "deaf,deaf,good.test:1", 30, 490, 10000, true, false },
	{ "deaf,shut,good.test:1", 30, 240, 10000, true, false },
	{ "shut6,deaf,good.test:1", 30, 240, 10000, true, true },
	{ "shut,shut.test:1", 30, 0, 10000, false, false },
	{ "deaf.test:1", 1, 990, 10000, false, false },		/* until the limit */
	{ "deaf,shut.test:1", 1, 990, 10000, false, false },
};

START_TEST(the_first_address_that_answers_is_taken)
{
	struct dial dial;
	int64_t begun = clock_mono();

	if (hosts[_i].needs_six && !has_six)
		return;
	dial_start(&dial, &loop, hosts[_i].host, hosts[_i].limit, on_dialled, NULL);
	looping(&loop, 20000);
	int64_t took = (clock_mono() - begun) / 1000;
	ck_assert(dialled.called);
	ck_assert_msg((dialled.fd >= 0) == hosts[_i].connects, "%s", dialled.err.text);
	ck_assert_int_ge(took, hosts[_i].least);
	ck_assert_int_le(took, hosts[_i].most);
	if (!hosts[_i].connects)
		ck_assert_int_eq(dialled.err.kind, ERR_TEMP);
	looping(&loop, 20);
	ck_assert_uint_eq(taken_count, hosts[_i].connects);
	dial_cancel(&dial);
}
END_TEST

/* As of the host that an MX record names: all its addresses are known already. */
static const struct { const char *host; bool other; bool connects; } beside[] = {
	{ "deaf.test:1", true, true }, { "shut.test:1", true, true }, { "good.test:1", false, true },
	{ "shut.test:1", false, false },
};

START_TEST(other_places_are_tried_side_by_side)
{
	struct dial dial;
	struct str others = {0};
	const int ports[] = { deaf_port, beside[_i].other ? port : deaf_port };

	for (size_t i = 0; i < 2; i++)
		str_printf(&others, " 127.0.0.1:%d", ports[i]);
	struct dial_how how = { .others = str_c(&others) };
	dial_start_how(&dial, &loop, beside[_i].host, &how, beside[_i].connects ? 30 : 1, on_dialled, NULL);
	looping(&loop, 20000);
	ck_assert(dialled.called);
	ck_assert_msg((dialled.fd >= 0) == beside[_i].connects, "%s", dialled.err.text);
	dial_cancel(&dial);
	str_free(&others);
}
END_TEST

/* As of MX records: a worse host is asked at once where the better ones are dead, and only after a
 * while where they may be slow. */
enum { HOUR = 3600 };
static const struct { const char *host; bool other, worse; int64_t patience; bool connects; } worse[] = {
	{ "shut.test:1", false, true, HOUR * CLOCK_SECOND, true },
	{ "deaf.test:1", false, true, CLOCK_SECOND / 2, true },
	{ "shut.test:1", true, true, CLOCK_SECOND / 2, true },
	{ "deaf.test:1", false, true, HOUR * CLOCK_SECOND, false },	/* the limit is met before */
	{ "shut.test:1", true, false, CLOCK_SECOND / 10, false },
};

START_TEST(worse_places_are_tried_when_the_better_ones_do_not_answer)
{
	struct dial dial;
	struct str others = {0}, behind = {0};
	int64_t began = clock_mono();

	str_printf(&others, "127.0.0.1:%d", deaf_port);
	str_printf(&behind, "127.0.0.1:%d", worse[_i].worse ? port : deaf_port);
	struct dial_how how = { .others = worse[_i].other ? str_c(&others) : NULL, .worse = str_c(&behind),
		.patience = worse[_i].patience };
	dial_start_how(&dial, &loop, worse[_i].host, &how, worse[_i].connects ? 60 : 1, on_dialled, NULL);
	looping(&loop, 60000);
	ck_assert(dialled.called);
	ck_assert_msg((dialled.fd >= 0) == worse[_i].connects, "%s", dialled.err.text);
	if (worse[_i].connects && worse[_i].patience < HOUR * CLOCK_SECOND)
		ck_assert_int_ge(clock_mono() - began, worse[_i].patience);
	dial_cancel(&dial);
	str_free(&others);
	str_free(&behind);
}
END_TEST

START_TEST(families_are_tried_by_turns)
{
	static const char expected[] = "464644";	/* of four, four, four, four, six, six */
	struct dial dial;

	if (!has_six)
		return;
	dial_start(&dial, &loop, "deaf,deaf,deaf,deaf,six,six.test:1", 2, on_dialled, NULL);
	for (int i = 0; i < 100 && dial.count == 0; i++)
		looping(&loop, 5);
	ck_assert_uint_eq(dial.count, strlen(expected));
	for (size_t i = 0; i < dial.count; i++)
		ck_assert_int_eq(dial.tries[i].address->ai_family, expected[i] == '4' ? AF_INET : AF_INET6);
	dial_cancel(&dial);
}
END_TEST

START_TEST(a_name_with_too_many_addresses_costs_no_more_than_its_share)
{
	struct str host = {0};
	struct dial dial;

	for (int i = 0; i < 100; i++)
		str_add_text(&host, i > 0 ? ",shut" : "shut");
	str_add_text(&host, ",good.test:1");
	dial_start(&dial, &loop, str_c(&host), 5, on_dialled, NULL);
	looping(&loop, 8000);
	ck_assert(dialled.called);
	ck_assert_int_eq(dialled.fd, -1);
	str_free(&host);
}
END_TEST

START_TEST(the_socket_is_as_it_was_asked_for)
{
	const struct dial_how how = { .quick = true, .silence = 7, .lossy = true };
	struct dial dial;
	int quick = 0;
	unsigned silence = 0;
	socklen_t size = sizeof quick;

	dial_start_how(&dial, &loop, "good.test:1", &how, 5, on_dialled, NULL);
	looping(&loop, 5000);
	ck_assert_int_ge(dialled.fd, 0);
	getsockopt(dialled.fd, IPPROTO_TCP, TCP_NODELAY, &quick, &size);
	ck_assert_int_ne(quick, 0);
	size = sizeof silence;
	getsockopt(dialled.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, &size);
	ck_assert_uint_eq(silence, 7000);
	dial_cancel(&dial);
}
END_TEST

/* --- a proxy --- */

static struct {
	struct stream stream;
	struct str got;
	const char *answer;	/* to each piece */
	size_t len;
	bool hangs_up;
} proxy;

static void
proxy_input(void *ctx, const void *bytes, size_t len)
{
	(void)ctx;
	str_add(&proxy.got, bytes, len);
	if (proxy.hangs_up) {
		stream_free(&proxy.stream);
		return;
	}
	/* In the same write what the far end says at once: nobody may lose that. */
	stream_send(&proxy.stream, proxy.answer, proxy.len);
}

static void
proxy_ended(void *ctx, const struct err *err)
{
	(void)ctx;
	(void)err;
	stream_free(&proxy.stream);
}

static void
proxy_late(void *ctx)
{
	(void)ctx;
}

static void
on_proxied(void *ctx, int fd, const struct sockaddr *peer)
{
	static const struct stream_hooks hooks = { .input = proxy_input, .ended = proxy_ended, .late = proxy_late };

	(void)peer;
	stream_start(&proxy.stream, ctx, fd, &hooks, NULL);
}

static void
dial_by_proxy(struct dial *dial, struct dial_how *how, struct socks_proxy *said, const char *where)
{
	struct str text = {0};
	struct err err = {0};

	str_printf(&text, "socks4a://%s", where);
	ck_assert_int_eq(socks_proxy_parse(str_c(&text), said, &err), 0);
	how->proxy = said;
	dial_start_how(dial, &loop, "far.invalid:22", how, 1, on_dialled, NULL);
	looping(&loop, 5000);
	ck_assert(dialled.called);
	str_free(&text);
}

static const struct {
	struct span answer;
	bool hangs_up;
	const char *error;
} answers[] = {
	{ { "\0\132\0\0\0\0\0\0SSH-2.0-x", 17 }, false, NULL },
	{ { "\0\133\0\0\0\0\0\0", 8 }, false, "refuses the connection" },
	{ { "", 0 }, true, "hung up" },
	{ { "", 0 }, false, "no answer in time" },
	{ { "\0\132", 2 }, false, "no answer in time" },
};

START_TEST(a_proxy_is_asked_and_the_line_is_whole)
{
	struct listener door;
	struct dial dial;
	struct dial_how how = {0};
	struct socks_proxy said;
	char bytes[16] = "";

	proxy.answer = answers[_i].answer.p;
	proxy.len = answers[_i].answer.len;
	proxy.hangs_up = answers[_i].hangs_up;
	looping_listen(&loop, &door, on_proxied, &loop);
	dial_by_proxy(&dial, &how, &said, str_c(&door.where));
	ck_assert(span_same(str_span(&proxy.got), SPAN("\4\1\0\26\0\0\0\1\0far.invalid\0")));
	if (answers[_i].error == NULL) {
		ck_assert_int_ge(dialled.fd, 0);
		ck_assert_int_eq(read(dialled.fd, bytes, sizeof bytes), 9);
		ck_assert_int_eq(memcmp(bytes, "SSH-2.0-x", 9), 0);
	} else {
		ck_assert_int_eq(dialled.fd, -1);
		ck_assert_msg(strstr(dialled.err.text, answers[_i].error) != NULL, "%s", dialled.err.text);
	}
	dial_cancel(&dial);
	socks_proxy_free(&said);
	stream_free(&proxy.stream);
	str_free(&proxy.got);
	listener_close(&door);
}
END_TEST

START_TEST(a_proxy_that_is_not_there_is_told)
{
	struct dial dial;
	struct dial_how how = {0};
	struct socks_proxy said;

	dial_by_proxy(&dial, &how, &said, "127.0.0.1:1");
	ck_assert_int_eq(dialled.fd, -1);
	ck_assert_msg(strstr(dialled.err.text, "127.0.0.1:1: Connection refused") != NULL, "%s", dialled.err.text);
	socks_proxy_free(&said);
}
END_TEST

UNIT_WITH("dial", setup, teardown,
	{ the_first_address_that_answers_is_taken, ROWS(hosts) },
	{ other_places_are_tried_side_by_side, ROWS(beside) },
	{ worse_places_are_tried_when_the_better_ones_do_not_answer, ROWS(worse) },
	{ families_are_tried_by_turns, 1 },
	{ a_name_with_too_many_addresses_costs_no_more_than_its_share, 1 },
	{ the_socket_is_as_it_was_asked_for, 1 },
	{ a_proxy_is_asked_and_the_line_is_whole, ROWS(answers) },
	{ a_proxy_that_is_not_there_is_told, 1 })
