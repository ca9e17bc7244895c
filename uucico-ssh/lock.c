#include "uucico-ssh/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { TAKEOVER_TRIES = 50, TAKEOVER_MS = 100 };

/* ROOT/run, made when missing. */
static int
open_run(const struct settings *settings, struct err *err)
{
	struct str path = {0};
	int fd = -1;

	settings_path(settings, "run", &path);
	if (mkdir(str_c(&path), 0750) == 0 || errno == EEXIST)
		fd = fs_dir(AT_FDCWD, str_c(&path), err);
	else
		err_sys(err, "folder %s", str_c(&path));
	str_free(&path);
	return fd;
}

static int
lock_in_run(const struct settings *settings, const char *name, struct err *err)
{
	int run = open_run(settings, err);
	if (run < 0)
		return -1;
	int fd = fs_lock(run, name, false, err);
	int number = errno;
	close(run);
	errno = number;
	return fd;
}

/* The pid in the lock, when its holder answers a call; else 0. */
static pid_t
answering_holder(const struct settings *settings, const char *name)
{
	struct str text = {0};
	struct err err;
	struct span rest, pid;
	uint64_t number = 0;
	int run = open_run(settings, &err);

	if (run >= 0 && fs_load(run, name, 64, &text, &err) == 0) {
		rest = span_trim(str_span(&text));
		pid = span_word(&rest);
		if (!span_begins(span_trim(rest), "called") || span_number(pid, INT32_MAX, &number) < 0)
			number = 0;
	}
	if (run >= 0)
		close(run);
	str_free(&text);
	return (pid_t)number;
}

/* Ends the process that answers the site's earlier call and waits for its lock. */
static int
take_over(const struct settings *settings, const char *name, struct err *err)
{
	pid_t holder = answering_holder(settings, name);
	int fd = -1;

	if (holder <= 1 || kill(holder, SIGTERM) < 0) {
		errno = EWOULDBLOCK;
		return -1;
	}
	log_warn("event=takeover lock=%s pid=%ld: the site calls again, so its last call is dead", name,
	    (long)holder);
	for (int i = 0; i < TAKEOVER_TRIES && fd < 0; i++) {
		poll(NULL, 0, TAKEOVER_MS);
		fd = lock_in_run(settings, name, err);
		if (fd < 0 && errno != EWOULDBLOCK)
			return -1;
	}
	return fd;
}

int
lock_call(const struct settings *settings, const char *site, bool caller, struct err *err)
{
	struct str name = {0};
	char text[64];

	str_printf(&name, "call.%s", site);
	int fd = lock_in_run(settings, str_c(&name), err);
	if (fd < 0 && errno == EWOULDBLOCK && !caller)
		fd = take_over(settings, str_c(&name), err);
	int number = errno;
	if (fd < 0 && number == EWOULDBLOCK)
		err_set(err, ERR_TEMP, "a call with %s is running already", site);
	str_free(&name);
	int len = snprintf(text, sizeof text, "%ld %s\n", (long)getpid(), caller ? "caller" : "called");
	if (fd >= 0 && (ftruncate(fd, 0) < 0 || fs_pwrite(fd, text, (size_t)len, 0, err) < 0)) {
		close(fd);
		fd = -1;
	}
	errno = number;
	return fd;
}

int
lock_jobs(const struct settings *settings, const char *site, struct err *err)
{
	struct str name = {0};

	str_printf(&name, "xqt.%s", site);
	int fd = lock_in_run(settings, str_c(&name), err);
	int number = errno;
	str_free(&name);
	errno = number;
	return fd;
}
