/*
 * utf8 - is this UTF-8, as RFC 3629 has it?  No over-long forms, no surrogates,
 * nothing above U+10FFFF: what two readers could take for different text is not
 * text.
 */
#ifndef LIB_MAIL_UTF8_H
#define LIB_MAIL_UTF8_H

#include "lib/base/str.h"

bool utf8_ok(struct span bytes);
bool utf8_is_ascii(struct span bytes);	/* nothing above 0x7F */

#endif
