/*
 * reply - what a server answers, read from a stream and kept within bounds.
 *
 *	while ((got = reply_feed(&reply, &bytes, err)) > 0)
 *		... reply.code, reply_text(&reply, &text), reply_err(&reply, &err)
 *
 * The server may be anybody: a line has at most 8 KiB, a reply 200 lines (CLI-01),
 * 64 KiB of it are kept, and its words leave as printable ASCII, 1,024 at most
 * (CLI-02).  {0} is a reader; the next call after a whole reply begins a new one.
 */
#ifndef LIB_PROTO_REPLY_H
#define LIB_PROTO_REPLY_H

#include "lib/base/err.h"

enum { REPLY_LINE_MAX = 8 << 10, REPLY_LINES_MAX = 200, REPLY_KEPT_MAX = 64 << 10,
	REPLY_TEXT_MAX = 1024 };

struct reply {
	int code;		/* 250 */
	struct str lines;	/* the words behind the code, a line each, LF ended */
	size_t count;		/* lines so far */
	bool whole;
	struct str line;	/* the one being read */
};

/* Takes bytes off *in.  1: a reply is whole; 0: more is needed; -1: this is no
 * reply (ERR_TEMP). */
int reply_feed(struct reply *reply, struct span *in, struct err *err);
void reply_text(const struct reply *reply, struct str *out);	/* one line: "550 5.1.1 no such user" */
void reply_err(const struct reply *reply, struct err *err);	/* 4xx TEMP, 5xx PERM; else TEMP */
void reply_free(struct reply *reply);

#endif
