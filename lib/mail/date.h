/*
 * date - the times that mail writes: RFC 5322 in headers, asctime in From_ lines.
 *
 * Both are written in UTC: a relay's traces are read beside those of others.
 */
#ifndef LIB_MAIL_DATE_H
#define LIB_MAIL_DATE_H

#include <stdint.h>

#include "lib/base/str.h"

void date_mail(int64_t when, struct str *out);		/* Sat, 21 Nov 2026 18:45:02 +0000 */
void date_asctime(int64_t when, struct str *out);	/* Sat Nov 21 18:45:02 2026 */

/* "Sat Nov 21 18:45:02 2026", also without seconds and with a zone's letters or
 * offset before or behind the year, as From_ lines have them: 0 or -1.  Letters
 * are taken for UTC, an offset ("+0100") counts. */
int date_parse_asctime(struct span text, int64_t *when);

#endif
