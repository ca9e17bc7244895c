/*
 * masquerade - other names for our addresses in mail that leaves, and back in mail that
 * comes: for a home host whose own name nobody can write to.
 *
 * [addresses] masquerade and unmask name tables (spool/table.h).  An address is looked up as
 * it is, without its extension, by @domain and by @.parent of each domain above; the first
 * that is found counts.  What is found is an address, or "@domain", which keeps the name;
 * the address itself (or "@domain" of itself) exempts it.
 *
 * Going out the sender of the envelope is changed and the addresses of the header
 * (lib/mail/rewrite.h), coming in the recipients and the header.  A recipient who gets another
 * address keeps the old one as ORCPT, if he came without, so that reports name him as the
 * sender knows him.  Nothing else of the message is touched.
 *
 * Whoever brings a message into the spool says which way it goes, and writes it as ever:
 *
 *	mask_envelope(&settings, MASQUERADE_IN, &env, &mask, &err)
 *	arrival_begin(&a, &info, &env, &err)
 *	arrival_mask(&a, mask)		the header, as it is written
 */
#ifndef SPOOL_MASQUERADE_H
#define SPOOL_MASQUERADE_H

#include "lib/mail/envelope.h"
#include "spool/settings.h"

enum masquerade_way { MASQUERADE_OUT, MASQUERADE_IN };

bool masquerade_set(const struct settings *settings, enum masquerade_way way);	/* there are tables */
bool masquerade_leaves(const struct settings *settings, const struct envelope *env);
		/* does any of its recipients, or what is an alias for him, live elsewhere? */
/* 1: `to` is what it is called, 0: it stays, -1: TEMP or CONFIG. */
int masquerade_address(const struct settings *settings, enum masquerade_way way, struct span address,
    struct str *to, struct err *err);
int masquerade_envelope(const struct settings *settings, enum masquerade_way way, struct envelope *env,
    struct err *err);
/* Does it apply to this one?  Then the envelope is changed. */
struct mask {
	bool on;
	enum masquerade_way way;
};
int mask_envelope(const struct settings *settings, enum masquerade_way way, struct envelope *env,
    struct mask *mask, struct err *err);
int masquerade_header(const struct settings *settings, enum masquerade_way way, struct span header,
    struct str *out, struct err *err);	/* appends it, and what stands behind it */

#endif
