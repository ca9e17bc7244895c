/*
 * recode - a message for readers of 7 bits and short lines (RFC 2045; RFC 6152 3).
 *
 *	struct recode r = { .eight_bit = false, .line_max = 998 };
 *	recode_feed(&r, bytes, err) ... recode_end(&r, err)	looks: can it be done?
 *	recode_again(&r);
 *	recode_feed(&r, bytes, err) ... recode_end(&r, err)	the same bytes; r.out has what came
 *	recode_free(&r)					of them, for the caller to take and clear
 *
 * Only a part that needs it is changed: text becomes quoted-printable, anything else base64,
 * and the fields that say so; decoded, it is byte for byte what it was.  What cannot be done
 * rightly is ERR_PERM while looking: 8 bits in a header, or in a part that says 7bit; a
 * message that is not MIME; parts that are signed or encrypted, which must not be touched.
 *
 * Nothing recurses, and memory is bounded: by a header, and one line.
 */
#ifndef LIB_MAIL_RECODE_H
#define LIB_MAIL_RECODE_H

#include "lib/base/err.h"

enum { RECODE_DEPTH = 100, RECODE_PARTS = 10000, RECODE_HEADER_MAX = 256 << 10 };

enum recode_way { RECODE_NOT, RECODE_QUOTED, RECODE_BASE64 };

struct recode {
	bool eight_bit;		/* set by the caller: bytes above 127 may stay */
	size_t line_max;	/* the same: of a line without its end; 0: any */
	struct str out;
	bool changes;		/* after looking: some part needs it */
	/* the rest is recode.c's own */
	bool writing;
	struct recode_part { bool needs, eight, binary; size_t longest; } *part;
	size_t parts, next;	/* next: while writing, the part to come */
	struct recode_part *now;	/* the part being read; NULL: a header is */
	struct recode_level { struct str boundary; bool sealed; } level[RECODE_DEPTH];
	size_t depth;
	struct str line;	/* until it ends, or is too long for a boundary */
	size_t before;		/* bytes of a long line before those */
	struct str header;
	bool begun, mime;	/* the message's own header was read, and said MIME-Version */
	bool in_body, leaf, sealed;
	char encoding;		/* of a leaf: '7' '8' 'b' (binary), 'e' (encoded), 'm' (a message) */
	enum recode_way way;
	bool end_held;		/* a CRLF that may belong to the boundary behind it */
	size_t column;		/* of quoted-printable */
	char held;		/* a blank or CR whose place is not known yet */
	unsigned char row[57];	/* of base64: a line's bytes */
	size_t row_len;
};

int recode_feed(struct recode *r, struct span bytes, struct err *err);
int recode_end(struct recode *r, struct err *err);
void recode_again(struct recode *r);
void recode_free(struct recode *r);

#endif
