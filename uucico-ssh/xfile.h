/*
 * xfile - an X. file: what an old UUCP wants run, one letter and words a line.
 *
 *	U uucp home
 *	F D.homea0001
 *	I D.homea0001
 *	F D.homea0002 report.txt
 *	C rmail bob@hub
 *
 * O is where the standard output goes: a path, and the system where that is; without it, where the
 * command runs.  F is a file of the sender's that must be there, and the name it is to have for the
 * command; I is the standard input.  Letters that mean nothing here (N Z n R e E # ...) are
 * passed over.  What we cannot do is refused: two commands, input from a
 * file of ours.
 */
#ifndef UUCICO_SSH_XFILE_H
#define UUCICO_SSH_XFILE_H

#include "lib/base/err.h"
#include "uucico-ssh/filed.h"

enum { XFILE_MAX = 65536 };

struct xfile {
	struct str user, command;
	struct str input;	/* a D. name of the sender's; empty: none */
	struct xfile_file {
		struct str name, as;	/* D. name, and what the command calls it; empty: only there */
	} file[FILED_MAX + 1];
	size_t files;		/* the input may be among them */
	struct str out_path, out_site;	/* of its output; empty: none, and empty: where it runs */
	struct str options, requestor;	/* only printed: letters of uux, N and Z; who hears of it */
};

int xfile_parse(struct span text, struct xfile *x, struct err *err);	/* -1 is ERR_PERM */
void xfile_print(const struct xfile *x, const char *system, struct str *out);
void xfile_add(struct xfile *x, struct span name, struct span as);
void xfile_free(struct xfile *x);

#endif
