/*
 * queued - commands that uux was asked to have run at a site: spool/uux/SITE/GRADE-ID.
 *
 *	uux=1 user=alice options=CZ notify=alice@home
 *	command rmail bob@hub
 *	(empty line)
 *	...the command's standard input...
 *
 * A command with files has them in front of its input (uucico-ssh/filed.h).
 *
 * A file is whole once it has its name.  The best grade comes first, then the oldest.
 * When the site has it, it is removed; when it refuses it for good it goes to
 * hold/SITE-GRADE-ID.job, with .reason.
 */
#ifndef UUCICO_SSH_QUEUED_H
#define UUCICO_SSH_QUEUED_H

#include <unistd.h>

#include "spool/spool.h"
#include "uucico-ssh/filed.h"

enum { QUEUED_HEAD_MAX = 20000 };

struct queued {
	struct str user, options, notify, command;
	off_t data_at;
	uint64_t size;		/* of the data */
	int fd;
};

/* Copies the files, of which filed (uucico-ssh/filed.h) has the sizes, then what stands on in
 * (-1: nothing); 0: it is on disk, and name says as what.  head->command is not looked at. */
int queued_add(const struct spool *spool, const char *site, char grade, const struct queued *head,
    const struct filed *filed, const int files[], int in, struct str *name, struct err *err);
/* The same under a name of the caller's: what has it already is the same, and is replaced. */
int queued_add_as(const struct spool *spool, const char *site, const char *name, const struct queued *head,
    const struct filed *filed, const int files[], int in, struct err *err);
int queued_names(const struct spool *spool, const char *site, struct fs_names *names, struct err *err);
int queued_open(struct queued *queued, const struct spool *spool, const char *site, const char *name,
    struct err *err);
/* A batch is one, too, where nothing else is queued. */
static inline void
queued_close(struct queued *queued)
{
	struct str *all[] = { &queued->user, &queued->options, &queued->notify, &queued->command };

	if (queued->fd >= 0)
		close(queued->fd);
	queued->fd = -1;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
}

int queued_done(const struct spool *spool, const char *site, const char *name, struct err *err);
void queued_held_name(const char *site, const char *name, struct str *out);	/* where that goes */
int queued_refused(const struct spool *spool, const char *site, const char *name, const char *why,
    struct err *err);

#endif
