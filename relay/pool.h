/*
 * pool - a few processes of our own that answer questions which may take their time.
 *
 *	pool_start(&pool, relay, "mochila-login", 4)
 *	pool_ask(&pool, &question, text, &err)		one answer will come
 *	pool_leave(&question)				nobody waits for it any more
 *
 * They are started when they are first needed and ended when the relay ends; each answers one
 * question at a time.  One that takes too long or dies is replaced, and its question answered
 * by a failure.  Questions wait in a queue that has an end.  How they are put:
 *
 *	NUMBER LENGTH\n and LENGTH bytes	answered by	NUMBER WORDS\n
 */
#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include <sys/types.h>

#include "lib/net/loop.h"

struct relay;
struct pool;

enum { POOL_WORKERS = 8, POOL_QUEUE_MAX = 200, POOL_QUESTION_MAX = 4096, POOL_ARGS_MAX = 250 };

struct pool_question {		/* embedded in who asks */
	struct pool_question *next, **at;	/* at NULL: waits for nothing */
	struct pool *pool;
	struct str text;
	/* words: what stands behind the number; from the loop.  -1: it could not be answered */
	void (*answer)(struct pool_question *question, int result, struct span words);
};

struct pool_worker {
	struct pool *pool;
	pid_t pid;			/* 0: there is none */
	int to, from;
	struct watch watch;
	struct timer late;
	struct pool_question *question;	/* NULL: idle, or nobody waits for the answer */
	bool busy, ended;
	uint64_t number;
	struct str heard;
};

struct pool {
	struct relay *relay;
	const char *program;
	const char *event;		/* in the log: "login" */
	int64_t seconds;		/* for an answer */
	size_t workers;
	struct str arg[POOL_ARGS_MAX];	/* of the program; set them before it is asked */
	size_t args;
	bool tells;			/* what it says on standard error is for ours */
	struct pool_worker worker[POOL_WORKERS];
	struct pool_question *first, **last;
	struct timer soon;
	size_t waiting;
	uint64_t number;
};

void pool_start(struct pool *pool, struct relay *relay, const char *program, const char *event, size_t workers,
    int64_t seconds);
/* The options by which a process of ours reads the settings as we did; none: they are too many. */
size_t pool_words(const struct relay *relay, struct str word[POOL_ARGS_MAX]);
/* Fields, each ended by NUL but the last.  -1 with err, and no answer comes: TEMP, the queue is
 * full; PERM, too long. */
int pool_ask(struct pool *pool, struct pool_question *question, const struct span *fields, size_t count,
    struct err *err);
void pool_leave(struct pool_question *question);	/* {0} is fine */
void pool_finish(struct pool *pool);	/* waits for who is at work, and all end; nobody hears the answers */
void pool_restart(struct pool *pool);	/* who is at work ends; others begin with the new arguments */
void pool_close(struct pool *pool);

#endif
