/*
 * soak-driver - what the drivers of the soak share: the outside ledger and the workers.
 *
 *	soak_start(&worker, ...)	a process that does things and says what (soak.h)
 *	soak_finish(&worker)		hears it to its end
 *
 * A worker that is to be stopped ("stop") is waited for with soak_stands_still().  What it
 * says when it goes on, and still is at the thing at which it stopped, is late: others have
 * done that meanwhile.
 */
#ifndef TESTS_SOAK_DRIVER_H
#define TESTS_SOAK_DRIVER_H

#include <sys/types.h>

#include "tests/crash/soak.h"

struct outcome {
	char id[64];		/* of the message that brought it; empty: none did */
	unsigned sent, reports, left;
	unsigned long when;	/* it was last sent, in lines of the ledger */
	long long at;		/* the same, by the clock */
	long long noted;	/* when who sent it had that on disk; 0: not yet */
};

struct line {
	bool promised, refused;
	struct outcome to[SOAK_RCPTS];
};

extern struct ledger {
	struct line *line;	/* by key */
	unsigned long keys, lines;
	unsigned long promised, lost, doubled, wrong, ghosts, late, again;
} ledger;

extern struct driver {
	const char *folder, *fault;
	char *self;
	uint64_t random;
	unsigned long kills, fulls, steps, errors, rounds, pauses;
} driver;

struct worker {
	pid_t pid;
	int said;		/* what it says, and what of that was not yet a line */
	struct str text;
	bool stopped, late;
	unsigned long stopped_at;	/* in lines of the ledger */
	unsigned rounds;	/* so long it stands still */
	int status;
	bool ended;		/* status says how */
};

unsigned long soak_roll(unsigned long sides);
void soak_more_keys(unsigned long keys);
/* Keys FIRST to END are its own; so many things, of one kind or (op "") of all; what: a fault
 * before the call AT, or NULL.  node "": of one host alone. */
void soak_start(struct worker *worker, unsigned long first, unsigned long end, unsigned long many,
    int64_t clock, const char *node, const char *op, const char *what, unsigned long at);
void soak_listen(struct worker *worker);
void soak_finish(struct worker *worker);

/* Several hosts (soak-hosts.c). */
void soak_hosts(unsigned long messages, unsigned long kills, unsigned long pauses);
void soak_sweep(const char *op, unsigned long first, unsigned long each, unsigned long seeds);

#endif
