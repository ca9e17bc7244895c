/* The extensions of SMTP: no connection is secured or logged in to here, it is a program's or a batch's. */
#include "lib/proto/smtp-ext.h"

SMTP_EXTS_OF_MAIL(SMTP_EXT_DECLARE)
SMTP_EXT_DECLARE(enhancedstatuscodes)

const struct smtp_ext *const smtp_exts[] = { SMTP_EXTS_OF_MAIL(SMTP_EXT_ROW) SMTP_EXT_ROW(enhancedstatuscodes) NULL };
