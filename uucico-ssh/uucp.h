/*
 * uucp - a UUCP conversation without I/O: bytes in, bytes out, hooks for
 * decisions, the clock handed in.
 *
 *	uucp_start(&u, &config, &hooks, arg, now);
 *	while (u.phase != UUCP_OVER) {
 *		uucp_fill(&u);			gathers bytes in u.out
 *		... write some of u.out ...	uucp_taken(&u, n, now)
 *		... bytes came ...		uucp_feed(&u, bytes, len, now)
 *		... the line closed ...		uucp_eof(&u, now)
 *		... time passed ...		uucp_tick(&u, now), due at uucp_deadline(&u)
 *	}
 *	u.err.kind == ERR_NONE: both ends hung up in good order
 *	uucp_free(&u);
 *
 * The caller's and the called end are the same struct.  A conversation is a
 * handshake (handshake.c), then commands and files (session.c) inside one of
 * the protocols (proto.h), which only frames bytes.  The words "the wire" below
 * mean uucp's Taylor dialect, "-N047": sizes, restart, the E command.  Protocol m
 * (m.h) has objects in place of commands: it takes over all but the handshake, and
 * has hooks of its own.
 *
 * Whatever the other end sends, memory is bounded (a line UUCP_LINE_MAX, the
 * banner's noise UUCP_NOISE_MAX, the rest by the window that the driver leaves
 * in u.out), and so is the time without progress (config.timeout).
 */
#ifndef UUCICO_SSH_UUCP_H
#define UUCICO_SSH_UUCP_H

#include "lib/base/err.h"
#include "lib/base/shown.h"
#include "uucico-ssh/m.h"

enum {
	UUCP_LINE_MAX = 16384,	/* a command; an E of rmail holds its recipients */
	UUCP_HELLO_MAX = 1024,	/* a line of the handshake */
	UUCP_NOISE_MAX = 65536,	/* before and between the lines of the handshake */
	UUCP_OUT_MAX = 65536,	/* uucp_fill() stops here */
	UUCP_SLOTS = 7,		/* files of one direction under way at once */
	UUCP_SENDING = 2 * UUCP_SLOTS,	/* and those that they asked for */
	UUCP_IDLE_TURNS = 4,	/* the line turned round in vain */
	UUCP_REFUSALS_MAX = 10000,	/* commands refused in one call */
};

#define UUCP_SIZE_UNKNOWN UINT64_MAX

/* What both ends can do: the octal number behind -N. */
enum {
	UUCP_SIZES = 01,
	UUCP_RESTART = 02,
	UUCP_EXEC = 04,
	UUCP_DECIMAL = 010,
	UUCP_QUOTES = 040,
	UUCP_FEATURES = UUCP_SIZES | UUCP_RESTART | UUCP_EXEC | UUCP_QUOTES,
};

/* A command and what it moves. */
struct uucp_job {
	char kind;			/* 'S' a file, 'E' a file and its command, 'R' one that is asked
					 * for, 'X' */
	struct str from, to, user, options, temp, notify, command;
	unsigned mode;
	uint64_t size;			/* or UUCP_SIZE_UNKNOWN */
	uint64_t at;			/* where the data goes on; grows as it moves */
	char grade;			/* of ours: 0-9, A-Z, a-z, best first */
	bool tried;			/* of ours: they may have a part of it already */
	void *mine;			/* of the hooks */
};

/* The answer to an offered job: the number behind SN or EN. */
enum uucp_answer {
	UUCP_YES = 0,
	UUCP_DENIED = 2,		/* never; the sender returns it */
	UUCP_NO_TEMP = 4,		/* cannot store it now */
	UUCP_NO_ROOM = 6,		/* too large now */
	UUCP_TOO_LARGE = 7,		/* too large ever */
	UUCP_HAD = 8,			/* received in an earlier call: success */
};

/* What became of a job of ours. */
enum uucp_fate {
	UUCP_DELIVERED,			/* stored there, now or in an earlier call */
	UUCP_REFUSED,			/* never again; the answer says why */
	UUCP_LATER,			/* in another call */
};

/* The decisions.  Functions with err return -1 with it filled to end the call. */
struct uucp_hooks {
	/* The next job of ours.  1: filled in, and exactly one sent() will follow.
	 * 0: nothing more for now. */
	int (*next)(void *arg, struct uucp_job *job, struct err *err);
	/* len bytes of it from job->at on. */
	int (*read)(void *arg, struct uucp_job *job, void *to, size_t len, struct err *err);
	int (*sent)(void *arg, struct uucp_job *job, enum uucp_fate fate, const char *why,
	    struct err *err);

	/* They want a file of ours (job->kind 'R'; job->size: the largest they take).  After
	 * UUCP_YES, with size and mode filled in, come read() for it and sent().  NULL: they get
	 * none. */
	enum uucp_answer (*requested)(void *arg, struct uucp_job *job);

	/* A call that they number (-Q): false when it is not one that can come now.  NULL: any. */
	bool (*numbered)(void *arg, uint64_t number);

