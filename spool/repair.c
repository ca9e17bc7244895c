#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/lease.h"
#include "spool/queue.h"

static void
remove_orphan(const struct spool *spool, const char *name)
{
	struct err ignored;
	int fd = fs_open(spool->tmp, name, O_RDWR, &ignored);

	if (fd < 0)
		return;
	/* A living writer holds the lock of its file. */
	if (name[0] != '.' && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		unlinkat(spool->tmp, name, 0);
		log_info("%s: event=orphan-removed where=tmp", name);
	}
	close(fd);
}

/* The folders of the dead; a file beside them is of a time when nothing was shared. */
static void
remove_shared_orphan(const struct spool *spool, const char *name)
{
	enum { DAY = 86400 };
	struct stat st;
	int tmp = lease_tmp(spool);

	if (lease_is_token(span_of(name)))
		lease_dead(spool, span_of(name));
	else if (name[0] != '.' && fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    clock_now() / CLOCK_SECOND - st.st_mtime > DAY)
		unlinkat(tmp, name, 0);
}

int
spool_repair(const struct spool *spool, struct err *err)
{
	struct fs_names names;
	struct queue q;

	if (lease_begin(spool, err) < 0 || fs_names(lease_tmp(spool), ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		(spool->lease != NULL ? remove_shared_orphan : remove_orphan)(spool, names.name[i]);
	fs_names_free(&names);
	if (fs_names(spool->sent, ".", &names, err) < 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < names.count; i++) {
		if (queue_open(&q, spool, names.name[i], false, err) == 0)
			queue_close(&q);	/* opening it repairs it */
		else if (errno != EWOULDBLOCK)
			result = -1;
	}
	fs_names_free(&names);
	return result;
}
