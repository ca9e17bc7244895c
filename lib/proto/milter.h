/*
 * milter - a client of Sendmail's filter protocol, versions 2 to 6, without I/O (dialogue.h).
 *
 *	milter_start(&milter, &mail)	a whole message, from connect to its end
 *	... until milter.d.done ...
 *	milter.verdict, milter.reply, milter.edit[]
 *
 * What it asks for is agreed on first: steps that it wants to hear nothing of are left out, and
 * where it gives no answers none is waited for.  It may ask for nothing that was not offered.
 * What it changes is only told here, in order; who called applies it where the verdict lets
 * the message go on.
 */
#ifndef LIB_PROTO_MILTER_H
#define LIB_PROTO_MILTER_H

#include "lib/mail/envelope.h"
#include "lib/proto/dialogue.h"

enum milter_verdict { MILTER_ACCEPT, MILTER_REJECT, MILTER_LATER, MILTER_DISCARD };

struct milter_mail {		/* borrowed until the end */
	struct span host;	/* our own name */
	struct span id;
	struct span client, port;	/* its address, "": not known */
	struct span helo, user;
	const struct envelope *env;
	struct span header;	/* what it is to see, */
	struct span body;	/* and what is behind the empty line */
};

enum milter_what {
	MILTER_ADD_FIELD = 'h', MILTER_CHANGE_FIELD = 'm', MILTER_INSERT_FIELD = 'i', MILTER_BODY = 'b',
	MILTER_ADD_RCPT = '+', MILTER_REMOVE_RCPT = '-', MILTER_SENDER = 'e',
};

struct milter_edit {
	enum milter_what what;
	uint32_t index;
	struct str name, value;	/* of a field; an address is the name */
};

struct milter {
	struct dialogue d;
	enum milter_verdict verdict;
	struct str reply;	/* in its words: "550 5.7.1 no"; "": ours */
	struct str quarantine;	/* why a person is to see it; "": no */
	struct milter_edit *edit;
	size_t edits;
	bool keeps_blanks;	/* values of fields have theirs in front */
	/* the rest is its own */
	const struct milter_mail *mail;
	int step;
	size_t at;		/* the recipient, in the step of them */
	struct span fields, body;	/* not yet told */
	uint32_t actions, protocol;
	bool waits, skips;
	struct str in;
	size_t taken;		/* bytes of what it asked to be changed */
};

void milter_start(struct milter *milter, const struct milter_mail *mail);
void milter_free(struct milter *milter);

#endif
