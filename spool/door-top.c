/* mochila top: status, drawn anew every second, with what happens meanwhile. */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum {
	LINES = 8,			/* of the history, at the bottom */
	SECONDS = 10,			/* rates are of so many */
	CHUNK = 256 << 10,		/* of the history, read at once; more is passed over */
	ESCAPE = 27,
};

static const struct kind {
	const char *title, *events[4];
} kinds[] = {
	{ "in", { "accepted", "received" } },
	{ "out", { "sent", "delivered", "relayed" } },
	{ "deferred", { "deferred" } },
	{ "failed", { "failed", "bounced" } },
	{ "held", { "held" } },
	{ "calls", { "call" } },
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct top {
	struct door *door;
	struct termios before;
	ino_t file;			/* of the history, and how far it was read */
	off_t at;
	size_t count[SECONDS][KINDS];	/* of each of the last seconds, in turn */
	size_t turns;
	char *line[LINES];		/* the last ones */
	size_t lines;
};

/* the history */

static void
keep_line(struct top *top, struct span line)
{
	size_t slot = top->lines++ % LINES;

	free(top->line[slot]);
	top->line[slot] = mem_text_n(line.p, line.len);
}

static void
count_event(size_t count[KINDS], struct span line)
{
	span_word(&line);
	span_word(&line);
	struct span event = span_word(&line);

	if (!span_begins(event, "event="))
		return;
	for (size_t i = 0; i < KINDS; i++)
		for (const char *const *name = kinds[i].events; *name != NULL; name++)
			count[i] += span_is(span_from(event, 6), *name);
}

/* Whole lines from top->at on; those before the first look are shown and not counted. */
static void
take_lines(struct top *top, struct span text, bool counted)
{
	size_t *count = top->count[top->turns % SECONDS];
	size_t whole = text.len;

	while (whole > 0 && text.p[whole - 1] != '\n')
		whole--;
	top->at += (off_t)whole;
	for (struct span rest = span_to(text, whole), line; span_cut(&rest, '\n', &line);) {
		if (line.len == 0)
			continue;
		keep_line(top, line);
		if (counted)
			count_event(count, line);
	}
}

static void
read_history(struct top *top)
{
	struct err ignored;
	struct stat st;
	struct str text = {0};
	int fd = history_open(&top->door->spool, history_node(&top->door->spool), 0, &ignored);
	bool first = top->file == 0;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		if (st.st_ino != top->file)	/* a new one was begun */
			top->at = 0;
		if (st.st_size - top->at > CHUNK)
			top->at = st.st_size - CHUNK;
		ssize_t got = fs_pread(fd, str_room(&text, CHUNK), CHUNK, top->at, &ignored);
		text.len = got > 0 ? (size_t)got : 0;
		top->file = st.st_ino;
		take_lines(top, str_span(&text), !first);
	}
	close(fd);
	str_free(&text);
}

/* the screen */

static void
add_rates(const struct top *top, struct str *out)
{
	size_t seconds = top->turns + 1 < SECONDS ? top->turns + 1 : SECONDS;

	str_add_text(out, "a second: ");
	for (size_t i = 0; i < KINDS; i++) {
		size_t sum = 0;
		for (size_t s = 0; s < SECONDS; s++)
			sum += top->count[s][i];
		str_printf(out, "%s%s %.1f", i > 0 ? ", " : "", kinds[i].title, (double)sum / (double)seconds);
	}
	str_add_text(out, "    q quits\n");
}

/* At most so many lines, each cleared behind its end. */
static void
add_lines(struct span text, size_t most, struct str *out)
{
	struct span line;

	for (; most > 0 && text.len > 0 && span_cut(&text, '\n', &line); most--) {
		str_add_span(out, line);
		str_add_text(out, "\033[K\n");
	}
}

static void
add_history(const struct top *top, size_t width, struct str *out)
{
	size_t kept = top->lines < LINES ? top->lines : LINES;

	for (size_t i = top->lines - kept; i < top->lines; i++) {
		struct str line = {0};
		door_noted(&line, span_of(top->line[i % LINES]), 4096);
		str_add_text(out, "\n");
		str_add_span(out, span_to(str_span(&line), width - 1));
		str_add_text(out, "\033[K");
		str_free(&line);
	}
}

static int
draw(struct top *top, struct err *err)
{
	struct winsize size;
	struct str text = {0}, screen = {0};
	int result = door_status_text(top->door, &text, err);

	if (ioctl(1, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	read_history(top);
	str_add_text(&screen, "\033[H");
	size_t room = size.ws_row > LINES + 3 ? size.ws_row - LINES - 2u : 1;
	add_lines(str_span(&text), room, &screen);
	str_add_text(&screen, "\033[J\n");
	str_clear(&text);
	add_rates(top, &text);
	str_add_span(&screen, span_to(str_span(&text), text.len - 1 < size.ws_col ? text.len - 1 : size.ws_col));
	add_history(top, size.ws_col, &screen);
	if (result == 0)
		result = door_print(&screen, err);
	str_free(&text);
	str_free(&screen);
	top->turns++;
	memset(top->count[top->turns % SECONDS], 0, sizeof top->count[0]);
	return result;
}

/* the terminal */

static volatile sig_atomic_t stopped;

static void
stop(int number)
{
	(void)number;
	stopped = 1;
}

static int
take_terminal(struct top *top, struct err *err)
{
	struct sigaction action = { .sa_handler = stop };	/* without SA_RESTART: poll ends */
	struct termios raw;

	if (tcgetattr(0, &top->before) < 0)
		return err_sys(err, "terminal");
	raw = top->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	tcsetattr(0, TCSANOW, &raw);
	return fs_write(1, "\033[?1049h\033[?25l", 14, err);
}

static void
give_terminal_back(const struct top *top)
{
	struct err ignored;

	fs_write(1, "\033[?25h\033[?1049l", 14, &ignored);
	tcsetattr(0, TCSANOW, &top->before);
}

/* A second passes; true: a person has had enough. */
static bool
pause_for_a_key(void)
{
	struct pollfd keys = { .fd = 0, .events = POLLIN };
	char key;

	if (poll(&keys, 1, 1000) <= 0)
		return stopped != 0;
	return read(0, &key, 1) <= 0 || key == 'q' || key == ESCAPE;
}

static int
watch(struct top *top, struct err *err)
{
	if (take_terminal(top, err) < 0)
		return -1;
	int result = draw(top, err);
	while (result == 0 && !pause_for_a_key())
		result = draw(top, err);
	give_terminal_back(top);
	return result;
}

static int
top_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct top top = { .door = door };
	bool help = false;
	const struct opt_row rows[] = { DOOR_HELP(&help), {0} };
	int result = door_options(door, &door_top, rows, 0, 0, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (isatty(0) && isatty(1)) {
		result = watch(&top, err);
		for (size_t i = 0; i < LINES; i++)
			free(top.line[i]);
		return result;
	}
	struct str text = {0};
	result = door_status_text(door, &text, err);
	if (result == 0)
		result = door_print(&text, err);
	str_free(&text);
	return result;
}

const struct door_command door_top = {
	"top", "", "status, drawn anew every second; q quits", true, top_run
};
