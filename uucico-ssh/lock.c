#include "uucico-ssh/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "spool/lease.h"

enum {
	LOOK_MS = 10, LOOKS = 500,	/* at a lock whose holder was told to go */
	PATIENCE = 20,			/* looks, until it is killed */
	UNKNOWN_LOOKS = 50,		/* until it has written who it is */
	MEET_MS = 100, MEETS = 30,	/* until a call of ours has met its far end, or has not */
};

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

/* "PID calling", "PID caller" once it has heard the far end, or "PID called"; and when that process
 * began, as its number may be somebody else's by now. */
struct holder {
	pid_t pid;		/* 0: nobody who says so */
	uint64_t began;
	bool caller, met;
};

static struct holder
read_holder(struct span text)
{
	struct span line = {0}, pid, role;
	uint64_t number = 0, began = 0;

	span_cut(&text, '\n', &line);
	pid = span_word(&line);
	role = span_word(&line);
	if (span_number(pid, INT32_MAX, &number) < 0 || number <= 1)
		return (struct holder){0};
	if (span_number(span_trim(line), UINT64_MAX, &began) < 0)
		began = 0;
	return (struct holder){ (pid_t)number, began, !span_is(role, "called"), !span_is(role, "calling") };
}

static struct holder
holder_of(const struct settings *settings, const char *name)
{
	struct str text = {0};
	struct err err;
	struct holder holder = {0};
	int run = open_run(settings, &err);

	if (run >= 0 && fs_load(run, name, 64, &text, &err) == 0)
		holder = read_holder(str_span(&text));
	if (run >= 0)
		close(run);
	str_free(&text);
	return holder;
}

/* Crossing calls: that of the lesser name lives.  But a call of ours that has not heard the far
 * end may never hear it, while this one is here. */
static bool
ours_lives(const struct spool *spool, const char *name, const char *site)
{
	struct holder holder = holder_of(spool->settings, name);
	bool lesser = strcmp(spool->settings->spool.site, site) < 0;

	for (int i = 0; i < MEETS && lesser && holder.caller && !holder.met; i++) {
		poll(NULL, 0, MEET_MS);
		holder = holder_of(spool->settings, name);
	}
	return holder.caller && holder.met && lesser;
}

static bool
signal_holder(const struct holder *holder, int number)
{
	return holder->pid > 1 && holder->pid != getpid() && holder->began > 0 &&
	    process_began(holder->pid) == holder->began && kill(holder->pid, number) == 0;
}

static void
say_takeover(const char *name)
{
	log_warn("event=takeover lock=%s: the site calls again, so its last call is dead", name);
}

/* Whatever it is at, a step of it is done or not done: that is what a crash leaves, too.  It is
 * told first, so that it can sync what it has; who does not hear is killed, and its locks
 * with it.  It cannot write after that: this is the fence. */
static int
end_holder(struct spool_lock *lock, const struct spool *spool, const char *name, struct err *err)
{
	pid_t told = 0;
	int result = -1, told_at = 0;

	for (int i = 0; i < LOOKS && result < 0; i++) {
		struct holder holder = holder_of(spool->settings, name);
		if (holder.pid != told && signal_holder(&holder, SIGHUP)) {
			told = holder.pid;
			told_at = i;
			say_takeover(name);
		} else if (told != 0 && holder.pid == told && i == told_at + PATIENCE) {
			signal_holder(&holder, SIGKILL);
		} else if (told == 0 && i == UNKNOWN_LOOKS) {
			break;	/* nobody says that it holds it */
		}
		poll(NULL, 0, LOOK_MS);
		result = lock_in_run(lock, spool, name, err);
		if (result < 0 && errno != EWOULDBLOCK)
			return -1;
	}
	if (result < 0)
		errno = EWOULDBLOCK;
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
	    read_holder(str_span(&text)).pid > 0 && !read_holder(str_span(&text)).caller;
	if (called) {
		say_takeover(name);
		lease_fence(spool, str_span(&holder));
	}
	str_free(&holder);
	str_free(&path);
	str_free(&text);
	errno = EWOULDBLOCK;
	return called ? lock_in_run(lock, spool, name, err) : -1;
}

static int
take_over(struct spool_lock *lock, const struct spool *spool, const char *name, const char *site,
    struct err *err)
{
	if (spool->lease != NULL)
		return fence_holder(lock, spool, name, err);
	if (!ours_lives(spool, name, site))
		return end_holder(lock, spool, name, err);
	errno = EWOULDBLOCK;
	return -1;
}

/* Beside the lock: who we are in this call. */
static int
say_role(const struct spool_lock *lock, const struct spool *spool, const char *role, struct err *err)
{
	char text[64];
	int len = snprintf(text, sizeof text, "%ld %s %llu\n", (long)getpid(), role,
	    (unsigned long long)process_began(getpid()));

	if (spool->lease != NULL)
		return fs_replace(spool->tmp, call_file, (struct span){ text, (size_t)len }, 0640, err);
	if (ftruncate(lock->fd, 0) < 0)
		return err_sys(err, "lock of the call");
	return fs_pwrite(lock->fd, text, (size_t)len, 0, err);
}

void
lock_met(const struct spool_lock *lock, const struct spool *spool)
{
	struct err err;

	if (say_role(lock, spool, "caller", &err) < 0)
		log_debug("%s", err.text);
}

int
lock_call(struct spool_lock *lock, const struct spool *spool, const char *site, bool caller,
    struct err *err)
{
	struct str name = {0};

	str_printf(&name, "call.%s", site);
	int result = lock_in_run(lock, spool, str_c(&name), err);
	if (result < 0 && errno == EWOULDBLOCK && !caller)
		result = take_over(lock, spool, str_c(&name), site, err);
	int number = errno;
	if (result < 0 && number == EWOULDBLOCK)
		err_set(err, ERR_TEMP, "a call with %s is running already", site);
	str_free(&name);
	if (result == 0 && say_role(lock, spool, caller ? "calling" : "called", err) < 0) {
		spool_unlock(lock);
		result = -1;
	}
	errno = number;
	return result;
}

void
lock_over(struct spool_lock *lock)
{
	/* Who may go on without it is not to be taken for its holder. */
	if (lock->fd >= 0 && ftruncate(lock->fd, 0) < 0)
		log_warn("lock of the call: %s", strerror(errno));
	spool_unlock(lock);
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
