/*
 * address - mailboxes as SMTP writes them (RFC 5321 4.1.2, RFC 6531 3.3).
 *
 * An address is parsed once, at the door, by grammar; whatever a local part
 * holds, it is never a command, a file or a second address.  '%', '!' and '/'
 * are plain characters here.  A source route ("@a,@b:c@d") is dropped, quotes
 * stay as they came, and an address is always a span of the text it was in.
 *
 * Limits: 255 bytes each for local part and domain.  RFC 5321 4.5.3.1.1 gives a
 * local part 64, but the senders that lists and forwarders make are longer, and
 * refusing them loses mail that everybody else carries.
 */
#ifndef LIB_MAIL_ADDRESS_H
#define LIB_MAIL_ADDRESS_H

#include "lib/base/err.h"

enum { ADDRESS_PART_MAX = 255 };

enum address_allow {
	ADDRESS_NULL = 1,	/* "" is fine: the null sender */
	ADDRESS_POSTMASTER = 2,	/* "postmaster" needs no domain */
	ADDRESS_BARE = 4,	/* no local part needs one: batches of old sites */
	ADDRESS_UTF8 = 8,	/* SMTPUTF8 was said */
};

/* Is this an address?  0, or -1 with err (ERR_PERM). */
int address_check(struct span address, unsigned allow, struct err *err);

/* Takes "<path>" off the front of rest and leaves the checked address, without
 * brackets and source route, in *address. */
int address_path(struct span *rest, unsigned allow, struct span *address, struct err *err);

bool address_domain_ok(struct span domain, bool utf8);	/* a name or a literal: "[192.0.2.1]" */

#endif
