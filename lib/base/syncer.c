#include "lib/base/syncer.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/thread.h"

/* Called, and left, with the lock.  It is told without it: whoever is woken wants it. */
static void
sync_one(struct syncer *s)
{
	static const uint64_t one = 1;
	struct err err = {0};
	int fd = s->fd;

	pthread_mutex_unlock(&s->lock);
	int result = fs_sync_data(fd, &err);
	pthread_mutex_lock(&s->lock);
	s->ended = clock_mono();
	s->result = result;
	s->err = err;
	s->over = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	ssize_t done = write(s->told, &one, sizeof one);
	(void)done;
	pthread_mutex_lock(&s->lock);
}

static void *
sync_all(void *arg)
{
	struct syncer *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stops || (s->busy && !s->over)) {
		if (s->busy && !s->over)
			sync_one(s);
		else
			pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void
syncer_start(struct syncer *s)
{
	*s = (struct syncer){ .told = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
}

/* When it is needed. */
static bool
run(struct syncer *s)
{
	if (!s->running && s->told >= 0)
		s->running = thread_start(&s->thread, sync_all, s) == 0;
	return s->running;
}

int
syncer_begin(struct syncer *s, int fd)
{
	if (!run(s))
		return -1;
	pthread_mutex_lock(&s->lock);
	s->fd = fd;
	s->busy = true;
	s->over = false;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

bool
syncer_is_over(struct syncer *s)
{
	uint64_t times;
	ssize_t got = read(s->told, &times, sizeof times);

	(void)got;
	pthread_mutex_lock(&s->lock);
	bool over = s->busy && s->over;
	pthread_mutex_unlock(&s->lock);
	return over;
}

int
syncer_end(struct syncer *s, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	while (!s->over)
		pthread_cond_wait(&s->changed, &s->lock);
	s->busy = false;
	int result = s->result;
	if (result < 0)
		*err = s->err;
	pthread_mutex_unlock(&s->lock);
	return result;
}

void
syncer_stop(struct syncer *s)
{
	pthread_mutex_lock(&s->lock);
	s->stops = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->running)
		pthread_join(s->thread, NULL);
	if (s->told >= 0)
		close(s->told);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	*s = (struct syncer){ .told = -1 };
}
