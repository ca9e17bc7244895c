#include "lib/base/closer.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WAITING_MAX = 1024,	/* more are closed at once; at most an eighth of all descriptors */
	WAITING_LARGE = 64,	/* with so many a large file is, too: they hold room on the disk */
	LARGE = 256 << 10,
};

static struct {
	bool started, runs, stops;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int fd[WAITING_MAX];
	size_t waiting, most;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void *
close_all(void *none)
{
	int fd[64];

	pthread_mutex_lock(&state.lock);
	while (state.waiting > 0 || !state.stops) {
		size_t count = state.waiting < sizeof fd / sizeof fd[0] ? state.waiting : sizeof fd / sizeof fd[0];
		if (count == 0) {
			pthread_cond_wait(&state.more, &state.lock);
			continue;
		}
		state.waiting -= count;
		memcpy(fd, state.fd + state.waiting, count * sizeof *fd);
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
	struct rlimit limit;

	state.started = true;
	state.most = WAITING_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 8 < WAITING_MAX)
		state.most = limit.rlim_cur / 8;
}

static bool
is_large(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > LARGE;
}

void
closer_close(int fd)
{
	bool left = false;

	if (run()) {
		pthread_mutex_lock(&state.lock);
		left = state.waiting < state.most && (state.waiting < WAITING_LARGE || !is_large(fd));
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
