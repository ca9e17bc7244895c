/*
 * queue - what waits for one destination, worked by one process at a time.
 *
 *	queue_open(&q, spool, "home", false, err)	locks out/home
 *	while (queue_next(&q, &m, err) > 0) {		grade, then age
 *		... m.entry says what and to whom, the body is read from m.fd ...
 *		message_rcpt(&m, 0, RCPT_DONE, "250 2.0.0 ok");
 *		message_settle(&m, err);		states appended, fdatasync;
 *							nobody left: removed
 *		message_close(&m);
 *	}
 *	queue_close(&q)					one fsync for all that was removed
 *
 * A message that cannot be read, or settled when it is too old, is logged and left alone
 * (FS-02); what would meet the next one as well, as a full disk, ends the walk.  A person may
 * mv or rm a message at any time: its name gone means that it is not sent, or, once
 * sent, that "done" is appended through the open file.
 */
#ifndef SPOOL_QUEUE_H
#define SPOOL_QUEUE_H

#include "spool/lock.h"
#include "spool/spool.h"

/* An open bucket, of the walk and of those who keep messages of it: the last one closes it. */
struct bucket_held {
	int fd;
	size_t holders;
	int64_t since;		/* names are gone, and not durably since then (clock_mono()); 0: no */
};

struct queue {
	const struct spool *spool;
	char *site;		/* the folder below out/ */
	int dir;
	struct spool_lock lock;
	int claims;		/* shared: out/SITE/=TOKEN/, what we work on; -1: not made yet */
	struct fs_names buckets, names;
	size_t bucket, next;	/* the bucket being read, the next name in it */
	int bucket_dir;
	struct bucket_held *held;	/* the same, once somebody keeps a message of it; NULL */
	bool removed;		/* names were removed since the bucket was synced */
	struct str filled;	/* below sent/: the folder to which they were moved; synced first */
	bool tried;		/* the destination as a whole failed within a day */
	char *why;		/* and why; may be NULL */
	bool (*passes)(void *arg, const char *id);	/* NULL, or says which are worth a look */
	void *arg;
};

enum { LEFT_SECONDS = 1 };

struct message {
	const struct spool *spool;
	struct queue *queue;
	int fd;
	struct fs_file file;		/* which that is */
	struct str id, bucket;
	struct entry entry;
	struct rcpt_status *fresh;	/* outcomes not yet on disk; .at == 0: none */
	bool delayed;			/* a delay is to be told */
	bool claimed;			/* shared: it is in out/SITE/=TOKEN/ */
	bool removed;			/* we took its name away */
	struct bucket_held *kept;	/* message_keep(): its bucket; NULL: the walk's, or none */
};

/* 0, or -1; held by another process: ERR_TEMP and errno EWOULDBLOCK.  A site
 * with nothing waiting is an empty queue. */
int queue_open(struct queue *q, const struct spool *spool, const char *site, bool wait,
    struct err *err);
int queue_next(struct queue *q, struct message *m, struct err *err);
int queue_again(struct queue *q, struct err *err);	/* queue_next begins anew, with what came meanwhile */
size_t queue_left(const struct queue *q);	/* names that queue_next has not come to; in buckets that were not read
					as many as in the last that was */
int queue_take(struct queue *q, const char *bucket, const char *id, struct message *m, struct err *err);
			/* 1: that one, and it is kept; 0: it is not there */
bool queue_must_stop(int number);	/* an errno that is no single message's fault: without room
			   outcomes cannot be noted, and what is not noted is sent again */
int queue_sync(struct queue *q, struct err *err);	/* the removals are durable */
void queue_close(struct queue *q);
int queue_retire(const struct spool *spool, const char *site, int64_t idle, struct err *err);	/* 1: nothing
			   waited for so long, and its folder is gone; 0: it stays */

int message_still_there(struct message *m);	/* check before the byte that commits; in a shared
			   spool it claims the message, too: false when another host has the site */
void message_rcpt(struct message *m, size_t rcpt, enum rcpt_state state, const char *reply);
void message_report(struct message *m, size_t rcpt, enum dsn_kind kind);	/* of a recipient that
			   is done: DSN_DELIVERED or DSN_RELAYED, told if it was asked for */
bool message_age(struct message *m, int64_t now);	/* delay-after, expire-after: true when it is to
			   be settled, its recipients failed or a delay due; queue_next does it */
int message_settle(struct message *m, struct err *err);	/* with reports due: to in/ */
void message_lines(const struct message *m, struct str *lines);	/* its outcomes, as an entry has them */
int message_hold(struct message *m, const char *reason, struct err *err);	/* to hold/ID; the reason
			   goes beside it where its file takes no line */
int message_room(struct message *m, struct err *err);	/* before a try: room on the disk for its
			   outcomes, so that nobody who is done is done twice */
int message_append(struct message *m, struct span lines, struct err *err);	/* state lines,
			   whole and durable; the other functions use it */
/* It outlives the walk of its bucket: several are under way at once.  What is removed of it
 * is durable after message_sync(), before it is closed. */
