/* login dovecot: Dovecot's auth socket is asked (its authentication protocol 1.x, as a client). */
#include "relay/login.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/mail/base64.h"

enum { LINE_MAX_BYTES = 8192 };

struct dovecot {
	int fd;
	int64_t until;
	struct str in;
};

static int
dial(const char *path, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof at.sun_path) {
		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_CONFIG, "dovecot:%.100s: no socket can be called so", path);
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	err_sys(err, "dovecot:%s", path);
	err->kind = ERR_TEMP;
	close(fd);
	return -1;
}

/* The next line, without its end; it lives until the next call. */
static int
next_line(struct dovecot *d, struct str *line, struct err *err)
{
	char piece[1024];

	for (;;) {
		const char *lf = d->in.len > 0 ? memchr(d->in.p, '\n', d->in.len) : NULL;
		if (lf != NULL) {
			str_set_span(line, (struct span){ d->in.p, (size_t)(lf - d->in.p) });
			str_cut(&d->in, line->len + 1);
			return 0;
		}
		if (d->in.len > LINE_MAX_BYTES)
			return err_set(err, ERR_TEMP, "dovecot: a line without end");
		int64_t left = d->until - clock_mono();
		struct pollfd poll_fd = { .fd = d->fd, .events = POLLIN };
		if (left <= 0 || poll(&poll_fd, 1, (int)(left / 1000) + 1) <= 0)
			return err_set(err, ERR_TEMP, "dovecot: no answer");
		ssize_t got = read(d->fd, piece, sizeof piece);
		if (got <= 0)
			return err_set(err, ERR_TEMP, "dovecot: it closed");
		str_add(&d->in, piece, (size_t)got);
	}
}

static int
send_text(struct dovecot *d, struct str *text, struct err *err)
{
	ssize_t sent = send(d->fd, text->p, text->len, MSG_NOSIGNAL);

	return sent == (ssize_t)text->len ? 0 : err_set(err, ERR_TEMP, "dovecot: it took no question");
}

static int
greet(struct dovecot *d, struct str *line, struct err *err)
{
	struct str hello = {0};

	str_printf(&hello, "VERSION\t1\t1\nCPID\t%ld\n", (long)getpid());
	int result = send_text(d, &hello, err);
	str_free(&hello);
	while (result == 0 && (result = next_line(d, line, err)) == 0 && !span_is(str_span(line), "DONE"))
		;
	return result;
}

/* A field of the protocol ends at a tab: base64 and a word have none. */
static int
ask(struct dovecot *d, const struct login *who, struct err *err)
{
	struct str question = {0}, plain = {0};

	str_add_char(&plain, '\0');
	str_add_span(&plain, who->user);
	str_add_char(&plain, '\0');
	str_add_span(&plain, who->pass);
	str_printf(&question, "AUTH\t1\tPLAIN\tservice=%.*s\tsecured\trip=%.*s\tresp=", (int)who->service.len,
	    who->service.p, (int)who->client.len, who->client.p);
	base64_add(&question, plain.p, plain.len);
	str_add_char(&question, '\n');
	int result = send_text(d, &question, err);
	explicit_bzero(plain.p, plain.size);
	explicit_bzero(question.p, question.size);
	str_free(&plain);
	str_free(&question);
	return result;
}

static int
dovecot_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	struct dovecot d = { .fd = who->token ? -1 : dial(rest, err),
		.until = clock_mono() + LOGIN_SECONDS / 2 * CLOCK_SECOND };
	struct str line = {0};
	int result = d.fd < 0 ? -1 : 0;

	(void)mailbox;
	if (who->token)
		return 0;
	if (result == 0)
		result = greet(&d, &line, err);
	if (result == 0)
		result = ask(&d, who, err);
	while (result == 0 && (result = next_line(&d, &line, err)) == 0) {
		if (span_begins(str_span(&line), "OK\t1"))
			result = 1;
		else if (span_begins(str_span(&line), "FAIL\t1"))
			break;
	}
	if (result == 0 && strstr(str_c(&line), "\ttemp") != NULL)
		result = err_set(err, ERR_TEMP, "dovecot: not now");
	if (d.fd >= 0)
		close(d.fd);
	str_free(&line);
	str_free(&d.in);
	return result;
}

const struct login_row login_dovecot = { .scheme = "dovecot:", .check = dovecot_check };
