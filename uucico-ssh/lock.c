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
#include "spool/lease.h"

enum { TAKEOVER_TRIES = 50, TAKEOVER_MS = 100 };

static const char call_file[] = ".call";	/* of a shared spool: in the holder's folder */

/* ROOT/run, made when missing. */
static int
open_run(const struct settings *settings, struct err *err)
{
	struct str path = {0};

	settings_run(settings, "", &path);
	int fd = settings_make_run(settings, err) < 0 ? -1 : fs_dir(AT_FDCWD, str_c(&path), err);
	str_free(&path);
	return fd;
}

static int
lock_in_run(struct spool_lock *lock, const struct spool *spool, const char *name, struct err *err)
{
	int run = open_run(spool->settings, err);

	*lock = SPOOL_UNLOCKED;
	if (run < 0)
		return -1;
	int result = spool_lock(lock, spool, name, run, name, false, err);
	int number = errno;
	close(run);
	errno = number;
	return result;
}

/* "PID caller" or "PID called"; 0: not called. */
static pid_t
pid_if_called(struct span text)
{
	struct span rest = span_trim(text), pid = span_word(&rest);
	uint64_t number = 0;

	if (!span_begins(span_trim(rest), "called") || span_number(pid, INT32_MAX, &number) < 0)
		return 0;
	return (pid_t)number;
}

/* The pid in the lock, when its holder answers a call; else 0. */
static pid_t
answering_holder(const struct settings *settings, const char *name)
{
	struct str text = {0};
	struct err err;
	pid_t pid = 0;
	int run = open_run(settings, &err);

	if (run >= 0 && fs_load(run, name, 64, &text, &err) == 0)
		pid = pid_if_called(str_span(&text));
	if (run >= 0)
		close(run);
	str_free(&text);
	return pid;
}

/* Ends the process that answers the site's earlier call and waits for its lock. */
static int
end_holder(struct spool_lock *lock, const struct spool *spool, const char *name, struct err *err)
{
	pid_t holder = answering_holder(spool->settings, name);
	int result = -1;

	if (holder <= 1 || kill(holder, SIGTERM) < 0) {
		errno = EWOULDBLOCK;
		return -1;
	}
	log_warn("event=takeover lock=%s pid=%ld: the site calls again, so its last call is dead", name,
	    (long)holder);
	for (int i = 0; i < TAKEOVER_TRIES && result < 0; i++) {
		poll(NULL, 0, TAKEOVER_MS);
		result = lock_in_run(lock, spool, name, err);
		if (result < 0 && errno != EWOULDBLOCK)
			return -1;
	}
	return result;
}

/* The holder may be on another host: it is fenced, whatever it does, and at once. */
static int
fence_holder(struct spool_lock *lock, const struct spool *spool, const char *name, struct err *err)
{
	struct str holder = {0}, path = {0}, text = {0};
	struct err ignored;
	bool called = spool_lock_holder(spool, name, &holder, &ignored) == 0 && holder.len > 0;

	str_printf(&path, "%s/%s", str_c(&holder), call_file);
	called = called && fs_load(lease_tmp(spool), str_c(&path), 64, &text, &ignored) == 0 &&
	    pid_if_called(str_span(&text)) > 0;
	if (called) {
		log_warn("event=takeover lock=%s process=%s: the site calls again, so its last call is dead",
		    name, str_c(&holder));
		lease_fence(spool, str_span(&holder));
	}
	str_free(&holder);
	str_free(&path);
	str_free(&text);
	errno = EWOULDBLOCK;
	return called ? lock_in_run(lock, spool, name, err) : -1;
}

static int
take_over(struct spool_lock *lock, const struct spool *spool, const char *name, struct err *err)
{
	return spool->lease != NULL ? fence_holder(lock, spool, name, err) : end_holder(lock, spool, name, err);
}

/* Beside the lock: who we are in this call. */
static int
say_role(const struct spool_lock *lock, const struct spool *spool, bool caller, struct err *err)
{
	char text[64];
	int len = snprintf(text, sizeof text, "%ld %s\n", (long)getpid(), caller ? "caller" : "called");

	if (spool->lease != NULL)
		return fs_replace(spool->tmp, call_file, (struct span){ text, (size_t)len }, 0640, err);
	if (ftruncate(lock->fd, 0) < 0)
		return err_sys(err, "lock of the call");
	return fs_pwrite(lock->fd, text, (size_t)len, 0, err);
}

int
lock_call(struct spool_lock *lock, const struct spool *spool, const char *site, bool caller,
    struct err *err)
{
	struct str name = {0};

	str_printf(&name, "call.%s", site);
	int result = lock_in_run(lock, spool, str_c(&name), err);
	if (result < 0 && errno == EWOULDBLOCK && !caller)
		result = take_over(lock, spool, str_c(&name), err);
	int number = errno;
	if (result < 0 && number == EWOULDBLOCK)
		err_set(err, ERR_TEMP, "a call with %s is running already", site);
	str_free(&name);
	if (result == 0 && say_role(lock, spool, caller, err) < 0) {
		spool_unlock(lock);
		result = -1;
	}
	errno = number;
	return result;
}

int
lock_jobs(struct spool_lock *lock, const struct spool *spool, const char *site, struct err *err)
{
	struct str name = {0};

	str_printf(&name, "xqt.%s", site);
	int result = lock_in_run(lock, spool, str_c(&name), err);
	int number = errno;
	str_free(&name);
	errno = number;
	return result;
}
