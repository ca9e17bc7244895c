/*
 * err - failure as a value that knows what to do next.
 *
 * A function that can fail returns 0 or -1 and fills *err, which its caller
 * owns and which needs no freeing.  The kind decides the fate of the message:
 *
 *   ERR_TEMP    keep it, try again		4xx	EX_TEMPFAIL (75)
 *   ERR_PERM    return it to its sender	5xx	EX_DATAERR (65), or err->exit
 *   ERR_CONFIG  wait for a person		4xx	EX_CONFIG (78)
 *
 * One value becomes the log line, the SMTP reply (err_reply) and the exit
 * status (err_exit).  Each layer may put before the text what only it knows
 * (err_prefix).
 */
#ifndef LIB_BASE_ERR_H
#define LIB_BASE_ERR_H

#include "lib/base/str.h"

enum err_kind { ERR_NONE, ERR_TEMP, ERR_PERM, ERR_CONFIG };

struct err {
	enum err_kind kind;
	int exit;		/* a status of sysexits.h, or 0: by kind */
	int reply;		/* SMTP reply code for err_reply, or 0: by kind and code */
	char code[12];		/* enhanced status code (RFC 3463), or "": by kind */
	char text[600];
};

/* All three return -1, so that a function can end with "return err_set(...)". */
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int err_sys(struct err *err, const char *format, ...)	/* adds strerror(errno);
			   TEMP, or CONFIG where trying again cannot help */
    __attribute__((format(printf, 2, 3)));
int err_prefix(struct err *err, const char *format, ...)	/* "prefix: text" */
    __attribute__((format(printf, 2, 3)));

int err_as(struct err *err, int exit, const char *code);	/* sets both, 0 or NULL = leave */
int err_as_reply(struct err *err, int reply, const char *code);	/* 550, "5.1.1"; the same */
int err_exit(const struct err *err);		/* EX_OK for ERR_NONE */
void err_reply(const struct err *err, struct str *out);	/* "451 4.3.0 text", no line end */

#endif
