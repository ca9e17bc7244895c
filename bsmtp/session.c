#include "bsmtp/session.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bsmtp/sink.h"
#include "lib/base/clock.h"
#include "lib/proto/smtp-client.h"
#include "spool/recoded.h"

/* RFC 5321 4.5.3.2: five minutes for a command, ten behind the final dot. */
enum { CONNECT_SECONDS = 30, REPLY_SECONDS = 600 };

struct session {
	const struct settings *settings;
	const char *where;
	struct str shown;	/* before each line that is shown */
	bool lmtp;
	struct smtp_client client;
	int socket;		/* -1: gone, or not there yet */
	bool tried;		/* since it was connected: a message was given ... */
	size_t taken;		/* ... and so many were taken */
	struct err gone;	/* why */
	/* of the message under way */
	struct message *m;
	struct waiting waiting;
	bool *told;		/* which of them hook rcpt has told of */
	int text, scratch;	/* where its body stands; -1, or a file of ours with it in 7 bits */
	off_t at, end;
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

/* Whatever hinders a connection passes. */
static int
not_connected(int fd, int number, struct err *err)
{
	errno = number;
	err_sys(err, "connect");
	err->kind = ERR_TEMP;
	close(fd);
	return -1;
}

static int
connect_one(int family, const struct sockaddr *address, socklen_t address_len, struct err *err)
{
	int number = 0, fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof number;

	if (fd < 0)
		return err_sys(err, "socket");
	if (connect(fd, address, address_len) == 0)
		return fd;
	if (errno != EINPROGRESS)
		return not_connected(fd, errno, err);
	if (wait_for(fd, POLLOUT, CONNECT_SECONDS, err) < 0) {
		close(fd);
		return -1;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len);
	return number == 0 ? fd : not_connected(fd, number, err);
}

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

bool
session_place_ok(const char *where)
{
	struct str host = {0};
	const char *port;

	int result = split_place(where, &host, &port);
	str_free(&host);
	return result == 0;
}

static int
connect_host(const char *where, struct err *err)
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
		fd = connect_one(a->ai_family, a->ai_addr, a->ai_addrlen, err);
	if (list != NULL)
		freeaddrinfo(list);
	str_free(&host);
	return fd;
}

static int
connect_path(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		return err_set(err, ERR_CONFIG, "a socket's path has at most %zu characters",
		    sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path));
	return connect_one(AF_UNIX, (const struct sockaddr *)&address, sizeof address, err);
}

static int
send_all(struct session *s, struct err *err)
{
	struct str *out = &s->client.out;

	while (out->len > 0) {
		ssize_t sent = send(s->socket, out->p, out->len, MSG_NOSIGNAL);
		if (sent > 0) {
			str_cut(out, (size_t)sent);
			continue;
		}
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, "send");
		if (wait_for(s->socket, POLLOUT, REPLY_SECONDS, err) < 0)
			return -1;
	}
	return 0;
}

static int
receive(struct session *s, struct err *err)
{
	char piece[4096];

	if (wait_for(s->socket, POLLIN, REPLY_SECONDS, err) < 0)
		return -1;
	ssize_t got = recv(s->socket, piece, sizeof piece, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : err_sys(err, "recv");
	if (got == 0)
		return err_set(err, ERR_TEMP, "the server closed the connection");
	smtp_client_feed(&s->client, piece, (size_t)got);
	return 0;
}

/* the dialogue */

static void
hang_up(struct session *s, const struct err *why)
{
	if (s->socket < 0)
		return;
	s->gone = *why;
	s->gone.kind = ERR_TEMP;
	smtp_client_eof(&s->client);
	close(s->socket);
	s->socket = -1;
}

/* Sends and hears until done() says so, or the connection is of no more use. */
static void
run(struct session *s, bool (*done)(const struct session *))
{
	struct err err = {0};

	while (s->socket >= 0 && !done(s)) {
		smtp_client_pump(&s->client);
		bool sent = s->client.out.len > 0;
		if (send_all(s, &err) < 0)
			hang_up(s, &err);
		else if (s->client.failed)
			hang_up(s, &s->client.err);
		else if (s->client.closing)
			hang_up(s, &(struct err){ .text = "the server ended the session" });
		else if (!done(s) && !(sent && s->at < s->end) && receive(s, &err) < 0)
			hang_up(s, &err);
	}
}

static bool
is_ready(const struct session *s)
{
	return s->client.ready;
}

static bool
is_over(const struct session *s)
{
	return s->over;
}

static bool
is_closed(const struct session *s)
{
	return s->client.closing && s->client.out.len == 0;
}

static void
on_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct session *s = ctx;

	s->told[rcpt] = true;
	sink_failed(s->m, s->waiting.at[rcpt], err, reply);
}

static int
on_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct session *s = ctx;
	size_t want = s->end - s->at < (off_t)room ? (size_t)(s->end - s->at) : room;
	ssize_t done = fs_pread(s->text, bytes, want, s->at, err);

	if (done < 0 || (size_t)done < want)
		return done < 0 ? -1 : err_set(err, ERR_TEMP, "the message became shorter");
	s->at += done;
	*got = want;
	return 0;
}

