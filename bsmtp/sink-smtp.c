/* sink smtp: each message to one SMTP server. */
#include "bsmtp/session.h"
#include "bsmtp/sink.h"

extern const struct sink sink_smtp;

static int
check_smtp(const char *where, struct err *err)
{
	return session_place_ok(where) ? 0 :
	    err_set(err, ERR_CONFIG, "smtp:%.200s: want smtp:HOST:PORT", where);
}

static int
open_smtp(const struct settings *settings, const char *where, void **work, struct err *err)
{
	int result = session_open(settings, where, false, work, err);

	return result < 0 ? err_prefix(err, "smtp:%s", where) : 0;
}

const struct sink sink_smtp = {
	.name = "smtp", .form = "smtp:HOST:PORT", .check = check_smtp,
	.open = open_smtp, .send = session_send, .close = session_close,
};
