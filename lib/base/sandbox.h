/*
 * sandbox - what a process gives away that will never need it: Landlock and seccomp.
 *
 *	struct sandbox sandbox = {0};
 *	sandbox_may(&sandbox, "/etc", SANDBOX_READ);
 *	sandbox_may(&sandbox, root, SANDBOX_WRITE);
 *	sandbox_enter(&sandbox, &said);		no way back
 *
 * Then no file can be opened but below those folders, no program started, and no call made
 * that a mail program has no use for: to trace others, mount, change who it is, load modules,
 * set the clock, make name spaces.  Programs are started by a helper, if one runs (helper.h).
 *
 * It is a second wall and not the first: where the kernel has no Landlock (5.19 at least is
 * wanted: moving files between folders) or no seccomp, that part is left out, and said, and
 * all goes on.  Files that are open stay so, and a rule means the folder that has its path now.
 */
#ifndef LIB_BASE_SANDBOX_H
#define LIB_BASE_SANDBOX_H

#include "lib/base/str.h"

enum sandbox_right { SANDBOX_READ, SANDBOX_WRITE };	/* to write is to read, make, move and remove */

struct sandbox {
	struct sandbox_rule {
		char *path;
		enum sandbox_right right;
	} *rule;
	size_t rules;
	bool programs;		/* may start some: no rule of seccomp keeps it from that */
};

void sandbox_may(struct sandbox *sandbox, const char *path, enum sandbox_right right);	/* need not be there */
void sandbox_may_libraries(struct sandbox *sandbox);	/* to read what the system's libraries do */
void sandbox_enter(const struct sandbox *sandbox, struct str *said);	/* "landlock=7 seccomp=yes" */
void sandbox_free(struct sandbox *sandbox);

#endif
