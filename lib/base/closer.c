#include "lib/base/closer.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/base/thread.h"

enum {
	THREADS = 4,		/* a disk that is told of each does several at a time */
	BEHIND = 32,		/* waiting for each thread, before there is one more */
	WAITING_MAX = 1024,	/* more are closed at once; at most an eighth of all descriptors */
	WAITING_LARGE = 64,	/* with so many a large file is, too: they hold room on the disk */
	LARGE = 256 << 10,
	FOLDERS_MAX = 8,
	AT_ONCE = BEHIND / 2,	/* are closed together: a thread is not woken for each, */
	GATHER_MS = 20,		/* but fewer do not wait for long */
};

struct folder {
	int at;
	char *name;
};

static struct {
	bool started, stops;
	pthread_t thread[THREADS];
	size_t threads;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int fd[WAITING_MAX];
	size_t waiting, most;
	struct folder folder[FOLDERS_MAX];
	size_t folders;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

/* Called, and left, with the lock. */
static void
close_some(void)
{
	int fd[AT_ONCE];
	size_t count = state.waiting < sizeof fd / sizeof fd[0] ? state.waiting : sizeof fd / sizeof fd[0];

	state.waiting -= count;
	memcpy(fd, state.fd + state.waiting, count * sizeof *fd);
	pthread_mutex_unlock(&state.lock);
	for (size_t i = 0; i < count; i++)
		close(fd[i]);
	pthread_mutex_lock(&state.lock);
}

/* The same, when all that was in it is closed: the kernel looks for that. */
static void
remove_one(void)
{
	struct folder folder = state.folder[--state.folders];

	pthread_mutex_unlock(&state.lock);
	unlinkat(folder.at, folder.name, AT_REMOVEDIR);
	close(folder.at);
	free(folder.name);
	pthread_mutex_lock(&state.lock);
}

/* False: no more came so long. */
static bool
gather(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += GATHER_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	return pthread_cond_timedwait(&state.more, &state.lock, &until) == 0;
}

static void *
close_all(void *none)
{
	bool late = false;

	pthread_mutex_lock(&state.lock);
	while (state.waiting > 0 || state.folders > 0 || !state.stops) {
		bool enough = state.waiting >= AT_ONCE || late || state.folders > 0 || state.stops;
		late = false;
		if (state.waiting > 0 && enough)
			close_some();
		else if (state.waiting > 0)
			late = !gather();
		else if (state.folders > 0)
			remove_one();
		else
			pthread_cond_wait(&state.more, &state.lock);
	}
	pthread_mutex_unlock(&state.lock);
	return none;
}

/* Is there one?  The first when it is needed, the others when it does not keep up. */
static bool
run(void)
{
	if (!state.started || state.threads == THREADS || state.waiting < state.threads * BEHIND)
		return state.threads > 0;
	if (thread_start(&state.thread[state.threads], close_all, NULL) == 0)
		state.threads++;
	return state.threads > 0;
}

void
closer_start(void)
{
	struct rlimit limit;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&state.more, &attr);
	pthread_condattr_destroy(&attr);
	state.started = true;
	state.stops = false;
	state.most = WAITING_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 8 < WAITING_MAX)
		state.most = limit.rlim_cur / 8;
}

void
closer_close(int fd, off_t size)
{
	bool left = false;

	pthread_mutex_lock(&state.lock);
	if (run()) {
		left = state.waiting < state.most && (state.waiting < WAITING_LARGE || size <= LARGE);
		if (left) {
			state.fd[state.waiting++] = fd;
			if (state.waiting == 1 || state.waiting % AT_ONCE == 0)	/* one that is at work looks again */
				pthread_cond_signal(&state.more);
		}
	}
	pthread_mutex_unlock(&state.lock);
	if (!left)
		close(fd);
}

void
closer_remove_dir(int dir, const char *name)
{
	bool left = false;

	pthread_mutex_lock(&state.lock);
	int at = run() && state.folders < FOLDERS_MAX ? fcntl(dir, F_DUPFD_CLOEXEC, 3) : -1;
	if (at >= 0) {
		state.folder[state.folders++] = (struct folder){ at, mem_text(name) };
		pthread_cond_signal(&state.more);
		left = true;
	}
	pthread_mutex_unlock(&state.lock);
	if (!left)
		unlinkat(dir, name, AT_REMOVEDIR);
}

void
closer_stop(void)
{
	pthread_mutex_lock(&state.lock);
	state.stops = true;
	pthread_cond_broadcast(&state.more);
	pthread_mutex_unlock(&state.lock);
	while (state.threads > 0)
		pthread_join(state.thread[--state.threads], NULL);
	state.started = false;
}
