#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/helper.h"

enum { LINE_MAX_BYTES = 1024, GATHERED = 32768 };

static const char *const level_names[] = { "error", "warn", "info", "debug", "trace" };
static const int syslog_levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_DEBUG };

static struct {
	const char *program;
	char *path;
	int fd;
	bool syslog, stamped;
	enum log_level level;
} state = { .program = "mochila", .fd = 2, .level = LOG_LEVEL_INFO };

static _Thread_local struct {
	bool on;
	struct str lines;	/* that are not written yet */
} gathered;

static int
open_path(const char *path)
{
	/* O_NONBLOCK: a FIFO that nobody reads must not hold the mail up. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0640);

	return fd < 0 && errno == EACCES ? helper_open(path, HELPER_APPEND) : fd;
}

static void
put_out(struct str *lines)
{
	ssize_t done = lines->len > 0 ? write(state.fd, lines->p, lines->len) : 0;

	(void)done;
	str_free(lines);
}

int
log_open(const char *program, const char *to, enum log_level level, struct err *err)
{
	log_close();
	state.program = program;
	state.level = level;
	if (strcmp(to, "syslog") == 0) {
		openlog(program, LOG_PID, LOG_MAIL);
		state.syslog = true;
	} else if (strcmp(to, "none") == 0) {
		state.fd = -1;
	} else if (strcmp(to, "stderr") != 0) {
		int fd = open_path(to);
		if (fd < 0)
			return err_sys(err, "log file %s", to);
		state.fd = fd;
		state.path = mem_text(to);
		state.stamped = true;
	}
	return 0;
}

void
log_reopen(void)
{
	if (state.path == NULL)
		return;
	put_out(&gathered.lines);	/* of before: the old file has them */
	int fd = open_path(state.path);
	if (fd < 0)
		return;
	close(state.fd);
	state.fd = fd;
}

void
log_close(void)
{
	put_out(&gathered.lines);
	if (state.path != NULL && state.fd > 2)
		close(state.fd);
	if (state.syslog)
		closelog();
	free(state.path);
	state.path = NULL;
	state.fd = 2;
	state.syslog = state.stamped = false;
}

bool
log_wants(enum log_level level)
{
	return level <= state.level && (state.syslog || state.fd >= 0);
}

/* As long as it is plain, it is taken as it is. */
static size_t
plain_length(struct span bytes)
{
	size_t len = 0;

	while (len < bytes.len && bytes.p[len] >= ' ' && bytes.p[len] <= '~' && bytes.p[len] != '\\')
		len++;
	return len;
}

void
log_escape(struct str *out, struct span bytes, size_t max)
{
	struct span rest = span_to(bytes, max);

	while (rest.len > 0) {
		size_t plain = plain_length(rest);
		str_add(out, rest.p, plain);
		rest = span_from(rest, plain);
		if (rest.len == 0)
			break;
		if (rest.p[0] == '\\')
			str_add_text(out, "\\\\");
		else
			str_printf(out, "\\x%02X", (unsigned char)rest.p[0]);
		rest = span_from(rest, 1);
	}
	if (bytes.len > max)
		str_add_text(out, "[...]");
}

void
log_gather(void)
{
	gathered.on = true;
}

void
log_write(void)
{
	gathered.on = false;
	put_out(&gathered.lines);
}

static void
start_line(enum log_level level, struct str *line)
{
	if (state.stamped) {
		clock_utc(clock_now(), line);
		str_add_char(line, ' ');
	}
	str_add_text(line, state.program);
	str_add_text(line, ": ");
	if (level >= LOG_LEVEL_INFO)
		return;
	str_add_text(line, level_names[level]);
	str_add_text(line, ": ");
}

static void
put_line(enum log_level level, struct span text)
{
	struct str once = {0}, *line = gathered.on ? &gathered.lines : &once;

	start_line(level, line);
	log_escape(line, text, LINE_MAX_BYTES);
	str_add_char(line, '\n');
	if (!gathered.on || level < LOG_LEVEL_INFO || line->len >= GATHERED)
		put_out(line);
}

static void
put_syslog(enum log_level level, struct span text)
{
	struct str line = {0};

	log_escape(&line, text, LINE_MAX_BYTES);
	syslog(syslog_levels[level], "%s", str_c(&line));
	str_free(&line);
}

void
log_text(enum log_level level, struct span text)
{
	int kept = errno;

	if (log_wants(level))
		(state.syslog ? put_syslog : put_line)(level, text);
	errno = kept;
}

__attribute__((format(printf, 2, 0)))
static void
emit(enum log_level level, const char *format, va_list args)
{
	struct str text = {0};

	if (!log_wants(level))
		return;
	str_vprintf(&text, format, args);
	log_text(level, str_span(&text));
	str_free(&text);
}

#define EMIT(level) do {			\
	va_list args;				\
	va_start(args, format);			\
	emit(level, format, args);		\
	va_end(args);				\
} while (0)

void log_error(const char *format, ...) { EMIT(LOG_LEVEL_ERROR); }
void log_warn(const char *format, ...) { EMIT(LOG_LEVEL_WARN); }
void log_info(const char *format, ...) { EMIT(LOG_LEVEL_INFO); }
void log_debug(const char *format, ...) { EMIT(LOG_LEVEL_DEBUG); }
void log_trace(const char *format, ...) { EMIT(LOG_LEVEL_TRACE); }

int
log_level_of(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

/* Who runs a program by hand and has its log in a file wants to know all the same. */
static void
tell_caller(const char *text)
{
	struct str line = {0};

	if (!state.syslog && state.fd == 2)
		return;
	str_printf(&line, "%s: ", state.program);
	log_escape(&line, span_of(text), LINE_MAX_BYTES);
	str_add_char(&line, '\n');
	ssize_t done = write(2, line.p, line.len);
	(void)done;
	str_free(&line);
}

int
log_failure(const struct err *err)
{
	if (err->kind != ERR_NONE) {
		log_error("%s", err->text);
		tell_caller(err->text);
	}
	return err_exit(err);
}
