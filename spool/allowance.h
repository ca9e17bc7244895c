/*
 * allowance - what a user may still have moved by calls with a site this month.
 *
 *	struct allowance allowance;
 *	allowance_open(&allowance, spool, site);
 *	... for each message: if (allowance_spent(&allowance, &m.entry)) it waits ...
 *	allowance_free(&allowance);
 *
 * [site NAME] says how much of it is a user's (user-month-bytes and so on); the history tells
 * how much mail they gave us (spool/usage.h).  Of the time and the money of the site's calls
 * theirs is the share that their bytes have in what all calls moved.  Who a user is says the
 * history, too: the sender's address of mail by SMTP, else the user of this host.  Mail that
 * another site brought is nobody's here.
 */
#ifndef SPOOL_ALLOWANCE_H
#define SPOOL_ALLOWANCE_H

#include "spool/usage.h"

struct allowance {
	const struct site_settings *site;
	struct usage usage;
	bool counts;		/* the month is of interest, and usage is filled */
	struct str told;	/* who was logged last: once each is enough, mostly */
};

void allowance_open(struct allowance *allowance, const struct spool *spool, const struct site_settings *site);
/* True, and in the log, when it is to wait. */
bool allowance_spent(struct allowance *allowance, const struct entry *entry);
void allowance_free(struct allowance *allowance);

#endif
