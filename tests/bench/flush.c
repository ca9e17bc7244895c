/*
 * flush - a preload library that counts and slows what waits for the disk.
 *
 *	FLUSH_SLOW=MICROSECONDS	each fsync, fdatasync and syncfs takes so much longer
 *	FLUSH_COUNT=FILE	at exit: how many there were
 *	flush_count()		how many there were, for whoever finds it by dlsym
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long flushes;
static useconds_t slower;
static const char *count_file;

unsigned long flush_count(void);

/* Read at once: a program may clean its environment. */
__attribute__((constructor)) static void
instructions(void)
{
	const char *slow = getenv("FLUSH_SLOW");

	slower = slow != NULL ? (useconds_t)strtoul(slow, NULL, 10) : 0;
	count_file = getenv("FLUSH_COUNT");
}

__attribute__((destructor)) static void
report(void)
{
	FILE *file = count_file != NULL ? fopen(count_file, "w") : NULL;

	if (file != NULL) {
		fprintf(file, "%lu\n", flushes);
		fclose(file);
	}
}

unsigned long
flush_count(void)
{
	return flushes;
}

#define WRAP(name)						\
	int name(int fd);					\
	int name(int fd)					\
	{							\
		static int (*real)(int);			\
		if (real == NULL)				\
			*(void **)&real = dlsym(RTLD_NEXT, #name);	\
		flushes++;					\
		if (slower > 0)					\
			usleep(slower);				\
		return real(fd);				\
	}

WRAP(fsync)
WRAP(fdatasync)
WRAP(syncfs)
