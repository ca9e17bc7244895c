/*
 * Two ends of protocol m in memory, for tests: a store that forgets in a crash what was
 * not made durable, and a line with a rate, a delay and a fate.
 *
 * A struct end outlives its calls: what is to be sent, what was got, partial objects, the
 * history.  end_begin() begins a call; line_run() carries bytes between two until both are
 * over; end_stop() ends it in good order, end_crash() as kill -9 would.
 */
#ifndef TESTS_UNIT_M_ENDS_H
#define TESTS_UNIT_M_ENDS_H

#include "uucico-ssh/m.h"

enum { THINGS = 256, PARTS = M_OBJECTS_MAX, CLASSES = 3, COMMITS = 512 };

struct thing {				/* of ours, to be sent */
	struct m_object object;
	struct str bytes;
	bool given, tried, done;	/* done: they have it, as we know */
	bool done_synced;
	enum m_status fate;
	unsigned fates;
	char text[M_TEXT_MAX + 1];
	int64_t at;			/* when its fate came */
	unsigned steps;			/* turns of work() before next() has it */
};

struct got {				/* of theirs, durable */
	unsigned char name[M_NAME];
	struct str bytes;
	enum m_kind kind;
	char grade;
};

struct part {
	unsigned char name[M_NAME];
	struct str bytes;
	size_t synced;
	bool used, open;
};

struct commit {
	unsigned char name[M_NAME];
	struct m_mark mark;		/* with it */
	struct str bytes;
};

struct ring_of {
	char class[M_CLASS_MAX + 1];
	struct m_mark base;
	struct commit commit[COMMITS];
	size_t count, synced;
	struct m_mark known;		/* FROM: what they are known to know */
};

struct kept {				/* a model, and of how much of the ring */
	struct str model;
	size_t past, taught;
	unsigned char digest[DIGEST_SIZE];
};

struct end {
	const char *name;
	struct m m;
	struct str out;
	bool on, crashed;
	struct m_config config;		/* of the next call */
	struct m_class classes[CLASSES];
	struct m_partial partials[M_HAVE_MAX];

	struct thing thing[THINGS];
	size_t things;
	struct got got[THINGS];
	size_t gots;
	struct part part[PARTS];
	struct ring_of from[CLASSES], to[CLASSES];
	struct str dictionary;
	struct str history_out, history_in, joined_out, joined_in;
	struct kept kept_out, kept_in;	/* of class main */
	bool makes;			/* what goes on from them is made already, */
	unsigned mades;			/* which was taken so often */

	/* what the hooks shall do */
	enum m_status offer;		/* to all that is offered; M_TAKE */
	enum m_status whole;		/* M_STORED */
	bool no_disk;			/* write fails */
	size_t enough;			/* write says so, behind that many bytes */
	bool no_history;		/* history() has none */
	bool wait;			/* next() says 2 */
	size_t behind;			/* and how many may follow */
	bool worked;			/* a step was done */
	size_t read;			/* bytes that came from read() */
	unsigned commits, settles, refers, dids;	/* times that a hook was called */
	size_t written_again;		/* bytes below what was there */
	uint64_t wrote;			/* bytes that came to write() */
	uint64_t largest_out;		/* most that ever waited, */
	size_t held_back;		/* and for more, as the engine wants it */
};

enum { WHOLE = 1 << 30 };

struct line {
	uint64_t rate;			/* bytes a second, each way; 0: no limit */
	int64_t delay;			/* one way */
	size_t pipe;			/* bytes it swallows at once; 0: 64 KiB */
	size_t there, back;		/* cut behind so many bytes, of a and of b; 0: WHOLE */
	bool silent;			/* the cut is not to be heard */
	size_t flip;			/* this bit of a's bytes turned over, from 1; 0: none */
	size_t flip_back;
	size_t step;			/* bytes fed at once; 0: as they come */
	int64_t mends;			/* until then nothing of a's comes out: TCP mends what was lost */
	int64_t now;
	uint64_t up, down;		/* bytes that came through */
	int64_t took;
	void (*each)(struct line *line, struct end *a, struct end *b);	/* each turn, */
	int64_t wake;			/* and then, if not 0 */
	void *arg;
};

extern const struct m_hooks end_hooks;

void end_make(struct end *end, const char *name);
void end_free(struct end *end);
/* Adds one to be sent; returns its number.  Text of the mails of a seed resembles that of others. */
size_t end_mail(struct end *end, size_t len, char grade, unsigned seed);
size_t end_thing(struct end *end, struct span bytes, char grade, const char *class);
void end_teach(struct end *end);		/* the history as it is, for the next call */
void end_begin(struct end *end, bool caller, int64_t now);
void end_stop(struct end *end);
void end_crash(struct end *end);
void end_forget_rings(struct end *end);		/* as a backup would, that has none */

void line_run(struct line *line, struct end *a, struct end *b);
/* Calls until both have sent all, uncut; false: not within that many. */
bool line_until_done(struct end *a, struct end *b, unsigned calls);

/* Things of `from` that `to` has got: each once and whole?  -1: doubled or wrong. */
int end_arrived(const struct end *from, const struct end *to);

#endif
