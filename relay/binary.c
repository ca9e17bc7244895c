#include "relay/binary.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/mail/recode.h"

enum { PIECE = 64 << 10, LINE_MOST = 998 };	/* RFC 5322 2.1.1 */

int
binary_open(struct binary *b, const struct spool *spool, struct err *err)
{
	*b = (struct binary){ .fd = fs_scratch(spool->dir, "tmp", err) };
	return b->fd < 0 ? -1 : 0;
}

int
binary_body(struct binary *b, const char *bytes, size_t len, struct err *err)
{
	b->len += len;
	return fs_write(b->fd, bytes, len, err);
}

/* Once through it; what comes out goes to the arrival. */
static int
pass(const struct binary *b, struct recode *recode, struct arrival *arrival, struct err *err)
{
	char *piece = mem_get(PIECE);
	uint64_t at = 0;
	int result = 0;

	while (result == 0 && at < b->len) {
		ssize_t got = fs_pread(b->fd, piece, PIECE, (off_t)at, err);
		if (got == 0)
			err_set(err, ERR_TEMP, "the body is shorter than it was");
		result = got <= 0 ? -1 : recode_feed(recode, (struct span){ piece, (size_t)got }, err);
		if (result == 0)
			result = arrival_body(arrival, recode->out.p, recode->out.len, err);
		str_clear(&recode->out);
		at += got > 0 ? (uint64_t)got : 0;
	}
	free(piece);
	if (result == 0 && recode_end(recode, err) < 0)
		result = -1;
	if (result == 0)
		result = arrival_body(arrival, recode->out.p, recode->out.len, err);
	str_clear(&recode->out);
	return result;
}

/* RFC 3463: 5.6.3, it would have to be converted, and cannot be. */
int
binary_end(struct binary *b, struct arrival *arrival, struct err *err)
{
	struct recode recode = { .eight_bit = true, .line_max = LINE_MOST };
	int result = pass(b, &recode, arrival, err);

	if (result == 0) {
		recode_again(&recode);
		result = pass(b, &recode, arrival, err);
	} else if (err->kind == ERR_PERM) {
		err_prefix(err, "what is no lines cannot be made into lines here");
		err_as_reply(err, 554, "5.6.3");
	}
	recode_free(&recode);
	return result;
}

void
binary_close(struct binary *b)
{
	if (b->fd >= 0)
		close(b->fd);
	*b = (struct binary){ .fd = -1 };
}
