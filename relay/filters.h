/*
 * filters - takes messages through their filters, without waiting for them.
 *
 *	filters_ask(&relay->filters, chain, &asking, err)	one answer will come
 *	filters_leave(&asking)					nobody waits for it any more
 *
 * A chain of quick filters is run at once, where the message is small and in memory.  Others go
 * to a few processes, mochila-filter, started when they are first needed; each has one message
 * at a time, and a folder of its own for what programs are to find.  One that takes longer than
 * its filters may is killed, and its message answered "later", as is that of one that died.
 * More than can be worked on wait in a queue that has an end.
 */
#ifndef RELAY_FILTERS_H
#define RELAY_FILTERS_H

#include "lib/net/loop.h"
#include "relay/chain.h"

struct relay;

enum { FILTERS_QUEUE_MAX = 1000 };

struct filters_asking {			/* embedded in who asks */
	struct filters_asking *next, **at;	/* at NULL: it does not wait in the queue */
	struct filters *filters;	/* NULL: no answer is due */
	struct str text;		/* the question */
	int file;			/* the message's text; -1: it is in the question */
	int64_t seconds;		/* that it may take */
	void (*answer)(struct filters_asking *asking, struct filtered *filtered);	/* who frees it */
};

struct filters_worker {
	struct filters *filters;
	pid_t pid;			/* 0: there is none */
	int sock;
	struct str folder;
	struct watch watch;
	struct timer late;
	struct filters_asking *asking;	/* NULL: idle, or nobody waits for the answer */
	bool busy;
	uint64_t number;
};

struct filters {
	struct relay *relay;
	struct filters_worker *worker;
	size_t workers;
	struct filters_asking *first, **last;
	size_t waiting;
	uint64_t number;
	struct timer turn;		/* when the queue is looked at */
};

void filters_start(struct filters *filters, struct relay *relay);
/* text: the message; or text.p is NULL, and file has len bytes of it from at on.  An answer never
 * comes from inside; a job that was asked may be freed. */
struct filters_text { struct span text; int file; off_t at; uint64_t len; };
int filters_ask(struct filters *filters, const struct filter_job *job, const struct entry_info *info,
    const struct envelope *env, const struct filters_text *text, struct filters_asking *asking, struct err *err);
/* The same at once, where that can be: true, and filtered is filled. */
bool filters_quick(struct filter_job *job, const struct entry_info *info, const struct envelope *env,
    struct span text, struct filtered *filtered);
void filters_leave(struct filters_asking *asking);
void filters_close(struct filters *filters);

/* Between the relay and mochila-filter. */
struct filters_packet {
	uint64_t number;
	struct str text;
	int fd[2];		/* -1: not there */
};
int filters_send(int sock, uint64_t number, struct span text, const int fd[2], struct err *err);
int filters_receive(int sock, struct filters_packet *packet, int flags, struct err *err);	/* 1; 0: the
			   other end is gone; -1 */

#endif
