/*
 * expand - what becomes of a message: which recipients go together, and where to.
 *
 * Pure but for the routes and aliases it asks: settle writes one file for each group.
 *
 * An alias for one address hands on all that was asked for with the recipient; one for several
 * hands on all but SUCCESS, and the sender who asked for that is told here that it was
 * expanded (RFC 3461 5.2.7, c).
 */
#ifndef SPOOL_EXPAND_H
#define SPOOL_EXPAND_H

#include "spool/spool.h"

enum fate { TO_OUT, TO_HOLD, TO_FAILED };

struct group {
	enum fate fate;
	struct str folder;	/* below out/ */
	struct str way;		/* of the filters before it, which ones */
	struct str reason;	/* of a hold */
	struct str history;	/* state lines that go with it */
	bool aliased;		/* of what aliases stand for */
	struct envelope env;
};

struct groups {
	struct group *group;
	size_t count;
	bool changed;		/* they are not just the entry's recipients, apart */
};

void groups_free(struct groups *groups);

/* Fills groups with the recipients that wait, by destination; those that a route refuses
 * are marked failed in the entry, those that were expanded done.  -1: a table cannot be asked, so
 * nothing is known yet.  A message that a person put back, with nobody waiting
 * and nothing to tell, has its failed recipients tried again. */
int expand_entry(const struct spool *spool, struct entry *entry, struct groups *groups, struct err *err);
void expand_failed(const struct spool *spool, const struct entry *entry, struct groups *groups);
				/* adds what can be returned to nobody */
bool expand_reports_due(const struct entry *entry);	/* its sender is to be told something */

#endif
