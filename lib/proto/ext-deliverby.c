/* DELIVERBY (RFC 2852): be there in time, or come back (R), or say that it is late (N). */
#include <stdint.h>

#include "lib/mail/wish.h"
#include "lib/proto/smtp-ext.h"

static int
check(const struct smtp_server *server, struct span value, struct err *err)
{
	struct wish_by by;

	(void)server;
	if (wish_by(value, &by) < 0)
		return err_set(err, ERR_PERM, "BY is SECONDS;R or SECONDS;N, with a T behind it or not");
	if (by.gives_up && by.seconds <= 0)
		return err_set(err, ERR_PERM, "BY in mode R needs some seconds");
	return 0;
}

/* RFC 2852 4.1.4: who would give up must not go where nobody would. */
static int
hand_on(const struct smtp_ext *ext, const struct smtp_way *way, struct span value, struct err *err)
{
	struct wish_by by;

	if ((way->offers & ext->offer) != 0)
		return 1;
	if (wish_by(value, &by) < 0 || !by.gives_up)
		return 0;
	err_set(err, ERR_PERM, "the next host does not offer DELIVERBY, and this message is to come back if it is late");
	return err_as_reply(err, 554, "5.3.3");
}

extern const struct smtp_ext ext_deliverby;
const struct smtp_ext ext_deliverby = {
	.keyword = "DELIVERBY",
	.offer = OFFER_DELIVERBY,
	.mail = (const struct smtp_param[]){ { "BY", check, hand_on }, {0} },
};
