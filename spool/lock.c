#include "spool/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/lease.h"

static const char nobody[] = "free";

enum { WAIT_MS = 50 };

/* lock/NAME/free, folder and all by one rename: a folder that is not empty cannot be
 * replaced, so that one of several makes it. */
static int
make_lock(const struct spool *spool, const char *name, struct err *err)
{
	struct str fresh = {0}, inside = {0};

	spool_new_id(&fresh);
	str_printf(&inside, "%s/%s", str_c(&fresh), nobody);
	int result = mkdirat(spool->tmp, str_c(&fresh), 0750) < 0 ? err_sys(err, "lock/%s", name) : 0;
	int fd = result < 0 ? -1 : fs_create(spool->tmp, str_c(&inside), 0640, err);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && renameat(spool->tmp, str_c(&fresh), spool->lock, name) < 0) {
		result = errno == ENOTEMPTY || errno == EEXIST ? 0 : err_sys(err, "lock/%s", name);
		unlinkat(spool->tmp, str_c(&inside), 0);
		unlinkat(spool->tmp, str_c(&fresh), AT_REMOVEDIR);
	}
	str_free(&fresh);
	str_free(&inside);
	return fd < 0 ? -1 : result;
}

/* The name of the one file in lock/NAME. */
static int
read_holder(const struct spool *spool, const char *name, struct str *holder, struct err *err)
{
	struct fs_names names;

	for (int i = 0; i < 10; i++) {
		if (fs_names(spool->lock, name, &names, err) < 0)
			return -1;
		if (names.count > 0) {
			str_set(holder, names.name[0]);
			fs_names_free(&names);
			return 0;
		}
		fs_names_free(&names);	/* it was renamed while we read: look again */
	}
	errno = EBUSY;
	return err_sys(err, "lock/%s", name);
}

int
spool_lock_holder(const struct spool *spool, const char *name, struct str *holder, struct err *err)
{
	if (read_holder(spool, name, holder, err) < 0)
		return -1;
	if (strcmp(str_c(holder), nobody) == 0)
		str_clear(holder);
	return 0;
}

/* lock/NAME/FROM becomes lock/NAME/TO.  1, or 0: it is not FROM's any more. */
static int
pass_on(const struct spool *spool, const char *name, const char *from, const char *to, struct err *err)
{
	struct str source = {0}, target = {0};

	str_printf(&source, "%s/%s", name, from);
	str_printf(&target, "%s/%s", name, to);
	int result = renameat(spool->lock, str_c(&source), spool->lock, str_c(&target)) == 0 ? 1 :
	    errno == ENOENT ? 0 : err_sys(err, "lock/%s", name);
	str_free(&source);
	str_free(&target);
	return result;
}

/* 1: ours; 0: another's; -1. */
static int
try_shared(const struct spool *spool, const char *name, struct err *err)
{
	struct str holder = {0};
	int result = read_holder(spool, name, &holder, err);

	if (result < 0 && errno == ENOENT) {
		*err = (struct err){0};
		result = make_lock(spool, name, err) < 0 ? -1 : read_holder(spool, name, &holder, err);
	}
	if (result == 0 && (strcmp(str_c(&holder), nobody) == 0 || lease_dead(spool, str_span(&holder))))
		result = pass_on(spool, name, str_c(&holder), lease_token(spool), err);
	/* Whoever fences us from now on sees that it is ours. */
	if (result > 0 && lease_alive(spool, err) < 0) {
		struct err ignored;
		pass_on(spool, name, lease_token(spool), nobody, &ignored);
		result = -1;
	}
	str_free(&holder);
	return result;
}

static int
lock_shared(struct spool_lock *lock, const struct spool *spool, const char *name, bool wait,
    struct err *err)
{
	int got;

	if (lease_begin(spool, err) < 0)
		return -1;
	while ((got = try_shared(spool, name, err)) == 0 && wait)
		poll(NULL, 0, WAIT_MS);
	if (got == 0)
		err_set(err, ERR_TEMP, "%s is held by another process", name);
	if (got > 0)
		*lock = (struct spool_lock){ .fd = -1, .spool = spool, .path = mem_text(name),
			.token = mem_text(lease_token(spool)) };
	if (got == 0)
		errno = EWOULDBLOCK;
	else if (got < 0 && errno == EWOULDBLOCK)
		errno = EIO;
	return got > 0 ? 0 : -1;
}

int
spool_lock(struct spool_lock *lock, const struct spool *spool, const char *name, int dir,
    const char *file, bool wait, struct err *err)
{
	*lock = SPOOL_UNLOCKED;
	if (spool->lease != NULL)
		return lock_shared(lock, spool, name, wait, err);
	lock->fd = fs_lock(dir, file, wait, err);
	return lock->fd < 0 ? -1 : 0;
}

bool
spool_locked(const struct spool_lock *lock)
{
	return lock->fd >= 0 || lock->spool != NULL;
}

bool
spool_lock_ours(const struct spool_lock *lock)
{
	struct str path = {0};

	if (lock->spool == NULL)
		return lock->fd >= 0;
	str_printf(&path, "%s/%s", lock->path, lock->token);
	int fd = openat(lock->spool->lock, str_c(&path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	str_free(&path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void
spool_unlock(struct spool_lock *lock)
{
	struct err ignored;

	if (lock->fd >= 0)
		close(lock->fd);
	if (lock->spool != NULL)
		pass_on(lock->spool, lock->path, lock->token, nobody, &ignored);
	free(lock->path);
	free(lock->token);
	*lock = SPOOL_UNLOCKED;
}
