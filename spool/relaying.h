/*
 * relaying - could anybody send anywhere through us?
 *
 * One rule for mochila-relay, which does not start on such settings, and for mochila
 * doctor, which says so before.
 */
#ifndef SPOOL_RELAYING_H
#define SPOOL_RELAYING_H

#include "spool/settings.h"

/* 0, or ERR_CONFIG with what makes it one, or ERR_TEMP where a table does not say.  relay_from: the networks of a [relay]; a word that
 * is none is another's to refuse. */
int relaying_check(const struct settings *settings, const char *relay_from, struct err *err);

#endif
