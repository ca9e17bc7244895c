/*
 * filed - a command that comes with files beside its standard input.
 *
 *	@files 2 123 report.txt 50 b.txt lp report.txt b.txt
 *
 * is the command "lp report.txt b.txt" whose data are 123 bytes of report.txt, 50 of b.txt,
 * and then its standard input.  So it is kept in the queue of uux and in a job of a peer;
 * over the wire each file goes by itself (uucico-ssh/xfile.h).  A name is one plain name.
 *
 *	@out home ~/printed @files ...
 *
 * in front of it says where its standard output goes: to a path at a site, whose name is known
 * where the command runs.  Its path has no blanks.
 */
#ifndef UUCICO_SSH_FILED_H
#define UUCICO_SSH_FILED_H

#include "lib/base/str.h"

enum { FILED_MAX = 20, FILED_NAME_MAX = 100, FILED_PATH_MAX = 1000 };

struct filed {
	struct filed_file {
		uint64_t size;
		struct span name;
	} file[FILED_MAX];
	size_t count;
	uint64_t total;		/* of all files: the standard input begins there */
	struct span command;
	struct span out_site, out_path;	/* empty: the output goes nowhere */
};

/* A command without files has count 0, and no path of output.  -1: it begins so, but is none. */
int filed_parse(struct span text, struct filed *filed);
void filed_print(const struct filed *filed, struct str *out);
bool filed_name_ok(struct span name);

#endif
