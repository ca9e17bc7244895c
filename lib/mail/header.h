/*
 * header - the fields of a message, walked as spans.
 *
 *	struct span rest = message;
 *	while (header_next(&rest, &field)) ...
 *	header_end(&rest);			rest is the body
 *
 * Nothing is unfolded, copied or mended: a field's spans, put behind each other,
 * are the header.  Lines may end in CRLF or LF.  A header ends at the empty line;
 * at the first line that is no field (DATA-05: some messages have no header at
 * all); or where the message does.
 */
#ifndef LIB_MAIL_HEADER_H
#define LIB_MAIL_HEADER_H

#include "lib/base/str.h"

struct header_field {
	struct span whole;	/* with continuation lines and the last line end */
	struct span name;	/* before the colon, without blanks */
	struct span value;	/* behind it, blanks and the last line end trimmed; folds inside */
};

bool header_next(struct span *rest, struct header_field *field);
void header_end(struct span *rest);	/* skips fields left and the empty line */
bool header_find(struct span message, const char *name, struct header_field *field);	/* topmost */
size_t header_count(struct span message, const char *name);	/* "Received": hops so far */
void header_unfold(struct span value, struct str *out);	/* line ends out, blanks stay */

/*
 * header_gather - keeps the beginning of a message that streams past, until its
 * header is whole.  Needs no freeing beyond str_free(&gather.text).
 */
struct header_gather {
	struct str text;	/* the header; some of the body may follow */
	size_t max;		/* keep no more than this */
	bool done;		/* the empty line was seen, or max reached */
	bool over;		/* max was reached before the empty line */
};
void header_gather(struct header_gather *gather, struct span bytes);

#endif
