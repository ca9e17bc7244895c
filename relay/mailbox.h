/*
 * mailbox - what the transports share that put mail into files of this host.
 *
 * A destination names a file or folder by a pattern (%u, %d: spool/maildir.h).  Recipients
 * whose mail goes to the same one get one copy, with a Delivered-To for each.  A message that
 * has one of somebody already was there before: it goes in circles, and is returned.
 */
#ifndef RELAY_MAILBOX_H
#define RELAY_MAILBOX_H

#include "lib/base/err.h"
#include "spool/body.h"

struct lane;

struct mailboxes {
	char **path;		/* of each recipient; NULL: none, or told */
	size_t count;
};

void mailboxes_find(struct lane *lane, struct mailboxes *boxes);	/* tells those without */
bool mailboxes_same(const struct mailboxes *boxes, size_t a, size_t b);
void mailboxes_told(struct lane *lane, struct mailboxes *boxes, size_t first, const struct err *err);
		/* all that share the path of the first; err NULL: delivered */
void mailboxes_free(struct mailboxes *boxes);

bool mailbox_loops(struct lane *lane, size_t rcpt);	/* ... */
int mailbox_loop(struct err *err);			/* what its sender is told */

/* The message for a file: the fields on top (of the recipients from first on that share its
 * path; boxes NULL: of it alone), then the body in pieces. */
struct mailbox_writer {
	int (*field)(void *box, const char *name, struct span value, struct err *err);
	body_piece *body;
};
int mailbox_write(struct lane *lane, const struct mailboxes *boxes, size_t first,
    const struct mailbox_writer *writer, void *box, struct err *err);

#endif