	/* A job of theirs, or (kind 'R') a file that they give because we asked.  After UUCP_YES (job->at: what is there already) come its
	 * bytes and stored(), or dropped() when the call ends before. */
	enum uucp_answer (*offered)(void *arg, struct uucp_job *job);
	int (*write)(void *arg, struct uucp_job *job, const void *bytes, size_t len,
	    struct err *err);
	/* 0: durable, the peer may forget it.  -1: ERR_PERM tells the peer to give it
	 * up (CN5), any other ends the call, and the peer comes again with it. */
	int (*stored)(void *arg, struct uucp_job *job, struct err *err);
	void (*dropped)(void *arg, struct uucp_job *job);
};

struct uucp_proto;

struct uucp_config {
	bool caller;
	const char *name;		/* ours */
	const char *peer;		/* theirs: another name is refused */
	const char *letters;		/* protocols we take, best first */
	const char *busy;		/* called end: NULL, or refuse with this word ("LCK") */
	int64_t timeout;		/* seconds without progress */
	char grade;			/* the caller: the worst to be moved either way; 0: any */
	uint64_t sequence;		/* the caller: the number of this call; 0: not numbered */
	/* Protocol m, where hooks for it are given; with require_m no other. */
	const struct m_hooks *m_hooks;
	const struct m_config *m;	/* copied when m begins */
	void *m_arg;
	bool require_m;
	/* The caller: speak m at once, waiting for nothing.  Only over a link that has shown who
	 * the far end is, and when m was spoken the last time.  If it does not, `redial` is set. */
	bool optimistic;
	struct shown shown;		/* who looks on */
};

enum uucp_phase {
	UUCP_WAIT_SHERE, UUCP_WAIT_ROK, UUCP_WAIT_LETTERS,	/* the caller's handshake */
	UUCP_WAIT_NAME, UUCP_WAIT_CHOICE,			/* the called end's */
	UUCP_TALK,
	UUCP_FAREWELL,			/* all is said; waiting for their last words */
	UUCP_OVER,
};

enum uucp_sending { UUCP_FREE, UUCP_ASKED, UUCP_DATA, UUCP_AWAIT_CY };

struct uucp {
	struct uucp_config config;
	const struct uucp_hooks *hooks;
	void *arg;
	enum uucp_phase phase;
	enum uucp_phase reached;	/* the phase before UUCP_OVER */
	struct err err;
	struct str out;			/* to be written; uucp_taken() takes it off */
	int64_t now, progress;		/* microseconds; progress: the last time something moved */

	/* handshake */
	struct str line;
	bool in_line;
	size_t noise_len;
	struct str noise;		/* its first bytes, for the error's text */
	unsigned features;		/* in force */
	bool decimal;			/* they want sizes in decimal */
	char grade;			/* the worst they want, 0: any */
	uint64_t max_size;		/* the largest file they take */
	uint64_t m_version;		/* in force; 0: they do not speak m */
	int64_t asked, rtt;		/* the caller: when it said its name; what their word took */
	struct str held;		/* half duplex: said when the floor is ours */
	bool redial;			/* call again, without optimism */

	/* session */
	struct m *m;			/* protocol m, from its first byte on; else NULL */
	const struct uucp_proto *proto;
	void *state;			/* the protocol's */
	unsigned slots;			/* files of ours at once: the protocol's, or fewer */
	bool master;			/* we give the commands */
	bool want_turn;			/* they asked to (CYM) */
	bool asked_end;			/* our H is out */
	bool said_hy;			/* our HY is out */
	unsigned idle_turns, refusals;
	struct {
		enum uucp_sending state;
		bool answered;		/* by a yes */
		struct uucp_job job;
	} sending[UUCP_SENDING];	/* ours, then what they asked for on their slots */
	struct {
		bool active;
		bool refused;		/* its data comes all the same, and is passed over */
		enum uucp_answer why;	/* that */
		struct uucp_job job;
	} receiving[UUCP_SENDING];	/* theirs, then what we asked for on our slots */
	uint64_t jobs_out, jobs_in, bytes_out, bytes_in;	/* done, and file bytes moved */
	uint64_t turns;			/* times we began to listen: about the round trips */
	bool spoke;
};

void uucp_start(struct uucp *u, const struct uucp_config *config, const struct uucp_hooks *hooks,
    void *arg, int64_t now);
void uucp_feed(struct uucp *u, const void *bytes, size_t len, int64_t now);
void uucp_eof(struct uucp *u, int64_t now);
void uucp_fill(struct uucp *u);
void uucp_taken(struct uucp *u, size_t len, int64_t now);
int64_t uucp_deadline(const struct uucp *u);
void uucp_tick(struct uucp *u, int64_t now);
void uucp_stop(struct uucp *u, const struct err *why);	/* the line broke, or we must go */
void uucp_free(struct uucp *u);

bool uucp_letter_known(char letter);
char uucp_letter(const struct uucp *u);	/* of the protocol spoken, or '-' */

/* For handshake.c, session.c and the protocols. */
int uucp_fail(struct uucp *u, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));	/* ends the conversation; returns -1 */
int uucp_wrong(struct uucp *u, const char *format, ...)	/* the same: they broke the rules */
    __attribute__((format(printf, 2, 3)));

#endif
