#include "lib/base/closer.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

enum { WAITING_MAX = 128 };	/* descriptors are limited: more are closed at once */

static struct {
	bool started, runs, stops;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int fd[WAITING_MAX];
	size_t waiting;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void *
close_all(void *none)
{
	int fd[WAITING_MAX];

	pthread_mutex_lock(&state.lock);
	while (state.waiting > 0 || !state.stops) {
		size_t count = state.waiting;
		if (count == 0) {
			pthread_cond_wait(&state.more, &state.lock);
			continue;
		}
		for (size_t i = 0; i < count; i++)
			fd[i] = state.fd[i];
		state.waiting = 0;
		pthread_mutex_unlock(&state.lock);
		for (size_t i = 0; i < count; i++)
			close(fd[i]);
		pthread_mutex_lock(&state.lock);
	}
	pthread_mutex_unlock(&state.lock);
	return none;
}

/* When it is first needed: signals are for the process's own thread. */
static bool
run(void)
{
	sigset_t all, before;

	if (state.runs || !state.started)
		return state.runs;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	state.stops = false;
	state.runs = pthread_create(&state.thread, NULL, close_all, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return state.runs;
}

void
closer_start(void)
{
	state.started = true;
}

void
closer_close(int fd)
{
	bool left = false;

	if (run()) {
		pthread_mutex_lock(&state.lock);
		left = state.waiting < WAITING_MAX;
		if (left)
			state.fd[state.waiting++] = fd;
		if (state.waiting == 1)
			pthread_cond_signal(&state.more);
		pthread_mutex_unlock(&state.lock);
	}
	if (!left)
		close(fd);
}

void
closer_stop(void)
{
	if (state.runs) {
		pthread_mutex_lock(&state.lock);
		state.stops = true;
		pthread_cond_signal(&state.more);
		pthread_mutex_unlock(&state.lock);
		pthread_join(state.thread, NULL);
	}
	state.runs = state.started = false;
}
