/*
 * small - what a program for small boxes says of what it goes without.
 *
 * The files small-NAME.c of each folder are what mochila-small of --enable-small=core has in place of
 * NAME.c: the functions of one header, or of a few that belong together.  They are linked as they
 * are, before the archives (small_instead in local.mk): so the whole of it is never taken out of its
 * own, or the linker says which function is missing here.  A request for what is not there is told
 * so, and how it stands in mochila-small(8).  The other programs of the same build have all of it.
 */
#ifndef LIB_BASE_SMALL_H
#define LIB_BASE_SMALL_H

#include "lib/base/err.h"

/* ERR_CONFIG, EX_UNAVAILABLE: "what is not in this build for small boxes ..." */
int small_without(struct err *err, const char *what);

#endif
