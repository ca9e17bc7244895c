/*
 * m-parts - what the files of the engine m know of each other; m.h is what others see.
 *
 *	m.c		the beginning, the end, who may say what when
 *	m-frame.c	bytes to frames and back, under one running check
 *	m-hello.c	the words of HELLO, and which commits were lost on the way
 *	m-line.c	how fast the line is: credit, deadlines, signs of life
 *	m-send.c	our objects
 *	m-stream.c	what they are compressed with, at both ends: zstd,
 *	m-mix.c		or the model of lib/mail/mix.h, and when
 *	m-take.c	theirs
 *	m-leave.c	when there is time to settle them
 */
#ifndef UUCICO_SSH_M_PARTS_H
#define UUCICO_SSH_M_PARTS_H

#include <zstd.h>

#include "lib/base/digest.h"
#include "lib/mail/mix.h"
#include "uucico-ssh/m.h"

enum {
	M_HELLO_MAX = 2048,
	M_HEAD = 3, M_CHECK = 4,
	M_PLAIN_MAX = 131072,		/* what one flush of a stream holds */
	M_OUT_MAX = 65536,		/* m_fill() stops here */
	M_WINDOW_LOG_MIN = 17, M_WINDOW_LOG_MAX = 24,
	M_WINDOW_LOG = 22,		/* when none is said; everybody takes that much */
	M_CREDIT = 16 << 20,		/* the same */
	M_MARKS = 128,
	M_STREAMS_KEPT = 16,
	M_DID_NAME = 8, M_DID_MAX = 1024,
	M_BURST_TOLD = 500,		/* bytes of a burst that say how fast the line is */
};

enum m_type {
	M_HELLO = 1, M_STREAM, M_OPEN, M_DATA, M_ACK, M_DID, M_SEEN, M_NOREF, M_PING, M_PONG, M_TURN,
	M_BYE, M_TYPES,
	M_OPTIONAL = 0x80,		/* who does not know such a type passes over it */
};

enum m_flag { M_FLAG_STREAM = 1, M_FLAG_PACKED = 2, M_FLAG_CLASS = 4, M_FLAGS = 7 };

/* With k > 0: so many more as the dictionary that is before history. */
enum { M_CODEC_ZSTD = 1, M_CODEC_LAST = 15, M_CODEC_MIX = 32, M_CODEC_MIX_LAST = 46 };

/* What is read from a body; once bad, all that follows reads as 0. */
struct m_cursor {
	const unsigned char *p;
	size_t left;
	bool bad;
};

struct m_sending {
	struct m_object object;
	uint64_t order;			/* the older, the less */
	uint64_t handle;		/* 0: not opened yet */
	uint64_t from;			/* where it stood at its OPEN */
	uint64_t first, stream;		/* the streams, from and to, that bytes of it went with */
	uint64_t end;			/* line.sent behind its last byte */
	bool sent;			/* all of it */
	bool again;			/* they had it wrong once */
	const struct m_partial *part;	/* what they have the beginning of, as they say: */
	struct digest digest;		/* is it that of ours?  object.at is how far we looked */
	bool checking, checked;
	uint64_t start;			/* where it goes on, then */
};

struct m_taking {
	struct m_object object;
	uint64_t handle;
	bool complete;			/* waits to be committed */
	uint64_t end;			/* line.got behind its last byte */
};

struct m_refused {
	uint64_t handle, left;		/* bytes of it that were still to come */
	bool stream;
};

struct m_peer {				/* their HELLO */
	struct m_class class[M_CLASSES_MAX];
	size_t classes;
	uint64_t credit, max, left;
	int64_t until;			/* when their secs are over; INT64_MAX: never */
	int64_t far;			/* how long the line is, microseconds; 0: it was not said */
	unsigned window_log;
	char grade;
	bool stay;
	struct m_partial have[M_HAVE_MAX];
	size_t haves;
	struct m_class kept[M_CLASSES_MAX];	/* of which they keep a model: name and kept */
	size_t kepts;
};

