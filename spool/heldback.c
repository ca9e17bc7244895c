#include "spool/heldback.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/queue.h"

static const char word_asked[] = "asked for";

void
heldback_reason(const char *site, const char *why, struct str *out)
{
	str_printf(out, "held back for %s: %s", site, why);
}

/* Not by hand, and not for another site. */
static bool
is_for(const struct entry *entry, const char *site)
{
	struct str begins = {0};

	heldback_reason(site, "", &begins);
	bool is = span_begins(str_span(&entry->held), str_c(&begins));
	str_free(&begins);
	return is;
}

int
heldback_open(const struct spool *spool, const char *site, const char *id, int *fd, struct entry *entry,
    struct err *err)
{
	off_t at = 0;

	*entry = (struct entry){0};
	*fd = spool_id_ok(id) ? fs_open(spool->hold, id, O_RDWR, err) : -1;
	if (*fd < 0)
		return !spool_id_ok(id) || errno == ENOENT ? 0 : -1;
	if (entry_read(*fd, &at, false, entry, err) > 0) {
		if (is_for(entry, site))
			return 1;
		log_warn("%s: event=not-released peer=%s: it is not held back for it", id, site);
		entry_free(entry);
	}
	close(*fd);
	*fd = -1;
	return 0;
}

int
heldback_release(const struct spool *spool, const char *site, const char *id, int fd,
    const struct entry *entry, struct err *err)
{
	struct str line = {0};

	entry_state_line(clock_now(), NULL, "released", "reason", span_of(word_asked), &line);
	int result = ftruncate(fd, entry->states_end) < 0 ? err_sys(err, "%s", id) :
	    fs_pwrite(fd, line.p, line.len, entry->states_end, err) < 0 || fs_sync_data(fd, err) < 0 ? -1 :
	    bucket_place(spool, spool->hold, id, site, id, entry->info.grade, err);
	str_free(&line);
	if (result == 0)
		result = fs_sync(spool->hold, err);
	if (result == 0)
		spool_event(spool, id, "event=released by=%s", site);
	return result;
}
