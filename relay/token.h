/*
 * token - OAuth tokens for next hops, printed by programs that the settings name.
 *
 *	token_ask(&relay->tokens, "/PROGRAM WORDS", &wait)	one answer will come, or has come
 *	token_refused(&relay->tokens, "/PROGRAM WORDS", text)	the server did not take this one
 *	token_leave(&wait)					nobody waits for it any more
 *
 * No shell reads the words.  The first line that the program prints is the token, the second, if there
 * is one, for how many seconds it holds.  It is kept until then, or until it is refused or the
 * settings are read again, and handed to all who ask; one run of the program serves all who wait.
 */
#ifndef RELAY_TOKEN_H
#define RELAY_TOKEN_H

#include <stdbool.h>

#include "lib/base/err.h"

struct relay;
struct token;

struct tokens {
	struct relay *relay;
	struct token *first;
};

struct token_wait {		/* embedded in who asks */
	struct token_wait *next;
	struct token *token;	/* NULL: waits for nothing */
	/* text: NULL with err; fresh: it was made since it was asked for */
	void (*done)(void *ctx, const char *text, bool fresh, const struct err *err);
	void *ctx;
};

void token_ask(struct tokens *tokens, const char *command, struct token_wait *wait);
void token_leave(struct token_wait *wait);
void token_refused(struct tokens *tokens, const char *command, const char *text);
void token_forget(struct tokens *tokens);	/* all that are kept */
void token_close(struct tokens *tokens);	/* nobody waits any more */

#endif
