/*
 * Two ends of a UUCP conversation in memory, for tests.
 *
 * A struct side is an engine with a list of jobs to send and a list of what it got.
 * wire_run() carries bytes between two engines, step at a time, and can cut the wire
 * behind any byte of either direction.
 */
#ifndef TESTS_UNIT_UUCP_H
#define TESTS_UNIT_UUCP_H

#include "uucico-ssh/uucp.h"

enum { SIDE_JOBS = 8 };

struct side {
	struct uucp u;
	const char *letters;		/* protocols; NULL: e */
	const char *send[SIDE_JOBS];	/* data of our jobs; all are "rmail bob" */
	size_t next;
	enum uucp_fate fate[SIDE_JOBS];	/* of those that were told */
	size_t told;
	struct str got[SIDE_JOBS];	/* whole jobs: command, line end, data */
	size_t count;
	struct str part;		/* of one that is not whole, kept for the next call */
	enum uucp_answer answer;	/* to what they offer */
	size_t dropped;
};

extern const struct uucp_hooks side_hooks;

void side_start(struct side *side, bool caller, const char *name, const char *peer);
void side_free(struct side *side);

enum { UNCUT = 1 << 30 };

/* Until both are over, or cut: there bytes got from a to b, or back from b to a. */
void wire_run(struct uucp *a, struct uucp *b, size_t step, size_t there, size_t back);

#endif
