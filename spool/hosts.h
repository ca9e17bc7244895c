/*
 * hosts - who works in this spool: hosts/NODE, one line of each host.
 *
 * It is written when a program begins, at most once an hour, so that two hosts that do
 * not know that they share a spool can be found; and touched with every sign of life of a
 * process (spool/lease.h) where the spool is shared.
 */
#ifndef SPOOL_HOSTS_H
#define SPOOL_HOSTS_H

#include "spool/spool.h"

#define HOSTS_TIME "at=%012lld"	/* how its line begins: a sign of life writes over it */

struct host {
	char *node;
	int64_t seen;		/* its last sign of life, by the clock of the disk */
	int64_t said;		/* the same by its own clock */
	struct str machine;	/* the same for one machine, whatever it is called */
	bool shared;		/* as it had it set */
};
struct hosts {
	struct host *host;
	size_t count;
};

void hosts_note(const struct spool *spool);		/* here we are; a hint, without harm when lost */
void hosts_machine(struct str *out);			/* ours */
int hosts_list(const struct spool *spool, struct hosts *hosts, struct err *err);
void hosts_free(struct hosts *hosts);

#endif
