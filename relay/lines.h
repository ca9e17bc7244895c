/*
 * lines - a dialogue in lines with somebody else's server, for programs that may wait for it.
 *
 *	lines_dial(&lines, "127.0.0.1:1234" or "/run/socket", seconds, &err)
 *	lines_say(&lines, span, &err)
 *	lines_hear(&lines, &line, &err)		the next one, without its end
 *	lines_close(&lines)
 *
 * All of it has one deadline, and fails with ERR_TEMP behind it.
 */
#ifndef RELAY_LINES_H
#define RELAY_LINES_H

#include "lib/base/err.h"

enum { LINES_MAX = 8192 };	/* bytes of one */

struct lines {
	int fd;			/* -1: nobody is there */
	int64_t until;
	struct str in;
};

int lines_dial(struct lines *lines, const char *where, int64_t seconds, struct err *err);
void lines_patience(struct lines *lines, int64_t seconds);	/* anew, from now */
int lines_say(struct lines *lines, struct span text, struct err *err);
int lines_hear(struct lines *lines, struct str *line, struct err *err);
void lines_close(struct lines *lines);

#endif
