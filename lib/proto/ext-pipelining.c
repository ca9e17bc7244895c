/* PIPELINING (RFC 2920): the engine reads commands as they come, so the row is all. */
#include "lib/proto/smtp-ext.h"

extern const struct smtp_ext ext_pipelining;
const struct smtp_ext ext_pipelining = { .keyword = "PIPELINING", .offer = OFFER_PIPELINING };
