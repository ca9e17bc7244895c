/*
 * slow-clock - preloaded by tests: a processor that takes four seconds from one look to the next.  With
 * SLOW_CLOCK in the environment an hour goes by between two looks at the clock, too.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

clock_t
clock(void)
{
	static clock_t used;

	return used += 4 * CLOCKS_PER_SEC;
}

int
clock_gettime(clockid_t which, struct timespec *now)
{
	static time_t gone;
	int result = (int)syscall(SYS_clock_gettime, which, now);

	if (which == CLOCK_MONOTONIC && getenv("SLOW_CLOCK") != NULL)
		now->tv_sec += gone += 3600;
	return result;
}
