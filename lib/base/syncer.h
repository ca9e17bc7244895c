/*
 * syncer - a file's data made durable by a thread, while we do something else.
 *
 *	syncer_start(&s)
 *	syncer_begin(&s, fd)	0: begun, and s.told becomes readable; -1: it is not, do it yourself
 *	syncer_is_over(&s)	asked then, as it may be late news of an earlier one
 *	syncer_end(&s, err)	waits until it is over: as fs_sync_data() would have said
 *	syncer_stop(&s)
 *
 * One file at a time; nobody writes to it, or closes it, in between.
 */
#ifndef LIB_BASE_SYNCER_H
#define LIB_BASE_SYNCER_H

#include <pthread.h>

#include "lib/base/err.h"

struct syncer {
	int told;		/* to be watched; -1: there will be no thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running, stops;
	bool busy, over;	/* between begin and end; and its sync has come back */
	int fd, result;
	int64_t ended;		/* clock_mono(), of the last one */
	struct err err;
};

void syncer_start(struct syncer *s);
int syncer_begin(struct syncer *s, int fd);
bool syncer_is_over(struct syncer *s);
int syncer_end(struct syncer *s, struct err *err);	/* after a begin only */
void syncer_stop(struct syncer *s);	/* what was begun is over */

#endif
