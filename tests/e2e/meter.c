/*
 * meter - a long, thin line of loopback: each byte takes so long one way, and what went over
 * it is counted.
 *
 *	meter PORT-FILE PORT MILLISECONDS STATS-FILE
 *
 * Connections to the port in PORT-FILE go on to PORT, one after the other.  When one has
 * ended, a line "up=BYTES down=BYTES round_trips=N.N turns=N" is appended: N.N is its time, from
 * the accept on, in times there and back; a turn is when the near end speaks after the far one.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"

struct way {
	int from, to;
	bool ended, shut;
	struct str bytes;		/* on their way */
	struct { int64_t due; size_t len; } piece[4096];
	size_t first, count;
	uint64_t total;
};

static int64_t delay;
static unsigned long turns;
static const struct way *spoke;	/* last */

static int
open_socket(unsigned port, bool listening)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || (listening ? bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 5) < 0 :
	    connect(fd, (struct sockaddr *)&at, sizeof at) < 0)) {
		perror("meter");
		exit(1);
	}
	return fd;
}

static void
tell_port(int fd, const char *path)
{
	struct sockaddr_in at;
	socklen_t size = sizeof at;
	FILE *file = fopen(path, "we");

	if (file == NULL || getsockname(fd, (struct sockaddr *)&at, &size) < 0 ||
	    fprintf(file, "%d\n", ntohs(at.sin_port)) < 0 || fclose(file) != 0)
		exit(1);
}

/* What came goes on its way; an end of file is a piece of no bytes. */
static void
take(struct way *way)
{
	char bytes[65536];
	ssize_t got = read(way->from, bytes, sizeof bytes);
	size_t last = (way->first + way->count) % (sizeof way->piece / sizeof way->piece[0]);

	if (got < 0)
		got = 0;
	way->ended = got == 0;
	str_add(&way->bytes, bytes, (size_t)got);
	way->piece[last].due = clock_mono() + delay;
	way->piece[last].len = (size_t)got;
	way->count++;
	way->total += (uint64_t)got;
	spoke = got > 0 ? way : spoke;
}

static void
deliver(struct way *way)
{
	while (way->count > 0 && way->piece[way->first].due <= clock_mono()) {
		size_t len = way->piece[way->first].len;
		if (len == 0) {
			shutdown(way->to, SHUT_WR);
			way->shut = true;
		} else if (send(way->to, way->bytes.p, len, MSG_NOSIGNAL) < 0) {
			way->shut = way->ended = true;
		}
		str_cut(&way->bytes, len);
		way->first = (way->first + 1) % (sizeof way->piece / sizeof way->piece[0]);
		way->count--;
	}
}

static int
until_due(const struct way *a, const struct way *b)
{
	int64_t due = INT64_MAX, now = clock_mono();

	if (a->count > 0)
		due = a->piece[a->first].due;
	if (b->count > 0 && b->piece[b->first].due < due)
		due = b->piece[b->first].due;
	return due == INT64_MAX ? -1 : due <= now ? 0 : (int)((due - now) / 1000 + 1);
}

static void
carry(struct way *up, struct way *down)
{
	struct way *ways[] = { up, down };
	enum { FULL = 4000 };

	while (!up->shut || !down->shut) {
		struct pollfd fds[2];
		for (int i = 0; i < 2; i++)
			fds[i] = (struct pollfd){ .fd = ways[i]->ended || ways[i]->count > FULL ? -1 : ways[i]->from,
			    .events = POLLIN };
		poll(fds, 2, until_due(up, down));
		for (int i = 0; i < 2; i++) {
			if (fds[i].fd >= 0 && fds[i].revents != 0) {
				const struct way *before = spoke;
				take(ways[i]);
				turns += spoke == up && before == down;
			}
			deliver(ways[i]);
		}
	}
}

int
main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	int listener = open_socket(0, true);
	delay = strtol(argv[3], NULL, 10) * 1000;
	tell_port(listener, argv[1]);
	for (int near; (near = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(near)) {
		int far = open_socket((unsigned)strtoul(argv[2], NULL, 10), false);
		int64_t begun = clock_mono();
		struct way *up = mem_get(sizeof *up), *down = mem_get(sizeof *down);
		up->from = down->to = near;
		up->to = down->from = far;
		turns = 0;
		spoke = NULL;
		carry(up, down);
		FILE *stats = fopen(argv[4], "ae");
		if (stats == NULL)
			return 1;
		fprintf(stats, "up=%llu down=%llu round_trips=%.1f turns=%lu\n", (unsigned long long)up->total,
		    (unsigned long long)down->total, (double)(clock_mono() - begun) / (double)(2 * delay), turns);
		fclose(stats);
		close(far);
		str_free(&up->bytes);
		str_free(&down->bytes);
		free(up);
		free(down);
	}
	return 0;
}
