/*
 * gather - a command of uux that needs files of other sites than the one it runs at: it waits in
 * spool/gather/GRADE-ID/ until they have come, and is queued then (uucico-ssh/queued.h), under that name.
 *
 *	head	gather=1 site=hub user=alice options=C notify=
 *		command join a.txt b.txt
 *		file a.txt -			ours, copied when it was queued: the file "1"
 *		file b.txt far ~/out/b.txt	asked of far, to be the file "2"
 *		input -				ours: the file "3"
 *	1 2 3	what is there of them
 *
 * A file is asked for as any is (uucico-ssh/copying.h), to the path "~=GRADE-ID/2", which is nowhere
 * else: only the site that was asked may put it, and only there.
 */
#ifndef UUCICO_SSH_GATHER_H
#define UUCICO_SSH_GATHER_H

#include "uucico-ssh/files.h"
#include "uucico-ssh/queued.h"

enum { GATHER_MAX = FILED_MAX + 1 };

struct gather_file {
	const char *name;	/* NULL: the standard input */
	int fd;			/* ours, open; -1: of a site */
	const char *site, *path;
};

/* 0: it is on disk, and its files are asked for; name says as what. */
int gather_add(const struct spool *spool, const char *site, char grade, const struct queued *head,
    struct span command, const struct gather_file *files, size_t count, struct str *name, struct err *err);

bool gather_is(struct span path);	/* "~=GRADE-ID/N" */
/* Where that file of that site is to be.  -1: ERR_PERM where none is awaited. */
int gather_target(const struct spool *spool, const char *site, struct span path, struct files_target *target,
    struct err *err);

/* What is whole is queued; what has waited for too long is given up, and who asked is told. */
void gather_settle(const struct spool *spool);

#endif
