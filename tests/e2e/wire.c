/*
 * wire - one end of a TCP dialogue, played from a script: the other end's test.
 *
 *	wire call HOST:PORT <SCRIPT
 *	wire serve PORT-FILE SCRIPT...	the first connection plays the first script, and
 *					so on; the last one is played for all that follow
 *
 * Lines of a script:
 *
 *	> TEXT		send it, with CRLF
 *	>> TEXT		send it as it is: \r \n \0 \\ and \xNN are bytes
 *	< PREFIX	a line comes (or a reply of several), whose last begins so
 *	<= LINE		this line comes, and no other
 *	<.		lines come, up to one that is only a dot
 *	<!		the other end closes
 *	fill N		send N bytes in lines of 72
 *	wait MS		do nothing
 *	say TEXT	print it
 *	close, reset	close in good order, or with a reset
 *	# ...		nothing
 *
 * Exit status 0 when all went so; else what came instead is told, and it is 1.  Nothing is
 * waited for longer than 30 seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

static struct {
	int fd;
	char in[65536];
	size_t len;
	const char *script;
	int line;
} wire = { .fd = -1 };

static void
die(const char *what, const char *got)
{
	fprintf(stderr, "wire: %s:%d: %s%s%s\n", wire.script, wire.line, what, got != NULL ? ": " : "",
	    got != NULL ? got : "");
	fflush(stdout);
	exit(1);
}

static void
put(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t done = send(wire.fd, bytes, len, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			die("send", strerror(errno));
		bytes += done;
		len -= (size_t)done;
	}
}

static size_t
unescape(char *text)
{
	size_t out = 0;

	for (const char *c = text; *c != '\0'; c++) {
		unsigned value = (unsigned char)*c;
		if (*c == '\\' && c[1] != '\0') {
			static const char names[] = "rn0", bytes[] = "\r\n";
			const char *name = strchr(names, *++c);
			value = name != NULL ? (unsigned char)bytes[name - names] : (unsigned char)*c;
			if (*c == 'x' && sscanf(c + 1, "%2x", &value) == 1)
				c += 2;
		}
		text[out++] = (char)value;
	}
	return out;
}

/* More bytes; 0 at the other end's close. */
static size_t
get(void)
{
	struct pollfd ready = { .fd = wire.fd, .events = POLLIN };

	if (poll(&ready, 1, PATIENCE_MS) <= 0)
		die("nothing comes", NULL);
	if (wire.len == sizeof wire.in)
		die("a line without end", NULL);
	ssize_t got = recv(wire.fd, wire.in + wire.len, sizeof wire.in - wire.len, 0);
	if (got < 0 && errno == ECONNRESET)
		got = 0;
	if (got < 0)
		die("recv", strerror(errno));
	wire.len += (size_t)got;
	return (size_t)got;
}

/* One line without its end; false at the close. */
static bool
get_line(char *line, size_t size)
{
	char *lf;

	while ((lf = memchr(wire.in, '\n', wire.len)) == NULL)
		if (get() == 0)
			return false;
	size_t len = (size_t)(lf - wire.in);
	snprintf(line, size, "%.*s", (int)len, wire.in);
	line[strcspn(line, "\r\n")] = '\0';
	wire.len -= len + 1;
	memmove(wire.in, lf + 1, wire.len);
	return true;
}

static bool
goes_on(const char *line)
{
	return strspn(line, "0123456789") == 3 && line[3] == '-';
}

static void
expect(const char *prefix)
{
	char line[4096];

	do {
		if (!get_line(line, sizeof line))
			die("closed, and not", prefix);
	} while (goes_on(line));
	if (strncmp(line, prefix, strlen(prefix)) != 0)
		die(prefix, line);
}

static void
expect_dot(char *rest)
{
	char line[4096];

	(void)rest;
	do {
		if (!get_line(line, sizeof line))
			die("closed, and no dot", NULL);
	} while (strcmp(line, ".") != 0);
}

static void
expect_close(char *rest)
{
	(void)rest;
	while (get() > 0)
		wire.len = 0;
}

static void
do_send(char *rest)
{
	put(rest, strlen(rest));
	put("\r\n", 2);
}

