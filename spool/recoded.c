#include "spool/recoded.h"

#include <unistd.h>

#include "lib/mail/utf8.h"

static int
hand_on(struct recode *recode, body_piece *put, void *ctx, struct err *err)
{
	int result = put != NULL && recode->out.len > 0 ? put(ctx, recode->out.p, recode->out.len, err) : 0;

	str_clear(&recode->out);
	return result;
}

struct passing {
	struct recode *recode;
	body_piece *put;
	void *ctx;
};

static int
pass_piece(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct passing *p = ctx;

	return recode_feed(p->recode, (struct span){ bytes, len }, err) < 0 ? -1 : hand_on(p->recode, p->put, p->ctx, err);
}

int
recoded_pass(struct recode *recode, int fd, off_t at, uint64_t len, body_piece *put, void *ctx, struct err *err)
{
	struct passing passing = { recode, put, ctx };
	int result = body_pieces(fd, at, len, pass_piece, &passing, err);

	return result < 0 || recode_end(recode, err) < 0 ? -1 : hand_on(recode, put, ctx, err);
}

static int
has_eight(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)ctx;
	(void)err;
	return !utf8_is_ascii((struct span){ bytes, len });
}

static int
to_file(void *ctx, const void *bytes, size_t len, struct err *err)
{
	return fs_write(*(int *)ctx, bytes, len, err);
}

static int
write_seven(const struct spool *spool, struct recode *recode, int fd, off_t at, uint64_t len, int *to,
    uint64_t *to_len, struct err *err)
{
	struct stat st;

	*to = fs_scratch(spool->tmp, ".", err);
	if (*to < 0)
		return -1;
	recode_again(recode);
	if (recoded_pass(recode, fd, at, len, to_file, to, err) == 0 && fstat(*to, &st) == 0) {
		*to_len = (uint64_t)st.st_size;
		return 1;
	}
	close(*to);
	*to = -1;
	return -1;
}

int
recoded_seven(const struct spool *spool, int fd, off_t at, uint64_t len, int *to, uint64_t *to_len, struct err *err)
{
	struct recode recode = { .eight_bit = false, .line_max = 0 };
	int result = body_pieces(fd, at, len, has_eight, NULL, err);

	if (result <= 0)
		return result;
	result = recoded_pass(&recode, fd, at, len, NULL, NULL, err);
	if (result == 0 && recode.changes)
		result = write_seven(spool, &recode, fd, at, len, to, to_len, err);
	else if (result < 0 && err->kind == ERR_PERM) {
		err_prefix(err, "the next host takes no 8 bits, and this cannot be made into 7");
		err_as_reply(err, 554, "5.6.3");
	}
	recode_free(&recode);
	return result;
}
