/*
 * sink smtp: each message to one SMTP server, over one connection.
 *
 * The dialogue is lib/proto's; here is only a blocking socket with a deadline on
 * every wait.  A connection that is gone is not made again in this run: what it
 * did not take is kept for later by sink_each().
 */
#include "bsmtp/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/proto/smtp-client.h"

extern const struct sink sink_smtp;

/* RFC 5321 4.5.3.2: five minutes for a command, ten behind the final dot. */
enum { CONNECT_SECONDS = 30, REPLY_SECONDS = 600, PIECE = 16384 };

struct to_smtp {
	struct smtp_client client;
	int socket;		/* -1: gone, or never there */
	struct err gone;	/* why */
	/* of the message under way */
	const struct entry *entry;
	int fd;
	off_t at, end;
	struct outcome *outcome;
	bool over;
};

/* the socket */

static int
wait_for(int fd, short events, int seconds, struct err *err)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int64_t until = clock_mono() + seconds * CLOCK_SECOND;
	int got;

	do {
		int64_t left = (until - clock_mono()) / 1000;
		got = left <= 0 ? 0 : poll(&poll_fd, 1, (int)left);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(err, "poll");
	return got > 0 ? 0 : err_set(err, ERR_TEMP, "no answer within %d s", seconds);
}

static int
connect_one(const struct addrinfo *address, struct err *err)
{
	int number = 0, fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof number;

	if (fd < 0)
		return err_sys(err, "socket");
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		if (wait_for(fd, POLLOUT, CONNECT_SECONDS, err) < 0) {
			close(fd);
			return -1;
		}
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len);
		if (number == 0)
			return fd;
		errno = number;
	}
	err_sys(err, "connect");
	err->kind = ERR_TEMP;
	close(fd);
	return -1;
}

/* "HOST:PORT" or "[HOST]:PORT". */
static int
split_place(const char *where, struct str *host, const char **port)
{
	const char *colon = strrchr(where, ':');
	struct span name = { where, colon != NULL ? (size_t)(colon - where) : 0 };
	uint64_t number;

	if (name.len > 2 && name.p[0] == '[' && name.p[name.len - 1] == ']')
		name = (struct span){ name.p + 1, name.len - 2 };
	if (name.len == 0 || span_number(span_of(colon + 1), 65535, &number) < 0 || number == 0)
		return -1;
	str_add_span(host, name);
	*port = colon + 1;
	return 0;
}

static int
connect_to(const char *where, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	struct str host = {0};
	const char *port = "";
	int fd = -1;

	split_place(where, &host, &port);
	int result = getaddrinfo(str_c(&host), port, &hints, &list);
	if (result != 0)
		err_set(err, ERR_TEMP, "%s", gai_strerror(result));
	for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
		fd = connect_one(a, err);
	if (list != NULL)
		freeaddrinfo(list);
	str_free(&host);
	return fd < 0 ? err_prefix(err, "smtp:%s", where) : fd;
}

static int
send_all(struct to_smtp *to, struct err *err)
{
	struct str *out = &to->client.out;

	while (out->len > 0) {
		ssize_t sent = send(to->socket, out->p, out->len, MSG_NOSIGNAL);
		if (sent > 0) {
			str_cut(out, (size_t)sent);
			continue;
		}
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, "send");
		if (wait_for(to->socket, POLLOUT, REPLY_SECONDS, err) < 0)
			return -1;
	}
	return 0;
}

