/*
 * verify - asks whether a password is right, without waiting for it.
 *
 *	verify_ask(&relay->verify, sources, &who, &question)	one answer will come
 *	verify_leave(&question)					nobody waits for it any more
 *
 * The work is done by a few processes (relay/login.h, pool.h).  A wrong password is told only after a while, and the longer the more often that
 * client was wrong lately: guessing is slow, and holds nobody else up.
 */
#ifndef RELAY_VERIFY_H
#define RELAY_VERIFY_H

#include "lib/net/place.h"
#include "relay/login.h"
#include "relay/pool.h"

enum { VERIFY_WORKERS = 4, VERIFY_GUESSERS = 256 };

struct verify_question {		/* embedded in who asks */
	struct pool_question asked;
	struct ip ip;
	struct timer slow;		/* a "no" that is held back */
	/* result: 1 yes (mailbox may be empty), 0 no, -1 err */
	void (*answer)(struct verify_question *question, int result, struct span mailbox, const struct err *err);
	struct verify *verify;		/* NULL: waits for nothing */
};

struct verify {
	struct relay *relay;
	char *sources;			/* those that the workers were started with */
	struct pool pool;
	struct guesser { struct ip ip; unsigned wrong; int64_t last; } guesser[VERIFY_GUESSERS];
};

void verify_start(struct verify *verify, struct relay *relay);
/* sources: what [relay] login says.  -1 with err: the queue is full. */
int verify_ask(struct verify *verify, const char *sources, const struct login *who, const struct ip *ip,
    struct verify_question *question, struct err *err);
/* Told already by other means that it is a "no": the answer comes, as late as any. */
void verify_refuse(struct verify *verify, const struct ip *ip, struct verify_question *question);
void verify_leave(struct verify_question *question);
int verify_check(const char *sources, struct err *err);	/* each a scheme that there is */
void verify_close(struct verify *verify);

#endif
