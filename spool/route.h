/*
 * route - which destination takes a recipient.
 *
 * Rows of [routes], first match wins within the most exact kind: an address
 * (user@dom), a regular expression (/RE/), a domain (home.example), the domains below
 * one (*.home.example), then the tables of [addresses] routes, then "*".  A destination is a row of kinds (route.c): "site:NAME",
 * "smtp:HOST:PORT", "maildir:DIR", "reject:TEXT" ...; its folder below out/ is NAME, or
 * the destination with every byte outside [A-Za-z0-9._:@+-] as %XX.
 */
#ifndef SPOOL_ROUTE_H
#define SPOOL_ROUTE_H

#include "spool/settings.h"

enum route_kind {
	ROUTE_NONE, ROUTE_SITE, ROUTE_SMTP, ROUTE_SMTPS, ROUTE_LMTP, ROUTE_MX, ROUTE_MAILDIR, ROUTE_MBOX, ROUTE_COMMAND,
	ROUTE_RELEASE,		/* the robot (relay/transport-release.c) */
	ROUTE_FILTER,		/* by way of its filters (relay/filter.h): settle says so, no route does */
	ROUTE_REJECT,
	ROUTE_LATER,		/* a table cannot be asked: rest says why */
};

enum { ROUTE_REST_MAX = 500, ROUTE_FOLDER_MAX = 180, ROUTE_REGEX_MAX = 250, ROUTE_SUBJECT_MAX = 600 };

struct route_match {
	enum route_kind kind;
	bool wildcard;		/* matched by "*": not a domain we answer for */
	char rest[ROUTE_REST_MAX];	/* behind "kind:"; of ROUTE_NONE what is wrong, if anything is */
};

/* This local part at our host is the sender of probes ("mochila doctor --mail"): what comes for it is
 * held, ROUTE_NONE with the reason route_probe, unless a route names the address. */
#define ROUTE_PROBE "mochila-probe"
extern const char route_probe[];

struct route_match route_find(const struct settings *settings, struct span address);
bool route_meets(const char *pattern, struct span address);	/* is it one that the row means? */
struct route_match route_destination(const char *destination);	/* ROUTE_NONE: it is none */
bool route_waits(enum route_kind kind);		/* there, in a folder below out/ */
bool route_leads_out(enum route_kind kind);	/* to other hosts, or to a program that might */
int route_check(const char *pattern, const char *destination, struct err *err);
void route_forms(struct str *out);		/* "site:NAME, smtp:HOST:PORT, ..." */
void route_folder(const struct route_match *match, struct str *out);
void route_folder_of(const char *kind, const char *rest, struct str *out);	/* "lmtp", "HOST:PORT" */
bool route_folder_ok(struct span folder);	/* what that gives, and no path */
void route_by_filters(const struct settings *settings, struct str *folder);	/* "home" becomes "filter:home"
			   where mail for it goes through filters first */
void route_behind_filters(const char *rest, struct str *folder);	/* and back, of what is behind "filter:" */
void route_of_folder(const char *folder, struct str *destination);	/* "site:home", "smtp:..." */

#endif
