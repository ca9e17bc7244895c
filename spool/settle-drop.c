#include "spool/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/body.h"
#include "spool/lock.h"

static int
import_entry(const struct spool *spool, const char *name, int fd, const struct stat *st,
    const struct entry *entry, struct err *err)
{
	struct arrival a;
	struct entry_info info = {0};
	struct str as = {0};

	/* Nothing of its first line counts: an ordinary user wrote it. */
	str_printf(&as, "d-%s", name);
	str_set(&info.from, "local");
	str_printf(&info.client, "uid:%lu", (unsigned long)st->st_uid);
	int result = arrival_open(&a, spool, str_c(&as), err);
	if (result == 0) {
		if (arrival_begin(&a, &info, &entry->env, err) < 0 ||
		    body_pieces(fd, entry->body_at, entry->body_len, body_to_arrival, &a, err) < 0 || arrival_end(&a, err) < 0 ||
		    arrival_commit(&a, err) < 0)
			result = -1;
		else
			spool_event(spool, str_c(&a.info.id), "event=accepted from=local client=%s bytes=%llu drop=%s",
			    str_c(&info.client), (unsigned long long)entry->body_len, name);
		arrival_close(&a);
	}
	entry_info_free(&info);
	str_free(&as);
	return result;
}

static int
import_file(const struct spool *spool, const char *name, struct err *err)
{
	struct entry entry;
	struct stat st;
	off_t at = 0;
	int fd = fs_open(spool->drop, name, O_RDONLY, err);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	int result = fstat(fd, &st) < 0 ? err_sys(err, "drop/%s", name) : 0;
	if (result == 0 && (st.st_nlink != 1 ||
	    (uint64_t)st.st_size > spool->settings->spool.max_size + ENTRY_HEAD_MAX))
		result = err_set(err, ERR_PERM, "linked twice, or larger than a message may be");
	if (result == 0)
		result = entry_read(fd, &at, true, &entry, err) > 0 ? 0 :
		    err->kind == ERR_NONE ? err_set(err, ERR_PERM, "empty") : -1;
	if (result == 0) {
		result = at == st.st_size ? import_entry(spool, name, fd, &st, &entry, err) :
		    err_set(err, ERR_PERM, "more than one message");
		entry_free(&entry);
	}
	close(fd);
	if (result == 0)
		result = fs_remove(spool->drop, name, err);
	if (result == 0)
		result = fs_sync_dir(spool->drop, ".", err);
	return result;
}

/* Any user may put anything here: what cannot be taken stays, is told, and stops neither
 * the others' mail nor what the caller is at. */
static void
import_name(const struct spool *spool, const char *name, struct settled *settled)
{
	struct settling s = { .spool = spool, .settled = settled, .name = name };
	struct err err = {0}, why;

	if (import_file(spool, name, &err) == 0)
		return;
	why = err;
	if (err.kind != ERR_PERM || settle_hold(&s, spool->drop, &why, &err) < 0)
		log_error("drop/%s: event=not-taken why=\"%s\"", name, err.text);
}

int
settle_drop(const struct spool *spool, struct settled *settled, struct err *err)
{
	struct fs_names names;

	if (fs_names(spool->drop, ".", &names, err) < 0)
		return -1;
	struct spool_lock lock = SPOOL_UNLOCKED;
	int result = names.count == 0 ? 0 : spool_lock(&lock, spool, "drop", spool->tmp, ".drop-lock", true, err);
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (spool_id_ok(names.name[i]))	/* else: being written, or no one's message */
			import_name(spool, names.name[i], settled);
	spool_unlock(&lock);
	fs_names_free(&names);
	return result;
}
