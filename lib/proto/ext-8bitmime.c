/* 8BITMIME (RFC 6152): bodies with bytes above 127.  They pass through us either way;
 * the parameter is carried for those behind us who care, and who hands on to a host without it
 * makes 7 bits of them first. */
#include "lib/proto/smtp-ext.h"

static int
check(const struct smtp_server *server, struct span value, struct err *err)
{
	bool binary = (smtp_offered(server) & OFFER_BINARYMIME) != 0;

	if (span_is_case(value, "7BIT") || span_is_case(value, "8BITMIME") ||
	    (binary && span_is_case(value, "BINARYMIME")))
		return 0;
	return err_set(err, ERR_PERM, "BODY is 7BIT or 8BITMIME%s", binary ? " or BINARYMIME" : "");
}

extern const struct smtp_ext ext_8bitmime;
const struct smtp_ext ext_8bitmime = {
	.keyword = "8BITMIME",
	.offer = OFFER_8BITMIME,
	.mail = (const struct smtp_param[]){ { "BODY", check, smtp_if_offered }, {0} },
};
