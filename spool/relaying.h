/*
 * relaying - could anybody send anywhere through us?
 *
 * One rule for mochila-relay, which does not start on such settings, and for mochila
 * doctor, which says so before.
 */
#ifndef SPOOL_RELAYING_H
#define SPOOL_RELAYING_H

#include "spool/route.h"

/* Where does mail go that is for an address of nobody's?  Once for all [relay]s: it may ask programs of
 * tables.  -1, ERR_TEMP, where one of those does not say. */
int relaying_ask(const struct settings *settings, struct route_match *anywhere, struct err *err);

/* 0, or ERR_CONFIG with what makes it one.  relay_from: the networks of a [relay]; a word that is none is
 * another's to refuse. */
int relaying_check(const struct route_match *anywhere, const char *relay_from, struct err *err);

#endif
