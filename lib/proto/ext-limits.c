/* LIMITS (RFC 9422): told before it is met. */
#include <stdint.h>

#include "lib/proto/smtp-client.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-server.h"

static bool
here(const struct smtp_server *server)
{
	return server->options.max_recipients > 0 && !server->options.batch;
}

static void
announce(const struct smtp_server *server, struct str *out)
{
	str_printf(out, " RCPTMAX=%zu", server->options.max_recipients);
}

static void
offered(struct smtp_client *client, struct span words)
{
	struct span word, key;

	client->max_rcpts = client->max_mails = 0;
	while ((word = span_word(&words)).len > 0) {
		uint64_t number;
		span_cut(&word, '=', &key);
		if (span_number(word, UINT32_MAX, &number) < 0)
			continue;
		if (span_is_case(key, "RCPTMAX"))
			client->max_rcpts = number;
		else if (span_is_case(key, "MAILMAX"))
			client->max_mails = number;
	}
}

extern const struct smtp_ext ext_limits;
const struct smtp_ext ext_limits = {
	.keyword = "LIMITS",
	.offer = OFFER_LIMITS,
	.here = here,
	.announce = announce,
	.offered = offered,
};
