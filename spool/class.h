/*
 * class - whose history a message belongs to.
 *
 * Batches are packed against what went before, so their size tells something of it to
 * whoever sees it: who can send mail through us could guess at that of others.  So
 * history is kept by classes, and [classes] says which addresses share one; "none" is for
 * mail that shall never be kept.  The first row that means the sender or a recipient
 * counts; where none does it is "main".
 */
#ifndef SPOOL_CLASS_H
#define SPOOL_CLASS_H

#include "lib/mail/envelope.h"
#include "spool/settings.h"

#define CLASS_MAIN "main"
#define CLASS_NONE "none"

const char *class_of(const struct settings *settings, const struct envelope *env);	/* borrowed
			   from the settings */

#endif
