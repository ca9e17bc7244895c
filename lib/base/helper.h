/*
 * helper - starts programs for a process that can start none any more.
 *
 *	helper_start(&rules, &err)	before anything is given away (lib/base/sandbox.h)
 *	child_start(...)		as ever: from now on the helper does it
 *	fs_open(AT_FDCWD, path, O_RDONLY, &err)	as ever: what we may not open it opens for us
 *
 * The helper is a process that we fork while we may, and that keeps what we could do then.  What
 * it starts is our own child all the same (CLONE_PARENT): it is waited for, and dies with us, as
 * any other.  It has nothing of ours but one socket, ends when that closes, and starts only
 * what its rules allow: they are its own, so that whoever got hold of us cannot change them.
 */
#ifndef LIB_BASE_HELPER_H
#define LIB_BASE_HELPER_H

#include <sys/types.h>

#include "lib/base/err.h"

struct child;

enum helper_way { HELPER_READ, HELPER_APPEND, HELPER_REMOVE };

struct helper_rules {
	bool (*may)(void *ctx, const char *path, const char *const *words);	/* in the helper: is it to be run? */
	/* in the helper: may that be done with a file?  NULL: nothing may */
	bool (*may_open)(void *ctx, const char *path, enum helper_way way);
	void (*again)(void *ctx);	/* in the helper: rules may have changed (SIGHUP); may be NULL */
	void *ctx;
	bool silent;		/* without our standard error, nor has it who is started by it and is given none */
};

enum { HELPER_REQUEST_MAX = 4 << 20, HELPER_WORDS_MAX = 20000 };

int helper_start(const struct helper_rules *rules, struct err *err);
bool helper_runs(void);
bool helper_is(pid_t pid);	/* that one */
void helper_again(void);		/* tells it */
void helper_stop(void);
pid_t helper_child(const struct child *child, struct err *err);	/* for child_start */
/* Where we may not: a descriptor (0 of HELPER_REMOVE), or -1 with errno, EACCES where there is no helper. */
int helper_open(const char *path, enum helper_way way);

#endif
