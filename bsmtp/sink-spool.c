/* sink spool: the batch is in our spool by then, and routed from there. */
#include "bsmtp/sink.h"

extern const struct sink sink_spool;

static int
check_spool(const char *where, struct err *err)
{
	return where[0] == '\0' ? 0 : err_set(err, ERR_CONFIG, "spool: takes nothing behind it");
}

const struct sink sink_spool = { .name = "spool", .form = "spool:", .check = check_spool };
