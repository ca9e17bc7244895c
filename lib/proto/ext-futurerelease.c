/* FUTURERELEASE (RFC 4865): keep it until then.  It is for whoever takes the message first, so
 * it is never handed on; and offered only where options.max_hold says how long. */
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/mail/envelope.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-server.h"

static bool
here(const struct smtp_server *server)
{
	return server->options.max_hold > 0 || server->options.batch;
}

static void
announce(const struct smtp_server *server, struct str *out)
{
	if (server->options.max_hold == 0)
		return;
	str_printf(out, " %ju ", (uintmax_t)server->options.max_hold);
	clock_utc(clock_now() + (int64_t)server->options.max_hold * CLOCK_SECOND, out);
}

static int
check_once(const struct smtp_server *server, const char *other, struct err *err)
{
	struct span value;

	if (!envelope_arg(str_span(&server->env.args), other, &value))
		return 0;
	return err_set(err, ERR_PERM, "HOLDFOR or HOLDUNTIL, not both");
}

static int
too_long(struct err *err)
{
	err_set(err, ERR_PERM, "that is longer than messages are kept here");
	return err_as_reply(err, 501, "5.5.4");
}

/* In a batch what is said was taken long ago. */
static int
check_for(const struct smtp_server *server, struct span value, struct err *err)
{
	uint64_t seconds;

	if (check_once(server, "HOLDUNTIL", err) < 0)
		return -1;
	if (span_number(value, 999999999, &seconds) < 0 || seconds == 0)
		return err_set(err, ERR_PERM, "HOLDFOR is a number of seconds");
	return server->options.batch || seconds <= server->options.max_hold ? 0 : too_long(err);
}

static int
check_until(const struct smtp_server *server, struct span value, struct err *err)
{
	int64_t when;

	if (check_once(server, "HOLDFOR", err) < 0)
		return -1;
	if (clock_parse_utc(value, &when) < 0)
		return err_set(err, ERR_PERM, "HOLDUNTIL is a time, as 2026-11-21T18:45:02Z");
	if (server->options.batch)
		return 0;
	if (when <= clock_now())
		return err_set(err, ERR_PERM, "HOLDUNTIL is a time that has passed");
	return when <= clock_now() + (int64_t)server->options.max_hold * CLOCK_SECOND ? 0 : too_long(err);
}

extern const struct smtp_ext ext_futurerelease;
const struct smtp_ext ext_futurerelease = {
	.keyword = "FUTURERELEASE",
	.offer = OFFER_FUTURERELEASE,
	.here = here,
	.announce = announce,
	.mail = (const struct smtp_param[]){
		{ "HOLDFOR", check_for, smtp_never_on },
		{ "HOLDUNTIL", check_until, smtp_never_on },
		{0},
	},
};
