#include "spool/body.h"

#include <stdlib.h>

#include "spool/spool.h"

enum { PIECE = 64 << 10 };

int
body_pieces(int fd, off_t at, uint64_t len, body_piece *each, void *ctx, struct err *err)
{
	char *piece = mem_get(PIECE);
	int result = 0;

	while (len > 0 && result == 0) {
		ssize_t got = fs_pread(fd, piece, len < PIECE ? (size_t)len : PIECE, at, err);
		if (got == 0)
			err_set(err, ERR_TEMP, "a body that is shorter than its length says");
		result = got <= 0 ? -1 : each(ctx, piece, (size_t)got, err);
		at += got;
		len -= got > 0 ? (uint64_t)got : 0;
	}
	free(piece);
	return result;
}

int
body_to_arrival(void *arrival, const void *bytes, size_t len, struct err *err)
{
	return arrival_body(arrival, bytes, len, err);
}
