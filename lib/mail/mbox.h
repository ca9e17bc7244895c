/*
 * mbox - takes a mailbox file apart, fed in pieces of any size.
 *
 *	mbox_start(&m, &hooks, ctx)
 *	mbox_feed(&m, bytes, len, err)
 *	mbox_end(&m, err)
 *	mbox_free(&m)
 *
 * A message begins at a line "From sender date" at the start of the file or
 * behind an empty line; that empty line is the file's, not the message's.  ">From"
 * lines lose one ">" (mboxrd; an mboxo writer put it there too).  Hook body gets the bytes
 * as they stand in the file, line ends untouched.  Bytes before the first From_ line are
 * ERR_PERM: that is no mbox.
 */
#ifndef LIB_MAIL_MBOX_H
#define LIB_MAIL_MBOX_H

#include "lib/base/err.h"

struct mbox_hooks {
	int (*begin)(void *ctx, struct span from_line, struct err *err);	/* without line end */
	int (*body)(void *ctx, const char *bytes, size_t len, struct err *err);
	int (*end)(void *ctx, struct err *err);
};

struct mbox {
	const struct mbox_hooks *hooks;
	void *ctx;
	struct str line;	/* held until its end, or until it is long */
	struct str blank;	/* an empty line that may belong to the file */
	bool in_message, in_long_line, after_blank;
};

void mbox_start(struct mbox *mbox, const struct mbox_hooks *hooks, void *ctx);
int mbox_feed(struct mbox *mbox, const char *bytes, size_t len, struct err *err);
int mbox_end(struct mbox *mbox, struct err *err);
void mbox_free(struct mbox *mbox);

#endif
