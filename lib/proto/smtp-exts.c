#include "lib/proto/smtp-ext.h"

SMTP_EXTS(SMTP_EXT_DECLARE)

const struct smtp_ext *const smtp_exts[] = { SMTP_EXTS(SMTP_EXT_ROW) NULL };