struct m_mixing {			/* a stream of the model, at either end */
	struct mix *mix;
	struct span past;		/* what it is to be made from, which the hooks keep, */
	size_t taught, most;
	bool due;			/* from STREAM on its way, or heard, until the model is made, in steps */
	uint64_t left;			/* bytes that may still go through */
	uint64_t meant;			/* ours: those that waited when it began, or were behind these */
	struct m_kept kept;		/* it goes on from that one, if that is so */
};

struct m_stream_out {
	ZSTD_CCtx *zstd;		/* or */
	struct m_mixing mixing;
	bool mixed;			/* the present stream is of mix */
	bool unmixed;			/* no more of that in this call */
	struct m_kept kept;		/* for the history of this class, if we know: */
	char kept_class[M_CLASS_MAX + 1];
	int64_t planned, spent, saved;	/* microseconds, by that in this call: of the processor, as was thought and
					   as it was; on the line */
	uint64_t before;		/* bytes that had come out of a model when this turn began */
	int64_t working, worked;	/* since when, as the clock was then, and how much of spent that is; 0: not */
	uint64_t number;		/* of streams so far; 0: none was begun */
	char class[M_CLASS_MAX + 1];
	bool history;			/* it has a prefix, for as long as plain is below the window */
	uint64_t plain, window;		/* bytes that went in; the stream's window */
	unsigned depth;			/* 0: against history, 1: the dictionary, 2: nothing */
	unsigned fallen;		/* streams from now on: no less deep */
	unsigned char depths[M_STREAMS_KEPT];	/* of the last ones, by number */
	struct str pending;		/* came out of it and is in no frame yet */
	struct m_sending *owner;	/* of pending, until it has its fate */
	uint64_t pending_handle;
	uint64_t ratio;			/* 256 * plain / compressed, lately */
};

struct m_stream_in {
	ZSTD_DCtx *zstd;		/* or */
	struct m_mixing mixing;
	bool mixed;
	uint64_t work;			/* bytes that went through a model in this call */
	uint64_t number;
	char class[M_CLASS_MAX + 1];
	bool lost;			/* we cannot follow it */
	bool used;			/* DATA came with it */
	unsigned unused;		/* streams in a row without */
	char *room;			/* M_PLAIN_MAX bytes for what comes out */
};

struct m_mark_sent {
	uint64_t data, wire;		/* line.sent and line.gone behind this frame */
	bool alone;			/* nothing else was on its way */
	int64_t at;			/* when it was written; 0: not yet */
	uint64_t seen;			/* line.seen then, and since when */
	int64_t seen_at;
};

struct m_line {
	uint64_t gone;			/* bytes taken from m->out */
	uint64_t sent, seen;		/* bytes of DATA bodies: ours, and what they say they have */
	uint64_t got, told;		/* and theirs */
	int64_t got_at, told_at;	/* when the last came, and was told */
	struct m_mark_sent mark[M_MARKS];
	size_t first, marks;
	int64_t seen_at;
	int64_t smooth;			/* round trip, smoothed; 0: none was measured */
	uint64_t best[2];		/* rates: of this while, and of the one before */
	int64_t while_from;
	int64_t faster;			/* until then it may become faster still */
	int64_t since;			/* seen_at before the last SEEN */
	bool measured;			/* a rate was */
	int64_t heard;			/* when anything came last */
	int64_t owed;			/* since when they owe us something; 0: nothing */
	int64_t frame;			/* since when a frame has been incomplete; 0: none is */
	bool pinged;			/* our PING was not answered yet */
	int64_t pinged_at;
	uint32_t token;
	bool ping, pong;		/* to be sent */
	unsigned char pong_token[4];
};

struct m_parts {
	int64_t now, began;
	struct str in;			/* a frame that is not whole */
	struct str held;		/* frames that wait until the model of theirs is made */
	bool works;			/* something of ours takes several turns: the next is at once */
	uint32_t check_in, check_out;
	uint64_t bytes_sent;		/* of all frames */
	bool greeted;			/* our HELLO is out */
	bool said, heard;		/* BYE */
	bool enough;			/* a standing call ends when all is through */
	bool ending;			/* no new DATA; why is in end */
	enum m_bye end;
	int64_t linger;			/* late ACKs are waited for until then; 0: nothing is */

