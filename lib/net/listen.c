#include "lib/net/listen.h"

#include <errno.h>
#include <netdb.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/net/place.h"

enum { TAKEN_AT_ONCE = 64 };	/* then others have their turn */

static int
bind_to(const struct addrinfo *at, struct err *err)
{
	int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (at->ai_family == AF_INET6)	/* so that 0.0.0.0 and [::] can stand side by side */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	err_sys(err, "listening");
	close(fd);
	return -1;
}

static int
resolve(const char *where, struct addrinfo **list, struct err *err)
{
	static const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct str host = {0}, port = {0};
	int result = place_split(where, &host, &port, err);

	if (result == 0) {
		int code = getaddrinfo(str_c(&host), str_c(&port), &hints, list);
		if (code != 0)
			result = err_set(err, ERR_CONFIG, "%s", gai_strerror(code));
	}
	str_free(&host);
	str_free(&port);
	return result;
}

/* A socket that nobody answers on any more is a dead process's. */
static bool
is_dead(const struct sockaddr_un *at)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool dead = fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)at, sizeof *at) < 0 && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return dead;
}

static int
bind_path(struct listener *listener, const char *path, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof at.sun_path)
		return err_set(err, ERR_CONFIG, "%s: a socket's path has at most %zu bytes", path, sizeof at.sun_path - 1);
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (is_dead(&at))
		unlink(path);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return err_sys(err, "socket");
	mode_t mask = umask(0117);
	int result = bind(listener->fd, (struct sockaddr *)&at, sizeof at);
	int number = errno;
	umask(mask);
	errno = number;
	if (result < 0 || listen(listener->fd, SOMAXCONN) < 0) {
		err_sys(err, "%s", path);
		err->kind = ERR_CONFIG;
		return -1;
	}
	listener->path = mem_text(path);
	str_printf(&listener->where, "unix:%s", path);
	return 0;
}

int
listener_adopt(struct listener *listener, int fd, const char *where, struct err *err)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof bound;
	int on = 0;
	socklen_t on_len = sizeof on;

	*listener = (struct listener){ .fd = -1 };
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) < 0 || on == 0)
		return err_set(err, ERR_CONFIG, "%s: descriptor %d is no socket that listens", where, fd);
	listener->fd = fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && bound.ss_family != AF_UNIX)
		place_show((struct sockaddr *)&bound, &listener->where);
	else
		str_add_text(&listener->where, where);
	return 0;
}

int
listener_bind(struct listener *listener, const char *where, struct err *err)
{
	struct addrinfo *list;
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;

	*listener = (struct listener){ .fd = -1 };
	if (strncmp(where, "unix:", 5) == 0)
		return bind_path(listener, where + 5, err);
	if (resolve(where, &list, err) < 0)
		return err_prefix(err, "%s", where);
	listener->fd = bind_to(list, err);
	freeaddrinfo(list);
	if (listener->fd < 0) {
		err->kind = ERR_CONFIG;	/* somebody has the port, or it needs a right */
		return err_prefix(err, "%s", where);
	}
	if (getsockname(listener->fd, (struct sockaddr *)&bound, &len) < 0)
		return err_sys(err, "%s", where);
	place_show((struct sockaddr *)&bound, &listener->where);
	return 0;
}

static bool
out_of_something(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

/* True when there may be more. */
static bool
take(struct listener *listener)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof peer;
	int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		listener->taken(listener->ctx, fd, (struct sockaddr *)&peer);
		return true;
	}
	if (out_of_something(errno)) {
		log_warn("-: event=accept-pause listen=%s reason=\"%s\"", str_c(&listener->where),
		    strerror(errno));
		watch_pause(&listener->watch);
		timer_set(&listener->pause, CLOCK_SECOND);
		return false;
	}
	return errno == ECONNABORTED || errno == EINTR;
}

static void
on_ready(void *ctx)
{
	for (int i = 0; i < TAKEN_AT_ONCE && take(ctx); i++)
		;
}

static void
on_pause_over(void *ctx)
{
	struct listener *listener = ctx;

	watch_resume(&listener->watch);
}

void
listener_start(struct listener *listener, struct loop *loop,
    void (*taken)(void *ctx, int fd, const struct sockaddr *peer), void *ctx)
{
	listener->loop = loop;
	listener->taken = taken;
	listener->ctx = ctx;
	timer_start(&listener->pause, loop, on_pause_over, listener);
	watch_start(&listener->watch, loop, listener->fd, WATCH_READ, on_ready, listener);
}

void
listener_close(struct listener *listener)
{
	watch_free(&listener->watch);
	timer_free(&listener->pause);
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->path != NULL && unlink(listener->path) < 0 && errno == EACCES)
		helper_open(listener->path, HELPER_REMOVE);
	free(listener->path);
	str_free(&listener->where);
	*listener = (struct listener){ .fd = -1 };
}
