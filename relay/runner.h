/*
 * runner - carries on what waits in out/: finds the destinations that are ours to
 * reach, and keeps a road (road.h) for each.
 */
#ifndef RELAY_RUNNER_H
#define RELAY_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

struct road;
struct relay;

struct runner {
	struct relay *relay;
	struct road **road;
	size_t roads;
	size_t busy;		/* messages under way */
	bool stopping;
};

void runner_start(struct runner *runner, struct relay *relay);
void runner_look(struct runner *runner, bool sure);	/* something may have come: wakes those
					   whose folder has changed, or, to be sure, all */
void runner_stop(struct runner *runner);	/* what is under way ends */
bool runner_busy(const struct runner *runner);
void runner_close(struct runner *runner);	/* at once: what was under way is kept */

#endif
