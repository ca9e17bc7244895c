#include "relay/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/place.h"

int
talk_check(const char *where, struct err *err)
{
	struct str host = {0}, port = {0};
	struct sockaddr_un address;
	int result = 0;

	if (where[0] == '/')
		return strlen(where) < sizeof address.sun_path ? 0 : err_set(err, ERR_CONFIG, "too long for a socket's path");
	if (place_split(where, &host, &port, err) < 0)
		result = -1;
	str_free(&host);
	str_free(&port);
	return result;
}

/* 1: it is; 0: the time is over */
static int
wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd one = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = (deadline - clock_mono()) / 1000;
		if (left <= 0)
			return 0;
		int got = poll(&one, 1, left > 60000 ? 60000 : (int)left + 1);
		if (got > 0)
			return 1;
		if (got < 0 && errno != EINTR)
			return 0;
	}
}

static int
connect_to(const struct sockaddr *address, socklen_t len, int64_t deadline, struct err *err)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), number = 0;
	socklen_t size = sizeof number;

	if (fd < 0)
		return err_sys(err, "socket");
	if (connect(fd, address, len) == 0)
		return fd;
	if (errno != EINPROGRESS) {
		err_sys(err, "cannot be reached");
	} else if (wait_for(fd, POLLOUT, deadline) == 0) {
		err_set(err, ERR_TEMP, "no connection in time");
	} else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) < 0 || number != 0) {
		errno = number;
		err_sys(err, "cannot be reached");
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

static int
dial_path(const char *path, int64_t deadline, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (talk_check(path, err) < 0)
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect_to((const struct sockaddr *)&address, sizeof address, deadline, err);
}

static int
dial_host(const char *where, int64_t deadline, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	struct str host = {0}, port = {0};
	int fd = -1;

	if (place_split(where, &host, &port, err) == 0) {
		int code = getaddrinfo(str_c(&host), str_c(&port), &hints, &list);
		if (code != 0)
			err_set(err, ERR_TEMP, "%s", gai_strerror(code));
	}
	for (struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next)
		fd = connect_to(one->ai_addr, one->ai_addrlen, deadline, err);
	if (list != NULL)
		freeaddrinfo(list);
	str_free(&host);
	str_free(&port);
	return fd;
}

/* What is to be said, as far as it goes out. */
static int
say(int fd, struct dialogue *d, struct err *err)
{
	ssize_t sent = send(fd, d->out.p, d->out.len, MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(err, "while it was told the message");
	if (sent > 0)
		str_cut(&d->out, (size_t)sent);
	return 0;
}

static int
hear(int fd, struct dialogue *d, struct err *err)
{
	char bytes[16384];
	ssize_t got = recv(fd, bytes, sizeof bytes, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0)
		return err_sys(err, "while it answered");
	return got == 0 ? dialogue_eof(d, err) : dialogue_feed(d, (struct span){ bytes, (size_t)got }, err);
}

/* It may answer before it has heard all: then that counts. */
static int
hold(int fd, struct dialogue *d, int64_t deadline, struct err *err)
{
	while (!d->done) {
		if (d->out.len < DIALOGUE_PIECE)
			dialogue_more(d);
		struct pollfd one = { .fd = fd, .events = (short)(POLLIN | (d->out.len > 0 ? POLLOUT : 0)) };
		int64_t left = (deadline - clock_mono()) / 1000;
		if (left <= 0)
			return err_set(err, ERR_TEMP, "no answer in time");
		if (poll(&one, 1, left > 60000 ? 60000 : (int)left + 1) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if ((one.revents & (POLLIN | POLLHUP)) != 0 && hear(fd, d, err) < 0)
			return -1;
		if (!d->done && (one.revents & POLLOUT) != 0 && say(fd, d, err) < 0) {
			struct err first = *err;
			if (hear(fd, d, err) < 0 || !d->done) {
				*err = first;
				return -1;
			}
		}
		if ((one.revents & (POLLERR | POLLNVAL)) != 0 && !d->done)
			return err_set(err, ERR_TEMP, "the connection broke");
	}
	if (d->out.len > 0)	/* a goodbye */
		(void)send(fd, d->out.p, d->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

int
talk_to(const char *where, struct dialogue *d, int64_t deadline, struct err *err)
{
	int fd = where[0] == '/' ? dial_path(where, deadline, err) : dial_host(where, deadline, err);
	int result = fd < 0 ? -1 : hold(fd, d, deadline, err);

	if (fd >= 0)
		close(fd);
	if (result < 0) {
		err->kind = ERR_TEMP;
		err_prefix(err, "%s", where);
	}
	return result;
}
