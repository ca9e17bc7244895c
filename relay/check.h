/*
 * check - is there such an address, may that host send for it?  Rows of a table, in a process
 * of its own (mochila-check), which may take its time and is asked by pool.h.  Questions are
 * fields:
 *
 *	recipient SOURCES ADDRESS BASE FROM CLIENT HOST MECHANISM USER ROUTE ROOT
 *	sender    ...			ADDRESS is the sender, FROM too
 *	spf       RESOLVER HOST CLIENT HELO FROM
 *	table     TABLE KEY			answered: yes VALUE | no | later WHY (relay/asked.h)
 *
 * and what is said to the first two
 *
 *	yes | none | no TEXT TAB WHY | later TEXT TAB WHY | abort TAB WHY
 *
 * where TEXT is for the client and WHY for our log; either may be empty.
 * The sources (parted by commas) are asked until one says yes; "none" is no opinion, and if
 * that is all there is it counts as yes.  SPF's answer is its result and what the domain says
 * about it.
 */
#ifndef RELAY_CHECK_H
#define RELAY_CHECK_H

#include "lib/base/err.h"

enum { CHECK_SECONDS = 30, CHECK_ONE = 20 };	/* for an answer; for a single source */

enum check_result { CHECK_NO, CHECK_YES, CHECK_NONE, CHECK_LATER, CHECK_ABORT };

struct checking {
	bool sender;			/* else a recipient */
	struct span address, base;	/* base: without its extension */
	struct span from, client, host, mechanism, user;	/* client: ADDRESS:PORT */
	struct span route;		/* where its mail goes; "": nowhere of ours */
	char *root;
};

struct check_row {
	const char *scheme;	/* "local:" */
	bool bare;		/* nothing need stand behind it */
	/* said: TEXT, and behind a tab WHY; may stay empty */
	enum check_result (*ask)(const char *rest, const struct checking *c, struct str *said);
};

extern const struct check_row check_local, check_maildir, check_file, check_cdb, check_command, check_net, check_call;
extern const struct check_row *const check_rows[];	/* NULL-ended */

int check_sources(const char *sources, struct err *err);	/* of the settings: are they known? */
enum check_result check_ask(struct span sources, const struct checking *c, struct str *said);

bool check_has_spf(void);	/* it was built in */
void check_spf(const char *resolver, const char *host, const char *client, const char *helo, const char *from,
    struct str *words);

#endif
