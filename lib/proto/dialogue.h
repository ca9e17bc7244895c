/*
 * dialogue - one question to a service, and its answer: what such clients have in common.
 *
 *	while (!d->done) {
 *		if (d->out.len is small) dialogue_more(d);	and is sent
 *		... dialogue_feed(d, bytes, err), or dialogue_eof(d, err) ...
 *	}
 *
 * A client embeds a struct dialogue as its first member.  Whoever drives it has the socket and
 * the deadline; a test feeds it a byte at a time.  -1 ends it: err says what is wrong with the
 * other end.
 */
#ifndef LIB_PROTO_DIALOGUE_H
#define LIB_PROTO_DIALOGUE_H

#include "lib/base/err.h"

struct dialogue;

struct dialogue_row {
	void (*more)(struct dialogue *d);	/* next piece of what is long; may be NULL */
	int (*feed)(struct dialogue *d, struct span bytes, struct err *err);
	int (*eof)(struct dialogue *d, struct err *err);	/* NULL: it should have said more */
};

struct dialogue {
	const struct dialogue_row *row;
	struct str out;		/* for the caller to send, and clear */
	bool done;
};

static inline void
dialogue_more(struct dialogue *d)
{
	if (!d->done && d->row->more != NULL)
		d->row->more(d);
}

static inline int
dialogue_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	return d->done ? 0 : d->row->feed(d, bytes, err);
}

static inline int
dialogue_eof(struct dialogue *d, struct err *err)
{
	if (d->done)
		return 0;
	if (d->row->eof != NULL)
		return d->row->eof(d, err);
	return err_set(err, ERR_TEMP, "it closed in the middle of its answer");
}

enum { DIALOGUE_PIECE = 64 << 10 };	/* of a long text, at a time */

#endif
