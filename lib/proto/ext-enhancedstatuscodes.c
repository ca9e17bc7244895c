/* ENHANCEDSTATUSCODES (RFC 2034): every reply behind the greeting has one. */
#include "lib/proto/smtp-ext.h"

extern const struct smtp_ext ext_enhancedstatuscodes;
const struct smtp_ext ext_enhancedstatuscodes = {
	.keyword = "ENHANCEDSTATUSCODES",
	.offer = OFFER_ENHANCED,
};
