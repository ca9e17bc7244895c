/*
 * answering - the other end of pool.h: questions from standard input, one after the other, and
 * a line for each on standard output.
 */
#ifndef RELAY_ANSWERING_H
#define RELAY_ANSWERING_H

#include "lib/base/err.h"

/* Until the input ends: 0, or -1 when it is no question or nobody listens. */
int answering(void (*answer)(void *ctx, struct span question, struct str *words), void *ctx, struct err *err);
struct span answering_field(struct span *rest);		/* the next one; they are parted by NUL */

#endif
