/* sink lmtp: each message to an LMTP server (RFC 2033), as Dovecot and Cyrus are; it answers
 * for each recipient by itself. */
#include "bsmtp/session.h"
#include "bsmtp/sink.h"

extern const struct sink sink_lmtp;

static int
check_lmtp(const char *where, struct err *err)
{
	return where[0] == '/' || session_place_ok(where) ? 0 :
	    err_set(err, ERR_CONFIG, "lmtp:%.200s: want lmtp:HOST:PORT or lmtp:/SOCKET", where);
}

static int
open_lmtp(const struct settings *settings, const char *where, void **work, struct err *err)
{
	int result = session_open(settings, where, true, work, err);

	return result < 0 ? err_prefix(err, "lmtp:%s", where) : 0;
}

const struct sink sink_lmtp = {
	.name = "lmtp", .form = "lmtp:HOST:PORT or lmtp:/SOCKET", .check = check_lmtp,
	.open = open_lmtp, .send = session_send, .close = session_close,
};
