/*
 * dot - bodies on their way through DATA (RFC 5321 4.5.2), as streams.
 *
 * dot_in takes what a client sends behind 354 and gives the message: dots
 * unstuffed, the end found.  Strict, only CRLF.CRLF ends it and a bare CR or LF
 * is noted (in->bare) for the caller to refuse the message, once its true end
 * is found (DATA-01).  Lax, for batches written as text, LF ends a line too and
 * all lines come out with CRLF; a lone CR becomes a line end, but what follows it
 * is no line start: the writer did not stuff there.  Where the line DATA ended in
 * CRLF, a dot before a lone LF is no end; and where the first line of the body did, too,
 * what follows a lone LF is no line start either.
 *
 * dot_out is the other way: it stuffs dots and closes with CRLF.CRLF.  Bytes that
 * would be a bare CR or LF on the wire are not sent at all: -1.  That holds also
 * for a line behind a lone CR, where others forgot the dot (DATA-02).
 *
 * Both keep their place between calls, at any split.  {0} is a strict reader.
 */
#ifndef LIB_MAIL_DOT_H
#define LIB_MAIL_DOT_H

#include "lib/base/str.h"

enum dot_state { DOT_START, DOT_LINE, DOT_CR, DOT_DOT, DOT_DOT_CR, DOT_END };

struct dot_in {
	bool lax, crlf;		/* crlf: lax, and the line DATA ended so */
	bool met, lines;	/* lax: a line end was met, and it was a CRLF */
	bool bare;		/* strict: a bare CR or LF was met */
	enum dot_state state;	/* DOT_END: the message ended */
};

struct dot_out {
	enum dot_state state;
};

/* Appends the message's bytes to out; returns how many of in were used: all, or
 * up to and with the end. */
size_t dot_unstuff(struct dot_in *dot, struct span in, struct str *out);

int dot_stuff(struct dot_out *dot, struct span in, struct str *out);	/* -1: a bare CR or LF */
int dot_finish(struct dot_out *dot, struct str *out);	/* a missing CRLF, then the end */

/* For bodies that are counted rather than dotted: is every line end a CRLF?
 * *cr says whether the bytes before ended in CR, and is carried to the next call;
 * still true at the end, that CR was bare. */
bool dot_lines_ok(struct span bytes, bool *cr);

#endif
