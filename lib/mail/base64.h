/*
 * base64 - RFC 4648, exact or not at all.
 *
 * base64_read() takes only what base64_add() writes: length a multiple of four, "="
 * at the end alone, no other byte, and zero in the bits that carry nothing.  So text
 * that was read comes back byte for byte when its bytes are written again.
 */
#ifndef LIB_MAIL_BASE64_H
#define LIB_MAIL_BASE64_H

#include "lib/base/str.h"

/* What n bytes become, and the most that n letters can hold. */
#define BASE64_LETTERS(n) (((n) + 2) / 3 * 4)
#define BASE64_BYTES(n) ((n) / 4 * 3)

size_t base64_write(const void *bytes, size_t len, char *out);	/* BASE64_LETTERS(len) of them */
void base64_add(struct str *out, const void *bytes, size_t len);	/* appends */
int base64_read(struct span text, unsigned char *out);	/* how many bytes, or -1; out has
			   room for BASE64_BYTES(text.len) */

#endif
