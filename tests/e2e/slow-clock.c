/* slow-clock - preloaded by tests/e2e/23-m.sh: a processor that takes four seconds from one look to the next. */
#include <time.h>

clock_t
clock(void)
{
	static clock_t used;

	return used += 4 * CLOCKS_PER_SEC;
}
