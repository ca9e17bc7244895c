#include "lib/net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/net/place.h"

#define NEXT_AFTER (CLOCK_SECOND / 4)	/* RFC 8305 5: the connection attempt delay */

static void on_connected(void *ctx);

/* --- one address --- */

static void
drop_try(struct dial_try *try)
{
	watch_free(&try->watch);
	if (try->fd < 0)
		return;
	close(try->fd);
	try->fd = -1;
	try->dial->open--;
}

static void
drop_tries(struct dial *dial)
{
	for (size_t i = 0; i < dial->begun; i++)
		drop_try(&dial->tries[i]);
}

static void
finish(struct dial *dial, int fd)
{
	struct err err = dial->err;

	if (fd >= 0)
		err = (struct err){0};
	dial->fd = -1;
	dial_cancel(dial);
	dial->done(dial->ctx, fd, &err);
}

static void
failed(struct dial_try *try, int number)
{
	struct err *err = &try->dial->err;
	struct str at = {0};

	try->dial->number = number;
	place_show(try->address->ai_addr, &at);
	errno = number;
	err_sys(err, "%s", str_c(&at));
	err->kind = ERR_TEMP;	/* whatever it is, the next hop may come back */
	str_free(&at);
	drop_try(try);
}

static void
tune(const struct dial_how *how, int fd)
{
	int one = 1;
	unsigned dead_after;

	if (how == NULL)
		return;
	dead_after = how->silence > 0 && how->silence < 1000000 ? (unsigned)how->silence * 1000 : 0;
	/* Before connect: some kernels take it no later for the first flight. */
	if (how->quick)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
#ifdef TCP_QUICKACK
	if (how->speaks)
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){0}, sizeof(int));
#endif
	if (dead_after > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after, sizeof dead_after);
	if (how->lossy)		/* refused where it is not there, or not for us: then without */
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", strlen("bbr"));
}

