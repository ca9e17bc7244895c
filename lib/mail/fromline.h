/*
 * fromline - the "From " lines before a message: rmail's and mbox's.
 *
 *	From ann Sat Nov 21 18:45:02 2026 remote from hub
 *	>From ann@example.org Sat Nov 21 18:44:10 2026 remote from far
 *
 * Each host that UUCP mail passed puts one line on top; the last line names
 * the sender as the first host knew it.  fromline_take() gathers them, and
 * fromline_sender() composes an address for the envelope:
 *
 *	u has an @			u			(the hosts are just the way)
 *	the last host has a dot		u@host
 *	otherwise			h1!h2!u
 *	u is <> or MAILER-DAEMON	empty: the null sender
 *
 * Parsers only: spans point into the line given.
 */
#ifndef LIB_MAIL_FROMLINE_H
#define LIB_MAIL_FROMLINE_H

#include "lib/base/err.h"

enum { FROMLINE_MAX = 2048, FROMLINE_HOPS = 100 };	/* bytes of a line, lines */

struct fromline {
	struct span user;	/* may hold '!' and '@'; its own quotes are kept */
	struct span host;	/* of "remote from" or "forwarded by", empty if none */
};

/* line is without its end.  1: it is one; 0: it is an ordinary line; -1: it begins like
 * one and names nobody, or somebody with control characters (ERR_PERM). */
int fromline_parse(struct span line, struct fromline *from, struct err *err);

/* Is this a line that begins a message in an mbox: "From user ... hh:mm ... year"? */
bool fromline_begins_mbox(struct span line);

struct from_path {	/* {0} is one without lines */
	struct str hosts;	/* "h1!h2!" */
	struct str user, last_host;
	unsigned lines;
};

/* The next line of the message: 1 taken, 0 not one of these (the header begins). */
int fromline_take(struct from_path *path, struct span line, struct err *err);
void fromline_sender(const struct from_path *path, struct str *sender);
void from_path_free(struct from_path *path);

#endif
