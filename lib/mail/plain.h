/*
 * plain - base64 and quoted-printable travel decoded, and line ends as one byte.
 *
 *	plain_start(&plain, PLAIN_PACK, sink, ctx)	and PLAIN_UNPACK at the other end
 *	plain_feed(&plain, bytes, len, err)		any number of times, pieces of any size
 *	plain_end(&plain, err)
 *	plain_free(&plain)				always
 *
 * Encoded text hides from a compressor what it encodes.  So in front of it each run of
 * base64 that would come out the same when encoded again, and each "=E4" in a part that
 * says it is quoted-printable, becomes the bytes it means, and is encoded again behind the
 * decompressor.  What is not exact stays as it is: for any bytes whatever, unpacking gives
 * back what was packed.  A line, or 48 KiB of decoded bytes, is all that is kept.
 *
 * What travels is the text itself, but LF for CR LF, and DLE (16), which begins a word:
 *
 *	DLE DLE			the byte DLE
 *	DLE LF			LF that has no CR before it
 *	DLE w n n bytes		w from 42 to 255: base64 of n bytes (two bytes, the higher
 *				first), each full line of 4 (w - 32) letters, all ended by CRLF
 *	DLE 17			quoted-printable from here
 *	DLE 18			and no more
 *
 * In quoted-printable a byte from 128 up stands for "=" and its two digits (0-9, A-F), "=" for "=3D",
 * 11 for "=" CRLF, 12 for "=20"; DLE and any other byte than 18 for that byte itself.
 */
#ifndef LIB_MAIL_PLAIN_H
#define LIB_MAIL_PLAIN_H

#include "lib/base/err.h"

enum plain_way { PLAIN_PACK, PLAIN_UNPACK };

typedef int plain_sink(void *ctx, const void *bytes, size_t len, struct err *err);

struct plain {
	plain_sink *sink;
	void *ctx;
	enum plain_way way;
	struct str out;		/* on its way to the sink */
	bool quoted;		/* between DLE 17 and DLE 18 */
	/* packing */
	struct str line;	/* until it ends, or is too long to be of interest */
	bool in_long;		/* what comes belongs to a line that was */
	bool announced;		/* a header has said quoted-printable */
	size_t width;		/* letters of a line of the run; 0: no run */
	struct str run;		/* decoded */
	bool sure;		/* part of this run has gone already */
	/* unpacking */
	int state;
	size_t left, in_line;	/* bytes of the run to come; letters of a full line / 4 * 3 */
};

void plain_start(struct plain *plain, enum plain_way way, plain_sink *sink, void *ctx);
int plain_feed(struct plain *plain, const void *bytes, size_t len, struct err *err);
int plain_end(struct plain *plain, struct err *err);
void plain_free(struct plain *plain);

#endif
