#include "lib/mail/mix-keep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

enum { LEVEL = 1, PIECE = 1 << 17 };

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
	memcpy(start->name, "mixkept", sizeof start->name);
	start->model = MIX_MODEL;
	start->order = 0x01020304;
	start->pieces = (uint32_t)pieces;
	start->number_size = sizeof(size_t);
	for (size_t i = 0; i < pieces; i++)
		start->len[i] = piece[i].len;
}

static size_t
pack(ZSTD_CCtx *zstd, struct span bytes, bool last, struct str *to)
{
	ZSTD_inBuffer in = { bytes.p, bytes.len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { str_room(to, PIECE), PIECE, 0 };
		left = ZSTD_compressStream2(zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return left;
		to->len += out.pos;
	} while (in.pos < in.size || (last && left > 0));
	return 0;
}

int
mix_keep(struct mix *mix, struct str *to, struct err *err)
{
	struct mix_piece piece[MIX_PIECES];
	size_t pieces = mix_pieces(mix, piece), result = 0;
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	struct start start;

	if (zstd == NULL)
		return err_set(err, ERR_TEMP, "zstd: no memory");
	say_start(piece, pieces, &start);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	result = pack(zstd, (struct span){ (const char *)&start, sizeof start }, false, to);
	for (size_t i = 0; i < pieces && !ZSTD_isError(result); i++)
		result = pack(zstd, (struct span){ piece[i].p, piece[i].len }, i + 1 == pieces, to);
	ZSTD_freeCCtx(zstd);
	return ZSTD_isError(result) ? err_set(err, ERR_TEMP, "zstd: %s", ZSTD_getErrorName(result)) : 0;
}

/* All of the piece, and of the frame's end if it is the last. */
static bool
unpack(ZSTD_DCtx *zstd, ZSTD_inBuffer *in, void *p, size_t len, bool last)
{
	ZSTD_outBuffer out = { p, len, 0 };
	size_t left = 1;

	while (out.pos < len || (last && left > 0)) {
		size_t before = out.pos, from = in->pos;
		left = ZSTD_decompressStream(zstd, &out, in);
		if (ZSTD_isError(left) || (left == 0 && !last) || (left > 0 && out.pos == before && in->pos == from))
			return false;
	}
	return out.pos == len;
}

static bool
unpack_all(struct mix *mix, ZSTD_DCtx *zstd, struct span bytes)
{
	struct mix_piece piece[MIX_PIECES];
	size_t pieces = mix_pieces(mix, piece);
	ZSTD_inBuffer in = { bytes.p, bytes.len, 0 };
	struct start wanted, start;

	say_start(piece, pieces, &wanted);
	bool good = unpack(zstd, &in, &start, sizeof start, false) && memcmp(&start, &wanted, sizeof start) == 0;
	for (size_t i = 0; i < pieces && good; i++)
		good = unpack(zstd, &in, piece[i].p, piece[i].len, i + 1 == pieces);
	return good && in.pos == in.size && mix_resumes(mix);
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
