#include "lib/net/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/tls-link.h"

enum {
	INPUT_MAX = 64 << 10,
	PIECE = 16 << 10,
	LIBEVENT_READS = 4096,	/* so much, and no more, at a time */
	FAREWELL_SECONDS = 10,
};

static void
set_reading(struct stream *stream)
{
	if (stream->paused || stream->choked) {
		bufferevent_disable(stream->io, EV_READ);
		return;
	}
	bufferevent_enable(stream->io, EV_READ);
	/* What came before the pause is no news to libevent. */
	if (evbuffer_get_length(bufferevent_get_input(stream->io)) > 0 ||
	    (stream->tls != NULL && tls_link_pending(stream->tls)))
		bufferevent_trigger(stream->io, EV_READ,
		    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void
end(struct stream *stream, const struct err *err)
{
	timer_clear(&stream->deadline);
	stream->hooks->ended(stream->ctx, err);
}

/* Calls a hook that may free the stream: true when it did not. */
static bool
survives(struct stream *stream, void (*hook)(struct stream *stream, struct span bytes), struct span bytes)
{
	bool freed = false, *outer = stream->freed;

	stream->freed = &freed;
	hook(stream, bytes);
	if (!freed)
		stream->freed = outer;
	else if (outer != NULL)
		*outer = true;
	return !freed;
}

/* True when all that waits could be written. */
static bool
write_now(struct bufferevent *io)
{
	struct evbuffer *out = bufferevent_get_output(io);

	if (evbuffer_get_length(out) > 0 && (bufferevent_get_enabled(io) & EV_WRITE) == 0) {
		evbuffer_unfreeze(out, 1);
		evbuffer_write(out, bufferevent_getfd(io));
		evbuffer_freeze(out, 1);
	}
	return evbuffer_get_length(out) == 0;
}

/* What the hooks of one event have said goes out in one write, at once, and as it nearly always
 * fits into the socket the loop is not asked to watch for room.  What does not fit, and what
 * breaks, is the loop's. */
static void
push(struct stream *stream)
{
	if (evbuffer_get_length(bufferevent_get_output(stream->io)) == 0)
		return;
	if (!write_now(stream->io))
		bufferevent_enable(stream->io, EV_WRITE);
	else if (stream->choked || stream->hooks->sent != NULL)
		bufferevent_trigger(stream->io, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void
in_event(struct stream *stream, void (*work)(struct stream *stream, struct span none))
{
	stream->busy = true;
	if (!survives(stream, work, (struct span){0}))
		return;
	stream->busy = false;
	push(stream);
}

static void
hook_input(struct stream *stream, struct span bytes)
{
	stream->hooks->input(stream->ctx, bytes.p, bytes.len);
}

static void
hook_secured(struct stream *stream, struct span none)
{
	(void)none;
	if (stream->hooks->secured != NULL)
		stream->hooks->secured(stream->ctx);
}

/* True when hands are shaken; false: not yet, or never, or the stream is no more. */
static bool
shake(struct stream *stream)
{
	struct err err = {0};
	int result = tls_link_shake(stream->tls, &err);

	if (result == TLS_GOES_ON)
		return false;
	if (result < 0) {
		end(stream, &err);
		return false;
	}
	stream->shaken = true;
	struct str held = stream->held;
	stream->held = (struct str){0};
	stream_send_str(stream, &held);
	str_free(&held);
	return survives(stream, hook_secured, (struct span){0});
}

/* A piece out of TLS.  False: none now, or it was the end. */
static bool
take_secret(struct stream *stream, char piece[PIECE], size_t *len)
{
	struct err err = {0};

	if (!stream->shaken && !shake(stream))
		return false;
	if (stream->paused || stream->choked)
		return false;
	int result = tls_link_read(stream->tls, piece, PIECE, len, &err);
	if (result == TLS_PEER_DONE || result < 0)
		end(stream, &err);
	return result == 0;
}

/* One piece to the owner.  False: no more for now, or the stream is no more. */
static bool
give(struct stream *stream, struct evbuffer *in)
{
	__attribute__((uninitialized))	/* filled before it is read; to clear it takes longer than most replies */
	char piece[PIECE];	/* not the stream's, which the hook may free */
	size_t len;

	if (stream->paused || stream->choked)
		return false;
	if (stream->tls != NULL) {
		if (!take_secret(stream, piece, &len))
			return false;
	} else {
		int got = evbuffer_remove(in, piece, sizeof piece);
		if (got <= 0)
			return false;
		len = (size_t)got;
	}
	return survives(stream, hook_input, (struct span){ piece, len });
}

static void
take_input(struct stream *stream, struct span none)
{
	struct evbuffer *in = bufferevent_get_input(stream->io);

	(void)none;
	while (give(stream, in))
		;
}

/* Where as much came as libevent reads at once there is more, as a rule: of a message it would
 * be a turn of the loop for each piece.  What ends the stream is libevent's to find. */
static void
read_on(struct bufferevent *io)
{
	struct evbuffer *in = bufferevent_get_input(io);
	size_t len = evbuffer_get_length(in);
	struct evbuffer_iovec room;

	if (len < LIBEVENT_READS || len >= INPUT_MAX)
		return;
	evbuffer_unfreeze(in, 0);
	if (evbuffer_reserve_space(in, (ev_ssize_t)(INPUT_MAX - len), &room, 1) == 1) {
		ssize_t got = read(bufferevent_getfd(io), room.iov_base, INPUT_MAX - len);
		room.iov_len = got > 0 ? (size_t)got : 0;
		evbuffer_commit_space(in, &room, 1);
	}
	evbuffer_freeze(in, 0);
}

static void
on_input(struct bufferevent *io, void *arg)
{
	const struct stream *stream = arg;

	if (!stream->paused && !stream->choked)
		read_on(io);
	in_event(arg, take_input);
}

static void
more_room(struct stream *stream, struct span none)
{
	(void)none;
	if (stream->choked) {
		stream->choked = false;
		set_reading(stream);
	}
	if (stream->hooks->sent != NULL)
		stream->hooks->sent(stream->ctx);
}

static void
on_sent(struct bufferevent *io, void *arg)
{
	size_t left = evbuffer_get_length(bufferevent_get_output(io));

	if (left == 0)
		bufferevent_disable(io, EV_WRITE);
	if (left <= STREAM_LITTLE)	/* more may have come since push() asked for this */
		in_event(arg, more_room);
}

static void
on_event(struct bufferevent *io, short what, void *arg)
{
	struct stream *stream = arg;
	struct err err = {0};

	(void)io;
	if ((what & BEV_EVENT_ERROR) != 0)
		err_set(&err, ERR_TEMP, "the connection broke: %s",
		    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	else if ((what & BEV_EVENT_EOF) == 0)
		return;
	else if (stream->tls != NULL)	/* TLS-04: anybody on the way can say that it ends here */
		err_set(&err, ERR_TEMP, stream->shaken ? "the connection was cut, without TLS's goodbye" :
		    "the peer closed in the middle of TLS's handshake");
	end(stream, &err);
}

static void
on_deadline(void *ctx)
{
	struct stream *stream = ctx;

	stream->hooks->late(stream->ctx);
}

void
stream_start(struct stream *stream, struct loop *loop, int fd,
    const struct stream_hooks *hooks, void *ctx)
{
	int on = 1;

	*stream = (struct stream){ .loop = loop, .hooks = hooks, .ctx = ctx };
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);	/* fails on a pipe: fine */
	evutil_make_socket_nonblocking(fd);
	stream->io = bufferevent_socket_new(loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (stream->io == NULL) {
		fputs("out of memory\n", stderr);
		exit(EX_TEMPFAIL);
	}
	bufferevent_setcb(stream->io, on_input, on_sent, on_event, stream);
	bufferevent_setwatermark(stream->io, EV_READ, 0, INPUT_MAX);
	bufferevent_setwatermark(stream->io, EV_WRITE, STREAM_LITTLE, 0);
	bufferevent_disable(stream->io, EV_WRITE);	/* push() */
	bufferevent_enable(stream->io, EV_READ);
	timer_start(&stream->deadline, loop, on_deadline, stream);
}

static void
put(struct stream *stream, const void *bytes, size_t len)
{
	struct err err;

	if (stream->tls == NULL)
		bufferevent_write(stream->io, bytes, len);
	else if (!stream->shaken)
		str_add(&stream->held, bytes, len);
	else if (tls_link_write(stream->tls, bytes, len, &err) < 0)
		bufferevent_trigger_event(stream->io, BEV_EVENT_EOF, BEV_TRIG_DEFER_CALLBACKS);
}

void
stream_send(struct stream *stream, const void *bytes, size_t len)
{
	put(stream, bytes, len);
	if (!stream->busy)
		push(stream);
	if (!stream->choked && stream_backlog(stream) > STREAM_MUCH) {
		stream->choked = true;
		set_reading(stream);
	}
}

void
stream_send_str(struct stream *stream, struct str *str)
{
	if (str->len > 0)
		stream_send(stream, str->p, str->len);
	str_clear(str);
}

void
stream_unread(struct stream *stream, const void *bytes, size_t len)
{
	evbuffer_prepend(bufferevent_get_input(stream->io), bytes, len);
	set_reading(stream);
}

size_t
stream_backlog(const struct stream *stream)
{
	return evbuffer_get_length(bufferevent_get_output(stream->io)) + stream->held.len;
}

void
stream_pause(struct stream *stream, bool paused)
{
	if (stream->paused == paused)
		return;
	stream->paused = paused;
	set_reading(stream);
}

void
stream_deadline(struct stream *stream, int64_t seconds)
{
	if (seconds > 0)
		timer_set(&stream->deadline, seconds * CLOCK_SECOND);
	else
		timer_clear(&stream->deadline);
}

void
stream_start_tls(struct stream *stream, struct tls *tls, enum tls_policy policy, const char *name,
    const char *pins)
{
	stream->tls = tls_link_new(tls, stream->io, policy, name, pins);
	set_reading(stream);
	/* A caller speaks first; from the loop, where it may fail. */
	bufferevent_trigger(stream->io, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void
stream_accept_tls(struct stream *stream, struct tls *tls)
{
	stream->tls = tls_link_new(tls, stream->io, TLS_OPPORTUNISTIC, NULL, NULL);
	set_reading(stream);
}

void
stream_tls_about(const struct stream *stream, struct str *out)
{
	if (stream->tls != NULL && stream->shaken)
		tls_link_about(stream->tls, out);
}

bool
stream_tls_knows(const struct stream *stream, const char *names)
{
	return stream->tls != NULL && stream->shaken && tls_link_knows(stream->tls, names);
}

void
stream_tls_who(const struct stream *stream, struct str *name)
{
	if (stream->tls != NULL && stream->shaken)
		tls_link_who(stream->tls, name);
}

void
stream_tls_binding(const struct stream *stream, struct str *bytes)
{
	if (stream->tls != NULL && stream->shaken)
		tls_link_binding(stream->tls, bytes);
}

static void
forget(struct stream *stream)
{
	if (stream->freed != NULL)
		*stream->freed = true;
	timer_free(&stream->deadline);
	tls_link_free(stream->tls);
	str_free(&stream->held);
	*stream = (struct stream){0};
}

void
stream_free(struct stream *stream)
{
	if (stream->io == NULL)
		return;
	tls_link_free(stream->tls);	/* it looks into the buffers */
	stream->tls = NULL;
	bufferevent_free(stream->io);
	forget(stream);
}

/* A stream whose owner is gone.  Closing at once with input unread would make the
 * kernel send a reset, which can take our last reply from the peer's hands; so the
 * rest is sent, our side shut, and input thrown away until the peer closes too. */
struct farewell {
	struct loop *loop;
	struct farewell *next;
	struct bufferevent *io;
	struct timer limit;
	bool deaf;		/* the peer has closed its side */
};

static void
farewell_free(struct farewell *farewell)
{
	struct farewell **at = &farewell->loop->farewells;

	while (*at != farewell)
		at = &(*at)->next;
	*at = farewell->next;
	timer_free(&farewell->limit);
	bufferevent_free(farewell->io);
	free(farewell);
}

/* They count for no limit of their owner's, and must not take all descriptors there are: a peer may
 * come, have us say goodbye, and never close. */
static void
leave_the_oldest(struct loop *loop)
{
	struct farewell *last = loop->farewells;
	size_t count = 0;

	for (struct farewell *at = loop->farewells; at != NULL; at = at->next, count++)
		last = at;
	if (count > STREAM_FAREWELLS)
		farewell_free(last);
}

static void
farewell_input(struct bufferevent *io, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(io);

	(void)arg;
	evbuffer_drain(in, evbuffer_get_length(in));
}

static void
farewell_sent(struct bufferevent *io, void *arg)
{
	struct farewell *farewell = arg;

	shutdown(bufferevent_getfd(io), SHUT_WR);
	if (farewell->deaf)
		farewell_free(farewell);
}

/* A peer that has shut its side may still be reading ours. */
static void
farewell_event(struct bufferevent *io, short what, void *arg)
{
	struct farewell *farewell = arg;
	bool waiting = evbuffer_get_length(bufferevent_get_output(io)) > 0;

	if ((what & BEV_EVENT_ERROR) != 0 || ((what & BEV_EVENT_EOF) != 0 && !waiting))
		farewell_free(farewell);
	else if ((what & BEV_EVENT_EOF) != 0)
		farewell->deaf = true;
}

static void
farewell_late(void *ctx)
{
	farewell_free(ctx);
}

bool
stream_is_ours(const struct stream *stream)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(bufferevent_getfd(stream->io), SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	    len == sizeof who && (who.uid == 0 || who.uid == geteuid());
}

void
stream_finish(struct stream *stream)
{
	struct farewell *farewell;

	if (stream->io == NULL)
		return;
	if (stream->tls != NULL)
		tls_link_goodbye(stream->tls);
	farewell = mem_get(sizeof *farewell);
	*farewell = (struct farewell){ .loop = stream->loop, .next = stream->loop->farewells, .io = stream->io };
	stream->loop->farewells = farewell;
	leave_the_oldest(stream->loop);
	timer_start(&farewell->limit, farewell->loop, farewell_late, farewell);
	timer_set(&farewell->limit, FAREWELL_SECONDS * CLOCK_SECOND);
	bufferevent_setcb(farewell->io, farewell_input, farewell_sent, farewell_event, farewell);
	bufferevent_setwatermark(farewell->io, EV_WRITE, 0, 0);
	farewell_input(farewell->io, farewell);
	bufferevent_enable(farewell->io, EV_READ);
	if (write_now(farewell->io))
		farewell_sent(farewell->io, farewell);
	else
		bufferevent_enable(farewell->io, EV_WRITE);
	forget(stream);
}

void
stream_free_farewells(struct loop *loop)
{
	while (loop->farewells != NULL)
		farewell_free(loop->farewells);
}
