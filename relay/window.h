/*
 * window - POP before SMTP: who has read his mail may send for a while from where he did.
 *
 * A file an address in ROOT/pop-before-smtp, called 192.0.2.7 or 2001:db8::1, with the user's
 * name and, as its time, when he was there last.  So it can be looked at with ls, and closed
 * with rm; it survives a restart, and one that is over is removed when it is met or at the
 * next start.
 */
#ifndef RELAY_WINDOW_H
#define RELAY_WINDOW_H

#include "lib/net/place.h"
#include "spool/settings.h"

int window_open(const struct settings *settings, const struct ip *ip, struct span user, struct err *err);
void window_refresh(const struct settings *settings, const struct ip *ip);	/* he is still there */
/* Is it open?  Then user is whose it is. */
bool window_is_open(const struct settings *settings, const struct ip *ip, int64_t seconds, struct str *user);
void window_sweep(const struct settings *settings, int64_t seconds);	/* removes those that are over */

#endif
