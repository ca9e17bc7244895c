/*
 * gate - what has to be found out about a client, a sender and a recipient before the recipient
 * is taken.  Steps in a table, one after the other; each answers now or later.  Before the
 * first byte of a body is sent it is decided who gets it.
 *
 *	gate_open(&gate, session, on_done)
 *	gate_ask(&gate, &about, &err)	0, -1 with err, or GATE_LATER: on_done will be told
 *	gate_results(&gate, &out)	an Authentication-Results field, or nothing
 *	gate_forget(&gate)		the next message
 *	gate_client(&gate)		it is another client (XCLIENT)
 *	gate_close(&gate)
 *
 * What is known of the client is asked once a session, of the sender once a message.  A client
 * that is free (who logged in, or is welcome or near) is only asked for recipients.
 */
#ifndef RELAY_GATE_H
#define RELAY_GATE_H

#include "relay/lists.h"
#include "relay/pool.h"
#include "spool/settings.h"

struct session;

enum { GATE_LATER = 1, GATE_CLOSES = 421 };	/* err.reply 421: the session ends with it */

struct gate_about {			/* borrowed until it is answered, but to, which is copied */
	bool free;
	struct span helo, from, to, mechanism, user;
};

struct gate {
	struct session *session;
	void (*done)(struct gate *gate, int result, const struct err *err);
	struct gate_about about;
	struct str to;
	size_t step;			/* the next one */
	bool waits;
	struct lists lists;
	bool lists_known;		/* of this client */
	int score;
	struct str listed;
	bool spf_known;			/* of this message's sender */
	struct str spf;			/* "pass", "fail", ...; "": not asked */
	struct str spf_of;		/* smtp.mailfrom=... or smtp.helo=... */
	struct str spf_says;
	bool sender_known;
	struct pool_question question;
	struct str key;			/* by which its answer is remembered; "": it is not */
};

void gate_open(struct gate *gate, struct session *session,
    void (*done)(struct gate *gate, int result, const struct err *err));
int gate_ask(struct gate *gate, const struct gate_about *about, struct err *err);
void gate_results(const struct gate *gate, struct str *out);
void gate_forget(struct gate *gate);
void gate_client(struct gate *gate);
void gate_close(struct gate *gate);
int gate_check(const struct relay_settings *settings, struct err *err);	/* is what they say possible? */

/* What the checks of addresses have said lately, so that nobody is asked for each mail. */
struct gate_memory {
	struct gate_known { unsigned char key[16]; int64_t until; bool yes; } *known;
};

#endif
