#include "lib/mail/mix-keep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "lib/base/thread.h"
#include "lib/mail/mix-text.h"

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
unpack(ZSTD_DCtx *zstd, struct span frame, void *p, size_t len)
{
	mix_fills(p, len);
	return ZSTD_decompressDCtx(zstd, p, len, frame.p, frame.len) == len;
}

/* Some of the pieces, each from its frame. */
struct part {
	const struct mix_piece *piece;
	const struct span *frame;
	size_t pieces;
	bool good;
};

static void *
unpack_part(void *arg)
{
	struct part *part = arg;
	ZSTD_DCtx *zstd = ZSTD_createDCtx();

	part->good = zstd != NULL;
	for (size_t i = 0; i < part->pieces && part->good; i++)
		part->good = unpack(zstd, part->frame[i], part->piece[i].p, part->piece[i].len);
	ZSTD_freeDCtx(zstd);
	return NULL;
}

/* About as many bytes in front of it as from there on. */
static size_t
middle(const struct mix_piece *piece, size_t pieces)
{
	size_t all = 0, before = 0, i = 0;

	for (size_t n = 0; n < pieces; n++)
		all += piece[n].len;
	while (i < pieces && before + piece[i].len <= all / 2)
		before += piece[i++].len;
	return i;
}

/* Half of them by a thread, where there is one to be had. */
static bool
unpack_all(const struct mix_piece *piece, const struct span *frame, size_t pieces)
{
	size_t half = middle(piece, pieces);
	struct part one = { piece, frame, half, false }, other = { piece + half, frame + half, pieces - half, false };
	pthread_t thread;
	bool beside = thread_start(&thread, unpack_part, &other) == 0;

	unpack_part(&one);
	if (beside)
		pthread_join(thread, NULL);
	else
		unpack_part(&other);
	return one.good && other.good;
}

/* The frames of all pieces, and no more, if that is what it begins with. */
static bool
find_frames(struct span bytes, const struct mix_piece *piece, size_t pieces, struct span *frame)
{
	struct start wanted, start;
	struct part first = { &(struct mix_piece){ &start, sizeof start }, frame, 1, false };

	say_start(piece, pieces, &wanted);
	for (size_t i = 0; i <= pieces; i++) {
		size_t len = ZSTD_findFrameCompressedSize(bytes.p, bytes.len);
		if (ZSTD_isError(len))
			return false;
		frame[i] = span_to(bytes, len);
		bytes = span_from(bytes, len);
	}
	unpack_part(&first);
	return first.good && bytes.len == 0 && memcmp(&start, &wanted, sizeof start) == 0;
}

bool
mix_go_on(struct mix *mix, struct span bytes)
{
	struct mix_piece piece[MIX_PIECES];
	size_t pieces = mix_pieces(mix, piece);
	struct span frame[MIX_PIECES + 1];

	return find_frames(bytes, piece, pieces, frame) && unpack_all(piece, frame + 1, pieces) && mix_resumes(mix);
}

struct mix *
mix_take_up(struct span past, size_t taught, size_t most, enum mix_size size, struct span bytes)
{
	struct mix *mix = mix_begin(&past, 1, taught, most, size);

	if (!mix_go_on(mix, bytes)) {
		mix_free(mix);
		mix = NULL;
	}
	return mix;
}
