/*
 * fake - a spool in memory for whoever tests a server engine.
 *
 * It takes every address but those whose local part says otherwise: "refused@"
 * is 550 5.1.1, "later@" 450, "full@" lets the body fail with 452, "lost@" the end
 * with 451, "nobody@" as sender is 550, "shy@" as recipient makes hook begin refuse.
 * By AUTH it knows bob (PLAIN, ASK).  With slow set every hook says SMTP_LATER first and is answered afterwards: what
 * the client hears must be the same.
 */
#ifndef TESTS_TALK_FAKE_H
#define TESTS_TALK_FAKE_H

#include "lib/proto/smtp-server.h"

struct fake {
	struct smtp_server server;
	bool slow;
	int result;		/* what a slow hook will answer */
	struct err err;
	struct envelope env;
	struct str body;
	struct str messages;	/* each accepted one: envelope lines with LF, blank line, body */
	struct str notes;	/* NOOP texts, a line each */
	size_t accepted, aborted;
	bool open;		/* between begin and end */
};

void fake_start(struct fake *fake, const struct smtp_server_options *options);
void fake_feed(struct fake *fake, struct span bytes, size_t step);	/* 0: all at once */
void fake_free(struct fake *fake);

#endif
