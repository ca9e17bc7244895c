#include "relay/lines.h"

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

/* Until fd is ready, or the time is over. */
static int
wait_for(const struct lines *lines, int fd, short events, struct err *err)
{
	int64_t left = lines->until - clock_mono();
	struct pollfd poll_fd = { .fd = fd, .events = events };

	if (left > 0 && poll(&poll_fd, 1, (int)(left / 1000) + 1) > 0)
		return 0;
	return err_set(err, ERR_TEMP, "no answer in time");
}

static int
connect_to(const struct lines *lines, const struct sockaddr *address, socklen_t len, struct err *err)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), trouble = 0;
	socklen_t size = sizeof trouble;

	if (fd < 0)
		return err_sys(err, "socket");
	bool failed = connect(fd, address, len) < 0;
	if (failed && errno == EINPROGRESS && wait_for(lines, fd, POLLOUT, err) == 0) {
		failed = getsockopt(fd, SOL_SOCKET, SO_ERROR, &trouble, &size) < 0 || trouble != 0;
		errno = trouble != 0 ? trouble : errno;
	}
	if (!failed)
		return fd;
	err_sys(err, "connect");
	err->kind = ERR_TEMP;
	close(fd);
	return -1;
}

static int
dial_socket(const struct lines *lines, const char *path, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof at.sun_path)
		return err_set(err, ERR_CONFIG, "no socket can be called so");
	memcpy(at.sun_path, path, strlen(path) + 1);
	return connect_to(lines, (const struct sockaddr *)&at, sizeof at, err);
}

static int
dial_host(const struct lines *lines, const char *where, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	struct str host = {0}, port = {0};
	int fd = -1;

	if (place_split(where, &host, &port, err) == 0) {
		int status = getaddrinfo(str_c(&host), str_c(&port), &hints, &list);
		if (status != 0)
			err_set(err, ERR_TEMP, "%s", gai_strerror(status));
	}
	for (const struct addrinfo *each = list; each != NULL && fd < 0; each = each->ai_next)
		fd = connect_to(lines, each->ai_addr, each->ai_addrlen, err);
	if (list != NULL)
		freeaddrinfo(list);
	str_free(&host);
	str_free(&port);
	return fd;
}

void
lines_patience(struct lines *lines, int64_t seconds)
{
	lines->until = clock_mono() + seconds * CLOCK_SECOND;
}

int
lines_dial(struct lines *lines, const char *where, int64_t seconds, struct err *err)
{
	*lines = (struct lines){ .fd = -1 };
	lines_patience(lines, seconds);
	lines->fd = where[0] == '/' ? dial_socket(lines, where, err) : dial_host(lines, where, err);
	return lines->fd >= 0 ? 0 : err_prefix(err, "%.200s", where);
}

int
lines_say(struct lines *lines, struct span text, struct err *err)
{
	while (text.len > 0) {
		ssize_t sent = send(lines->fd, text.p, text.len, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (wait_for(lines, lines->fd, POLLOUT, err) < 0)
				return -1;
			continue;
		}
		if (sent <= 0)
			return err_set(err, ERR_TEMP, "it does not listen");
		text = span_from(text, (size_t)sent);
	}
	return 0;
}

int
lines_hear(struct lines *lines, struct str *line, struct err *err)
{
	char piece[1024];

	for (;;) {
		const char *lf = lines->in.len > 0 ? memchr(lines->in.p, '\n', lines->in.len) : NULL;
		if (lf != NULL) {
			size_t len = (size_t)(lf - lines->in.p);
			str_set_span(line, (struct span){ lines->in.p, len - (len > 0 && lf[-1] == '\r') });
			str_cut(&lines->in, len + 1);
			return 0;
		}
		if (lines->in.len > LINES_MAX)
			return err_set(err, ERR_TEMP, "a line without end");
		if (wait_for(lines, lines->fd, POLLIN, err) < 0)
			return -1;
		ssize_t got = read(lines->fd, piece, sizeof piece);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return err_set(err, ERR_TEMP, "it closed");
		str_add(&lines->in, piece, (size_t)got);
	}
}

void
lines_close(struct lines *lines)
{
	if (lines->fd >= 0)
		close(lines->fd);
	if (lines->in.p != NULL)
		explicit_bzero(lines->in.p, lines->in.size);
	str_free(&lines->in);
	*lines = (struct lines){ .fd = -1 };
}
