/*
 * dsn - delivery status notifications (RFC 3461, 3464; with SMTPUTF8 RFC 6533).
 *
 * dsn_write() makes the whole message, header and body, with CRLF line ends, for an
 * envelope MAIL FROM:<> to the sender of the original.  All spans are borrowed.  What
 * peers said (replies) is encoded: no line, field or boundary can come out of it.
 */
#ifndef LIB_MAIL_DSN_H
#define LIB_MAIL_DSN_H

#include <stdint.h>

#include "lib/base/str.h"

enum dsn_kind { DSN_NONE, DSN_FAILURE, DSN_DELAY, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED, DSN_KINDS };

struct dsn_rcpt {
	struct span final;	/* RCPT TO as we took it: goes into Final-Recipient untouched */
	struct span orcpt;	/* ORCPT's value as it came, p NULL: none came */
	struct span reply;	/* the last words: "550 5.1.1 no such user", or ours */
	struct span remote;	/* host that said so, empty: no remote MTA was asked */
	int64_t last_attempt;	/* microseconds, 0: unknown */
};

struct dsn {
	enum dsn_kind kind;	/* of all its recipients */
	struct span host;	/* Reporting-MTA */
	struct span from, to;	/* header From (an address), and the original's sender */
	struct span envid;	/* as it came (xtext), p NULL: none came */
	struct span id, original_id;	/* of this message (for Message-ID), and of the original */
	int64_t now, arrived, until;	/* until: Will-Retry-Until of a delay, 0: leave out */
	const struct dsn_rcpt *rcpt;
	size_t rcpts;
	struct span original;	/* the message: header and body, or as much as there is */
	bool full;		/* return it whole (RET=FULL, and it fits), else its header */
	bool utf8;		/* addresses or headers need SMTPUTF8 */
};

/* Returns true when the result has 8-bit bytes (BODY=8BITMIME). */
bool dsn_write(const struct dsn *dsn, struct str *out);

/* Is a notification of this kind asked for by these RCPT parameters (RFC 3461 4.1)? */
bool dsn_wanted(struct span rcpt_args, enum dsn_kind kind);

/* Who took a recipient, and so what his sender is told if he asked for it (RFC 3461 5.2): a
 * hop that knows DSN tells him itself, behind one that does not nobody else will. */
enum dsn_taker { DSN_BY_HOP, DSN_BY_PLAIN_HOP, DSN_BY_BATCH, DSN_BY_PLAIN_BATCH, DSN_BY_MAILBOX };
enum dsn_kind dsn_of_success(enum dsn_taker taker);

/* "5.1.1" of "550-5.1.1 ..." or "550 ..." (5.0.0); class 4 words count as failed too. */
void dsn_status(struct span reply, enum dsn_kind kind, struct str *out);

const char *dsn_word(enum dsn_kind kind);	/* failure, delay, delivered, relayed, expanded */
enum dsn_kind dsn_kind_of(struct span word);

#endif
