#include "uucico-ssh/link.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "uucico-ssh/key.h"
#include "uucico-ssh/keyed.h"
#include "uucico-ssh/secret.h"

enum { KEYED_AHEAD = 65536, FINISH_SECONDS = 10 };

static const struct link_row *const rows[] = { &link_ssh, &link_exec, &link_tcp, &link_stdio };

static volatile sig_atomic_t told_to_stop;
static sigset_t outside;	/* the signals that pass while we wait */
static bool blocked;

static void
stop(int number)
{
	told_to_stop = number;
}

static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

void
link_signals(void)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t mine;

	sigemptyset(&mine);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		sigaction(numbers[i], &action, NULL);
		sigaddset(&mine, numbers[i]);
	}
	/* Blocked but in ppoll(): no signal can come between the look and the wait. */
	sigprocmask(SIG_BLOCK, &mine, &outside);
	blocked = true;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigdelset(&outside, numbers[i]);
	signal(SIGPIPE, SIG_IGN);
}

void
link_signals_off(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaction(numbers[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &outside, NULL);
	blocked = false;
}

int
link_signal_fd(void)
{
	sigset_t mine;

	sigemptyset(&mine);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaddset(&mine, numbers[i]);
	return blocked ? signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

int
link_told_to_stop(bool forget)
{
	int told = told_to_stop;

	if (forget)
		told_to_stop = 0;
	return told;
}

static void
span_of_time(int64_t from, int64_t until, struct timespec *left)
{
	int64_t micros = until > from ? until - from : 0;

	left->tv_sec = micros / CLOCK_SECOND;
	left->tv_nsec = (long)(micros % CLOCK_SECOND) * 1000;
}

int
link_wait(struct pollfd *fds, size_t count, int64_t deadline, struct err *err)
{
	for (;;) {
		struct timespec left;
		if (told_to_stop)
			return err_set(err, ERR_TEMP, "stopped by signal %d", (int)told_to_stop);
		span_of_time(clock_mono(), deadline, &left);
		int ready = ppoll(fds, (nfds_t)count, &left, &outside);
		if (ready > 0)
			return 1;
		if (ready < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (ready == 0 && clock_mono() >= deadline)
			return 0;
	}
}

/* --- key-auth: a layer over any row --- */

static struct keyed *greeted;	/* of standard input; a process answers one call */

static struct keyed *
start_keyed(const struct settings *settings, const struct site_settings *site, bool caller, struct err *err)
{
	struct str secret = {0};
	struct keyed *keyed = NULL;

	if (secret_shared(settings, site, &secret, err) == 0) {
		keyed = mem_get(sizeof *keyed);
		keyed_start(keyed, caller, str_span(&secret));
	}
	closed_forget(&secret);
	return keyed;
}

static void
end_keyed(struct keyed **keyed)
{
	if (*keyed != NULL)
		keyed_free(*keyed);
	free(*keyed);
	*keyed = NULL;
}

/* What is framed goes out as far as the row takes it. */
static int
flush_keyed(struct link *link, struct err *err)
{
	struct str *out = &link->keyed->out;

	while (out->len > 0) {
		ssize_t done = link->row->write(link, out->p, out->len, err);
		if (done == LINK_AGAIN || done == 0)
			return 0;
		if (done < 0)
			return -1;
		link->keyed_up += (uint64_t)done;
		str_cut(out, (size_t)done);
	}
	return 0;
}

/* One read of the row: 1: something came; 0: end of file; LINK_AGAIN; -1. */
static ssize_t
feed_keyed(struct link *link, struct err *err)
{
	char bytes[KEYED_FRAME];
	ssize_t got = flush_keyed(link, err) < 0 ? -1 : link->row->read(link, bytes, sizeof bytes, err);

	if (got <= 0)
		return got;
	link->keyed_down += (uint64_t)got;
	if (keyed_feed(link->keyed, bytes, (size_t)got, err) < 0 || flush_keyed(link, err) < 0)
		return -1;
	return 1;
}

static ssize_t
read_keyed(struct link *link, void *to, size_t len, struct err *err)
{
	struct str *in = &link->keyed->in;
	ssize_t got = 1;

	while (in->len == 0 && got > 0)
		got = feed_keyed(link, err);
	if (in->len == 0)
		return got;
	len = len < in->len ? len : in->len;
	memcpy(to, in->p, len);
	str_cut(in, len);
	return (ssize_t)len;
}

static ssize_t
write_keyed(struct link *link, const void *from, size_t len, struct err *err)
{
	if (flush_keyed(link, err) < 0)
		return -1;
	if (link->keyed->out.len > 0)
		return LINK_AGAIN;
	len = keyed_put(link->keyed, from, len < KEYED_AHEAD ? len : KEYED_AHEAD);
	if (flush_keyed(link, err) < 0)
		return -1;
	return len > 0 ? (ssize_t)len : LINK_AGAIN;
}

static void
finish_keyed(struct link *link)
{
	int64_t deadline = clock_mono() + FINISH_SECONDS * CLOCK_SECOND;
	struct pollfd fds[LINK_FDS];
	struct err err;

	while (flush_keyed(link, &err) == 0 && link->keyed->out.len > 0)
		if (link_wait(fds, link->row->poll(link, true, fds), deadline, &err) <= 0)
			return;
}

int
link_greet(const struct settings *settings, const struct site_settings *site, struct err *err)
{
	int64_t deadline = clock_mono() + site->timeout * CLOCK_SECOND;
	struct link link;
	struct pollfd fds[LINK_FDS];
	ssize_t got = LINK_AGAIN;

	if (site->key_auth[0] == '\0')
		return 0;
	link_signals();
	greeted = start_keyed(settings, site, false, err);
	if (greeted == NULL || link_open(&link, "stdio:", settings, site, err) < 0)
		return -1;
	while (!link.keyed->sure && (got = feed_keyed(&link, err)) != 0) {
		if (got == -1)
			break;
		bool writing = link.keyed->out.len > 0;
		int ready = got != LINK_AGAIN ? 1 : link_wait(fds, link.row->poll(&link, writing, fds), deadline, err);
		if (ready == 0)
			err_set(err, ERR_TEMP, "nobody proved to be %s in %lld s", site->name, (long long)site->timeout);
		got = ready <= 0 ? -1 : got;
		if (ready <= 0)
			break;
	}
	if (got == 0)
		err_set(err, ERR_TEMP, "the line closed before anybody proved to be %s", site->name);
	greeted = link.keyed;
	return greeted->sure ? 0 : -1;
}

/* --- the link --- */

static int
open_row(struct link *link, const char *target, struct err *err)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t len = strlen(rows[i]->scheme);
		if (strncmp(target, rows[i]->scheme, len) != 0)
			continue;
		link->row = rows[i];
		return link->row->open(link, target + len, err);
	}
	return err_set(err, ERR_CONFIG, "link %s: it begins with ssh://, exec: or tcp:", target);
}

int
link_open(struct link *link, const char *target, const struct settings *settings,
    const struct site_settings *site, struct err *err)
{
	*link = (struct link){ .settings = settings, .site = site,
		.in = -1, .out = -1, .errors = -1, .pid = -1 };
	if (open_row(link, target, err) < 0)
		return -1;
	link->keyed = greeted;
	greeted = NULL;
	if (link->keyed == NULL && site != NULL && site->key_auth[0] != '\0' && link->row != &link_stdio &&
	    (link->keyed = start_keyed(settings, site, true, err)) == NULL)
		return -1;
	return 0;
}

ssize_t
link_read(struct link *link, void *to, size_t len, struct err *err)
{
	ssize_t got = link->keyed != NULL ? read_keyed(link, to, len, err) : link->row->read(link, to, len, err);
	if (got > 0)
		link->down += (uint64_t)got;
	return got;
}

ssize_t
link_write(struct link *link, const void *from, size_t len, struct err *err)
{
	ssize_t done = link->keyed != NULL ? write_keyed(link, from, len, err) : link->row->write(link, from, len, err);
	if (done > 0)
		link->up += (uint64_t)done;
	return done;
}

size_t
link_poll(const struct link *link, bool writing, struct pollfd fds[LINK_FDS])
{
	return link->row->poll(link, writing || (link->keyed != NULL && link->keyed->out.len > 0), fds);
}

void
link_finish(struct link *link)
{
	link->finished = true;
	if (link->keyed != NULL)
		finish_keyed(link);
	link->row->finish(link);
}

void
link_close(struct link *link)
{
	if (link->row != NULL)
		link->row->close(link);
	if (link->wire_up == 0) {
		link->wire_up = link->keyed != NULL ? link->keyed_up : link->up;
		link->wire_down = link->keyed != NULL ? link->keyed_down : link->down;
	}
	end_keyed(&link->keyed);
	str_free(&link->noise);
	link->row = NULL;
}

ssize_t
link_fd_read(struct link *link, void *to, size_t len, struct err *err)
{
	ssize_t got = read(link->in, to, len);

	if (got >= 0)
		return got;
	return errno == EAGAIN || errno == EINTR ? LINK_AGAIN : err_sys(err, "read");
}

ssize_t
link_fd_write(struct link *link, const void *from, size_t len, struct err *err)
{
	ssize_t done = write(link->out, from, len);

	if (done >= 0)
		return done;
	if (errno == EAGAIN || errno == EINTR)
		return LINK_AGAIN;
	return errno == EPIPE ? err_set(err, ERR_TEMP, "the far end hung up") : err_sys(err, "write");
}

size_t
link_fd_poll(const struct link *link, bool writing, struct pollfd fds[LINK_FDS])
{
	fds[0] = (struct pollfd){ .fd = link->in, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = link->errors, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = link->out, .events = POLLOUT };
	return writing ? 3 : 2;
}

void
link_fd_drain(struct link *link, int64_t seconds)
{
	int64_t deadline = clock_mono() + seconds * CLOCK_SECOND;
	struct pollfd fd = { .fd = link->in, .events = POLLIN };
	char rest[512];
	struct err err;

	while (clock_mono() < deadline && link_wait(&fd, 1, deadline, &err) > 0)
		if (read(link->in, rest, sizeof rest) <= 0)
			return;
}

void
link_hear_noise(struct link *link)
{
	char bytes[1024];
	ssize_t got;

	while (link->errors >= 0 && (got = read(link->errors, bytes, sizeof bytes)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return;
		size_t room = LINK_NOISE_MAX - link->noise.len;
		str_add(&link->noise, bytes, (size_t)got < room ? (size_t)got : room);
	}
	if (link->errors >= 0)
		close(link->errors);
	link->errors = -1;
}
