/*
 * xfile - an X. file: what an old UUCP wants run, one letter and words a line.
 *
 *	U uucp home
 *	F D.homea0001
 *	I D.homea0001
 *	C rmail bob@hub
 *
 * Letters that mean nothing here (N Z n R e E # ...) are passed over.  What we cannot do
 * is refused: more files than the standard input, an output file, two commands.
 */
#ifndef UUCICO_SSH_XFILE_H
#define UUCICO_SSH_XFILE_H

#include "lib/base/err.h"

enum { XFILE_MAX = 65536 };

struct xfile {
	struct str user, command;
	struct str input;	/* a D. name of the sender's; empty: none */
	struct str options, requestor;	/* only printed: letters of uux, N and Z; who hears of it */
};

int xfile_parse(struct span text, struct xfile *x, struct err *err);	/* -1 is ERR_PERM */
void xfile_print(const struct xfile *x, const char *system, struct str *out);
void xfile_free(struct xfile *x);

#endif
