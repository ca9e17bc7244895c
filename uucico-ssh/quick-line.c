#include "uucico-ssh/quick-line.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "uucico-ssh/hostkey.h"
#include "uucico-ssh/key.h"
#include "uucico-ssh/quick.h"
#include "uucico-ssh/reach.h"

enum { END_SECONDS = 10, GOODBYE_SECONDS = 2, PIECE = 65536 };

struct line {
	struct quick quick;
	struct ssh *place;
	struct str known, key;		/* paths */
};

static void
line_free(struct line *line)
{
	quick_free(&line->quick);
	str_free(&line->known);
	str_free(&line->key);
	free(line);
}

/* --- is it for us? --- */

static int
is_known(void *arg, struct span blob, struct err *err)
{
	struct line *line = arg;
	LIBSSH2_SESSION *session = libssh2_init(0) == 0 ? libssh2_session_init() : NULL;

	if (session == NULL)
		return err_set(err, ERR_TEMP, "libssh2 cannot start");
	int result = hostkey_is_known(line->place, session, blob, str_c(&line->known), err);
	libssh2_session_free(session);
	return result;
}

/* A file with a key of ed25519 that nothing must open; what is wrong with it is said by who cannot
 * go another way. */
static bool
has_key(struct line *line, const struct settings *settings, const struct site_settings *site)
{
	struct str text = {0};
	struct err ignored;

	settings_key(settings, site->key, &line->key);
	bool has = site->passphrase[0] == '\0' && access(str_c(&line->key), F_OK) == 0 &&
	    key_load(str_c(&line->key), false, &text, &ignored) == 0 &&
	    key_halves(str_span(&text), line->quick.seed, line->quick.public) == 0;
	closed_forget(&text);
	return has;
}

/* Who is pinned by another type of key only must show that one.  Hashed names say no type. */
static bool
may_show_ed25519(struct line *line)
{
	struct str types = {0};
	struct err ignored;
	bool may = hostkey_types(line->place, str_c(&line->known), &types, &ignored) == 0 &&
	    (types.len == 0 || quick_lists(str_span(&types), "ssh-ed25519"));

	str_free(&types);
	return may;
}

/* --- bytes --- */

static int
push(struct line *line, struct err *err)
{
	struct str *out = &line->quick.out;

	while (out->len > 0) {
		ssize_t done = send(line->place->fd, out->p, out->len, MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN)
			return 0;
		if (done < 0 && errno != EINTR)
			return err_set(err, ERR_TEMP, "the ssh connection broke: %s", strerror(errno));
		line->place->up += done > 0 ? (uint64_t)done : 0;
		line->place->unanswered = false;
		str_cut(out, done > 0 ? (size_t)done : 0);
	}
	return 0;
}

/* 1: something came; 0: nothing now; LINK_AGAIN is not used here; -1 with err: quick.end says more. */
static int
pull(struct line *line, struct err *err)
{
	static char bytes[PIECE];
	ssize_t got = recv(line->place->fd, bytes, sizeof bytes, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		if (line->quick.end == QUICK_GOING)
			line->quick.end = line->quick.state < QUICK_CHANNEL ? QUICK_OTHERWISE : QUICK_BROKEN;
		return err_set(err, ERR_TEMP, "the ssh connection broke: %s", got < 0 ? strerror(errno) : "it was closed");
	}
	line->place->down += (uint64_t)got;
	line->place->unanswered = true;
	ssh_spare(line->place->fd);
	return quick_feed(&line->quick, bytes, (size_t)got, err) < 0 ? -1 : 1;
}

/* What ended it, as libssh2's way would say it. */
static int
explain(struct line *line, struct err *err)
{
	struct err why = *err;

	switch (line->quick.end) {
	case QUICK_REFUSED:
		return ssh_refused(line->place, str_c(&line->key), why.text, err);
	case QUICK_NOTHING:
		return err_set(err, ERR_TEMP, "%s starts no command for us (%s); %s", str_c(&line->place->where), why.text,
		    SSH_ADVICE);
	case QUICK_STRANGER: return -1;
	default: return err_prefix(err, "%s", str_c(&line->place->where));
	}
}

/* Their version; our flight says the rest. */
static void
acknowledge(struct line *line)
{
	if (line->place->unanswered && line->quick.state < QUICK_LOGIN)
		ssh_acknowledge(line->place->fd);
	line->place->unanswered = false;
}

/* 1: something may be read; -1. */
static int
wait_here(struct line *line, int64_t deadline, struct err *err)
{
	struct ssh *place = line->place;
	struct pollfd fd = { .fd = place->fd, .events = POLLIN };

	if (line->quick.out.len > 0)
		fd.events |= POLLOUT;
	acknowledge(line);
	/* Who says much, and never what is waited for, is never out of time by himself. */
	int result = clock_mono() < deadline ? link_wait(&fd, 1, deadline, err) : 0;
	if (result == 0)
		return err_set(err, ERR_TEMP, "%s has not answered for %lld s", str_c(&place->where), (long long)place->timeout);
	return result < 0 ? -1 : 1;
}

/* --- the row --- */

static void
count(struct link *link)
{
	const struct line *line = link->mine;

	link->wire_up = line->place->up;
	link->wire_down = line->place->down;
}

