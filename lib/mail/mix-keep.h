/*
 * mix-keep - a mix that was prepared, as bytes, so that another process need not teach it again.
 *
 *	mix_keep(mix, &bytes)			of one that mix_prepare() says is ready
 *	mix_take_up(past, taught, most, size, bytes)
 *	mix_go_on(mix, bytes)			the same, of one that mix_begin() just gave
 *
 * The second gives what mix_begin() gives, but as if mix_prepare() had come to where the first one
 * stood: there is only left to be taught by what the past is longer.  So it is for a past that begins with
 * the first one's and begins to be taught at the same place; how many bytes are to come, and the size, are the
 * first one's, too.  Whoever keeps them sees to that.
 *
 * The bytes are for this machine and this version only, as they say themselves: frames of zstd, with their checks.
 */
#ifndef LIB_MAIL_MIX_KEEP_H
#define LIB_MAIL_MIX_KEEP_H

#include "lib/base/err.h"
#include "lib/mail/mix.h"

enum { MIX_KEPT = 2 };	/* how they are put down: whoever keeps them knows by it that others are of no use */

int mix_keep(struct mix *mix, struct str *to, struct err *err);		/* appends some 8 MB; -1: ERR_TEMP */
/* NULL: they are no such bytes, or of another version, machine, or number of bytes to come. */
struct mix *mix_take_up(struct span past, size_t taught, size_t most, enum mix_size size, struct span bytes);

/* false: the same, and the mix is of no use but for mix_past(). */
bool mix_go_on(struct mix *mix, struct span bytes);

#endif