static int
on_commit(void *ctx, struct err *err)
{
	const struct session *s = ctx;

	return message_still_there(s->m) ? 0 : err_set(err, ERR_TEMP, "it was moved away");
}

/* A server that knows nothing of DSN reports no success: then we say how far it came. */
static void
taken(struct session *s, size_t rcpt, const char *reply)
{
	message_rcpt(s->m, rcpt, RCPT_DONE, reply);
	if ((s->client.offers & OFFER_DSN) == 0)
		message_report(s->m, rcpt, DSN_RELAYED);
}

static void
on_done(void *ctx, const struct err *err, const char *reply)
{
	struct session *s = ctx;

	s->over = true;
	s->taken += err->kind == ERR_NONE;
	for (size_t i = 0; i < s->waiting.env.rcpts; i++) {
		if (s->told[i])
			continue;
		if (err->kind == ERR_NONE)
			taken(s, s->waiting.at[i], reply != NULL && reply[0] != '\0' ? reply : "250 taken");
		else
			sink_failed(s->m, s->waiting.at[i], err, reply);
	}
}

static const struct smtp_client_hooks hooks = {
	.rcpt = on_rcpt, .read = on_read, .commit = on_commit, .done = on_done,
};

/* the connection as a whole */

static int
connect_session(struct session *s, struct err *err)
{
	smtp_client_free(&s->client);
	s->socket = s->where[0] == '/' ? connect_path(s->where, err) : connect_host(s->where, err);
	if (s->socket < 0)
		return -1;
	smtp_client_start(&s->client, s->settings->spool.host, &hooks, s);
	s->client.chunks = true;
	s->client.lmtp = s->lmtp;
	if (shown_is_wanted())
		s->client.shown = (struct shown){ shown_in_log, s->shown.p };
	s->tried = false;
	s->taken = 0;
	s->at = s->end = 0;
	run(s, is_ready);
	if (s->socket >= 0)
		return 0;
	*err = s->gone;
	return -1;
}

int
session_open(const struct settings *settings, const char *where, bool lmtp, void **work,
    struct err *err)
{
	struct session *s = mem_get(sizeof *s);

	*s = (struct session){ .settings = settings, .where = where, .lmtp = lmtp, .socket = -1 };
	str_printf(&s->shown, "to=%s:%s", lmtp ? "lmtp" : "smtp", where);
	*work = s;
	if (connect_session(s, err) == 0)
		return 0;
	session_close(s);
	*work = NULL;
	return -1;
}

static bool
was_hung_up(const struct session *s)
{
	struct pollfd poll_fd = { .fd = s->socket, .events = POLLIN };

	return s->socket < 0 || poll(&poll_fd, 1, 0) != 0;	/* 421, or the end */
}

static int
connect_again(struct session *s, struct err *err)
{
	if (!was_hung_up(s))
		return 0;
	bool in_vain = s->tried && s->taken == 0;
	hang_up(s, &(struct err){ .text = "the server ended the session" });
	if (!in_vain)
		return connect_session(s, err);
	*err = s->gone;
	return -1;
}

/* The body as the server takes it. */
static int
fit(struct session *s, struct err *err)
{
	uint64_t len = s->m->entry.body_len;
	int got = 0;

	s->text = s->m->fd;
	s->at = s->m->entry.body_at;
	if ((s->client.offers & OFFER_8BITMIME) == 0)
		got = recoded_seven(s->m->spool, s->text, s->at, len, &s->scratch, &len, err);
	if (got > 0) {
		s->text = s->scratch;
		s->at = 0;
	}
	s->end = s->at + (off_t)len;
	return got < 0 ? -1 : 0;
}

static void
send_one(struct session *s)
{
	struct err why = {0};

	s->over = false;
	if (fit(s, &why) < 0) {
		on_done(s, &why, NULL);
		return;
	}
	s->tried = true;
	smtp_client_send(&s->client, &s->waiting.env, (uint64_t)(s->end - s->at));
	run(s, is_over);
	if (!s->over)
		on_done(s, &s->gone, NULL);
}

int
session_send(void *work, struct message *m, struct err *err)
{
	struct session *s = work;

	if (connect_again(s, err) < 0)
		return -1;
	waiting_of(m, &s->waiting);
	s->m = m;
	s->told = mem_get(s->waiting.env.rcpts * sizeof *s->told);
	s->scratch = -1;
	send_one(s);
	if (s->scratch >= 0)
		close(s->scratch);
	free(s->told);
	s->told = NULL;
	waiting_drop(&s->waiting);
	return 0;
}

void
session_close(void *work)
{
	struct session *s = work;

	if (s->socket >= 0 && is_ready(s)) {
		smtp_client_quit(&s->client);
		run(s, is_closed);
	}
	hang_up(s, &(struct err){ .text = "done" });
	smtp_client_free(&s->client);
	str_free(&s->shown);
	free(s);
}
