#include "lib/mail/mix-keep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

enum { LEVEL = 1 };

/* What the pieces depend on besides their bytes: how this machine, and this compiler, lays numbers down. */
struct start {
	char name[8];
	uint32_t model, order, pieces, number_size;
	uint64_t len[MIX_PIECES];
};

static void
say_start(const struct mix_piece *piece, size_t pieces, struct start *start)
{
	memset(start, 0, sizeof *start);
	memcpy(start->name, "mixpart", sizeof start->name);
	start->model = MIX_MODEL;
	start->order = 0x01020304;
	start->pieces = (uint32_t)pieces;
	start->number_size = sizeof(size_t);
	for (size_t i = 0; i < pieces; i++)
		start->len[i] = piece[i].len;
}

/* A frame for each, so that it goes right where it belongs, and not through a window first. */
static int
pack(ZSTD_CCtx *zstd, const void *p, size_t len, struct str *to, struct err *err)
{
	size_t room = ZSTD_compressBound(len), got = ZSTD_compress2(zstd, str_room(to, room), room, p, len);

	if (ZSTD_isError(got))
		return err_set(err, ERR_TEMP, "zstd: %s", ZSTD_getErrorName(got));
	to->len += got;
	return 0;
}

int
mix_keep(struct mix *mix, struct str *to, struct err *err)
{
	struct mix_piece piece[MIX_PIECES];
	size_t pieces = mix_pieces(mix, piece);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	struct start start;

	if (zstd == NULL)
		return err_set(err, ERR_TEMP, "zstd: no memory");
	say_start(piece, pieces, &start);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	int result = pack(zstd, &start, sizeof start, to, err);
	for (size_t i = 0; i < pieces && result == 0; i++)
		result = pack(zstd, piece[i].p, piece[i].len, to, err);
	ZSTD_freeCCtx(zstd);
	return result;
}

static bool
unpack(ZSTD_DCtx *zstd, struct span *from, void *p, size_t len)
{
	size_t frame = ZSTD_findFrameCompressedSize(from->p, from->len);

	if (ZSTD_isError(frame) || ZSTD_decompressDCtx(zstd, p, len, from->p, frame) != len)
		return false;
	*from = span_from(*from, frame);
	return true;
}

static bool
unpack_all(struct mix *mix, ZSTD_DCtx *zstd, struct span bytes)
{
	struct mix_piece piece[MIX_PIECES];
	size_t pieces = mix_pieces(mix, piece);
	struct start wanted, start;

	say_start(piece, pieces, &wanted);
	bool good = unpack(zstd, &bytes, &start, sizeof start) && memcmp(&start, &wanted, sizeof start) == 0;
	for (size_t i = 0; i < pieces && good; i++)
		good = unpack(zstd, &bytes, piece[i].p, piece[i].len);
	return good && bytes.len == 0 && mix_resumes(mix);
}

struct mix *
mix_take_up(struct span past, size_t taught, size_t most, enum mix_size size, struct span bytes)
{
	struct mix *mix = mix_begin(&past, 1, taught, most, size);
	ZSTD_DCtx *zstd = ZSTD_createDCtx();

	if (zstd == NULL || !unpack_all(mix, zstd, bytes)) {
		mix_free(mix);
		mix = NULL;
	}
	ZSTD_freeDCtx(zstd);
	return mix;
}
