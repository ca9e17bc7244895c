/*
 * wish - what a sender asked for with a message besides the way to go.
 *
 *	MT-PRIORITY=3		-9 to 9 (RFC 6710): in the spool a grade, 'N' is 0, 'E' is 9
 *	HOLDUNTIL=2026-11-21T18:45:02Z, HOLDFOR=3600	not before (RFC 4865)
 *	BY=120;R, BY=120;NT	there in so many seconds, or it comes back (R) or its sender is
 *				told (N) (RFC 2852); counted from when it was first taken
 *
 * They stay among the parameters of MAIL, where they were checked by the rows of their
 * extensions.  Pure functions; whoever calls has the clock.
 */
#ifndef LIB_MAIL_WISH_H
#define LIB_MAIL_WISH_H

#include <stdint.h>

#include "lib/base/str.h"

int wish_priority(struct span value, int *priority);	/* 0, or -1: not such a value */
char wish_grade(struct span args);		/* of MAIL's parameters; 'N' where none says */
int wish_priority_of(char grade);		/* -9 to 9, and nothing beyond */

struct wish_by {
	int64_t seconds;	/* may be negative: it is late */
	bool gives_up;		/* mode R */
	bool trace;		/* T */
};
int wish_by(struct span value, struct wish_by *by);	/* 0, or -1 */
bool wish_due(struct span args, int64_t taken, int64_t *when, bool *gives_up);	/* false: no BY */

int64_t wish_release(struct span args, int64_t taken);	/* not before; 0: at once */

/* MAIL's parameters as the spool keeps them: HOLDFOR becomes the time, and a priority above 0
 * of one who may not ask for it becomes 0.  True when that was so. */
bool wish_keep(struct span args, bool trusted, int64_t now, struct str *out);

/* The same, as they are handed on: BY is told by what is left of it, and a grade other than
 * 'N' as a priority. */
void wish_hand_on(struct span args, char grade, int64_t taken, int64_t now, struct str *out);

#endif
