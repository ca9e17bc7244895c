/*
 * sender - one message to give to a client engine, and a note of what became of it.
 *
 * Events are gathered as text, a line each: "rcpt 1 TEMP 450 4.2.1 not today",
 * "commit", "done OK 250 2.0.0 ok".
 */
#ifndef TESTS_TALK_SENDER_H
#define TESTS_TALK_SENDER_H

#include "lib/proto/smtp-client.h"

struct sender {
	struct smtp_client client;
	struct envelope env;
	struct span body;
	size_t at;		/* of the body, read so far */
	size_t piece;		/* bytes a read gives at most; 0 = all there is room for */
	bool bad_read, no_commit;
	struct str events;
};

void sender_start(struct sender *sender);
void sender_mail(struct sender *sender, const char *from, const char *args);
void sender_rcpt(struct sender *sender, const char *to, const char *args);
void sender_send(struct sender *sender, struct span body);
void sender_join(struct sender *sender, struct sender *first, struct span body);	/* over the session of
			that one, whose own message may be under way */
void sender_free(struct sender *sender);

#endif
