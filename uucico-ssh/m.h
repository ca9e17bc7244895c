/*
 * m - the protocol between two ends of ours: named objects both ways over one ordered
 * stream of bytes.  A dialogue without I/O; mochila-m(7) has the wire.
 *
 *	m_start(&m, &config, &hooks, arg, now);
 *	while (!m.over) {
 *		m_fill(&m, now);			gathers bytes in *m.out
 *		... write some of them ...		m_taken(&m, n, now)
 *		... bytes came ...			m_feed(&m, bytes, len, now)
 *		m_commit(&m, now);			once a turn: all that is whole is made durable
 *		... the line closed ...			m_eof(&m, now)
 *		... time passed ...			m_tick(&m, now), due at m_deadline(&m)
 *		... mail came for the peer ...		m_more(&m)		in a standing call
 *		... SIGTERM, or the budget is spent ...	m_end(&m, M_BYE_STOP)
 *	}
 *	m.err.kind == ERR_NONE: both ends said goodbye in good order
 *	m_free(&m);					every open object went back to the hooks
 *
 * What is what.  An object is a mail, a summary of one that is held back, or a request for
 * one, or a job of UUCP: an entry of the spool (spool/entry.h: entry_head() and the body, no
 * end line, no states), or text.  Its name is the first 16 bytes of SHA-256 over that; its transfer
 * bytes are it, or, packed, what lib/mail/plain.h makes of it.  All offsets and lengths
 * count transfer bytes.  The engine frames, compresses against history, orders by grade
 * and size, keeps credit and deadlines; the hooks (m-out.h, m-in.h) know files.
 *
 * Nothing of the peer's is believed before it is checked, memory is bounded by the M_..._MAX
 * below and the two windows, and time by config.timeout and what the line was measured to do.
 */
#ifndef UUCICO_SSH_M_H
#define UUCICO_SSH_M_H

#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/base/shown.h"

enum {
	M_VERSION = 1,
	M_NAME = 16,		/* bytes of an object's name */
	M_FRAME_MAX = 16384,	/* of a frame's body */
	M_OBJECTS_MAX = 64,	/* open at once, each way */
	M_HAVE_MAX = 8,		/* partial objects that a HELLO tells */
	M_TEXT_MAX = 200,
	M_CLASS_MAX = 40,	/* spool/class.h */
	M_CLASSES_MAX = 8,	/* told in a HELLO */
	M_HISTORY_MAX = 256 << 10,	/* a larger object is no history */
	M_NOTE_MAX = 16384,	/* a summary or request */
};

enum m_kind { M_MAIL, M_SUMMARY, M_REQUEST, M_JOB, M_KINDS };

/* What the receiver says of an object: the status in an ACK. */
enum m_status {
	M_STORED,		/* durable; took the next commit number */
	M_HAD,			/* had it already */
	M_LATER,		/* not now: disk, quota */
	M_NEVER,		/* the text says why: a DSN */
	M_HOLD,			/* ask me first: a summary is wanted */
	M_WRONG,		/* its bytes are not those of its name */
	M_TAKE,			/* of hooks.offered only: go on, from object->at */
};

struct m_object {
	unsigned char name[M_NAME];
	enum m_kind kind;
	char grade;		/* 0-9 A-Z a-z, best first */
	bool packed;		/* transfer bytes are of lib/mail/plain.h */
	bool stream;		/* compressed against the history of its class; else bytes as they are */
	char class[M_CLASS_MAX + 1];	/* of history */
	uint64_t length;	/* of all transfer bytes */
	uint64_t at;		/* where the bytes go on; grows as they move */
	bool asked;		/* it was asked for, so max_object does not count: of ours, or said by offered() */
	size_t behind;		/* of ours: about how many more may follow */
	bool tried;		/* of ours: offered in an earlier call, so wait for their HELLO */
	void *mine;		/* of the hooks */
};

/* (k, link): everything that was committed of one class and direction (spool/ring.h). */
struct m_mark { uint64_t k, link; };

struct m_prefix {		/* what a stream may refer to besides itself */
	struct m_mark mark;	/* history up to this commit of theirs; k = 0: none of it */
	uint64_t length;	/* the last so many bytes of it */
	uint64_t dictionary;	/* version of the shipped one that goes before it; 0: none */
	bool kept;		/* of ours: such that the model that is kept goes on from there */
};

struct m_kept {			/* a model of mix that was taught history before (spool/taught.h) */
	struct span model;	/* lib/mail/mix-keep.h; stays until kept() is called again for that way */
	size_t past, taught;	/* bytes that it was made from, and was taught */
	uint64_t grown;		/* bytes of history behind these */
	unsigned char digest[DIGEST_SIZE];	/* of what it was made from */
};

struct m_class {
	char name[M_CLASS_MAX + 1];
	struct m_mark from;	/* my last commit of theirs */
	struct m_mark to;	/* the last of their commits of mine that I know of */
	uint32_t kept;		/* the first bytes of what the model that is kept for theirs was made from; 0: none is */
};

