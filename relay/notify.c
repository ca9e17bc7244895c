#include "relay/notify.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static struct {
	bool read;
	char where[sizeof ((struct sockaddr_un *)0)->sun_path];
	int64_t watchdog;
	char *names;		/* of the sockets from FIRST_FD on, ":" between */
	int sockets;
} told;

/* It is for this process if it says so, or does not say for which. */
static bool
is_for_us(const char *variable)
{
	const char *pid = getenv(variable);

	return pid == NULL || strtol(pid, NULL, 10) == (long)getpid();
}

static void
read_environment(void)
{
	const char *where = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
	const char *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	uint64_t number;

	if (told.read)
		return;
	told.read = true;
	if (where != NULL && (where[0] == '/' || where[0] == '@'))
		snprintf(told.where, sizeof told.where, "%s", where);
	if (usec != NULL && is_for_us("WATCHDOG_PID") && span_number(span_of(usec), INT64_MAX, &number) == 0)
		told.watchdog = (int64_t)number;
	if (fds != NULL && getenv("LISTEN_PID") != NULL && is_for_us("LISTEN_PID") &&
	    span_number(span_of(fds), 1000, &number) == 0) {
		told.sockets = (int)number;
		told.names = mem_text(names != NULL ? names : "");
	}
	for (int i = 0; i < told.sockets; i++)
		fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC);
}

void
notify_say(const char *format, ...)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char text[256];
	va_list args;

	read_environment();
	if (told.where[0] == '\0')
		return;
	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	size_t path = strlen(told.where);
	memcpy(at.sun_path, told.where, path);
	if (at.sun_path[0] == '@')
		at.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Whoever does not listen need not know. */
	ssize_t sent = sendto(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&at,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path));
	(void)sent;
	close(fd);
}

int64_t
notify_watchdog(void)
{
	read_environment();
	return told.watchdog;
}

int
notify_socket(const char *name)
{
	struct span rest, one;
	uint64_t number;
	int i = 0;

	read_environment();
	if (span_number(span_of(name), 1000, &number) == 0 && (int)number < told.sockets)
		return FIRST_FD + (int)number;
	for (rest = span_of(told.names); i < told.sockets && span_cut(&rest, ':', &one); i++)
		if (span_is(one, name))
			return FIRST_FD + i;
	return -1;
}

void
notify_forget(void)
{
	read_environment();
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}
