/* SMTPUTF8 (RFC 6531): addresses and headers beyond ASCII.  They cannot be made
 * into anything else, so such a message goes only where it is offered. */
#include "lib/proto/smtp-ext.h"

static int
check(const struct smtp_server *server, struct span value, struct err *err)
{
	(void)server;
	return value.p == NULL ? 0 : err_set(err, ERR_PERM, "SMTPUTF8 takes no value");
}

extern const struct smtp_ext ext_smtputf8;
const struct smtp_ext ext_smtputf8 = {
	.keyword = "SMTPUTF8",
	.offer = OFFER_SMTPUTF8,
	.mail = (const struct smtp_param[]){ { "SMTPUTF8", check, smtp_must_be_offered }, {0} },
};
