/*
 * xtext - text that must survive inside an ESMTP parameter (RFC 3461 4).
 *
 * '!' to '~' stand for themselves but for '+' and '='; any other byte is '+'
 * and two upper-case hex digits.  What only passes through us is never decoded
 * and encoded again: a delivery report decodes, everybody else copies.
 */
#ifndef LIB_MAIL_XTEXT_H
#define LIB_MAIL_XTEXT_H

#include "lib/base/str.h"

/* Appends what is meant; -1 (and nothing appended) when it is not xtext, or when
 * it means a byte that is not printable ASCII or a blank: a line end hidden in
 * ENVID must not wake up in a report (hostile-inputs SMTP-06). */
int xtext_decode(struct span xtext, struct str *out);
bool xtext_ok(struct span xtext);	/* would decode */
void xtext_encode(struct span text, struct str *out);

#endif
