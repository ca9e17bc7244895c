/*
 * spool - messages as plain files; every change of state is one rename.
 *
 * Folders (spool(5) has the table of legal states):
 *
 *	tmp/			being written; nothing here was promised
 *	in/			the one door: accepted, not yet routed
 *	out/SITE/BUCKET/ID	waiting; SITE is a destination (spool/route.h)
 *	sent/SITE/B, B.d/	batches offered and not yet acknowledged
 *	xqt/PEER/		jobs received whole, waiting for uuxqt; and partial ones
 *	hold/ID failed/ID	for a person
 *	seen/PEER/DAY		ids that a peer has delivered already
 *	ring/SITE/		0700: what went to and came from a site, for codecs (spool/ring.h)
 *	drop/			1730: where ordinary users leave messages
 *	log/			one line an event
 *	part/PEER/		large objects of protocol m that are not all there yet
 *	hosts/NODE		who works here (spool/hosts.h)
 *	lock/			shared by several hosts only (spool/lease.h)
 *
 * Nothing here promises anything before it is on disk, data and name.  A
 * struct spool holds folder descriptors and borrows the settings.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/mail/header.h"
#include "spool/entry.h"
#include "spool/masquerade.h"
#include "spool/settings.h"

struct spool {
	const struct settings *settings;
	int dir;			/* the spool's folder */
	int tmp, in, out, sent, xqt, hold, failed, seen, ring, drop, log;
	int part, hosts, lock;		/* -1: there is none */
	struct lease *lease;		/* NULL: no other host works here (spool/lease.h) */
	char boot[9];			/* which start of this machine it is; "": nobody can tell */
	struct history_file *history;	/* the file that is written, kept open; may be NULL */
};

int spool_open(struct spool *spool, const struct settings *settings, bool create,
    struct err *err);		/* create: it need not be there yet */
void spool_close(struct spool *spool);
void spool_new_id(struct str *out);	/* never twice: time, 64 random bits, counter */
bool spool_id_ok(const char *name);	/* has the shape of an id, fit for a file name */
int64_t spool_id_time(const char *id);	/* when it was made, 0 when it does not say */
int spool_room(const struct spool *spool, uint64_t bytes, struct err *err);
				/* ERR_TEMP 4.3.1 unless bytes and min-free fit */

/* history (history.c): one line per event per message in log/mochila.log and, at level
 * info, the log.  A file that has grown to log-size becomes mochila.log.1, and so on. */
void spool_event(const struct spool *spool, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum { HISTORY_MAX = 1000 };
void history_gather(const struct spool *spool);	/* events of many messages, and what the log says, in few
			   pieces: they may wait in memory from here on, */
void history_write(const struct spool *spool);	/* and are written by then */
void history_file_new(struct spool *spool);
void history_file_free(struct spool *spool);
unsigned history_keep(const struct spool *spool);	/* the highest number there may be */
const char *history_node(const struct spool *spool);	/* whose history we write; "": there is but one */
int history_nodes(const struct spool *spool, struct fs_names *nodes, struct err *err);	/* that have one */
int history_open(const struct spool *spool, const char *node, unsigned n, struct err *err);	/* 0: the
			   current one */
bool history_field(struct span *event, struct span *key, struct span *value);	/* takes the next key=value
			   or key="value" off what stands behind time and id; false: no more */
struct span history_value(struct span event, const char *key);	/* the first of that key, or "" */

/*
 * arrival - messages on their way in, all or nothing.
 *
 *	arrival_open(&a, spool, name, err)	tmp/ file; name NULL: an id of its own
 *	  arrival_begin(&a, &info, &env, err)	info.id, time, grade are filled in when empty
 *	  arrival_body(&a, bytes, len, err)	any number of times; CRLF lines
 *	  arrival_end(&a, err)			or arrival_undo(&a): as if never begun
 *	  arrival_states(&a, lines)		behind it, when something is known already
 *	arrival_commit(&a, err)		fsync, rename to in/NAME, fsync in/: accepted
 *	arrival_close(&a)		always; without a commit nothing remains
 *
 * A name of the caller's is for what is known by it until it is settled (drop/); a
 * commit of the same name replaces one that is not settled yet.  Repeats of a peer are
 * dropped by (peer, peer_id), whatever the name.
 */
struct journal;
struct arrival {
	const struct spool *spool;
	struct journal *journal;	/* joined (spool/journal.h), or NULL */
	struct str name;	/* in tmp/ and in in/ */
	int fd;			/* -1: not open */
	off_t start, body_at, at;	/* of the entry being written */
	off_t begun;		/* before it the disk has begun to write */
	uint64_t body_len;
	struct digest digest;	/* of the body only while it is written */
	struct str buffer;
	struct entry_info info;	/* of the last begun entry: its id is here */
	struct envelope env;
	size_t count;		/* whole entries so far */
	struct entry_sums sums;	/* of the bodies: spool_settle_own() */
	bool in_entry, committed;
	struct mask mask;	/* on: the header waits until it is whole */
	struct header_gather header;
};
int arrival_open(struct arrival *a, const struct spool *spool, const char *name, struct err *err);
void arrival_join(struct arrival *a, struct journal *journal);	/* instead of arrival_open */
int arrival_post(struct arrival *a, struct err *err);	/* of one that has joined: commit for it */
int arrival_begin(struct arrival *a, const struct entry_info *info, const struct envelope *env,
    struct err *err);
void arrival_mask(struct arrival *a, struct mask mask);	/* behind arrival_begin: spool/masquerade.h */
int arrival_body(struct arrival *a, const void *bytes, size_t len, struct err *err);
int arrival_end(struct arrival *a, struct err *err);
/* All of these, of one message whose body is at hand: 0 is accepted. */
int arrival_at_once(const struct spool *spool, const struct entry_info *info, const struct envelope *env,
    struct span body, struct err *err);
void arrival_states(struct arrival *a, struct span lines);	/* of entry_state_line() */
int arrival_undo(struct arrival *a, struct err *err);
int arrival_text(struct arrival *a, struct span *text, off_t *at, struct err *err);	/* the body as far as
			   it came: in memory, or text->p is NULL and a->fd has it from *at on */
int arrival_flush(struct arrival *a, struct err *err);	/* whole entries can be read from fd */
int arrival_commit(struct arrival *a, struct err *err);
int arrival_hold(struct arrival *a, const char *reason, struct err *err);	/* instead: its one
			   entry goes to hold/ with the reason, durably */
int arrival_replace(struct arrival *a, int dir, const char *name, struct err *err);	/* instead: it takes
			   the place of dir/NAME, durably */
void arrival_close(struct arrival *a);

/* settle - turns what lies in in/ (and drop/) into files in out/, hold/; also the
 * start-up repair of half done work.  Files that another process settles are
 * left to it.  A damaged file goes whole to hold/ with a .reason beside it. */
struct settled {
	size_t files, messages, repeats, held;
};
int spool_settle(const struct spool *spool, struct settled *settled, struct err *err);
int spool_settle_own(const struct spool *spool, const struct arrival *own, struct settled *settled,
    struct err *err);		/* the same behind arrival_commit(own), before arrival_close(): its
				bodies are not summed up once more to be proved */
int spool_repair(const struct spool *spool, struct err *err);	/* tmp/ orphans, half moves */

/* Rings run/bell: somebody put something where another program waits.  Its loss is
 * harmless.  spool_bell_open returns a descriptor that polls readable, or -1. */
void spool_ring(const struct spool *spool);
int spool_bell_open(const struct spool *spool, struct err *err);

#endif
