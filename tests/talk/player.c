/*
 * player - plays dialogues that anyone can read against an SMTP server.
 *
 *	player [FILE.talk ...]			against the engine and a spool in memory
 *	player --to HOST:PORT FILE.talk ...	against a real server
 *
 * Without files it plays all of $srcdir/tests/talk.  A file is lines:
 *
 *	# a comment
 *	! max-size 1000		an option of the engine (--to skips files that need one)
 *	C: EHLO c.example	the client sends this and CRLF; lines in a row go together
 *	C| text			the same without CRLF
 *	S: 250 2.1.0		the server's next reply ends in a line that begins so
 *	S: 250-SIZE		its next line begins so
 *	closed			the server has closed
 *	tls			hands are shaken, as the server said to (not with --to)
 *	M: RCPT TO:<c@d>	the next line of what the spool has kept (not with --to)
 *	kept 0			so many messages were kept (not with --to)
 *
 * In C, \r \n \t \0 \\ and \xNN stand for what they do in C.  Against the engine
 * each dialogue is played whole and in steps of 1, 2 and 3 bytes, with quick hooks
 * and with slow ones; after "! whole" only whole, as the segments stand.
 */
#include <dirent.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "tests/talk/fake.h"

#include <fcntl.h>

struct player {
	const char *file;
	size_t line;
	struct str sent;	/* gathered C lines */
	struct str heard;	/* bytes of the server not yet looked at */
	bool closed;
	size_t kept_at;		/* of fake.messages, for M lines */
	struct str why;		/* the first failure */

	int fd;			/* of a real server, or -1 */
	struct fake fake;
	size_t step;
};

static void
fail(struct player *player, const char *what, struct span want, struct span got)
{
	if (player->why.len > 0)
		return;
	str_printf(&player->why, "%s:%zu: %s: wanted \"%.*s\", got \"%.*s\"", player->file, player->line,
	    what, (int)want.len, want.p, (int)got.len, got.p);
}

static int
hex(char c)
{
	const char *digits = "0123456789abcdef", *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;

	return at != NULL ? (int)(at - digits) : 0;
}

static void
unescape(struct span text, struct str *out)
{
	static const char names[] = "rnt0\\", bytes[] = "\r\n\t\0\\";

	for (size_t i = 0; i < text.len; i++) {
		const char *name = NULL;
		if (text.p[i] == '\\' && i + 1 < text.len)
			name = strchr(names, text.p[i + 1]);
		if (name != NULL) {
			str_add_char(out, bytes[name - names]);
			i++;
		} else if (text.p[i] == '\\' && i + 3 < text.len && text.p[i + 1] == 'x') {
			str_add_char(out, (char)(hex(text.p[i + 2]) * 16 + hex(text.p[i + 3])));
			i += 3;
		} else {
			str_add_char(out, text.p[i]);
		}
	}
}

/* Sends what was gathered. */
static void
send_all(struct player *player)
{
	struct smtp_server *server = &player->fake.server;
	struct span bytes = str_span(&player->sent);

	if (player->fd < 0)
		fake_feed(&player->fake, bytes, player->step);
	else if (send(player->fd, bytes.p, bytes.len, MSG_NOSIGNAL) < 0)
		player->closed = true;
	str_clear(&player->sent);
	if (player->fd < 0) {
		str_add_span(&player->heard, str_span(&server->out));
		str_clear(&server->out);
		player->closed = server->closing;
	}
}

/* More from the server; false: there is no more. */
static bool
hear(struct player *player)
{
	if (player->fd < 0 || player->closed)
		return false;
	ssize_t got = recv(player->fd, str_room(&player->heard, 4096), 4096, 0);
	if (got <= 0)
		player->closed = true;
	else
		player->heard.len += (size_t)got;
	return got > 0;
}

/* The server's next line, without its end; false: none came. */
static bool
next_line(struct player *player, struct str *line)
{
	const char *lf;

	while ((lf = player->heard.len > 0 ? memchr(player->heard.p, '\n', player->heard.len) : NULL) == NULL) {
		if (!hear(player))
			return false;
	}
	size_t len = (size_t)(lf - player->heard.p);
	str_set_span(line, (struct span){ player->heard.p, len > 0 && lf[-1] == '\r' ? len - 1 : len });
	str_cut(&player->heard, len + 1);
	return true;
}

