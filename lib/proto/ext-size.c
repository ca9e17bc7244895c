/* SIZE (RFC 1870): what a message may weigh, told before it is sent. */
#include <stdint.h>

#include "lib/proto/smtp-client.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-server.h"

static void
announce(const struct smtp_server *server, struct str *out)
{
	if (server->options.max_size > 0)
		str_printf(out, " %ju", (uintmax_t)server->options.max_size);
}

static int
check(const struct smtp_server *server, struct span value, struct err *err)
{
	uint64_t most = server->options.max_size, size;

	if (value.len == 0)
		return err_set(err, ERR_PERM, "SIZE needs a number");
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return err_set(err, ERR_PERM, "SIZE is not a number");
	}
	/* All digits, so it can only be too large, for us or for any number. */
	if (span_number(value, most > 0 ? most : UINT64_MAX, &size) == 0)
		return 0;
	err_set(err, ERR_PERM, "more than the %ju bytes taken here", (uintmax_t)most);
	return err_as_reply(err, 552, "5.3.4");
}

static void
offered(struct smtp_client *client, struct span words)
{
	if (span_number(span_word(&words), UINT64_MAX, &client->max_size) < 0)
		client->max_size = 0;
}

extern const struct smtp_ext ext_size;
const struct smtp_ext ext_size = {
	.keyword = "SIZE",
	.offer = OFFER_SIZE,
	.announce = announce,
	.mail = (const struct smtp_param[]){ { "SIZE", check, smtp_never_on }, {0} },
	.offered = offered,
};
