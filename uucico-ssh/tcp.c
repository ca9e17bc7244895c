#include "uucico-ssh/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/dial.h"
#include "lib/net/place.h"
#include "uucico-ssh/link.h"

struct waiting {
	struct loop loop;
	int fd;
	struct err err;
	bool stopped;
};

static void
on_dialled(void *ctx, int fd, const struct err *err)
{
	struct waiting *waiting = ctx;

	waiting->fd = fd;
	waiting->err = *err;
	loop_stop(&waiting->loop);
}

/* The signal stays where it is: link_wait() finds it, and knows what to say. */
static void
on_signal(void *ctx)
{
	struct waiting *waiting = ctx;

	waiting->stopped = true;
	loop_stop(&waiting->loop);
}

static void
dial_and_wait(struct waiting *waiting, struct dial *dial, const char *where, const struct dial_how *how,
    int64_t seconds)
{
	struct watch stop = {0};
	int signals = link_signal_fd();

	if (signals >= 0)
		watch_start(&stop, &waiting->loop, signals, WATCH_READ, on_signal, waiting);
	dial_start_how(dial, &waiting->loop, where, how, seconds, on_dialled, waiting);
	loop_run(&waiting->loop);
	dial_cancel(dial);
	watch_free(&stop);
	if (signals >= 0)
		close(signals);
}

static void
explain(const struct dial *dial, const char *host, const char *port, const struct socks_proxy *proxy,
    const char *server, struct err *err)
{
	char text[sizeof err->text];

	snprintf(text, sizeof text, "%s", err->text);
	if (proxy != NULL && dial->number == ECONNREFUSED)
		err_set(err, ERR_TEMP, "the proxy %s refuses the connection; is it running?", proxy->where.p);
	else if (proxy != NULL)
		err_set(err, err->kind, "%s port %s: %s", host, port, text);
	else if (dial->number == ECONNREFUSED)
		err_set(err, ERR_TEMP, "%s port %s refuses the connection; is %s running there, and the port "
		    "right?", host, port, server);
	else if (dial->number != 0)
		err_set(err, ERR_TEMP, "%s port %s cannot be reached: %s", host, port, strerror(dial->number));
	else
		err_set(err, ERR_TEMP, "the host %s cannot be found: %s; see the link and the network", host, text);
}

int
tcp_connect(const char *host, const char *port, const struct socks_proxy *proxy, bool speaks, int64_t seconds,
    const char *server, struct err *err)
{
	const struct dial_how how = { .proxy = proxy, .quick = true, .speaks = speaks, .silence = seconds, .lossy = true };
	struct waiting waiting = { .fd = -1 };
	struct dial dial = {0};
	struct str where = {0};

	if (loop_start(&waiting.loop, err) < 0)
		return -1;
	place_join(host, port, &where);
	dial_and_wait(&waiting, &dial, str_c(&where), &how, seconds);
	loop_free(&waiting.loop);
	str_free(&where);
	if (waiting.fd < 0 && !waiting.stopped) {
		*err = waiting.err;
		explain(&dial, host, port, proxy, server, err);
	} else if (waiting.fd < 0) {
		link_wait(NULL, 0, clock_mono() + CLOCK_SECOND, err);
	}
	return waiting.fd;
}

int64_t
tcp_rtt(int fd)
{
#ifdef TCP_INFO
	struct tcp_info info = {0};
	socklen_t len = sizeof info;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		return info.tcpi_rtt;
#endif
	(void)fd;
	return 0;
}
