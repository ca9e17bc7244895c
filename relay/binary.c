#include "relay/binary.h"

#include <unistd.h>

#include "spool/recoded.h"

enum { LINE_MOST = 998 };	/* RFC 5322 2.1.1 */

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

/* RFC 3463: 5.6.3, it would have to be converted, and cannot be. */
int
binary_end(struct binary *b, struct arrival *arrival, struct err *err)
{
	struct recode recode = { .eight_bit = true, .line_max = LINE_MOST };
	int result = recoded_pass(&recode, b->fd, 0, b->len, NULL, NULL, err);

	if (result == 0) {
		recode_again(&recode);
		result = recoded_pass(&recode, b->fd, 0, b->len, body_to_arrival, arrival, err);
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
