/*
 * slim - what only a program's start has used, it lets go.
 *
 * The start of a daemon runs through much of what it is linked with, most of all OpenSSL's, and
 * never comes back to it.  Those pages stay mapped, and count as ours where nobody else runs the
 * library.  They are let go in one stroke: what is needed after all is mapped again
 * from where it came, in which it still lies, as a rule, in the page cache.
 */
#ifndef LIB_BASE_SLIM_H
#define LIB_BASE_SLIM_H

void slim_down(void);

#endif
