/*
 * settler - when the spool is settled.
 *
 * At once when nobody is in the middle of a message, within a second otherwise, so that
 * a busy relay settles in large gulps; when run/bell is rung; and each minute, whatever
 * was missed.
 */
#ifndef RELAY_SETTLER_H
#define RELAY_SETTLER_H

#include "lib/net/loop.h"

struct relay;

struct settler {
	struct relay *relay;
	int bell;		/* -1: none */
	struct watch watch;
	struct timer soon, minute;
};

void settler_start(struct settler *settler, struct relay *relay);
void settler_wake(struct settler *settler, bool busy);	/* something was accepted */
void settler_close(struct settler *settler);

#endif