static ssize_t
line_read(struct link *link, void *to, size_t len, struct err *err)
{
	struct line *line = link->mine;
	int got = 0;

	if (push(line, err) < 0)
		return -1;
	if (line->quick.said.len == 0 && !line->quick.eof) {
		got = pull(line, err);
		count(link);
	}
	size_t room = LINK_NOISE_MAX - link->noise.len;
	str_add_span(&link->noise, span_to(str_span(&line->quick.noise), room));
	str_clear(&line->quick.noise);
	size_t taken = quick_take(&line->quick, to, len);
	if (taken > 0)
		return (ssize_t)taken;
	if (line->quick.eof)
		return 0;
	if (got >= 0)
		return LINK_AGAIN;
	/* A connection that ends is a line that dropped, whatever it is called. */
	return line->quick.end == QUICK_BROKEN && line->quick.state == QUICK_OPEN ? 0 : explain(line, err);
}

static ssize_t
line_write(struct link *link, const void *from, size_t len, struct err *err)
{
	struct line *line = link->mine;
	size_t done = quick_write(&line->quick, from, len);

	if (line->quick.out.len >= QUICK_OUT / 4 && push(line, err) < 0)
		return -1;
	count(link);
	return done > 0 ? (ssize_t)done : LINK_AGAIN;
}

static size_t
line_poll(const struct link *link, bool writing, struct pollfd fds[LINK_FDS])
{
	struct line *line = link->mine;
	struct err ignored;

	(void)writing;	/* what holds a write up may be the window, and that is a read */
	push(line, &ignored);	/* a broken line is seen by who reads */
	acknowledge(line);
	fds[0] = (struct pollfd){ .fd = line->place->fd, .events = POLLIN };
	if (line->quick.out.len > 0)
		fds[0].events |= POLLOUT;
	return 1;
}

static void
line_finish(struct link *link)
{
	struct line *line = link->mine;
	int64_t deadline = clock_mono() + END_SECONDS * CLOCK_SECOND;
	char rest[1024];
	struct err err;
	ssize_t got;

	if (!link->both_know)
		quick_eof(&line->quick);
	while (clock_mono() < deadline && ((got = line_read(link, rest, sizeof rest, &err)) > 0 || got == LINK_AGAIN))
		if (got < 0 && wait_here(line, deadline, &err) < 0)
			return;
}

static void
line_close(struct link *link)
{
	struct line *line = link->mine;
	int64_t deadline = clock_mono() + GOODBYE_SECONDS * CLOCK_SECOND;
	struct err err;

	if (line == NULL)
		return;
	quick_goodbye(&line->quick);
	while (push(line, &err) == 0 && line->quick.out.len > 0) {
		struct pollfd fd = { .fd = line->place->fd, .events = POLLOUT };
		if (link_wait(&fd, 1, deadline, &err) <= 0)
			break;
	}
	count(link);
	ssh_close(line->place);
	free(line->place);
	line_free(line);
	link->mine = NULL;
}

static const struct link_row link_quick = {
	.scheme = "ssh:",
	.knows = true,
	.advice = SSH_ADVICE,
	.read = line_read,
	.write = line_write,
	.poll = line_poll,
	.finish = line_finish,
	.close = line_close,
};

/* --- until the login may be said --- */

static int
exchange_keys(struct line *line, struct err *err)
{
	int64_t deadline = clock_mono() + line->place->timeout * CLOCK_SECOND;

	quick_start(&line->quick);
	while (!quick_ready(&line->quick)) {
		int got = push(line, err) < 0 ? -1 : pull(line, err);
		if (got == 0 || (got > 0 && clock_mono() >= deadline))
			got = wait_here(line, deadline, err);
		if (got < 0)
			return line->quick.end == QUICK_OTHERWISE ? 1 : explain(line, err);
	}
	log_trace("-: event=ssh host=%s banner=\"%s\" kex=curve25519-sha256 host-key=ssh-ed25519 cipher=%s login=quick",
	    str_c(&line->place->where), str_c(&line->quick.version), line->quick.up.gcm ? "aes128-gcm" : "aes128-ctr");
	return 0;
}

int
quick_line_open(struct link *link, struct ssh *place, const char *command, struct err *err)
{
	struct line *line = mem_get(sizeof *line);
	int result = 1;

	line->place = place;
	line->quick.known = is_known;
	line->quick.arg = line;
	str_set_span(&line->quick.user, str_span(&place->user));
	str_set(&line->quick.command, command);
	reach_known_hosts(link->settings, link->site, &line->known);
	if (place->via == NULL && link->site->quick_login && may_show_ed25519(line) &&
	    has_key(line, link->settings, link->site))
		result = ssh_connect_tcp(place, err) < 0 ? -1 : exchange_keys(line, err);
	if (result == 0) {
		link->row = &link_quick;
		link->mine = line;
		return 0;
	}
	if (place->fd >= 0)
		close(place->fd);
	place->fd = -1;
	place->unanswered = false;
	if (result > 0 && line->quick.end == QUICK_OTHERWISE)
		log_trace("-: event=ssh host=%s login=long why=\"%s\"", str_c(&place->where), err->text);
	line_free(line);
	return result;
}
