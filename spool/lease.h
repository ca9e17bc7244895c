/*
 * lease - whose work is whose, in a spool that several hosts share ([spool] shared).
 *
 * Without it this module is a thin coat over flock, and nothing else of it runs.
 *
 * With it every process that works has a token, NODE-PID-RANDOM, and a folder of its own,
 * tmp/TOKEN/, which then is spool->tmp: what it writes is private there.  In it lies .beat,
 * which a thread writes anew every sixth of [spool] lease: the process lives.  What it
 * works on carries its token in the name (in/S=TOKEN, out/SITE/=TOKEN/ID), or is under a
 * lock, lock/NAME/, a folder with one file that is called as its holder, or "free".
 *
 * A process is dead when it is gone, seen on its own host, or when a watcher has found
 * the same .beat for a lease on its own clock that never runs back (tmp/TOKEN/.seen=NODE
 * is what a host noted, so that programs which run for a moment can watch, too).  Then it
 * is fenced, once and for all, by whoever notices: its private files are removed, what it
 * had claimed in in/ is given back, its folder goes.  All of that can be begun by several,
 * and by one after another has died at it.
 *
 * So time only decides when somebody is taken for dead; names decide what that means.  Each
 * step of a process that others must not see twice is a rename whose source is its own
 * name: private, or claimed.  If it was only paused and goes on, that name is not there any
 * more, and the step fails.  What its open descriptors may still write is lost on nobody:
 * whoever takes over a file that is written to, copies it first.
 *
 * Two things are checked: that we are alive, after a claim and before it is used; that a lock
 * is ours, before a message is sent by it.
 */
#ifndef SPOOL_LEASE_H
#define SPOOL_LEASE_H

#include "spool/spool.h"

struct lease;

/* spool_open and spool_close do these; lease_end takes back all signs of us. */
int lease_start(struct spool *spool, struct err *err);
void lease_end(struct spool *spool);

/* Before work of any kind: a token and a folder, if there is none or it was fenced. */
int lease_begin(const struct spool *spool, struct err *err);
int lease_alive(const struct spool *spool, struct err *err);	/* 0, or ERR_TEMP: we were fenced */
const char *lease_token(const struct spool *spool);	/* "" where nothing is shared */
int lease_tmp(const struct spool *spool);	/* tmp/ itself, not our folder in it */

/* A watcher's look: true when it is dead, and all it had is given back.  Where nothing is
 * shared any more, all that have a token are. */
bool lease_dead(const struct spool *spool, struct span token);
void lease_fence(const struct spool *spool, struct span token);	/* at once: it must not go on */
bool lease_is_token(struct span text);

/* Names in in/ and xqt/: NAME=TOKEN, and an ending (".open", ".d" or ""). */
void lease_name(const struct spool *spool, const char *name, const char *ending, struct str *out);
bool lease_parse(const char *name, struct span *base, struct span *token, struct span *ending);

/* Is dir/name the file that is open as fd?  In a shared spool the name is opened for that:
 * what a host remembers of names is not good enough. */
bool lease_names(const struct spool *spool, int dir, const char *name, int fd);

/* Takes dir/name over from a dead process, which may still have it open: a copy of it takes
 * its place.  NAME must be ours already.  whole: only as far as whole entries go; *size is
 * what is left. */
int lease_copy(const struct spool *spool, int dir, const char *name, bool whole, off_t *size,
    struct err *err);

#endif
