/*
 * addrlist - the addresses in To, Cc, Bcc (RFC 5322 3.4), one after the other.
 *
 *	while ((got = addrlist_next(&rest, &address)) > 0) ...
 *
 * Display names, comments, group names and line ends are passed over: of
 * "Ann (home) <ann@example.org>, list: bob@x, cyd@y;" come ann@example.org, bob@x
 * and cyd@y.  Whether what comes is an address at all is address_check()'s to say.
 * Time is linear and nothing recurses, however deep comments are nested.
 */
#ifndef LIB_MAIL_ADDRLIST_H
#define LIB_MAIL_ADDRLIST_H

#include "lib/base/str.h"

/* Replaces *address: 1, or 0 at the end. */
int addrlist_next(struct span *rest, struct str *address);

#endif
