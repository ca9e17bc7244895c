/* small - the programs that are one in mochila-small: main-small.c. */
#ifndef SPOOL_SMALL_H
#define SPOOL_SMALL_H

#include "lib/base/str.h"

struct small_program {
	const char *names;	/* blank-separated */
	int (*run)(int argc, char **argv);
};

/* Those that no mail needs, ended by {0}: small-others.c, or small-alone.c where they are left out. */
extern const struct small_program small_others[];

#define SMALL_DECLARE(name, names) int name##_main(int argc, char **argv);
#define SMALL_ROW(name, names) { names, name##_main },

#endif
