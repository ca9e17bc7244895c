/* MT-PRIORITY (RFC 6710): what goes first.  The spool keeps it as a grade (lib/mail/wish.h). */
#include "lib/mail/wish.h"
#include "lib/proto/smtp-ext.h"

static int
check(const struct smtp_server *server, struct span value, struct err *err)
{
	int priority;

	(void)server;
	return wish_priority(value, &priority) == 0 ? 0 : err_set(err, ERR_PERM, "MT-PRIORITY is -9 to 9");
}

extern const struct smtp_ext ext_mtpriority;
const struct smtp_ext ext_mtpriority = {
	.keyword = "MT-PRIORITY",
	.offer = OFFER_PRIORITY,
	.mail = (const struct smtp_param[]){ { "MT-PRIORITY", check, smtp_if_offered }, {0} },
};
