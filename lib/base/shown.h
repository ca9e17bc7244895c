/*
 * shown - a dialogue as a person may read it: its lines, without its secrets and messages.
 *
 * A dialogue does no I/O; who drives it may want to see what is said (-v, log-level = trace), and sets
 * to.line before the first byte.  The dialogue alone knows which word is a password and where a
 * message begins, so what is secret is masked before it gets here: "AUTH PLAIN ****".
 */
#ifndef LIB_BASE_SHOWN_H
#define LIB_BASE_SHOWN_H

#include "lib/base/str.h"

struct shown {
	void (*line)(void *ctx, bool ours, struct span line);	/* NULL: nobody looks */
	void *ctx;
};

enum { SHOWN_ALL = 100000 };	/* words: more than a line has */

void shown_line(const struct shown *to, bool ours, struct span line);
void shown_lines(const struct shown *to, bool ours, struct span lines);	/* each ended by LF, or CR LF */
void shown_masked(const struct shown *to, bool ours, struct span line, size_t words);	/* its first
			words, and "****" for whatever is behind them */
void shown_text(const struct shown *to, bool ours, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* To the log: ctx is the words before it, as "peer=hub", which stay. */
bool shown_is_wanted(void);
void shown_in_log(void *ctx, bool ours, struct span line);

#endif
