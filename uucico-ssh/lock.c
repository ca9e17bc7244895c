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

/* "PID calling", "PID caller" once it has heard the far end, or "PID called". */
struct holder {
	pid_t pid;		/* 0: nobody who says so */
	bool caller, met;
};

static struct holder
read_holder(struct span text)
{
	struct span rest = span_trim(text), pid = span_word(&rest), role = span_trim(rest);
	uint64_t number = 0;

	if (span_number(pid, INT32_MAX, &number) < 0 || number <= 1)
		return (struct holder){0};
	return (struct holder){ (pid_t)number, !span_begins(role, "called"), !span_begins(role, "calling") };
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

/* Has that process the lock's file open?  What stands in it may be of an earlier holder, whose
 * number somebody else has by now. */
static bool
has_open(const struct settings *settings, const char *name, pid_t pid)
{
	struct fs_names fds = {0};
	struct str path = {0};
	struct stat lock, st;
	struct err err;
	bool found = false;
	int run = open_run(settings, &err), dir = -1;

	str_printf(&path, "/proc/%ld/fd", (long)pid);
	if (run >= 0 && fstatat(run, name, &lock, AT_SYMLINK_NOFOLLOW) == 0)
		dir = fs_dir(AT_FDCWD, str_c(&path), &err);
	if (dir >= 0 && fs_names(dir, ".", &fds, &err) < 0)
		fds = (struct fs_names){0};
	for (size_t i = 0; i < fds.count && !found; i++)
		found = fstatat(dir, fds.name[i], &st, 0) == 0 && st.st_dev == lock.st_dev && st.st_ino == lock.st_ino;
	fs_names_free(&fds);
	if (dir >= 0)
		close(dir);
	if (run >= 0)
		close(run);
	str_free(&path);
	return found;
}

static bool
signal_holder(const struct spool *spool, const char *name, pid_t pid, int number)
{
	return pid > 1 && pid != getpid() && has_open(spool->settings, name, pid) && kill(pid, number) == 0;
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
		pid_t pid = holder_of(spool->settings, name).pid;
		if (pid != told && signal_holder(spool, name, pid, SIGHUP)) {
			told = pid;
			told_at = i;
			log_warn("event=takeover lock=%s pid=%ld: the site calls again, so its last call is dead", name,
			    (long)pid);
		} else if (told != 0 && pid == told && i == told_at + PATIENCE) {
			signal_holder(spool, name, pid, SIGKILL);
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
	int len = snprintf(text, sizeof text, "%ld %s\n", (long)getpid(), role);

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
