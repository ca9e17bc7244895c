/*
 * body - a body that stands in a file, in pieces, for whoever takes it so.
 */
#ifndef SPOOL_BODY_H
#define SPOOL_BODY_H

#include <sys/types.h>

#include "lib/base/err.h"

/* The bytes are the reader's, and gone with the next piece. */
typedef int body_piece(void *ctx, const void *bytes, size_t len, struct err *err);

/* Until a piece is answered with anything but 0: that, or -1; ERR_TEMP where the file ends before the
 * body does, for its reader looks at it again. */
int body_pieces(int fd, off_t at, uint64_t len, body_piece *each, void *ctx, struct err *err);

int body_to_arrival(void *arrival, const void *bytes, size_t len, struct err *err);	/* a body_piece */

#endif
