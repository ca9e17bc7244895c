/* BINARYMIME (RFC 3030): bodies that are no lines.  BODY=BINARYMIME is 8BITMIME's parameter; such
 * a body comes by BDAT only (smtp-body.c), and whoever takes it makes it into lines, or says no.
 * In a batch, which is lines, there is none. */
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-server.h"

static bool
here(const struct smtp_server *server)
{
	return server->options.binary && !server->options.batch;
}

extern const struct smtp_ext ext_binarymime;
const struct smtp_ext ext_binarymime = {
	.keyword = "BINARYMIME",
	.offer = OFFER_BINARYMIME,
	.here = here,
};
