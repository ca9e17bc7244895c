/*
 * thin - a message made small: its text, without markup, and what is not too large.
 *
 * Of alternatives the plain one is taken, or the HTML one as text (html-text.h).  Attachments of
 * more than so many bytes are cut out, and listed behind the text with their name, type and size;
 * pictures may be made smaller first, by a hook.  What is encrypted is not touched.  Of a signed
 * message the text is taken, and its signatures go: they fit it no more.  All of it is the same
 * each time.
 */
#ifndef LIB_MAIL_THIN_H
#define LIB_MAIL_THIN_H

#include "lib/base/err.h"

struct thin_how {
	uint64_t largest;	/* bytes of an attachment that stays */
	/* 1: *to is that picture, smaller, of the type that *type is then; 0: it stays; may be NULL */
	int (*picture)(void *ctx, struct span from, struct str *type, struct str *to);
	void *ctx;
	struct span note;	/* behind the list, where anything was left out; lines end in CRLF */
};

/* 1: out is the message, thin; 0: it is as thin as it gets. */
int thin_make(struct span message, const struct thin_how *how, struct str *out);

#endif
