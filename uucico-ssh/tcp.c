#include "uucico-ssh/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "uucico-ssh/link.h"

static int
resolve(const char *host, const char *port, struct addrinfo **list, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	int result = getaddrinfo(host, port, &hints, list);

	if (result != 0)	/* loopback alone is no configured address */
		hints.ai_flags = 0;
	if (result != 0)
		result = getaddrinfo(host, port, &hints, list);
	if (result == 0)
		return 0;
	return err_set(err, ERR_TEMP, "the host %s cannot be found: %s; see the link and the network", host,
	    gai_strerror(result));
}

static void
tune(int fd, int64_t seconds)
{
	int one = 1;
	unsigned dead_after = (unsigned)(seconds * 1000);

	/* Before connect: some kernels take it no later for the first flight. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after, sizeof dead_after);
}

/* errno says why when this is -1 with err still empty. */
static int
connect_one(const struct addrinfo *address, int64_t seconds, struct err *err)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof errno;
	int number = 0;

	if (fd < 0)
		return -1;
	tune(fd, seconds);
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
		number = errno;
	} else {
		struct pollfd ready = { .fd = fd, .events = POLLOUT };
		int result = link_wait(&ready, 1, clock_mono() + seconds * CLOCK_SECOND, err);
		if (result == 0)
			number = ETIMEDOUT;
		else if (result < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) < 0)
			number = EINTR;
	}
	if (number == 0)
		return fd;
	close(fd);
	errno = number;
	return -1;
}

int
tcp_connect(const char *host, const char *port, int64_t seconds, const char *server, struct err *err)
{
	struct addrinfo *list = NULL;
	int fd = -1;

	if (resolve(host, port, &list, err) < 0)
		return -1;
	for (const struct addrinfo *a = list; a != NULL && fd < 0 && err->kind == ERR_NONE; a = a->ai_next)
		fd = connect_one(a, seconds, err);
	int number = errno;
	freeaddrinfo(list);
	if (fd >= 0 || err->kind != ERR_NONE)
		return fd;
	if (number == ECONNREFUSED)
		return err_set(err, ERR_TEMP, "%s port %s refuses the connection; is %s running there, and the port "
		    "right?", host, port, server);
	return err_set(err, ERR_TEMP, "%s port %s cannot be reached: %s", host, port, strerror(number));
}