static int
receive(struct to_smtp *to, struct err *err)
{
	char piece[4096];

	if (wait_for(to->socket, POLLIN, REPLY_SECONDS, err) < 0)
		return -1;
	ssize_t got = recv(to->socket, piece, sizeof piece, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : err_sys(err, "recv");
	if (got == 0)
		return err_set(err, ERR_TEMP, "the server closed the connection");
	smtp_client_feed(&to->client, piece, (size_t)got);
	return 0;
}

/* the dialogue */

static void
hang_up(struct to_smtp *to, const struct err *why)
{
	if (to->socket < 0)
		return;
	to->gone = *why;
	to->gone.kind = ERR_TEMP;
	smtp_client_eof(&to->client);
	close(to->socket);
	to->socket = -1;
}

/* Sends and hears until done() says so, or the connection is of no more use. */
static void
run(struct to_smtp *to, bool (*done)(const struct to_smtp *))
{
	struct err err = {0};

	while (to->socket >= 0 && !done(to)) {
		smtp_client_pump(&to->client);
		bool sent = to->client.out.len > 0;
		if (send_all(to, &err) < 0)
			hang_up(to, &err);
		else if (to->client.failed)
			hang_up(to, &to->client.err);
		else if (to->client.closing)
			hang_up(to, &(struct err){ .text = "the server ended the session" });
		else if (!done(to) && !(sent && to->at < to->end) && receive(to, &err) < 0)
			hang_up(to, &err);
	}
}

static bool
is_ready(const struct to_smtp *to)
{
	return to->client.ready;
}

static bool
is_over(const struct to_smtp *to)
{
	return to->over;
}

static bool
is_closed(const struct to_smtp *to)
{
	return to->client.closing && to->client.out.len == 0;
}

static void
on_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct to_smtp *to = ctx;

	to->outcome[rcpt].kind = err->kind;
	str_set(&to->outcome[rcpt].reply, reply);
}

static int
on_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct to_smtp *to = ctx;
	size_t want = to->end - to->at < (off_t)room ? (size_t)(to->end - to->at) : room;
	ssize_t done = fs_pread(to->fd, bytes, want, to->at, err);

	if (done < 0 || (size_t)done < want)
		return done < 0 ? -1 : err_set(err, ERR_TEMP, "the batch became shorter");
	to->at += done;
	*got = want;
	return 0;
}

static void
on_done(void *ctx, const struct err *err, const char *reply)
{
	struct to_smtp *to = ctx;

	to->over = true;
	for (size_t i = 0; i < to->entry->env.rcpts; i++) {
		if (to->outcome[i].kind != ERR_NONE)
			continue;
		to->outcome[i].kind = err->kind;
		str_set(&to->outcome[i].reply, reply != NULL && reply[0] != '\0' ? reply : err->text);
	}
}

static int
one(void *ctx, const struct entry *entry, int fd, struct outcome *outcome, struct err *err)
{
	struct to_smtp *to = ctx;

	(void)err;
	to->entry = entry;
	to->fd = fd;
	to->at = entry->body_at;
	to->end = entry->body_at + (off_t)entry->body_len;
	to->outcome = outcome;
	to->over = false;
	run(to, is_ready);
	if (to->socket >= 0) {
		smtp_client_send(&to->client, &entry->env, entry->body_len);
		run(to, is_over);
	}
	if (!to->over)
		on_done(to, &to->gone, NULL);
	return 0;
}

static int
check_smtp(const char *where, struct err *err)
{
	struct str host = {0};
	const char *port;

	int result = split_place(where, &host, &port);
	str_free(&host);
	return result == 0 ? 0 : err_set(err, ERR_CONFIG, "smtp:%.200s: want smtp:HOST:PORT", where);
}

static int
to_smtp(struct delivery *d, const char *where, struct err *err)
{
	static const struct smtp_client_hooks hooks = {
		.rcpt = on_rcpt, .read = on_read, .done = on_done,
	};
	struct to_smtp to = { .socket = connect_to(where, err) };

	if (to.socket < 0)	/* nothing has happened: the batch itself waits */
		return -1;
	smtp_client_start(&to.client, d->settings->spool.host, &hooks, &to);
	to.client.chunks = true;
	int result = sink_each(d, one, &to, err);
	if (to.socket >= 0 && is_ready(&to)) {
		smtp_client_quit(&to.client);
		run(&to, is_closed);
	}
	hang_up(&to, &(struct err){ .text = "done" });
	smtp_client_free(&to.client);
	return result;
}

const struct sink sink_smtp = { "smtp", check_smtp, to_smtp };
