/*
 * proto - a UUCP protocol: how commands and files are framed on the wire.
 *
 * The session (session.c) knows what is said; a protocol knows how.  Adding one is
 * one file proto-X.c with its struct uucp_proto and one row in uucp_protos[].
 *
 * A slot is one of the files under way in one direction, 0 to slots - 1; `i` puts
 * it on channel slot + 1, `e` has only slot 0.  A command that asks goes out on the
 * slot of its job; an answer comes back for the slot that asked.  With duplex both
 * ends ask at any time and files run both ways at once; without, the line has a
 * master.  With early the session sends a file's data behind its command and does
 * not wait for the answer (unless the job was tried before: uucp-wire, restart), and a
 * later "EY 0xOFFSET" moves it with send().  A file that is refused has an end all the
 * same then, and what comes before it is passed over.  With windowed only what the far
 * end acknowledges is progress, not what we wrote: it may be the tenth time.
 *
 * What they asked for (R) is sent in sending[UUCP_SLOTS + theirs], and send(), data() and
 * sent() get that number: `i` has such a file on their channel.  A text that `i` finds on
 * their channel is heard for UUCP_SLOTS + its slot, for it may be their CY for such a file.
 * What we asked for comes into receiving[UUCP_SLOTS + ours]: `i` finds it on our channel and says
 * that number for data; a protocol of one slot says 0, and the session knows.
 *
 * Members that a protocol has no use for are NULL.  One with talk has a conversation of its
 * own: it has no use for any other but start and free, and ends it with uucp_stop().
 */
#ifndef UUCICO_SSH_PROTO_H
#define UUCICO_SSH_PROTO_H

#include "uucico-ssh/uucp.h"

struct uucp_talk {
	void (*feed)(struct uucp *u, struct span bytes);
	void (*eof)(struct uucp *u);
	void (*fill)(struct uucp *u);
	void (*taken)(struct uucp *u, size_t len);
	int64_t (*deadline)(const struct uucp *u);
	void (*tick)(struct uucp *u);
	void (*stop)(struct uucp *u);		/* it is over */
};

struct uucp_proto {
	char letter;
	const struct uucp_talk *talk;
	unsigned slots;
	bool duplex, early, windowed;
	void (*start)(struct uucp *u);		/* behind the U; may set u->state */
	void (*free)(struct uucp *u);

	/* In: takes bytes off rest and calls uucp_got_...(); 0, or -1 after uucp_wrong(). */
	int (*feed)(struct uucp *u, struct span *rest);
	void (*receive)(struct uucp *u, unsigned slot);	/* we said yes: data follows */

	/* Out: appends to u->out. */
	bool (*ready)(const struct uucp *u);	/* its start is through; nothing is asked before */
	void (*command)(struct uucp *u, unsigned slot, bool answer, struct span text);
	void (*send)(struct uucp *u, unsigned slot, uint64_t at, uint64_t left);
						/* a file's data goes on at this offset */
	void (*data)(struct uucp *u, unsigned slot, const void *bytes, size_t len);
	void (*sent)(struct uucp *u, unsigned slot);	/* its end */
	size_t (*room)(const struct uucp *u);	/* data bytes the window takes now */

	void (*stop)(struct uucp *u);		/* the last words of the protocol itself */
	int64_t (*due)(const struct uucp *u);	/* when tick() is; it sends again what is missing */
	void (*tick)(struct uucp *u);
};

extern const struct uucp_proto uucp_proto_m, uucp_proto_i, uucp_proto_e, uucp_proto_t, uucp_proto_y,
    uucp_proto_g, uucp_proto_large_g, uucp_proto_v;

extern const struct uucp_proto *const uucp_protos[];	/* NULL-ended */

/* What a protocol hears; 0, or -1 when the conversation is over. */
int uucp_got_command(struct uucp *u, unsigned slot, struct span text);
int uucp_got_size(struct uucp *u, unsigned slot, uint64_t left);	/* where it is told */
int uucp_got_data(struct uucp *u, unsigned slot, const void *bytes, size_t len);
int uucp_got_data_at(struct uucp *u, unsigned slot, uint32_t at, struct span bytes);	/* at: its
				position, which has 32 bits; what is there already is passed over */
int uucp_got_end(struct uucp *u, unsigned slot);
int uucp_got_close(struct uucp *u);		/* they have left the protocol */
bool uucp_awaits_file(const struct uucp *u, unsigned slot);	/* else what comes is a command */
/* Appends bytes of a command to line, and hears it when its NUL is there. */
int uucp_got_text(struct uucp *u, unsigned slot, struct str *line, struct span bytes);

/* Between handshake.c and session.c. */
void handshake_start(struct uucp *u);
int handshake_feed(struct uucp *u, struct span *rest);
void handshake_eof(struct uucp *u);
void session_start(struct uucp *u);
void session_fill(struct uucp *u);
void session_eof(struct uucp *u);
void session_end(struct uucp *u);		/* gives every open job back to the hooks */
void farewell(struct uucp *u);

#endif
