#include "lib/net/dns.h"

#if HAVE_CARES
#include <ares.h>

#include "lib/base/clock.h"

enum { QUERY_MS = 4000, QUERY_TRIES = 3 };

void
dns_asked(struct dns *dns)
{
	struct timeval most = { .tv_sec = 1 }, left;

	const struct timeval *wait = ares_timeout(dns->channel, &most, &left);
	timer_set(&dns->tick, (int64_t)wait->tv_sec * CLOCK_SECOND + wait->tv_usec);
}

/* An answer may have closed us. */
static void
went_on(struct dns *dns)
{
	if (dns->channel != NULL)
		dns_asked(dns);
}

static void
on_tick(void *ctx)
{
	struct dns *dns = ctx;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	went_on(dns);
}

static void
on_readable(void *ctx)
{
	const struct dns_socket *socket = ctx;
	struct dns *dns = socket->dns;

	ares_process_fd(dns->channel, socket->fd, ARES_SOCKET_BAD);
	went_on(dns);
}

static void
on_writable(void *ctx)
{
	const struct dns_socket *socket = ctx;
	struct dns *dns = socket->dns;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, socket->fd);
	went_on(dns);
}

static struct dns_socket *
socket_of(struct dns *dns, int fd)
{
	for (size_t i = 0; i < DNS_SOCKETS; i++)
		if (dns->socket[i].fd == fd)
			return &dns->socket[i];
	return NULL;
}

/* c-ares says what it waits for on a socket of its own. */
static void
on_socket(void *ctx, ares_socket_t fd, int read, int write)
{
	struct dns *dns = ctx;
	struct dns_socket *socket = socket_of(dns, fd);

	if (socket == NULL && (read || write) && (socket = socket_of(dns, -1)) != NULL)
		*socket = (struct dns_socket){ .fd = fd, .dns = dns };
	if (socket == NULL)
		return;		/* more than we look at: its question runs out of time */
	watch_free(&socket->read);
	watch_free(&socket->write);
	if (read)
		watch_start(&socket->read, dns->loop, fd, WATCH_READ, on_readable, socket);
	if (write)
		watch_start(&socket->write, dns->loop, fd, WATCH_WRITE, on_writable, socket);
	if (!read && !write)
		socket->fd = -1;
}

static void
comma_list(const char *servers, struct str *out)
{
	struct span rest = span_of(servers), word;

	while ((word = span_word(&rest)).len > 0) {
		str_add_text(out, out->len > 0 ? "," : "");
		str_add_span(out, word);
	}
}

int
dns_channel(ares_channel *channel, struct ares_options *options, int mask, const char *servers, struct err *err)
{
	struct str list = {0};
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	*channel = NULL;
	if (status == ARES_SUCCESS)
		status = ares_init_options(channel, options, mask);
	comma_list(servers, &list);
	if (status == ARES_SUCCESS && list.len > 0)
		status = ares_set_servers_ports_csv(*channel, str_c(&list));
	str_free(&list);
	if (status == ARES_SUCCESS)
		return 0;
	if (*channel != NULL)
		ares_destroy(*channel);
	*channel = NULL;
	return err_set(err, ERR_TEMP, "the resolver: %s", ares_strerror(status));
}

int
dns_check_servers(const char *servers, struct err *err)
{
	struct ares_options none = {0};
	ares_channel channel;

	if (dns_channel(&channel, &none, 0, servers, err) < 0) {
		err->kind = ERR_CONFIG;
		return -1;
	}
	ares_destroy(channel);
	return 0;
}

int
dns_open(struct dns *dns, struct loop *loop, const char *servers, struct err *err)
{
	struct ares_options options = { .timeout = QUERY_MS, .tries = QUERY_TRIES, .sock_state_cb = on_socket,
		.sock_state_cb_data = dns };
	const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

	*dns = (struct dns){ .loop = loop };
	for (size_t i = 0; i < DNS_SOCKETS; i++)
		dns->socket[i].fd = -1;
	if (dns_channel(&dns->channel, &options, mask, servers, err) < 0)
		return -1;
	timer_start(&dns->tick, loop, on_tick, dns);
	return 0;
}

void
dns_close(struct dns *dns)
{
	ares_channel channel = dns->channel;

	if (dns->loop == NULL)
		return;
	dns->channel = NULL;
	if (channel != NULL) {
		ares_destroy(channel);
		timer_free(&dns->tick);
	}
	for (size_t i = 0; i < DNS_SOCKETS; i++) {
		watch_free(&dns->socket[i].read);
		watch_free(&dns->socket[i].write);
	}
	*dns = (struct dns){0};
}

#else

/* A host's addresses are asked of the system all the same (resolve.h). */
static int
there_is_none(struct err *err)
{
	return err_set(err, ERR_CONFIG, "this mochila was built --without-cares, and cannot ask the DNS for more than "
	    "addresses");
}

int
dns_check_servers(const char *servers, struct err *err)
{
	return servers[0] == '\0' ? 0 : there_is_none(err);
}

int
dns_open(struct dns *dns, struct loop *loop, const char *servers, struct err *err)
{
	(void)loop, (void)servers;
	*dns = (struct dns){0};
	return there_is_none(err);
}

void
dns_asked(struct dns *dns)
{
	(void)dns;
}

void
dns_close(struct dns *dns)
{
	*dns = (struct dns){0};
}

#endif

bool
dns_is_asked(void)
{
	return HAVE_CARES;
}
