/* Nothing is taught here: mix is done without (uucico-ssh/small-m-mix.c). */
#include "spool/taught.h"

void
taught_drop(const struct ring *r)
{
	(void)r;
}

void
taught_budget(const struct spool *spool, struct ring_files *files, uint64_t budget)
{
	(void)spool;
	(void)files;
	(void)budget;
}

void
taught_close(struct taught *t)
{
	(void)t;
}
