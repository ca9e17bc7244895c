/*
 * log - one event, one line: the message's id first, then key=value words.
 *
 *	log_info("%s: event=sent peer=%s bytes=%zu", id, peer, bytes);
 *
 * Every line is encoded before it leaves: printable ASCII stays, a backslash
 * is doubled, any other byte becomes \xNN, and a line longer than 1,024 bytes
 * is cut with a mark.  Secrets and message bodies are never logged, at no
 * level.  Nothing here can fail or block the mail: a log that cannot be
 * written is dropped.
 */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include "lib/base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_TRACE };

/* to: "stderr", "syslog", "none" or a file's path (appended to, opened anew
 * by log_reopen).  program is put before each line and is kept by reference. */
int log_open(const char *program, const char *to, enum log_level level, struct err *err);
void log_gather(void);		/* what is no warning may wait in memory from here on, */
void log_write(void);		/* and is written by then */
void log_reopen(void);
void log_close(void);
bool log_wants(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

void log_text(enum log_level level, struct span text);	/* one that is at hand */
void log_escape(struct str *out, struct span bytes, size_t max);	/* the encoder */
int log_level_of(const char *name, enum log_level *level);	/* error warn info debug trace */

/* For main(): logs the error, says it on stderr too where the log goes elsewhere, and
 * returns its exit status. */
int log_failure(const struct err *err);

#endif