static void
expect(struct player *player, struct span want)
{
	bool last = want.len < 4 || want.p[3] != '-';
	struct str line = {0};

	send_all(player);
	while (next_line(player, &line)) {
		if (last && line.len > 3 && line.p[3] == '-')
			continue;
		if (!span_same(span_to(str_span(&line), want.len), want))
			fail(player, "reply", want, str_span(&line));
		str_free(&line);
		return;
	}
	fail(player, "reply", want, SPAN("nothing"));
	str_free(&line);
}

static void
expect_closed(struct player *player)
{
	send_all(player);
	if (player->heard.len > 0)
		fail(player, "reply", SPAN("no more"), str_span(&player->heard));
	while (hear(player))
		;
	if (!player->closed)
		fail(player, "connection", SPAN("closed"), SPAN("open"));
}

static void
expect_kept(struct player *player, struct span want)
{
	struct span rest = span_from(str_span(&player->fake.messages), player->kept_at), line = {0};

	send_all(player);
	rest = span_from(str_span(&player->fake.messages), player->kept_at);
	span_cut(&rest, '\n', &line);
	player->kept_at += line.len + 1;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (!span_same(line, want))
		fail(player, "message", want, line);
}

static void
expect_count(struct player *player, struct span want)
{
	char got[32];

	send_all(player);
	snprintf(got, sizeof got, "%zu", player->fake.accepted);
	if (!span_is(want, got))
		fail(player, "messages kept", want, span_of(got));
}

static void
shake_hands(struct player *player)
{
	send_all(player);
	if (!player->fake.server.handshake)
		fail(player, "handshake", SPAN("one"), SPAN("none"));
	smtp_server_secured(&player->fake.server);
}

/* A line of the file that is neither comment nor option. */
static void
play_line(struct player *player, struct span line)
{
	struct span rest = span_from(line, 3);

	if (span_begins(line, "C: ") || span_is(line, "C:")) {
		unescape(rest, &player->sent);
		str_add_text(&player->sent, "\r\n");
	} else if (span_begins(line, "C| ")) {
		unescape(rest, &player->sent);
	} else if (span_begins(line, "S: ")) {
		expect(player, rest);
	} else if (span_is(line, "closed")) {
		expect_closed(player);
	} else if (span_is(line, "tls")) {
		shake_hands(player);
	} else if (player->fd < 0 && (span_begins(line, "M: ") || span_is(line, "M:"))) {
		expect_kept(player, rest);
	} else if (player->fd < 0 && span_begins(line, "kept ")) {
		expect_count(player, span_from(line, 5));
	} else if (!span_begins(line, "M:") && !span_begins(line, "kept ")) {
		fail(player, "line", SPAN("C: S: M: closed kept tls # !"), line);
	}
}

struct wishes {		/* the file's '!' lines */
	struct smtp_server_options options;
	bool any, whole;
};

static void
read_wish(struct span line, struct wishes *wishes)
{
	struct span name = span_word(&line);
	uint64_t number = 0;

	wishes->any = true;
	span_number(span_trim(line), UINT32_MAX, &number);
	if (span_is(name, "whole"))
		wishes->whole = true;
	else if (span_is(name, "batch"))
		wishes->options.batch = true;
	else if (span_is(name, "tls"))
		wishes->options.tls = true;
	else if (span_is(name, "lmtp"))
		wishes->options.lmtp = true;
	else if (span_is(name, "xclient"))
		wishes->options.xclient = true;
	else if (span_is(name, "binary"))
		wishes->options.binary = true;
	else if (span_is(name, "max-hold"))
		wishes->options.max_hold = number;
	else if (span_is(name, "auth"))
		wishes->options.mechanisms = wishes->options.clear_mechanisms = "PLAIN ASK";
	else if (span_is(name, "auth-tls"))
		wishes->options.mechanisms = "PLAIN ASK";
	else if (span_is(name, "must-tls"))
		wishes->options.tls = wishes->options.must_tls = true;
	else if (span_is(name, "max-size"))
		wishes->options.max_size = number;
	else if (span_is(name, "max-recipients"))
		wishes->options.max_recipients = number;
	else if (span_is(name, "max-errors"))
		wishes->options.max_errors = (unsigned)number;
	else if (span_is(name, "max-junk"))
		wishes->options.max_junk = (unsigned)number;
}

