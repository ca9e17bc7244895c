/*
 * ring - what a peer and we have both: the history that a codec may refer to.
 *
 * There is one ring for each site, each direction and each class of mail (spool/class.h):
 * spool/ring/SITE/from-CLASS and to-CLASS.  It holds the
 * transfer bytes of the last few megabytes that were committed, in the order in which
 * the RECEIVER committed them, and both ends hold the same bytes:
 *
 *	NOOP mochila-ring=1 base=...:... known=... told=... peer=...
 *	NOOP commit 000000000878 5be1c20a9f3d7e66 9a01c4f25d30b811 00002af0
 *	...0x2af0 bytes: the text of a batch...
 *	NOOP commit 000000000879 ...
 *
 * A commit has a number k; a name, by which both ends know the thing (8 bytes of the
 * digest of what is delivered); and a link, 8 bytes of SHA-256(link before, SHA-256 of
 * its bytes, their length).  So (k, link) names one sequence of bytes, a mark.  A
 * reference is a mark and a length: so many bytes of the ring up to and with commit k,
 * the lines above included.
 *
 * Who decides.  Batches may come twice, late, out of order or never, so a sender cannot
 * know what the receiver has.  The receiver numbers what it commits, and tells: my last
 * mark is (k, link), and these are the names of the last commits, in order.  The sender
 * has kept the bytes of what it sent under their names (ring_wait), so it can put the same
 * bytes into the same order (ring_learn), and only then may it refer to them.  Of what is more
 * than a window it keeps the digests, by which it finds the mark where the rest begins.  The
 * receiver may have gone on meanwhile: it cuts its ring at k (ring_at).  Where the told
 * mark is not reached, the sender begins an empty ring at that mark.
 *
 * What may happen.  A lost or late word: the sender refers to an older k, or not at all.
 * A receiver that was restored from a backup, or lost its ring: it does not know the mark,
 * and says so; the sender steps back to a mark both know, or begins anew, and sends the
 * same messages without a reference.  A sender that was restored: it refers to an older k;
 * what it does not know of later is not followed, and it begins anew.  Two bytes that
 * differ: the digest of the batch does not fit, nothing is delivered, and the receiver
 * begins anew.  The ring is a cache: losing it costs bytes, never mail.
 *
 * Crashes.  The bytes of a commit are synced before the next is written, and its line is
 * checked with its bytes: a torn end is cut off when the ring is opened.  A ring of a
 * newer version is refused untouched; any other that is not understood begins anew.
 *
 * A struct ring holds the ring's lock from ring_open() to ring_close(), which dies with
 * its holder.  Never hold two.
 */
#ifndef SPOOL_RING_H
#define SPOOL_RING_H

#include "lib/base/digest.h"
#include "spool/lock.h"
#include "spool/spool.h"

enum ring_way { RING_FROM, RING_TO };	/* the site sent it, or is to get it */

enum {
	RING_NAMES_MAX = 64,		/* commits that one word of the receiver tells */
	RING_COMMITS_MAX = 16384,	/* kept at least so many, when they are small */
	RING_CLASSES_MAX = 64,		/* rings of a site and direction */
};
#define RING_WINDOW_MAX (1024ULL << 20)
#define RING_K_MAX 99999999999ULL

struct ring_mark { uint64_t k, link; };

struct ring_commit {
	uint64_t link, name;
	size_t end;			/* in the file */
};

struct ring_head {
	struct ring_mark base;		/* before the first commit in the file */
	uint64_t known;			/* the sender is known to know of commits up to this one */
	uint64_t told;			/* and was told of them up to here */
	uint64_t peer;			/* the bytes of history that the receiver keeps */
};

struct ring {
	const struct spool *spool;
	enum ring_way way;
	struct str site, name;		/* the file in ring/SITE */
	uint64_t window;		/* bytes of history that are wanted */
	struct spool_lock lock;
	int dir, fd;			/* fd -1: there is none on disk */
	struct ring_head head;
	struct ring_commit *commit;
	size_t commits, room;
	size_t size;			/* of the file, as far as it is good */
	const char *map;
	size_t mapped;
};

