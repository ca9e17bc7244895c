/*
 * notice - who asked for something hears by mail that it was refused.
 *
 * Here: a user of ours, whose job a site refused; the mail goes as any other, by the routes.
 * There: a user of a site that sent us a job, by rmail, as UUCP always did.  Nobody hears of the
 * refusal of such a notice, so there is no end without an end.
 */
#ifndef UUCICO_SSH_NOTICE_H
#define UUCICO_SSH_NOTICE_H

#include "spool/spool.h"

struct notice {
	struct span user;	/* a login, or an address */
	struct span what;	/* he asked for */
	const char *site;	/* whose it was to do, or whose user he is */
	const char *why;
	const char *held;	/* hold/NAME, or NULL: it is not his to look at */
};

/* They say of trouble in the log: what was refused is so without them. */
void notice_here(const struct spool *spool, const struct notice *notice);
void notice_there(const struct spool *spool, const struct notice *notice);

#endif
