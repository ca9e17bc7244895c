/*
 * spooldrop - what waits for a destination, as a reader by POP3 has it; E-MailRelay's --pop.
 *
 *	spooldrop_open(&drop, spool, "ann", err)	1: somebody else works on it
 *	... drop.item[i].octets, drop.item[i].id is its uid ...
 *	spooldrop_begin(&drop, i, err)
 *	  spooldrop_read(&drop, to, len, err)	0: that was all
 *	spooldrop_end(&drop)
 *	spooldrop_remove(&drop, marked, err)	delivered, with the reports that are due
 *	spooldrop_close(&drop)
 *
 * While it is open it has the destination's lock: nobody calls or packs for it.
 */
#ifndef SPOOL_SPOOLDROP_H
#define SPOOL_SPOOLDROP_H

#include "spool/queue.h"

enum { SPOOLDROP_MAX = 1000000 };

struct spooldrop {
	struct queue queue;
	bool open;
	struct spooldrop_item { char *id, *bucket; uint64_t octets; } *item;
	size_t count;
	struct message message;		/* the one that is read; fd -1: none */
	off_t at, end;
};

int spooldrop_open(struct spooldrop *drop, const struct spool *spool, const char *site, struct err *err);
int spooldrop_begin(struct spooldrop *drop, size_t item, struct err *err);
ssize_t spooldrop_read(struct spooldrop *drop, void *to, size_t len, struct err *err);
void spooldrop_end(struct spooldrop *drop);
int spooldrop_remove(struct spooldrop *drop, const bool *marked, struct err *err);
void spooldrop_close(struct spooldrop *drop);

#endif
