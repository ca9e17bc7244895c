/* sink spool: the whole batch into our own spool by one rename, then routed. */
#include "bsmtp/sink.h"

#include "lib/base/log.h"

extern const struct sink sink_spool;

static int
check_spool(const char *where, struct err *err)
{
	return where[0] == '\0' ? 0 : err_set(err, ERR_CONFIG, "spool: takes nothing behind it");
}

static int
to_spool(struct delivery *d, const char *where, struct err *err)
{
	struct settled settled;
	struct err why = {0};

	(void)where;
	d->done = d->batch.count;
	if (d->batch.count == 0)
		return 0;
	if (arrival_commit(&d->batch, err) < 0)
		return -1;
	/* Accepted: whatever happens now, the next who settles finds it in in/. */
	if (spool_settle(&d->spool, &settled, &why) < 0)
		log_warn("event=unsettled why=\"%s\"", why.text);
	d->repeats = settled.repeats;
	spool_ring(&d->spool);
	return 0;
}

const struct sink sink_spool = { "spool", check_spool, to_spool };
