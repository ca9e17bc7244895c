#include "spool/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/lease.h"

/* In a shared spool: in/ID=TOKEN.open of a dead process that may still write to it. */
static int
take_open(const struct spool *spool, const char *name, struct err *err)
{
	struct span base, token, ending;
	struct str ours = {0};
	off_t size = 0;

	if (!lease_parse(name, &base, &token, &ending))
		base = span_to(span_of(name), strlen(name) - strlen(".open"));
	else if (!lease_dead(spool, token))
		return 0;
	char *id = mem_text_n(base.p, base.len);
	lease_name(spool, id, ".open", &ours);
	const char *mine = str_c(&ours);
	int result = renameat(spool->in, name, spool->in, mine) == 0 ? 1 :
	    errno == ENOENT ? 0 : err_sys(err, "in/%s", name);
	if (result > 0 && (lease_alive(spool, err) < 0 || lease_copy(spool, spool->in, mine, true, &size, err) < 0 ||
	    (size == 0 ? fs_remove(spool->in, mine, err) : fs_rename(spool->in, mine, spool->in, id, err)) < 0)) {
		renameat(spool->in, mine, spool->in, name);	/* for the next to try */
		result = -1;
	}
	if (result > 0)
		log_info("in/%s: event=recovered bytes=%lld", id, (long long)size);
	str_free(&ours);
	free(id);
	return result < 0 ? -1 : 0;
}

/* in/ID.open of a dead writer: cut behind its last whole entry, it becomes in/ID. */
static int
turn_open(const struct spool *spool, const char *name, struct err *err)
{
	struct settling s = { .spool = spool, .name = name, .fd = -1, .dir = -1 };
	struct entry entry;
	off_t good = 0;

	if (spool->lease != NULL)
		return take_open(spool, name, err);
	int result = settle_take(&s, spool->in, err);

	if (result <= 0) {	/* a living writer's */
		settling_close(&s);
		return result;
	}
	while (entry_read(s.fd, &good, true, &entry, err) > 0)
		entry_free(&entry);
	if (err->kind == ERR_TEMP)
		result = -1;
	else if (good == 0)
		result = fs_remove(spool->in, name, err);
	else if (ftruncate(s.fd, good) < 0)
		result = err_sys(err, "in/%s", name);
	else
		result = fs_sync(s.fd, err);
	if (result == 0 && good > 0) {
		char *settled = mem_text_n(name, strlen(name) - strlen(".open"));
		result = fs_rename(spool->in, name, spool->in, settled, err);
		log_info("in/%s: event=recovered bytes=%lld", settled, (long long)good);
		free(settled);
	}
	settling_close(&s);
	return result;
}

int
settle_opened(const struct spool *spool, struct err *err)
{
	struct fs_names names;
	int result = fs_names(spool->in, ".", &names, err);

	for (size_t i = 0; i < names.count; i++) {
		*err = (struct err){0};
		if (settle_ends(names.name[i], ".open") && turn_open(spool, names.name[i], err) < 0)
			result = -1;
	}
	fs_names_free(&names);
	return result;
}
