/*
 * soak - a spool worked at random, and broken at random, against an outside ledger.
 *
 * The driver (spool-soak.c) starts workers (soak-worker.c) two at a time, kills them, fills
 * their disk and turns their clock.  A worker says on standard output what it promised and
 * what it delivered, one line each, at that moment; a killed one has said what it has said:
 *
 *	op			it begins the next thing
 *	250 KEY			accepted
 *	451 KEY			refused: must never be seen again, the client keeps it
 *	sent AT ID KEY RCPT SIZE SHA	delivered; the far end knows ID and takes it once
 *	noted AT KEY RCPT	and that is on disk: must not be sent once more
 *	report KEY RCPT		a failure report to the sender, found at the end
 *	left PLACE KEY RCPT	still there at the end, where nothing should be
 *	damaged PATH
 *
 * With several hosts (spool.shared) each worker is of one of them, some are stopped in the
 * middle of something, and go on when the others have long taken them for dead.
 *
 * AT is by the one clock that all of this machine have (CLOCK_MONOTONIC): the driver listens to one
 * worker after the other, so what it hears first need not have been first.
 *
 * What a message is follows from its key, so that the driver knows it without the spool.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include "lib/base/digest.h"

enum { SOAK_RCPTS = 3, SOAK_SITES = 2 };	/* bob@ and tom@home.example, eve@ship.example */
#define SOAK_DRAIN 1000000000ul	/* for a worker, instead of a number: all to its end */
#define SOAK_LOOK 1000000001ul	/* looks at who is alive, no more */

/* As good as random, always the same. */
static inline uint64_t
soak_mix(uint64_t number)
{
	number += UINT64_C(0x9e3779b97f4a7c15);
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

void soak_body(unsigned long key, struct str *out);
unsigned soak_rcpts(unsigned long key);		/* a bit for each */
bool soak_from_peer(unsigned long key);		/* comes in a batch, and may come again */

int soak_worker(int argc, char **argv);

#endif
