/*
 * route - which destination takes a recipient.
 *
 * Rows of [routes], first match wins within the most exact kind: an address
 * (user@dom), a domain (home.example), the domains below one (*.home.example), then
 * "*".  A destination is "site:NAME", "smtp:HOST:PORT", "maildir:DIR" or
 * "reject:TEXT"; its folder below out/ is NAME, or the destination with every
 * byte outside [A-Za-z0-9._:@+-] as %XX.
 */
#ifndef SPOOL_ROUTE_H
#define SPOOL_ROUTE_H

#include "spool/settings.h"

enum route_kind { ROUTE_NONE, ROUTE_SITE, ROUTE_SMTP, ROUTE_MAILDIR, ROUTE_REJECT };

struct route_match {
	enum route_kind kind;
	const char *rest;	/* behind "kind:"; borrowed from the settings */
	bool wildcard;		/* matched by "*": not a domain we answer for */
};

struct route_match route_find(const struct settings *settings, struct span address);
bool route_meets(const char *pattern, struct span address);	/* is it one that the row means? */
struct route_match route_destination(const char *destination);
void route_folder(const struct route_match *match, struct str *out);
void route_folder_of(const char *kind, const char *rest, struct str *out);	/* "lmtp", "HOST:PORT" */
bool route_folder_ok(struct span folder);	/* what that gives, and no path */
void route_of_folder(const char *folder, struct str *destination);	/* "site:home", "smtp:..." */

#endif
