#include "lib/net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/place.h"

static void on_connected(void *ctx);

static void
drop_socket(struct dial *dial)
{
	watch_free(&dial->watch);
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
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

/* What went wrong with the address in hand; the next one is in hand then. */
static void
give_up_one(struct dial *dial, int number)
{
	struct str at = {0};

	place_show(dial->next->ai_addr, &at);
	errno = number;
	err_sys(&dial->err, "%s", str_c(&at));
	dial->err.kind = ERR_TEMP;	/* whatever it is, the next hop may come back */
	str_free(&at);
	drop_socket(dial);
	dial->next = dial->next->ai_next;
}

/* An equal share for each address that is left, a second at least. */
static int64_t
share(const struct dial *dial)
{
	int64_t left = dial->until - clock_mono(), count = 0;

	for (const struct addrinfo *at = dial->next; at != NULL; at = at->ai_next)
		count++;
	return left / count > CLOCK_SECOND ? left / count : CLOCK_SECOND;
}

static bool
begin_one(struct dial *dial)
{
	const struct addrinfo *at = dial->next;

	dial->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dial->fd < 0 || (connect(dial->fd, at->ai_addr, at->ai_addrlen) < 0 &&
	    errno != EINPROGRESS)) {
		give_up_one(dial, errno);
		return false;
	}
	timer_set(&dial->timer, share(dial));
	watch_start(&dial->watch, dial->loop, dial->fd, WATCH_WRITE, on_connected, dial);
	return true;
}

static void
go_on(struct dial *dial)
{
	while (dial->next != NULL)
		if (begin_one(dial))
			return;
	finish(dial, -1);
}

static void
on_connected(void *ctx)
{
	struct dial *dial = ctx;
	int number = 0;
	socklen_t len = sizeof number;

	watch_free(&dial->watch);
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
		number = errno;
	if (number == 0) {
		finish(dial, dial->fd);
		return;
	}
	give_up_one(dial, number);
	go_on(dial);
}

static void
on_time(void *ctx)
{
	struct dial *dial = ctx;

	if (dial->next != NULL)
		give_up_one(dial, ETIMEDOUT);
	else if (dial->err.kind == ERR_NONE)
		err_set(&dial->err, ERR_TEMP, "%s: no answer from the name service in time", dial->where);
	go_on(dial);
}

static void
on_resolved(void *ctx, struct addrinfo *list, const struct err *err)
{
	struct dial *dial = ctx;

	dial->err = *err;
	dial->list = dial->next = list;
	go_on(dial);
}

/* A where that is no HOST:PORT is told by the timer, from the loop like the rest. */
void
dial_start(struct dial *dial, struct loop *loop, const char *where, int64_t seconds,
    void (*done)(void *ctx, int fd, const struct err *err), void *ctx)
{
	struct str host = {0}, port = {0};

	*dial = (struct dial){ .loop = loop, .where = mem_text(where), .fd = -1,
	    .until = clock_mono() + seconds * CLOCK_SECOND, .done = done, .ctx = ctx };
	timer_start(&dial->timer, loop, on_time, dial);
	timer_set(&dial->timer, seconds * CLOCK_SECOND);
	if (place_split(where, &host, &port, &dial->err) == 0)
		resolve_start(&dial->resolve, loop, str_c(&host), str_c(&port), on_resolved, dial);
	else
		timer_set(&dial->timer, 0);
	str_free(&host);
	str_free(&port);
}

void
dial_cancel(struct dial *dial)
{
	if (dial->loop == NULL)
		return;
	resolve_cancel(&dial->resolve);
	drop_socket(dial);
	timer_free(&dial->timer);
	if (dial->list != NULL)
		freeaddrinfo(dial->list);
	dial->list = dial->next = NULL;
	free(dial->where);
	dial->where = NULL;
	dial->loop = NULL;
}