void message_keep(struct message *m);
int message_sync(struct message *m, struct err *err);
int message_left(struct message *m, struct err *err);	/* before it is closed: the same if it is gone and
			   its bucket left, which no walk syncs any more; once for all that go with it,
			   within LEFT_SECONDS, or when the last of them is closed; who keeps one for
			   longer asks, for the others, message_left_by_others() */
int message_left_by_others(struct message *m, struct err *err);
int message_reopen(struct message *m, struct err *err);	/* another file has taken its place and name */
void message_close(struct message *m);

/*
 * batch - messages that travel together to a peer: sent/SITE/B and B.d/.
 *
 *	batch_new(&b, spool, "home", err)	site must be locked by the caller's queue
 *	batch_pick(&b, &m, err)			out/ -> sent/SITE/B.d/
 *	... write the batch file: batch_file(&b) is an open file in tmp/ ...
 *	batch_offer(&b, err)			fsync, rename to sent/SITE/B: in flight
 *
 * An offered batch is immutable.  batch_acked: B into B.d/, messages and B removed.
 *
 * A batch packed against history (spool/ring.h) could turn out to be unreadable there, so its
 * messages stay until the peer says that it has it: batch_needs() leaves a note in B.d, an
 * empty file .RING+NAME.  Acknowledged, it becomes sent/SITE/B.taken beside B.d, and is not
 * offered again; batch_known() ends it as batch_acked() ends others.  batch_lost() removes
 * B and moves its messages back to out/, to be packed anew: so does batch_overdue(), when
 * no word came for so long, and batch_untold(), when the peer has lost the ring that would tell.
 * What the peer has after all it knows by the ids.
 * batch_undo moves what was picked back to out/; spool_repair does it for a process
 * that died in between.
 */
struct batch {
	const struct spool *spool;
	struct str site, name;
	int fd;			/* the batch file being written, in tmp/ */
	size_t count;
	bool relayed;		/* batch_relayed() was called */
};
int batch_new(struct batch *b, const struct spool *spool, const char *site, struct err *err);
int batch_pick(struct batch *b, struct message *m, struct err *err);
int batch_relayed(struct batch *b, struct err *err);	/* before the offer: the peer cannot report
			   success, so we shall when it has acknowledged (RFC 3461 5.2.4) */
int batch_offer(struct batch *b, struct err *err);
int batch_undo(struct batch *b, struct err *err);
void batch_close(struct batch *b);
int batch_names(const struct spool *spool, const char *site, struct fs_names *names, struct err *err);
				/* in flight, oldest first */
int batch_open(const struct spool *spool, const char *site, const char *name, struct err *err);
/* Does a label begin here, be it of a version that is not known yet (batch(5))?  8 bytes tell. */
bool batch_is_labelled(struct span first);
int batch_rcpts(const struct spool *spool, const char *site, const char *name, struct str *words,
    struct err *err);		/* of its only message: " ADDRESS" for each that waits */
int batch_acked(const struct spool *spool, const char *site, const char *name, struct err *err);
int batch_needs(struct batch *b, const char *ring, uint64_t name, struct err *err);	/* before
			   it is offered */
int batch_known(const struct spool *spool, const char *site, const char *ring, uint64_t name,
    struct err *err);
int batch_lost(const struct queue *q, const char *ring, uint64_t name, struct err *err);	/* 1: it
			   was there; q holds the lock of the site */
int batch_untold(const struct queue *q, const char *ring, struct err *err);
int batch_overdue(const struct queue *q, int64_t seconds, struct err *err);
int batch_refused(const struct spool *spool, const char *site, const char *name,
    const char *reason, struct err *err);	/* its messages to hold/ with the reason */
int batch_refused_in(const struct queue *q, const char *name, const char *reason, struct err *err);
				/* the same for who holds the lock of the site */

/*
 * Claims of a shared spool (claim.c): a message that is sent, or changed, is first renamed
 * to out/SITE/=TOKEN/ID, a bucket of the one process, and back when it is still to wait.
 * Whoever has the site's lock next takes what is in the =TOKEN/ of others before all else.
 */
bool message_claim(struct message *m);		/* true: ours, or nothing is shared */
void message_unclaim(struct message *m);
int message_dir(const struct message *m);	/* the folder in which it is m->id */
int claim_recover(struct queue *q, const char *folder, struct err *err);	/* out/SITE/=TOKEN */
int claim_take(struct queue *q, int dir, const char *id, struct err *err);	/* dir/ID may still be
			   open to the dead: a copy of it goes to a bucket */
void claim_close(struct queue *q);
bool claim_is(const char *bucket);		/* a folder of claims */

/* For queue.c. */
int batch_recover(struct queue *q, struct err *err);	/* what a dead process left */

/* Moves dir/name to out/SITE/BUCKET/id, durably, into a bucket of the grade with room. */
int bucket_place(const struct spool *spool, int dir, const char *name, const char *site,
    const char *id, char grade, struct err *err);

#endif