struct m_partial {		/* theirs, of an earlier call; its bytes are synced */
	unsigned char name[M_NAME];
	uint64_t at;
	uint64_t check;		/* the first 8 bytes of SHA-256 of them */
};

enum m_mixes {			/* lib/mail/mix.h in place of zstd: */
	M_MIX_NEVER,
	M_MIX_MAY,		/* where what it saves is worth the processor's time */
	M_MIX_ALWAYS,		/* for whatever is small */
};
enum {
	M_MIX_RATE = 2500000,		/* bytes a second: over a faster line none is worth the time */
	M_MIX_OBJECT_MAX = 64 << 10,	/* bytes: a larger mail does not go by one */
	M_MIX_WORTH = 8 << 10,		/* bytes of mail for which one that was kept is taken up */
};

enum m_bye {			/* why a call ends */
	M_BYE_DONE = 0,		/* all is sent and acknowledged */
	M_BYE_STOP = 1,		/* told to stop */
	M_BYE_BUDGET = 2,
	M_BYE_PROTOCOL = 4,
	M_BYE_VERSION = 5,
	M_BYE_BUSY = 6,
};

/* Functions with err return -1 with it filled to end the call. */
struct m_hooks {
	/* --- our objects --- */
	/* The best of ours that is not under way.  1: filled in, and exactly one fate() will
	 * follow.  0: nothing more for now.  2: the same, but m_more() will follow, so no BYE
	 * before.  Without `tried` none that was offered in an earlier call: what became of it
	 * is not known yet. */
	int (*next)(void *arg, bool tried, struct m_object *object, struct err *err);
	/* In each turn: a piece, of bounded time, of what takes long before next() has it.  1: go on with it in
	 * the next turn, which is at once; 0: nothing is to be done.  When next() has something m_more() was called. */
	int (*work)(void *arg, struct err *err);
	/* len transfer bytes from object->at on. */
	int (*read)(void *arg, struct m_object *object, void *to, size_t len, struct err *err);
	/* What became of it, after which the engine knows nothing of it any more.  M_STORED and
	 * M_HAD: durable there.  M_LATER with an empty text: the call ended before.  M_HOLD: also
	 * when it is larger than what they said they take.  In the receiver's order of commits,
	 * and grouped: settled() follows when no other comes at once. */
	int (*fate)(void *arg, struct m_object *object, enum m_status status, const char *text,
	    struct err *err);
	/* Their commits of ours that we did not know of, in order, by the first 8 bytes of their
	 * names (the others are 0): acknowledgements that were lost.  `last` is their last commit;
	 * with fewer names than commits between, those before are no more known.  Comes before
	 * the first next() with `tried`. */
	int (*did)(void *arg, const char *class, const unsigned char (*names)[M_NAME], size_t count,
	    struct m_mark last, struct err *err);
	int (*settled)(void *arg, struct err *err);	/* the last fates are to be durable now */
	/* `theirs` is their mark of our class, or what we knew of it before their HELLO: what history may we
	 * refer to?  Fills prefix and at most `most` bytes that stay until the next call of this
	 * hook: the dictionary, where history follows without its first DICTIONARY_MARK bytes, and
	 * the history.  prefix->kept is a wish, and stays where it came true: whatever `most` says, what the
	 * model that is kept was made from, and what came since. */
	int (*refer)(void *arg, const char *class, struct m_mark theirs, size_t most,
	    struct m_prefix *prefix, struct span *bytes, struct err *err);

	/* --- theirs --- */
	/* M_TAKE: its bytes from object->at on and complete() or dropped() follow; what we have
	 * beyond that goes.  Any other status is told to them, with the text, and is all. */
	enum m_status (*offered)(void *arg, struct m_object *object, struct str *text);
	/* 1: no more of it is wanted, complete() says why. */
	int (*write)(void *arg, struct m_object *object, const void *bytes, size_t len,
	    struct err *err);
	/* All is there: checked against its name, made ready to be committed.  M_STORED: yes,
	 * commit() or dropped() follows.  Any other status is told to them, and is all. */
	enum m_status (*complete)(void *arg, struct m_object *object, struct str *text);
	/* Makes those durable, all with one sync, in this order; each status is M_STORED on the
	 * way in.  Then the acknowledgements go out. */
	int (*commit)(void *arg, struct m_object *const *objects, enum m_status *status, size_t count,
	    struct err *err);
	void (*dropped)(void *arg, struct m_object *object);	/* the call ended before; what came
			   of it is synced and kept for the next */
	/* The bytes of a prefix that they refer to, which stay until the next call of this hook.
	 * 0: we do not have them. */
	int (*history)(void *arg, const char *class, const struct m_prefix *prefix, struct span *bytes,
	    struct err *err);
	/* Which of our commits of their class they do not know: names in order, the last `most` of
	 * them. */
	size_t (*untold)(void *arg, const char *class, struct m_mark known,
	    unsigned char (*names)[M_NAME], size_t most);
};

