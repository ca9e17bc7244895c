/*
 * fake-pop3 - a maildrop of three messages in memory, for whoever tests the POP3 engine.
 *
 * "bob" has the password "secret word ", and by SASL PLAIN too; "SLOW-LOGIN" asks one
 * question first.  With slow set every login says POP3_LATER first, and so does opening the
 * maildrop: what the client hears must be the same.  With held another session has the maildrop; with broken the second
 * message cannot be read to its end; with stuck nothing can be removed.
 */
#ifndef TESTS_TALK_FAKE_POP3_H
#define TESTS_TALK_FAKE_POP3_H

#include "lib/proto/pop3-server.h"

struct fake_pop3 {
	struct pop3_server server;
	bool slow, held, broken, stuck;
	struct str heard;	/* all that the server said */
	bool listed, open, reading;
	bool asked;		/* SASL: the question is out */
	size_t message, at;
	bool gone[3];
	int result;		/* what a slow hook will answer */
	struct str challenge;
	struct err err;
};

extern const char *const fake_pop3_messages[3];
extern const struct pop3_server_options fake_pop3_options;	/* all is offered, TLS is not on */

void fake_pop3_start(struct fake_pop3 *fake, const struct pop3_server_options *options);
void fake_pop3_feed(struct fake_pop3 *fake, struct span bytes, size_t step);	/* 0: all at once */
void fake_pop3_free(struct fake_pop3 *fake);

#endif