	struct m_peer peer;
	bool did_owed[M_CLASSES_MAX];	/* by us: of config.classes */
	size_t did_due;			/* by them */

	struct m_line line;

	struct m_sending *sending[M_OBJECTS_MAX];
	size_t sendings;
	uint64_t order, handle_out;	/* the last given */
	unsigned turn;			/* each 8th frame goes to the oldest */
	bool dry, dry_tried;		/* next() had nothing more */
	bool more_follows;		/* and said 2 */
	bool fates;			/* told, not settled */
	struct m_stream_out out;

	struct m_taking *taking[M_OBJECTS_MAX];
	size_t takings;
	struct m_taking *ready[M_OBJECTS_MAX];	/* to be committed, in order */
	size_t readies;
	uint64_t handle_in;		/* the last opened */
	struct m_refused refused[M_OBJECTS_MAX];	/* the last ones; their bytes may still come */
	size_t refusals;
	struct str acks;		/* entries for the next ACK frame */
	size_t acks_waiting;
	uint64_t noref[M_STREAMS_KEPT];
	size_t norefs;
	struct m_stream_in stream;

	bool floor;			/* half duplex: it is ours */
	int64_t floor_from;
	uint64_t floor_bytes;		/* spent in this burst */
	uint64_t burst;			/* bytes of our last one, until it was measured */
	bool spoke;			/* anything in it */
	bool said_before;		/* BYE went in an earlier burst */
};

/* m.c */
int m_fail(struct m *m, enum m_bye why, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));	/* says BYE and is over; -1 */
int m_wrong(struct m *m, const char *format, ...)	/* the same: they broke the rules */
    __attribute__((format(printf, 2, 3)));
int m_hook_failed(struct m *m, const struct err *err);	/* the same: our side's trouble */
bool m_sends(const struct m *m);	/* objects may go on */

/* m-frame.c */
void m_put_v(struct str *body, uint64_t number);
void m_put_number(struct str *body, uint64_t number, size_t bytes);
uint64_t m_get_v(struct m_cursor *c);
uint64_t m_get_number(struct m_cursor *c, size_t bytes);
const unsigned char *m_get_bytes(struct m_cursor *c, size_t len);	/* NULL: not so many */
bool m_get_text(struct m_cursor *c, size_t most, struct str *text);	/* its length in a byte first */
bool m_printable(struct span text);
void m_frame(struct m *m, enum m_type type, struct span body);	/* appends to m->out */
int m_frames(struct m *m, struct span bytes);	/* calls m_heard() for each */
int m_frames_held(struct m *m, bool all);	/* and for those that had to wait, once they need not; all: at once */
int m_heard(struct m *m, unsigned type, struct m_cursor body);	/* m.c */
void m_show(const struct m *m, bool ours, unsigned type, size_t len);	/* to who looks on */

/* m-hello.c */
void m_hello_say(struct m *m);
int m_hello_heard(struct m *m, struct m_cursor body);
int m_did_heard(struct m *m, struct m_cursor body);
void m_did_say(struct m *m);
struct m_mark m_theirs(const struct m *m, const char *class);	/* their mark of our class */

/* m-line.c */
void m_line_start(struct m *m);
void m_line_sent(struct m *m, size_t len);		/* a DATA frame of so many bytes is in m->out */
void m_line_taken(struct m *m);
int m_seen_heard(struct m *m, struct m_cursor body);
void m_seen(struct m *m, uint64_t seen);
void m_line_control(struct m *m, bool anything);	/* SEEN, PING, PONG where due; anything: they ride */
int m_ping_heard(struct m *m, struct m_cursor body);
int m_pong_heard(struct m *m, struct m_cursor body);
uint64_t m_credit(const struct m *m);			/* bytes of DATA that may go now */
size_t m_unit(const struct m *m);			/* bytes of DATA that are worth a frame */
int64_t m_line_deadline(const struct m *m);
void m_line_owed(struct m *m);			/* from now on, or no more */
void m_line_tick(struct m *m);

