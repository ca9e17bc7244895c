/*
 * alias - whom mail for an address is for in truth.
 *
 * Looked up in the tables of [addresses] aliases, most exact first: user+word@domain as it
 * is, user@domain without the extension, the bare name where the domain is our host, and
 * @domain, which catches all that has no line of its own.  What is found are addresses, apart
 * by commas or blanks, that may have aliases again; a name alone is one of our host, "@domain"
 * keeps the name, and one that leads to itself is final.
 *
 * A line never names a file or a program, whatever it looks like: that is refused.
 */
#ifndef SPOOL_ALIAS_H
#define SPOOL_ALIAS_H

#include "spool/settings.h"

enum { ALIAS_DEPTH_MAX = 20, ALIAS_MAX = 1000 };

struct aliases {		/* {0} is none */
	char **address;
	size_t count;
};

/* 0: it has none, and the list is empty.  1: the list is what it stands for, each once; it may
 * be itself.  -1: ERR_PERM when they go in circles or are too many, ERR_CONFIG when a line
 * is wrong, ERR_TEMP when a table cannot be asked. */
int alias_expand(const struct settings *settings, struct span address, struct aliases *list,
    struct err *err);
int alias_has(const struct settings *settings, struct span address, struct err *err);	/* 1, 0, -1 */
bool alias_base(const struct settings *settings, struct span address, struct str *base);
		/* user@domain of user+word@domain; false when there is no extension */
void aliases_free(struct aliases *list);

#endif