/* false: it failed at once. */
static bool
begin_try(struct dial_try *try)
{
	const struct addrinfo *at = try->address;

	try->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (try->fd >= 0) {
		try->dial->open++;
		tune(try->dial->how, try->fd);
	}
	if (try->fd < 0 || (connect(try->fd, at->ai_addr, at->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		failed(try, errno);
		return false;
	}
	watch_start(&try->watch, try->dial->loop, try->fd, WATCH_WRITE, on_connected, try);
	return true;
}

/* --- all of them --- */

/* There is hope for a better place. */
static bool
waits(struct dial *dial)
{
	int64_t left = dial->wait - clock_mono();

	if (dial->begun != dial->worse || dial->open == 0 || left <= 0)
		return false;
	timer_set(&dial->timer, left);
	return true;
}

/* The next one that can be begun; the end, when none is left and none is on its way. */
static void
go_on(struct dial *dial)
{
	while (dial->begun < dial->count) {
		if (waits(dial))
			return;
		struct dial_try *try = &dial->tries[dial->begun++];
		if (!begin_try(try))
			continue;
		if (dial->begun < dial->count)
			timer_set(&dial->timer, NEXT_AFTER);
		return;
	}
	if (dial->open == 0)
		finish(dial, -1);
}

static void
on_next(void *ctx)
{
	go_on(ctx);
}

/* --- the proxy --- */

static void
proxy_failed(struct dial *dial)
{
	close(dial->fd);
	finish(dial, -1);
}

static void ask_proxy(struct dial *dial);

static void
on_proxy(void *ctx)
{
	struct dial *dial = ctx;
	char bytes[SOCKS_WORD_MAX];
	ssize_t got = recv(dial->fd, bytes, socks_wants(&dial->socks), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0) {
		err_sys(&dial->err, "the proxy %s", dial->next_hop);
		dial->err.kind = ERR_TEMP;
	} else if (got == 0) {
		err_set(&dial->err, ERR_TEMP, "the proxy %s hung up", dial->next_hop);
	} else if (socks_feed(&dial->socks, bytes, (size_t)got, &dial->err) == 0) {
		ask_proxy(dial);
		return;
	}
	proxy_failed(dial);
}

/* Our words are short, and the socket's buffer is empty: they go at once. */
static void
ask_proxy(struct dial *dial)
{
	struct str *out = &dial->socks.out;
	int fd = dial->fd;

	if (out->len > 0 && send(fd, out->p, out->len, MSG_NOSIGNAL) != (ssize_t)out->len) {
		err_set(&dial->err, ERR_TEMP, "the proxy %s does not listen", dial->next_hop);
		proxy_failed(dial);
		return;
	}
	str_clear(out);
	if (dial->socks.done)
		finish(dial, fd);
}

static void
connected(struct dial *dial, int fd)
{
	struct str host = {0}, port = {0};

	if (dial->how == NULL || dial->how->proxy == NULL) {
		finish(dial, fd);
		return;
	}
	dial->fd = fd;
	timer_clear(&dial->timer);
	drop_tries(dial);
	if (place_split(dial->where, &host, &port, &dial->err) < 0 ||
	    socks_start(&dial->socks, dial->how->proxy, str_c(&host), str_c(&port), &dial->err) < 0) {
		proxy_failed(dial);
	} else {
		watch_start(&dial->watch, dial->loop, fd, WATCH_READ, on_proxy, dial);
		ask_proxy(dial);
	}
	str_free(&host);
	str_free(&port);
}

static void
on_connected(void *ctx)
{
	struct dial_try *try = ctx;
	struct dial *dial = try->dial;
	int number = 0, fd = try->fd;
	socklen_t len = sizeof number;

	watch_free(&try->watch);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
		number = errno;
	if (number != 0) {
		failed(try, number);
		go_on(dial);
		return;
	}
	try->fd = -1;	/* it is taken */
	dial->open--;
	connected(dial, fd);
}

static void
on_limit(void *ctx)
{
	struct dial *dial = ctx;

	if (dial->fd >= 0) {
		err_set(&dial->err, ERR_TEMP, "the proxy %s: no answer in time", dial->next_hop);
		proxy_failed(dial);
		return;
	}
	for (size_t i = 0; i < dial->begun; i++)
		if (dial->tries[i].fd >= 0)
			failed(&dial->tries[i], ETIMEDOUT);
	if (dial->err.kind == ERR_NONE)
		err_set(&dial->err, ERR_TEMP, "%s: no answer from the name service in time", dial->next_hop);
	finish(dial, -1);
}

/* --- the order --- */

static const struct addrinfo *
of_family(const struct addrinfo *at, int family, bool same)
{
	while (at != NULL && (at->ai_family == family) != same)
		at = at->ai_next;
	return at;
}

/* The system's order (RFC 6724), but the families by turns (RFC 8305 4). */
static void
arrange(struct dial *dial)
{
	int first = dial->list->ai_family;
	const struct addrinfo *next[2] = { of_family(dial->list, first, true), of_family(dial->list, first, false) };

	dial->tries = mem_get(DIAL_ADDRESSES * sizeof *dial->tries);
	for (int turn = 0; (next[0] != NULL || next[1] != NULL) && dial->count < DIAL_ADDRESSES; turn = !turn) {
		const struct addrinfo *at = next[turn];
		if (at == NULL)
			continue;
		dial->tries[dial->count++] = (struct dial_try){ .dial = dial, .address = at, .fd = -1 };
		next[turn] = of_family(at->ai_next, first, turn == 0);
	}
}

/* Numbers need no name service. */
static void
add_others(struct dial *dial, const char *places)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct span rest = span_of(places), word;

	while (dial->others < DIAL_OTHERS && dial->count < DIAL_ADDRESSES && (word = span_word(&rest)).len > 0) {
		char *where = mem_text_n(word.p, word.len);
		struct str host = {0}, port = {0};
		struct addrinfo **list = &dial->other[dial->others];
		struct err ignored;
		if (place_split(where, &host, &port, &ignored) == 0 &&
		    getaddrinfo(str_c(&host), str_c(&port), &hints, list) == 0) {
			dial->tries[dial->count++] = (struct dial_try){ .dial = dial, .address = *list, .fd = -1 };
			dial->others++;
		}
		free(where);
		str_free(&host);
		str_free(&port);
	}
}

static void
on_resolved(void *ctx, struct addrinfo *list, const struct err *err)
{
	struct dial *dial = ctx;

	dial->err = *err;
	dial->list = list;
	dial->wait = clock_mono() + (dial->how != NULL && dial->how->patience > 0 ? dial->how->patience : DIAL_PATIENCE);
	if (list != NULL) {
		arrange(dial);
		dial->worse = dial->count;
	}
	if (list != NULL && dial->how != NULL && dial->how->proxy == NULL) {
		add_others(dial, dial->how->others);
		dial->worse = dial->count;
		add_others(dial, dial->how->worse);
	}
	go_on(dial);
}

/* --- begin and end --- */

/* A where that is no HOST:PORT is told by the timer, from the loop like the rest. */
void
dial_start_how(struct dial *dial, struct loop *loop, const char *where, const struct dial_how *how,
    int64_t seconds, void (*done)(void *ctx, int fd, const struct err *err), void *ctx)
{
	struct str host = {0}, port = {0};

	*dial = (struct dial){ .loop = loop, .where = mem_text(where), .how = how, .fd = -1,
	    .done = done, .ctx = ctx };
	dial->next_hop = dial->where;
	if (how != NULL && how->proxy != NULL)
		dial->next_hop = how->proxy->where.p;
	timer_start(&dial->timer, loop, on_next, dial);
	timer_start(&dial->limit, loop, on_limit, dial);
	timer_set(&dial->limit, seconds * CLOCK_SECOND);
	if (place_split(dial->next_hop, &host, &port, &dial->err) == 0)
		resolve_start(&dial->resolve, loop, str_c(&host), str_c(&port), on_resolved, dial);
	else
		timer_set(&dial->timer, 0);
	str_free(&host);
	str_free(&port);
}

void
dial_start(struct dial *dial, struct loop *loop, const char *where, int64_t seconds,
    void (*done)(void *ctx, int fd, const struct err *err), void *ctx)
{
	dial_start_how(dial, loop, where, NULL, seconds, done, ctx);
}

void
dial_cancel(struct dial *dial)
{
	if (dial->loop == NULL)
		return;
	resolve_cancel(&dial->resolve);
	drop_tries(dial);
	free(dial->tries);
	dial->tries = NULL;
	watch_free(&dial->watch);
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
	socks_free(&dial->socks);
	timer_free(&dial->timer);
	timer_free(&dial->limit);
	if (dial->list != NULL)
		freeaddrinfo(dial->list);
	dial->list = NULL;
	for (size_t n = 0; n < DIAL_OTHERS; n++) {
		if (dial->other[n] != NULL)
			freeaddrinfo(dial->other[n]);
		dial->other[n] = NULL;
	}
	free(dial->where);
	dial->where = NULL;
	dial->loop = NULL;
}
