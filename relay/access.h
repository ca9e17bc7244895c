/*
 * access - who may send to whom.  Pure functions of settings and addresses.
 *
 * A client inside relay-from may send wherever a route leads.  Anybody else may send
 * to what has a route of its own (an address, a domain, the domains below one), never
 * through "*".  Nothing that a client says of himself gives a right, nor does his name
 * in the DNS.
 *
 * An address was parsed once, by the SMTP engine: its domain decides.  Behind a route
 * of our own, a local part that names a second hop (user%other, other!user,
 * "user@other") is refused for everybody, because the next host might obey it.
 */
#ifndef RELAY_ACCESS_H
#define RELAY_ACCESS_H

#include "lib/net/place.h"
#include "spool/settings.h"

struct access {
	struct network *network;	/* of relay-from, or another setting */
	size_t networks;
};

int access_parse(struct access *access, const char *relay_from, struct err *err);
int access_parse_as(struct access *access, const char *networks, const char *setting, struct err *err);
void access_free(struct access *access);
bool access_trusts(const struct access *access, const struct ip *client);
int access_nearest(const struct access *access, const struct ip *client);	/* bits of the smallest of
		   the networks that he is in; -1: of none */
bool access_is_local(const struct ip *client);	/* this host, or a network of no use outside (RFC 1918 ...) */

/* 0, or ERR_PERM with the code for the reply to RCPT. */
int access_rcpt(const struct settings *settings, bool trusted, struct span rcpt, struct err *err);

#endif