static void
play(struct player *player, struct span script, struct wishes *wishes)
{
	struct span line;

	player->line = 0;
	while (player->why.len == 0 && span_cut(&script, '\n', &line)) {
		player->line++;
		if (line.len > 0 && line.p[0] != '#' && line.p[0] != '!')
			play_line(player, line);
	}
	if (player->why.len == 0 && player->heard.len > 0 && !wishes->options.batch)
		fail(player, "reply", SPAN("no more"), str_span(&player->heard));
}

static void
forget(struct player *player)
{
	str_free(&player->sent);
	str_free(&player->heard);
	str_free(&player->why);
	fake_free(&player->fake);
}

/* With the engine, once in each way; how many ways failed. */
static int
play_engine(const char *file, struct span script, struct wishes *wishes)
{
	int bad = 0;

	wishes->options.host = "mx.example";
	for (int way = 0; way < (wishes->whole ? 2 : 8) && bad == 0; way++) {
		struct player player = { .file = file, .fd = -1, .step = (size_t)way / 2 };
		player.fake.slow = way % 2;
		wishes->options.any_pace = way > 1;
		fake_start(&player.fake, &wishes->options);
		play(&player, script, wishes);
		bad = player.why.len > 0;
		if (bad)
			fprintf(stderr, "%s (in steps of %zu%s)\n", str_c(&player.why), player.step,
			    player.fake.slow ? ", slow hooks" : "");
		forget(&player);
	}
	return bad;
}

static int
dial(const char *to)
{
	char host[256];
	const char *colon = strrchr(to, ':');
	struct addrinfo *info = NULL, want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct timeval patience = { .tv_sec = 20 };

	if (colon == NULL)
		return -1;
	snprintf(host, sizeof host, "%.*s", (int)(colon - to), to);
	if (getaddrinfo(host, colon + 1, &want, &info) != 0)
		return -1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (connect(fd, info->ai_addr, info->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(info);
	return fd;
}

static int
play_to(const char *to, const char *file, struct span script, struct wishes *wishes)
{
	struct player player = { .file = file };

	if (wishes->any) {
		printf("%s: skipped, it needs an engine with options\n", file);
		return 0;
	}
	player.fd = dial(to);
	if (player.fd < 0) {
		perror(to);
		return 1;
	}
	play(&player, script, wishes);
	close(player.fd);
	int bad = player.why.len > 0;
	if (bad)
		fprintf(stderr, "%s\n", str_c(&player.why));
	forget(&player);
	return bad;
}

static int
play_file(const char *to, const char *file)
{
	struct str text = {0};
	struct wishes wishes = {0};
	struct span rest, line;
	struct err err;

	if (fs_load(AT_FDCWD, file, 1 << 20, &text, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (rest = str_span(&text); span_cut(&rest, '\n', &line); ) {
		if (span_begins(line, "! "))
			read_wish(span_from(line, 2), &wishes);
	}
	int bad = to != NULL ? play_to(to, file, str_span(&text), &wishes) :
	    play_engine(file, str_span(&text), &wishes);
	if (!bad)
		printf("%s: ok\n", file);
	str_free(&text);
	return bad;
}

static int
play_folder(const char *folder)
{
	struct fs_names names = {0};
	struct err err;
	int bad = 0;

	if (fs_names(AT_FDCWD, folder, &names, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < names.count; i++) {
		struct str path = {0};
		str_printf(&path, "%s/%s", folder, names.name[i]);
		if (span_ends_case(str_span(&path), ".talk"))
			bad |= play_file(NULL, str_c(&path));
		str_free(&path);
	}
	fs_names_free(&names);
	return bad;
}

int
main(int argc, char **argv)
{
	const char *top = getenv("srcdir"), *to = NULL;
	struct str folder = {0};
	int bad = 0, at = 1;

	if (argc > 2 && strcmp(argv[1], "--to") == 0) {
		to = argv[2];
		at = 3;
	}
	str_printf(&folder, "%s/tests/talk", top != NULL ? top : ".");
	if (at == argc)
		bad = play_folder(str_c(&folder));
	for (; at < argc; at++)
		bad |= play_file(to, argv[at]);
	str_free(&folder);
	return bad;
}