/* The models that are kept for the history of ours, or of theirs; arg is that of the hooks. */
struct mix;
struct m_models {
	bool (*kept)(void *arg, const char *class, bool ours, struct m_kept *kept);	/* false: none is */
	/* One that went on from it already, and was taught so many of just these bytes, which refer() or history()
	 * gave: from now on the engine's.  NULL: there is none. */
	struct mix *(*made)(void *arg, bool ours, struct span past, size_t taught);
};

struct m_config {
	bool caller;
	int64_t timeout;	/* seconds: silence before the first measurement; the most ever */
	int64_t keepalive;	/* seconds; an idle standing call says something so often */
	bool stay;		/* the call goes on when all is sent, until m_end() */
	bool nothing;		/* there is nothing of ours: BYE may go with the first words */
	bool half_duplex;	/* one floor, for HF: the holder speaks for at most `burst` seconds */
	int64_t burst;
	uint64_t max_object;	/* the largest we take; 0: any */
	uint64_t left;		/* bytes we may still receive in this call; 0: any */
	uint64_t may_send;	/* and send; 0: any */
	int64_t secs;		/* and how long it may last; 0: any */
	char grade;		/* the worst moved either way; 0: any */
	size_t window;		/* most bytes of history and stream window, each way */
	int level;		/* of zstd */
	enum m_mixes mix;
	bool mix_theirs;	/* they followed our model the last time, */
	bool kept_theirs;	/* and kept the same for our mail of class main as we */
	const struct m_models *models;	/* NULL: none is kept */
	size_t credit;		/* most bytes that may be on their way to us unacknowledged */
	int64_t rtt;		/* remembered of this link, microseconds; 0: unknown */
	int64_t far;		/* the line alone, there and back; what the caller knows is told */
	uint64_t rate;		/* bytes a second, remembered; 0: unknown */
	const struct m_class *classes;	/* of which there is history, "main" first */
	size_t class_count;
	const struct m_partial *partials;
	size_t partial_count;
	struct shown shown;	/* who looks on: the names of frames */
};

struct m {
	struct m_config config;
	const struct m_hooks *hooks;
	void *arg;
	struct str *out;	/* to be written; m_taken() takes it off */
	struct err err;
	bool over;
	enum m_bye said, heard;	/* in the BYEs */
	bool met;		/* their HELLO was heard: the peer speaks m */
	uint64_t objects_out, objects_in, bytes_out, bytes_in;	/* done, and transfer bytes moved */
	uint64_t packed_out, packed_in;		/* the same as they went over the wire */
	uint64_t mixed_out, mixed_in;		/* of the former, through mix */
	unsigned mixes;		/* streams of it, both ways, */
	unsigned taken_up;	/* and those whose model was kept */
	bool models;		/* in this turn a model was being made for one */
	bool mix_theirs;	/* they follow our model */
	uint64_t again_out;	/* transfer bytes that had to be sent once more in this call */
	uint64_t turns;		/* half duplex: how often the floor went over */
	int64_t rtt;		/* the least measured, or remembered; microseconds */
	uint64_t rate;		/* bytes a second */
	struct m_parts *own;	/* m-parts.h */
};

void m_start(struct m *m, const struct m_config *config, const struct m_hooks *hooks, void *arg,
    struct str *out, int64_t now);
void m_feed(struct m *m, const void *bytes, size_t len, int64_t now);
void m_eof(struct m *m, int64_t now);
void m_fill(struct m *m, int64_t now);
void m_taken(struct m *m, size_t len, int64_t now);
void m_commit(struct m *m, int64_t now);
int64_t m_deadline(const struct m *m);
size_t m_holds_back(const struct m *m);	/* the last so many bytes of out go with more that comes soon, and not yet */
void m_tick(struct m *m, int64_t now);
void m_more(struct m *m);		/* there is more to send: next() is asked again */
bool m_idle(const struct m *m);		/* nothing is under way either way */
bool m_stands(const struct m *m);	/* one of both ends stays, and neither has said goodbye */
/* From when on so many of what came may be settled, because we said goodbye and nothing is under way; 0: not yet, or
 * they are none, or too many to let the line wait. */
int64_t m_leaves_at(const struct m *m, uint64_t unsettled);
bool m_silent(const struct m *m);	/* half duplex: the floor is theirs */
void m_end(struct m *m, enum m_bye why);
void m_stop(struct m *m, const struct err *why);	/* the line broke */
void m_tell_mix(const struct m *m, struct str *line);	/* words for the log, if there was any */
bool m_keeps_same(const struct m *m);	/* both ends kept the same model for our mail of class main */
bool m_teaches(const struct m *m);	/* after it: a model of the history is worth to be kept for the next call */
void m_free(struct m *m);

#endif
