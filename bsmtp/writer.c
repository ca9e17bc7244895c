#include "bsmtp/writer.h"

#include <stdlib.h>

#include "bsmtp/trailer.h"
#include "lib/base/fs.h"

enum { PIECE = 65536 };

static int
write_packed(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct writer *w = ctx;

	w->packed += len;
	return fs_write(w->fd, bytes, len, err);
}

int
writer_start(struct writer *w, const struct codec *codec, int fd, struct err *err)
{
	*w = (struct writer){ .fd = fd };
	digest_start(&w->digest);
	return codec_start(&w->pack, codec, CODEC_PACK, write_packed, w, 0, err);
}

int
writer_body(struct writer *w, const void *bytes, size_t len, struct err *err)
{
	digest_add(&w->digest, bytes, len);
	w->raw += len;
	return codec_feed(&w->pack, bytes, len, err);
}

int
writer_entry(struct writer *w, const struct entry_info *info, const struct envelope *env,
    uint64_t body_len, struct err *err)
{
	/* Who brought it to us is nothing to tell the next. */
	struct entry_info told = { .id = info->id, .time = info->time, .grade = info->grade };
	struct str head = {0};

	if (entry_check_envelope(env, err) < 0)
		return -1;
	entry_head(&told, env, body_len, &head);
	w->count++;
	int result = writer_body(w, head.p, head.len, err);
	str_free(&head);
	return result;
}

int
writer_body_of(struct writer *w, int fd, off_t at, uint64_t len, struct err *err)
{
	char *piece = mem_get(PIECE);
	int result = 0;

	while (len > 0 && result == 0) {
		ssize_t got = fs_pread(fd, piece, len < PIECE ? (size_t)len : PIECE, at, err);
		if (got == 0)
			err_set(err, ERR_PERM, "a body that is shorter than its length says");
		result = got <= 0 ? -1 : writer_body(w, piece, (size_t)got, err);
		at += got;
		len -= result == 0 ? (uint64_t)got : 0;
	}
	free(piece);
	return result;
}

int
writer_end(struct writer *w, struct err *err)
{
	struct str lines = {0};

	trailer_lines(w->count, &w->digest, &lines);
	int result = writer_body(w, lines.p, lines.len, err);
	str_free(&lines);
	return result < 0 ? -1 : codec_end(&w->pack, err);
}

void
writer_free(struct writer *w)
{
	codec_free(&w->pack);
	digest_free(&w->digest);
}
