/*
 * rspamd - asks rspamd about a message by HTTP, /checkv2, without I/O (dialogue.h).
 *
 * The answer is JSON: what to do, the score, the symbols, and fields to be added or removed.
 */
#ifndef LIB_PROTO_RSPAMD_H
#define LIB_PROTO_RSPAMD_H

#include "lib/mail/envelope.h"
#include "lib/proto/dialogue.h"

struct rspamd_mail {		/* borrowed; "": not known */
	struct span id, client, helo, user, host;
	const struct envelope *env;
	struct span message;
};

enum rspamd_action { RSPAMD_NONE, RSPAMD_LATER, RSPAMD_MARK, RSPAMD_SUBJECT, RSPAMD_REJECT, RSPAMD_DISCARD,
	RSPAMD_QUARANTINE };

struct rspamd_field {
	struct str name, value;
	bool remove;
};

struct rspamd {
	struct dialogue d;
	enum rspamd_action action;
	struct str score, required, symbols, subject, message;	/* message: for the client */
	struct rspamd_field *field;
	size_t fields;
	/* the rest is its own */
	const struct rspamd_mail *mail;
	size_t sent;
	struct str in;
};

void rspamd_start(struct rspamd *rspamd, const struct rspamd_mail *mail);
void rspamd_free(struct rspamd *rspamd);

#endif
