/*
 * asked - what programs of tables ("|PROGRAM" of [addresses]) have said lately.
 *
 * In the relay's loop nobody waits for a program: tables look here (spool/table.h, known), and
 * what is not known is asked in mochila-check, by a few processes with a deadline.  Whoever needs
 * answers to go on says so, looks as often as something was missing, and waits in between:
 *
 *	asked_look(&asked);  ...find routes, aliases, names...
 *	if (asked_misses(&asked, &question, &err))	0 nothing is missing, 1 question.answer will be
 *		return;					called: look again, -1
 *
 * Answers are believed for a minute, a failure for as long as a table's program rests.  Who looks
 * without asked_look() takes what is older, too, and gets a failure (ERR_TEMP) where nothing is known;
 * that is asked all the same, for whoever comes back.
 */
#ifndef RELAY_ASKED_H
#define RELAY_ASKED_H

#include "relay/pool.h"
#include "spool/settings.h"
#include "spool/table.h"

enum { ASKED_MAX = 4096, ASKED_BYTES_MAX = 8 << 20, ASKED_WORKERS = 4, ASKED_SECONDS = 3 * TABLE_SECONDS,
	ASKED_HERE_MS = 200,
	ASKED_FIRST_SECONDS = 30 };	/* systemd(1) gives a start 90 s */

struct asked_question {			/* embedded in who waits; {0} waits for nothing */
	struct pool_question asked;
	struct asked *from;
	struct str table, key;
	void (*answer)(struct asked_question *question);	/* from the loop: look again */
};

struct asked_known;

struct asked {
	struct relay *relay;
	struct pool pool;
	struct asked_known *known;	/* ASKED_MAX places */
	size_t bytes;			/* of their values */
	bool looks, missing;		/* somebody does who can wait; and something was */
	struct str table, key;		/* what: the first of it */
	struct asked_question again;	/* what nobody waits for */
	bool here;			/* tables may ask for themselves what is not known */
};

/* Before there is a loop: programs are asked here and now, for ASKED_FIRST_SECONDS in all, and the log says
 * whom we wait for.  At its end none of them is left. */
struct asked_first {
	struct tables *tables;
	int64_t until;
	struct str said;	/* of whom the log was told last */
};
void asked_first(struct asked_first *first, struct tables *tables);
void asked_first_end(struct asked_first *first);

void asked_start(struct asked *asked, struct relay *relay);
void asked_use(struct asked *asked, const struct settings *settings);	/* its tables look here */
bool asked_needed(const struct settings *settings);	/* is there a program among them? */
void asked_look(struct asked *asked);
/* Until it is called again: what is not known is asked here and now, for ASKED_HERE_MS.  What comes of
 * that is the tables' own; asked_misses() has the last one of these asked in peace. */
void asked_here(struct asked *asked, bool here);
int asked_misses(struct asked *asked, struct asked_question *question, struct err *err);
void asked_leave(struct asked_question *question);
void asked_forget(struct asked *asked);		/* all that is known: the settings are new */
void asked_close(struct asked *asked);

#endif
