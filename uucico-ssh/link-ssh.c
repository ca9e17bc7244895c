/*
 * Link ssh: a channel in which sshd runs uucico at the far end: of quick.h where that will do, else
 * of libssh2.
 *
 * What runs there is decided there, by the forced command of our key; the command we
 * ask for only matters where there is none.
 */
#include "uucico-ssh/link.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "uucico-ssh/quick-line.h"
#include "uucico-ssh/reach.h"

enum { END_SECONDS = 10 };

static int
ssh_open(struct link *link, const char *rest, struct err *err)
{
	struct ssh *ssh = mem_get(sizeof *ssh);

	ssh->fd = -1;
	ssh->timeout = link->site->timeout;
	link->mine = ssh;
	if (reach_place(ssh, link->settings, link->site, rest, err) < 0)
		return -1;
	const char *command = ssh->command.len > 0 ? str_c(&ssh->command) : "uucico-ssh -r0";
	int quick = quick_line_open(link, ssh, command, err);
	link->rtt = ssh_outer(ssh)->rtt;
	if (quick <= 0)
		return quick;
	*err = (struct err){0};
	if (reach_session(ssh, link->settings, link->site, link->site->key, err) < 0)
		return -1;
	link->rtt = ssh_outer(ssh)->rtt;
	return ssh_start(ssh, command, err);
}

static void
count(struct link *link)
{
	const struct ssh *ssh = ssh_outer(link->mine);

	link->wire_up = ssh->up;
	link->wire_down = ssh->down;
}

static void
hear_errors(struct link *link, struct ssh *ssh)
{
	char bytes[1024];
	ssize_t got;

	while ((got = libssh2_channel_read_stderr(ssh->channel, bytes, sizeof bytes)) > 0) {
		size_t room = LINK_NOISE_MAX - link->noise.len;
		str_add(&link->noise, bytes, (size_t)got < room ? (size_t)got : room);
	}
}

static int
broken(const struct ssh *ssh, struct err *err)
{
	char *text = NULL;

	libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return err_set(err, ERR_TEMP, "the ssh connection broke: %s", text != NULL ? text : "");
}

static ssize_t
ssh_read(struct link *link, void *to, size_t len, struct err *err)
{
	struct ssh *ssh = link->mine;

	ssh_flush(ssh_outer(ssh));	/* all that was written since */
	/* The error output first: who asks for it takes all in that the socket has, and what that was
	 * must be seen before anybody waits for more. */
	hear_errors(link, ssh);
	ssize_t got = libssh2_channel_read(ssh->channel, to, len);

	count(link);
	if (got > 0)
		return got;
	if (ssh_later(got) || (got == 0 && libssh2_channel_eof(ssh->channel) == 0))
		return LINK_AGAIN;
	hear_errors(link, ssh);		/* its last words */
	/* A connection that ends is a line that dropped, whatever it is called. */
	if (got == 0 || got == LIBSSH2_ERROR_SOCKET_DISCONNECT || got == LIBSSH2_ERROR_CHANNEL_CLOSED)
		return 0;
	return broken(ssh, err);
}

static ssize_t
ssh_write(struct link *link, const void *from, size_t len, struct err *err)
{
	struct ssh *ssh = link->mine;
	ssize_t done = libssh2_channel_write(ssh->channel, from, len);

	count(link);
	if (done >= 0)
		return done;
	return ssh_later(done) ? LINK_AGAIN : broken(ssh, err);
}

static size_t
ssh_poll(const struct link *link, bool writing, struct pollfd fds[LINK_FDS])
{
	struct ssh *ssh = ssh_outer(link->mine);

	ssh_flush(ssh);
	int directions = libssh2_session_block_directions(ssh->session);

	(void)writing;	/* what holds a write up may be the window, and that is a read */
	fds[0] = (struct pollfd){ .fd = ssh->fd, .events = POLLIN };
	if ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 || ssh->flight.len > 0)
		fds[0].events |= POLLOUT;
	return 1;
}

static void
ssh_finish(struct link *link)
{
	struct ssh *ssh = link->mine;
	int64_t deadline = clock_mono() + END_SECONDS * CLOCK_SECOND;
	char rest[1024];
	struct err err;
	ssize_t got;

	while (!link->both_know && libssh2_channel_send_eof(ssh->channel) == LIBSSH2_ERROR_EAGAIN)
		if (ssh_wait(ssh, deadline, &err) < 0)
			return;
	while (clock_mono() < deadline && ((got = libssh2_channel_read(ssh->channel, rest, sizeof rest)) > 0 ||
	    got == LIBSSH2_ERROR_EAGAIN))
		if (got < 0 && ssh_wait(ssh, deadline, &err) < 0)
			return;
}

static void
ssh_end(struct link *link)
{
	struct ssh *ssh = link->mine;

	if (ssh == NULL)
		return;
	ssh_say_goodbye(ssh);
	count(link);
	ssh_close(ssh);
	free(ssh);
	link->mine = NULL;
}

const struct link_row link_ssh = {
	.scheme = "ssh:",
	.knows = true,
	.advice = SSH_ADVICE,
	.open = ssh_open,
	.read = ssh_read,
	.write = ssh_write,
	.poll = ssh_poll,
	.finish = ssh_finish,
	.close = ssh_end,
};