static void
do_send_raw(char *rest)
{
	put(rest, unescape(rest));
}

static void
do_expect(char *rest)
{
	expect(rest);
}

static void
do_expect_whole(char *rest)
{
	char line[4096];

	if (!get_line(line, sizeof line))
		die("closed, and not", rest);
	if (strcmp(line, rest) != 0)
		die(rest, line);
}

static void
do_fill(char *rest)
{
	static const char text[] = "In lines of seventy-two bytes the mail goes on, and on, and on, and .\r\n";

	for (long left = atol(rest); left > 0; left -= (long)sizeof text - 1)
		put(text, sizeof text - 1);
}

static void
do_wait(char *rest)
{
	poll(NULL, 0, atoi(rest));
}

static void
do_say(char *rest)
{
	puts(rest);
	fflush(stdout);
}

static void
do_close(char *rest)
{
	(void)rest;
	shutdown(wire.fd, SHUT_RDWR);
}

static void
do_reset(char *rest)
{
	struct linger hard = { .l_onoff = 1 };

	(void)rest;
	setsockopt(wire.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(wire.fd);
	wire.fd = -1;
}

static const struct {
	const char *word;
	void (*run)(char *rest);
} words[] = {
	{ ">", do_send }, { ">>", do_send_raw }, { "<", do_expect }, { "<=", do_expect_whole },
	{ "<.", expect_dot },
	{ "<!", expect_close }, { "fill", do_fill }, { "wait", do_wait }, { "say", do_say },
	{ "close", do_close }, { "reset", do_reset },
};

static void
play_line(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '#' || line[0] == '\0')
		return;
	char *rest = line + strcspn(line, " ");
	if (*rest != '\0')
		*rest++ = '\0';
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].word, line) == 0) {
			words[i].run(rest);
			return;
		}
	}
	die("not a word of a script", line);
}

static void
play(FILE *script, const char *name)
{
	char *line = NULL;
	size_t size = 0;

	wire.script = name;
	wire.line = 0;
	wire.len = 0;
	while (getline(&line, &size, script) >= 0) {
		wire.line++;
		play_line(line);
	}
	free(line);
	if (wire.fd >= 0)
		close(wire.fd);
	wire.fd = -1;
}

static int
call(char *where)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *at;
	char *colon = strrchr(where, ':');

	wire.script = where;
	if (colon == NULL)
		die("not HOST:PORT", NULL);
	*colon = '\0';
	if (*where == '[' && colon[-1] == ']') {
		where++;
		colon[-1] = '\0';
	}
	if (getaddrinfo(where, colon + 1, &hints, &at) != 0)
		die("no such host", NULL);
	wire.fd = socket(at->ai_family, SOCK_STREAM, 0);
	if (wire.fd < 0 || connect(wire.fd, at->ai_addr, at->ai_addrlen) < 0)
		die("connect", strerror(errno));
	freeaddrinfo(at);
	play(stdin, "script");
	return 0;
}

static void
tell_port(int fd, const char *path)
{
	struct sockaddr_in at;
	socklen_t len = sizeof at;
	char fresh[4096];

	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *file = fopen(fresh, "w");
	if (file == NULL || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die(path, strerror(errno));
	fprintf(file, "%d\n", ntohs(at.sin_port));
	if (fclose(file) != 0 || rename(fresh, path) < 0)
		die(path, strerror(errno));
}

static _Noreturn void
serve(const char *port_file, char **scripts)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	wire.script = port_file;
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0 || listen(fd, 16) < 0)
		die("listen", strerror(errno));
	tell_port(fd, port_file);
	for (;;) {
		FILE *script = fopen(*scripts, "r");
		wire.fd = accept(fd, NULL, NULL);
		if (script == NULL || wire.fd < 0)
			die(*scripts, strerror(errno));
		play(script, *scripts);
		fclose(script);
		if (scripts[1] != NULL)
			scripts++;
	}
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "call") == 0)
		return call(argv[2]);
	if (argc >= 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv + 3);
	fputs("usage: wire call HOST:PORT <SCRIPT | wire serve PORT-FILE SCRIPT...\n", stderr);
	return 64;
}
