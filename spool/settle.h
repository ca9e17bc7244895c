/*
 * settle - what the parts of spool_settle() (spool/spool.h) share.
 *
 *	settle.c	the walk over in/, whose turn a file is, and its two ways out
 *	settle-open.c	files of writers that died become files to settle
 *	settle-drop.c	what lies in drop/ comes into in/
 *	settle-make.c	S.d is filled with what comes of S
 *	settle-seen.c	which peers' messages came before
 *	settle-move.c	the commit, and what is in S.d moves on to out/, hold/, failed/
 *
 * in/S is read, in/S.d/ is filled with what comes of it, S is renamed into S.d: that
 * is the commit.  A crash before it leaves S beside S.d, and S.d is begun again; a
 * crash after it leaves S inside S.d, and what is in S.d is moved on.  A file in S.d
 * is called FOLDER=GRADE=ID, =hold=ID or =failed=ID.  What comes to be many for one place is
 * made as a bucket, FOLDER=BUCKET/ID, which one rename moves on.
 *
 * In a shared spool S is first renamed to S=TOKEN, and S.d is S=TOKEN.d (spool/lease.h): so
 * one of several settles it, and one that is fenced has no S to commit any more.
 *
 * Functions return 0 or -1 where nothing else is said.
 */
#ifndef SPOOL_SETTLE_H
#define SPOOL_SETTLE_H

#include "spool/idset.h"
#include "spool/spool.h"

struct placer;
struct seen_look;
struct spool_lock;

/* Where messages of one grade go, as far as they are made. */
struct settle_place {
	struct str folder;
	char grade;
	size_t loose, names;	/* files of their own, and those in the bucket */
	int bucket;		/* in S.d; -1: none is open */
};

struct settling {
	const struct spool *spool;
	struct settled *settled;
	struct placer *placer;
	const struct arrival *own;	/* committed by this process a moment ago, or NULL */
	const char *name;	/* S */
	struct str source;	/* its name in in/ when we claimed it: S=TOKEN; else empty */
	struct str folder;	/* S.d */
	int fd, dir;		/* S and S.d; -1: not open */
	struct spool_lock *peers;	/* of the run: held from the first look-up in seen/ on, */
	struct seen_look *look;		/* which are those */
	bool vanished;		/* another has moved on some of it */
	struct idset ids;	/* of peers, in this file */
	struct str fresh;	/* those that were not seen before: PEER ID, one a line, */
	bool listed;		/* which are all: it was read to its end */
	size_t made;
	struct settle_place *place;
	size_t places;
	struct str head, out;	/* of the file being made: their room is used again */
};

enum {
	SETTLE_FEW = 4,		/* files made: so many are synced each, more by one syncfs */
	SETTLE_LOOSE = 32,	/* of a place: so many join the bucket that has room; those behind make buckets */
	SETTLE_PLACES = 16,	/* that may have buckets of their own; each is a descriptor */
};

/* settle.c */
int settle_name(const struct settling *run, const char *name, struct err *err);	/* in/NAME: S or S.d */
int settle_take(struct settling *s, int dir, struct err *err);	/* opens and locks dir/S.  1: ours, 0: gone or
			   another's, -1 */
int settle_hold(struct settling *s, int dir, const struct err *why, struct err *err);	/* dir/S, whole */
void settling_close(struct settling *s);
bool settle_ends(const char *name, const char *ending);	/* and something before it */

/* settle-open.c, settle-drop.c: before the walk, so that their turn is in this run */
int settle_opened(const struct spool *spool, struct err *err);
int settle_drop(const struct spool *spool, struct settled *settled, struct err *err);

/* settle-make.c */
int settle_start(struct settling *s, struct err *err);	/* S.d is there, empty and open */
int settle_make(struct settling *s, struct err *err);	/* ERR_PERM: S cannot be read to its end */
int settle_empty(int dir, struct err *err);
void settle_places_free(struct settling *s);

/* settle-seen.c */
int settle_lock(struct settling *s, struct err *err);	/* peers, and what others left half moved on is done */
int settle_repeated(struct settling *s, const struct entry_info *info, struct err *err);	/* 1: a peer delivered
			   this (peer, id) before, in this file or another; 0; -1 */
int settle_note(struct settling *s, struct err *err);	/* those that were not seen before are now, durably */

/* settle-move.c */
const char *settle_source(struct settling *s);	/* S as it is called in in/ */
int settle_commit(struct settling *s, struct err *err);
int settle_move_on(struct settling *s, struct err *err);	/* behind a commit, whoever's it was */

#endif
