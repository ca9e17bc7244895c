/*
 * entry - the file format: one message, one SMTP transaction, its history.
 *
 *	NOOP mochila=1 id=20261121T184502.123456-7f3a9c02d41be066-1 time=2026-11-21T18:45:02Z from=smtp
 *	MAIL FROM:<ann@example.org> BODY=8BITMIME RET=HDRS
 *	RCPT TO:<bob@home.example> NOTIFY=FAILURE
 *	BDAT 0000005321 LAST
 *	...5321 bytes, lines end CRLF...
 *	NOOP end sum=9f86d081884c7d65
 *	NOOP at=2026-11-21T18:50:11Z rcpt=1 deferred reply="451 4.3.0 try later" sum=60303ae22b998861
 *
 * Lines outside the body end in LF.  The end line's sum proves the entry whole:
 * it is the first 8 bytes of SHA-256 over the body's SHA-256 and then the head (all
 * before the body), in this order because a body is streamed before its length is
 * known.  State lines follow in the same file; each has a sum, the first 8 bytes of
 * SHA-256 over its own bytes before " sum=", so a torn last line does not count.
 * Entries one behind the other are a batch; zeros after an end line end it
 * (they are written ahead, spool(5)).
 */
#ifndef SPOOL_ENTRY_H
#define SPOOL_ENTRY_H

#include <sys/types.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/mail/dsn.h"
#include "lib/mail/envelope.h"

enum { ENTRY_VERSION = 1, ENTRY_HEAD_MAX = 8 << 20, ENTRY_LINE_MAX = 16384 };

struct entry_info {		/* the first line */
	struct str id;
	int64_t time;		/* when it was first taken by mochila, microseconds */
	struct str from;	/* smtp, bsmtp, rmail, sendmail, mbox, dsn */
	struct str client;	/* address or user it came from; may be empty */
	struct str peer, peer_id;	/* the site it came from, and its id there; may be empty */
	struct str to;		/* the folder below out/ that whoever took it has chosen for it; empty:
				 * [routes] say.  Our own programs set it, nothing from outside does */
	bool aliased;		/* its recipients are what aliases stand for: not asked again */
	char grade;		/* 0-9 A-Z a-z, best first; 'N' unless said */
};

enum rcpt_state { RCPT_WAITING, RCPT_DEFERRED, RCPT_DONE, RCPT_FAILED };

struct rcpt_status {
	enum rcpt_state state;
	int64_t at;		/* of the last event, 0 if none */
	struct str reply;	/* the peer's last words */
	enum dsn_kind due;	/* a report to the sender that settle still has to write */
	struct str via;		/* the destination that said so, its folder's name */
};

struct entry {
	struct entry_info info;
	struct envelope env;
	struct rcpt_status *status;	/* one for each of env.rcpt */
	bool delay_due;		/* its sender is to be told of a delay */
	int64_t delayed;	/* when he was, 0 = never */
	struct str held;	/* reason of the last hold, empty if none or released */
	bool filtered;		/* it has been through the filters of where it goes */
	bool asked;		/* released because the site it was held back for asked for it */
	off_t start;		/* offset of the first byte in its file */
	off_t body_at;
	uint64_t body_len;
	unsigned char body_sum[DIGEST_SIZE];	/* when it was checked */
	off_t end;		/* behind the end line */
	off_t states_end;	/* behind the last state line that counts */
};

/* Reads the entry at *at of fd.  1: filled, and *at is behind it (behind its
 * state lines).  0: nothing more there (end of file, or zeros).  -1: damaged
 * (ERR_PERM), of a newer version (ERR_CONFIG) or unreadable (ERR_TEMP).  The
 * body's sum is compared only with check. */
int entry_read(int fd, off_t *at, bool check, struct entry *entry, struct err *err);
/* Entries one behind the other, each with check, in few reads: those that follow, and bodies up
 * to ENTRY_AT_ONCE, are in memory already.  A body of which the sum is known is not summed up:
 * whoever knows it has written it himself a moment ago. */
enum { ENTRY_AT_ONCE = 64 << 10 };
struct entry_sum {
	off_t body_at;
	unsigned char body[DIGEST_SIZE];
};
struct entry_sums {		/* in order of body_at; {0}: none */
	struct entry_sum *one;
	size_t count;
};
struct entry_reader {		/* .fd, .known or NULL; all else 0 */
	int fd;
	const struct entry_sums *known;
	off_t at;		/* of the first byte of text */
	struct str text;
	size_t start, used;	/* of text: where the entry begins, and what was given out as lines */
	bool at_end, walks;
};
int entry_next(struct entry_reader *reader, off_t *at, struct entry *entry, struct err *err);
struct span entry_body(const struct entry_reader *reader, const struct entry *entry);	/* of the last
			   one, until the next; p is NULL where it is not in memory */
void entry_reader_free(struct entry_reader *reader);
void entry_free(struct entry *entry);
size_t entry_waiting(const struct entry *entry);	/* recipients not done and not failed */
void entry_still_waiting(const struct entry *entry, struct envelope *env);	/* its envelope, with
			   those recipients only who are not done and not failed */
/* The head alone, from memory.  1: filled in, all but states; *len bytes are before the body.
 * 0: more is needed.  -1: it is none. */
int entry_parse_head(struct span text, struct entry *entry, size_t *len, struct err *err);
int entry_check_envelope(const struct envelope *env, struct err *err);	/* what the format
			   cannot hold (controls, a stray >) is ERR_PERM */

void entry_head(const struct entry_info *info, const struct envelope *env, uint64_t body_len,
    struct str *out);	/* everything before the body */
void entry_end_line(struct span head, const unsigned char body_digest[32], struct str *out);
void entry_state_line(int64_t at, const char *rcpts, const char *event, const char *word,
    struct span text, struct str *out);
	/* "NOOP at=... rcpt=1,3 deferred reply="..." sum=...\n"; rcpts NULL leaves it out;
	 * word (reply, reason) and text likewise when word is NULL */

void entry_info_free(struct entry_info *info);
void entry_info_copy(struct entry_info *to, const struct entry_info *from);

bool entry_grade_ok(char grade);	/* what else a peer says counts for nothing: it becomes a part of names */

/* The words of a "NOOP mochila=1 ..." line into info, unknown ones skipped: 1 when
 * it is one, 0 when it is another NOOP, -1 when it is one but wrong or newer. */
int entry_parse_info(struct span line, struct entry_info *info, struct err *err);

#endif
