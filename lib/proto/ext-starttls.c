/* STARTTLS (RFC 3207): what follows is for the two of us. */
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-verb.h"

static bool
here(const struct smtp_server *server)
{
	return server->options.tls && !server->secured;
}

/* TLS-01: what stands behind it in plain text may be somebody else's, and must not be
 * answered inside. */
static void
starttls(struct smtp_server *server, struct span args)
{
	if (args.len > 0) {
		smtp_error(server, "501 5.5.4 STARTTLS stands alone");
	} else if (smtp_unread(server).len > 0) {
		smtp_die(server, "501 5.5.4 nothing may stand behind STARTTLS");
	} else {
		smtp_reply(server, "220 2.0.0 go ahead");
		server->handshake = true;
	}
}

static const struct smtp_verb verbs[] = {
	{ "STARTTLS", SMTP_READY, starttls, VERB_PLAIN },
	{0},
};

extern const struct smtp_ext ext_starttls;
const struct smtp_ext ext_starttls = {
	.keyword = "STARTTLS",
	.offer = OFFER_STARTTLS,
	.here = here,
	.verbs = verbs,
};
