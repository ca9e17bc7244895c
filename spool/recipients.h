/*
 * recipients - which addresses there are at a site, told by it to the next one.
 *
 * Home gathers them ([site hub] recipients) and sends them as a job, "rrecipients":
 *
 *	recipients=1 count=2
 *	domain home.example		it tells of all there are in these
 *	ann@home.example
 *	@old.home.example		whatever stands before the @
 *	end
 *
 * Hub takes them from nobody but the site that a call has proven, for no domain but those
 * that [site home] speaks-for names and [routes] leads to it, whole or not at all; they become
 * ROOT/recipients/home, a text that other programs read too (Postfix's texthash:, Exim's
 * lsearch, file: of ours):
 *
 *	ann@home.example	OK
 *	home.example	DOMAIN
 *
 * An unknown recipient is then refused while he is still being named, and nobody has to be
 * told over the bad line.
 */
#ifndef SPOOL_RECIPIENTS_H
#define SPOOL_RECIPIENTS_H

#include "spool/settings.h"

enum { RECIPIENTS_MAX = 16 << 20 };	/* bytes of a list */

int recipients_check(const char *sources, struct err *err);	/* file:PATH, maildir:DIR, |PROGRAM */
int recipients_gather(const struct settings *settings, const struct site_settings *site, struct str *list,
    struct err *err);
/* Applies what came; ERR_PERM when it is no such list, or may not say that. */
int recipients_take(const struct settings *settings, const struct site_settings *site, struct span list,
    struct err *err);
/* 1: the site has said that there is such an address, or nothing about its domain.  0: there is
 * none.  -1: it cannot be asked. */
int recipients_know(const struct settings *settings, const char *site, struct span address, struct err *err);

void recipients_path(const struct settings *settings, const char *name, struct str *path);

#endif