/* m-stream.c */
void m_stream_class(struct str *body, const char *class);	/* its length and itself, main by none */
bool m_get_class(struct m_cursor *c, char class[M_CLASS_MAX + 1]);
bool m_stream_fits(const struct m *m, const struct m_sending *s);	/* the present one does for it */
int m_stream_begin(struct m *m, const struct m_sending *s);
/* 1: it became more than goes that way, and has to go by another stream. */
int m_stream_pack(struct m *m, struct span bytes, bool all, struct str *to);	/* all: that is left of the object */
int m_stream_heard(struct m *m, struct m_cursor body);
/* Of an object that misses so many bytes.  What comes out, until the next call; 1: the stream cannot be
 * followed (any more). */
int m_stream_unpack(struct m *m, struct span bytes, uint64_t left, struct span *plain);
void m_stream_free(struct m *m);

/* m-mix.c */
bool m_mix_offers(const struct m *m);		/* we follow such streams */
void m_mix_say(const struct m *m, struct str *hello);	/* and what is kept for them */
bool m_mix_hears(struct m *m, struct span models);	/* what they follow: ours is among it */
bool m_mix_takes(const struct m *m, const struct m_sending *s);	/* it may go with such a stream, */
bool m_mix_pays(const struct m *m, const struct m_sending *s);	/* and is worth to begin one */
bool m_much_waits(const struct m *m);		/* of the class of the stream that begins: more than zstd's small
					tables are for */
size_t m_mix_past(const struct m *m);		/* bytes of history at most */
bool m_mix_enough(const struct m *m);		/* of what a model said is in m->out for now */
bool m_mix_wants_kept(const struct m *m, const char *class);	/* it is to go on from the model that is kept */
bool m_mix_goes_on(struct m *m, struct span past);	/* and can, from there */
unsigned m_mix_begin(struct m *m, struct span past, bool kept);	/* log of what may go through */
int m_mix_follow(struct m *m, unsigned log, uint64_t taught, struct span past);
void m_mix_prepare(struct m *m);		/* a step of what is due */
bool m_mix_due(const struct m *m);
int64_t m_mix_commit_at(const struct m *m);	/* when what is complete is to be stored; 0: at once */
bool m_mix_holds(const struct m *m);		/* what comes by their stream has to wait for that */
void m_mix_clock(struct m *m, bool taken);	/* at the beginning of a turn, and when its work is on the line */
int m_mix_pack(struct m *m, struct span bytes, bool all, struct str *to);
int m_mix_unpack(struct m *m, struct span bytes, uint64_t left, struct span *plain);
bool m_mix_hides(const struct m *m, int64_t took, uint64_t rate);	/* it may be our pace, not the line's */
void m_mix_drop(struct m_mixing *mixing);

/* m-send.c */
void m_send(struct m *m);
int m_ack_heard(struct m *m, struct m_cursor body);
int m_noref_heard(struct m *m, struct m_cursor body);
int m_fate(struct m *m, struct m_sending *s, enum m_status status, const char *text);
void m_settle(struct m *m);
bool m_send_checks(struct m *m);	/* a step of looking at what they say they have; true: there are more */
bool m_unacked(const struct m *m);	/* all of an object is out, and its ACK is missing */
void m_send_end(struct m *m);

/* m-take.c */
int m_open_heard(struct m *m, struct m_cursor body);
int m_data_heard(struct m *m, struct m_cursor body);
void m_take_commit(struct m *m);
void m_take_say(struct m *m);		/* ACK, NOREF */
int m_lost(struct m *m);		/* the present stream cannot be followed */
bool m_awaits(const struct m *m);	/* an object of theirs is not whole */
void m_take_end(struct m *m);

#endif
