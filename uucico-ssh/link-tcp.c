/*
 * Link tcp: a plain connection, as to a uucpd.  Nothing is encrypted and nobody proves
 * who he is but by the name and password that the far end may ask for first:
 *
 *	login: uhome
 *	Password: secret
 *
 * We only call this way.  To answer, inetd or a systemd socket starts us on stdio.
 */
#include "uucico-ssh/link.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/place.h"
#include "uucico-ssh/key.h"
#include "uucico-ssh/secret.h"
#include "uucico-ssh/tcp.h"

enum { END_SECONDS = 3, PROMPT_NOISE_MAX = 65536 };

static const char standard_port[] = "540";

/* "HOST", "HOST:PORT", "[::1]:PORT" */
static int
split(const char *rest, struct str *host, struct str *port, struct err *err)
{
	bool ported = strchr(rest, ':') != NULL;

	if (!ported && rest[0] != '\0' && rest[0] != '-') {
		str_set(host, rest);
		str_set(port, standard_port);
		return 0;
	}
	if (place_split(rest, host, port, err) == 0 && host->len > 0)
		return 0;
	return err_set(err, ERR_CONFIG, "link tcp:%s: it is tcp:HOST or tcp:HOST:PORT", rest);
}

/* --- the login --- */

/* One byte in time; what follows a prompt is not ours to read. */
static int
hear_byte(struct link *link, int64_t deadline, char *c, struct err *err)
{
	for (;;) {
		ssize_t got = link_fd_read(link, c, 1, err);
		if (got == 1)
			return 0;
		if (got == 0)
			return err_set(err, ERR_TEMP, "it closed the line when we logged in");
		struct pollfd fd = { .fd = link->in, .events = POLLIN };
		int ready = got != LINK_AGAIN ? -1 : link_wait(&fd, 1, deadline, err);
		if (ready == 0)
			return err_set(err, ERR_TEMP, "it asked for no login in %lld s", (long long)link->site->timeout);
		if (ready < 0)
			return -1;
	}
}

static int
await(struct link *link, const char *prompt, int64_t deadline, struct err *err)
{
	size_t len = strlen(prompt), have = 0, heard = 0;
	char last[16] = "", c;

	while (have < len || memcmp(last, prompt, len) != 0) {
		if (hear_byte(link, deadline, &c, err) < 0)
			return -1;
		if (c == '\020')
			return err_set(err, ERR_CONFIG, "it asks for no login; take \"login\" out of [site %s]",
			    link->site->name);
		if (++heard > PROMPT_NOISE_MAX)
			return err_set(err, ERR_TEMP, "it says much, and asks for no login");
		if (have == len)
			memmove(last, last + 1, --have);
		last[have++] = c;
	}
	log_trace("-: event=line peer=%s heard=\"%.*s\"", link->site->name, (int)have, last);
	return 0;
}

static int
reply(struct link *link, struct span word, bool secret, int64_t deadline, struct err *err)
{
	struct str line = {0};
	int result = 0;

	log_trace("-: event=line peer=%s said=\"%.*s\"", link->site->name, secret ? 4 : (int)word.len,
	    secret ? "****" : word.len > 0 ? word.p : "");
	str_add_span(&line, word);
	str_add_char(&line, '\n');
	for (size_t done = 0; result == 0 && done < line.len;) {
		struct pollfd fd = { .fd = link->out, .events = POLLOUT };
		ssize_t went = link_fd_write(link, line.p + done, line.len - done, err);
		if (went > 0)
			done += (size_t)went;
		else if (went != LINK_AGAIN || link_wait(&fd, 1, deadline, err) <= 0)
			result = -1;
	}
	closed_forget(&line);
	return result;
}

static int
log_in(struct link *link, struct err *err)
{
	int64_t deadline = clock_mono() + link->site->timeout * CLOCK_SECOND;
	struct str name = {0}, password = {0};
	int result = secret_login(link->settings, link->site->login, "login file", &name, &password, err);

	if (result == 0 && (await(link, "ogin:", deadline, err) < 0 ||
	    reply(link, str_span(&name), false, deadline, err) < 0 ||
	    await(link, "assword:", deadline, err) < 0 || reply(link, str_span(&password), true, deadline, err) < 0))
		result = -1;
	str_free(&name);
	closed_forget(&password);
	return result;
}

/* --- the link --- */

static int
tcp_open(struct link *link, const char *rest, struct err *err)
{
	struct str host = {0}, port = {0};
	struct socks_proxy proxy = {0};
	int by_proxy = -1, result = split(rest, &host, &port, err);

	if (result == 0)
		by_proxy = secret_proxy(link->settings, link->site, &proxy, err);
	if (by_proxy >= 0)
		link->in = tcp_connect(str_c(&host), str_c(&port), by_proxy > 0 ? &proxy : NULL,
		    false, link->site->timeout, "a uucpd", err);
	socks_proxy_free(&proxy);
	str_free(&host);
	str_free(&port);
	if (link->in < 0)
		return -1;
	link->out = link->in;
	link->rtt = tcp_rtt(link->in);
	return link->site->login[0] == '\0' ? 0 : log_in(link, err);
}

static void
tcp_finish(struct link *link)
{
	shutdown(link->out, SHUT_WR);
	link_fd_drain(link, END_SECONDS);
}

static void
tcp_close(struct link *link)
{
	if (link->in >= 0)
		close(link->in);
	link->in = link->out = -1;
}

const struct link_row link_tcp = {
	.scheme = "tcp:",
	.advice = "see whether a UUCP listens there, and whether it wants a login",
	.open = tcp_open,
	.read = link_fd_read,
	.write = link_fd_write,
	.poll = link_fd_poll,
	.finish = tcp_finish,
	.close = tcp_close,
};
