/*
 * child - other programs, run by an argument array and never by a shell.
 *
 * A child gets exactly the three descriptors named here (-1 is /dev/null), a
 * clean set of signals, and the environment given (NULL: PATH, HOME, LANG, TZ and
 * MOCHILA_* of ours).  Everything else of ours is close-on-exec.
 */
#ifndef LIB_BASE_CHILD_H
#define LIB_BASE_CHILD_H

#include <sys/types.h>

#include "lib/base/err.h"

struct child_limits {		/* 0: as ours */
	uint64_t cpu;		/* seconds */
	uint64_t memory;	/* bytes of address space */
	uint64_t written;	/* bytes of a file */
	uint64_t files;		/* open at a time */
};

struct child {
	const char *const *argv;	/* argv[0] may differ from path (rgsmtp is bsmtp) */
	const char *path;		/* NULL: argv[0], which must then hold a slash */
	const char *const *environment;	/* NULL: the clean one */
	const char *folder;		/* NULL: where we are */
	bool session;			/* a session and process group of its own, named by its pid */
	bool dies_with_us;		/* killed when our process ends, however it does */
	bool quick;			/* by vfork: for who starts very many, and has no threads */
	int in, out, errors;		/* -1: /dev/null; errors may be 2 */
	const struct child_limits *limits;	/* NULL: ours */
	bool three;			/* in is descriptor 3, and 0 is /dev/null */
};

/* The words of a setting, which no shell reads: argv (of room) points into line.  ERR_CONFIG: the first
 * one is no whole path, or they are too many. */
int child_words(char *line, const char **argv, size_t room, struct err *err);
pid_t child_start(const struct child *child, struct err *err);	/* -1 with err */
pid_t child_start_beside(const struct child *child, pid_t *dead, struct err *err);	/* -1 with err and errno; it
	is our parent's child (lib/base/helper.h), and so is the dead one that could not begin, or 0 */
int child_wait(pid_t pid, int64_t seconds, int *status, struct err *err);
	/* status: the exit status, or 128 + signal.  After seconds (0: for ever) it is
	 * killed, and that is ERR_TEMP. */
int child_run(const struct child *child, int64_t seconds, int *status, struct err *err);
int child_feed(struct child *child, const char *name, int64_t seconds, int *status, struct err *err);
	/* The same with a file, at its beginning, as child->in, which is closed.  0, or its refusal
	 * (child_status()); one that says 0 and did not read all of it: ERR_TEMP. */
uint64_t process_began(pid_t pid);	/* any, in ticks since the boot, so that a number that is used again
	is told from what it was; 0: there is none, or it is over */
void child_status(int status, const char *name, struct err *err);	/* an exit status as an
	error: 75 and signals TEMP, 78 and 126, 127 CONFIG, others PERM with that status */

#endif
