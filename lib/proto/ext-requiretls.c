/* REQUIRETLS (RFC 8689): every hop by TLS, to a host that is who it should be, or back. */
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-server.h"

static bool
here(const struct smtp_server *server)
{
	return server->secured || server->options.batch;
}

static int
check(const struct smtp_server *server, struct span value, struct err *err)
{
	(void)server;
	return value.p == NULL ? 0 : err_set(err, ERR_PERM, "REQUIRETLS takes no value");
}

static int
hand_on(const struct smtp_ext *ext, const struct smtp_way *way, struct span value, struct err *err)
{
	(void)value;
	if (way->verified && (way->offers & ext->offer) != 0)
		return 1;
	err_set(err, ERR_PERM, way->verified ? "the next host does not offer REQUIRETLS, which this message needs" :
	    "this message needs REQUIRETLS, and the next host was not verified by TLS");
	return err_as_reply(err, 554, "5.7.30");
}

extern const struct smtp_ext ext_requiretls;
const struct smtp_ext ext_requiretls = {
	.keyword = "REQUIRETLS",
	.offer = OFFER_REQUIRETLS,
	.here = here,
	.mail = (const struct smtp_param[]){ { "REQUIRETLS", check, hand_on }, {0} },
};
