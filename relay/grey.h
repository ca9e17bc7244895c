/*
 * grey - who sends to whom from where for the first time is asked to come back later; a program
 * that has no queue does not.
 *
 *	grey_seen(&grey, path, &ip, from, to, now, delay, keep, &wait, &err)
 *		0 welcome; 1 to come back in wait seconds; -1 the table cannot be used
 *
 * One table of fixed size, ROOT/grey: 64 bytes that say what it is, and GREY_ROWS rows of 16.
 * Whoever has not been seen for longest makes room.  It is read and written in place, a row at a
 * time; what a crash loses is that somebody has to come back once more.  The client counts by
 * his network (IPv4 /24, IPv6 /64): large senders come back from another host.
 */
#ifndef RELAY_GREY_H
#define RELAY_GREY_H

#include "lib/base/err.h"
#include "lib/net/place.h"

enum { GREY_ROWS = 65536, GREY_WINDOW = 2 * 86400 };	/* seconds in which he is to come back */

struct grey {			/* {0} is not open */
	int fd;
	bool open;
	unsigned char secret[16];	/* so that nobody can choose rows that meet */
};

int grey_seen(struct grey *grey, const char *path, const struct ip *ip, struct span from, struct span to,
    int64_t now, int64_t delay, int64_t keep, int64_t *wait, struct err *err);
void grey_close(struct grey *grey);

#endif