/* A ring that is not there is empty, and made by the first commit.  The class is shaped as
 * a site's name.  window: the setting "history" of the site.  -1 with ERR_CONFIG: it is of
 * a newer version. */
int ring_open(struct ring *r, const struct spool *spool, const char *site, enum ring_way way,
    const char *class, uint64_t window, struct err *err);
void ring_close(struct ring *r);

struct ring_mark ring_last(const struct ring *r);	/* {0, 0}: nothing was ever committed */
/* The next one behind a commit of so many bytes with this SHA-256. */
struct ring_mark ring_mark_behind(struct ring_mark mark, const unsigned char digest[DIGEST_SIZE], uint64_t len);
/* Only the first bytes of mark->link were said: fills in the others, where they are its own. */
void ring_fill_in(const struct ring *r, size_t said, struct ring_mark *mark);
bool ring_knows(const struct ring *r, struct ring_mark mark);
/* The bytes of history up to the mark, at most so many; they stay until the next call.  An
 * unknown mark has none (0); else 1. */
int ring_at(struct ring *r, struct ring_mark mark, uint64_t most, struct span *history,
    struct err *err);

struct ring_item {			/* to be committed */
	uint64_t name;
	struct span bytes;		/* none: it counts, but is no history */
};
/* Gives the next numbers to those that have none yet, durably, with one sync for all.
 * What does not fit the window lets the ring begin anew. */
int ring_commit(struct ring *r, const struct ring_item *items, size_t count, struct err *err);

/* Empties it.  The receiver's goes on at another number and a random link, and keeps the
 * names that the sender was not told; the sender's goes on at the mark. */
int ring_anew(struct ring *r, struct err *err);
int ring_adopt(struct ring *r, struct ring_mark mark, struct err *err);
int ring_cut(struct ring *r, struct ring_mark mark, struct err *err);	/* back to one it knows */
int ring_note(struct ring *r, struct err *err);		/* writes r->head */

/* The receiver's words (a ring RING_FROM), and how the sender takes them (RING_TO). */
struct ring_word {
	struct ring_mark last;		/* {0, 0}: no ring is kept */
	uint64_t size;			/* bytes of history that it keeps */
	uint64_t name[RING_NAMES_MAX];	/* of the last commits, in order; the last is last.k */
	size_t names;
};
bool ring_say(const struct ring *r, struct ring_word *word);	/* false: the sender knows it all */
int ring_said(struct ring *r, struct err *err);		/* it was told up to the last one */
int ring_heard(struct ring *r, struct ring_mark mark, struct err *err);	/* the sender named it */
/* The sender knew that we have it, and sends the same again, as after a word of "lost" that was
 * overtaken: true, and ring_say says it once more. */
bool ring_again(struct ring *r, uint64_t name, struct err *err);

int ring_wait(struct ring *r, uint64_t name, struct span bytes, struct err *err);
/* lost: the receiver has said that it cannot follow us.  1: it has lost what we knew of it,
 * and with it maybe words that we never heard. */
int ring_learn(struct ring *r, const struct ring_word *word, bool lost, struct err *err);

/* All rings (ring-keep.c): what there is, and how much of it may be. */
struct ring_file {
	char *site, *name;		/* "from-main" */
	uint64_t bytes;			/* with what waits for it, and its model (spool/taught.h) */
	int64_t used;			/* when last; seconds */
};
struct ring_files {
	struct ring_file *file;
	size_t count;
	uint64_t bytes;
};
bool ring_split(const char *name, enum ring_way *way, const char **class);	/* "from-main"; the class is in it */
int ring_list(const struct spool *spool, struct ring_files *files, struct err *err);
void ring_files_free(struct ring_files *files);
int ring_erase(const struct spool *spool, const char *site, const char *name, struct err *err);
/* Erases what was used least recently until all fit spool.history-budget, but the newest. */
int ring_budget(const struct spool *spool, struct err *err);

/* The pure part of reading one, for tests: fills head, commit, size.  1, 0: this is no
 * ring, -1: of a newer version. */
int ring_parse(struct ring *r, struct span file, struct err *err);

#endif
