/*
 * ready - telling those who started us that we are at work: a descriptor, a file, or
 * the parent that waits to leave us in the background.
 */
#ifndef RELAY_READY_H
#define RELAY_READY_H

#include "relay/relay.h"

struct ready {
	const char *fd_text, *pid_file;	/* of --ready-fd and --pid-file, or NULL */
	bool background;
	int fd, parent;		/* -1: none */
};

int ready_check(struct ready *ready, struct err *err);
int ready_detach(struct ready *ready, struct err *err);	/* if background; the parent
						   exits when the child is ready, or with its status */
int ready_tell(struct ready *ready, const struct relay *relay, struct err *err);
void ready_gone(const struct ready *ready);	/* the pid file goes */

#endif
