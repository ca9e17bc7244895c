/*
 * smtp-engine - what the parts of the SMTP server share; nobody else's business.
 *
 * smtp-server.c reads lines, asks hooks and replies; smtp-verb.c has the verbs;
 * smtp-body.c what follows DATA and BDAT.
 */
#ifndef LIB_PROTO_SMTP_ENGINE_H
#define LIB_PROTO_SMTP_ENGINE_H

#include "lib/mail/dot.h"
#include "lib/proto/smtp-server.h"

/* What goes on when a hook has answered: yes is result 0, with words in err->text
 * or without; no is -1 with err. */
typedef void smtp_step(struct smtp_server *server, int result, const struct err *err);

enum { SMTP_SPOILT_MAX = 1000, SMTP_BEYOND_MAX = 100000 };

struct smtp_server_work {
	size_t at;		/* of server.in: what is before was read */
	smtp_step *step;	/* after SMTP_LATER */
	struct rcpt rcpt;	/* the one being asked about */
	unsigned junk, refused;
	unsigned beyond;	/* recipients above the limit, of all messages */
	unsigned spoilt;	/* MAIL or a chunk was refused: so many commands that the client
				 * may have sent behind it are out of order but no error */
	size_t overlong;	/* bytes of a line that is too long ... */
	char last;		/* ... and the last of them */
	bool crlf;		/* the last line ended so */

	bool begun;		/* hook begin said yes, neither end nor abort came yet */
	struct dot_in dot;
	uint64_t chunk_left;
	bool chunk_last, chunk_cr;
	uint64_t size;		/* of the body so far */
	struct err err;		/* the body's refusal, told at its end */
	bool close;		/* and then close */
	bool unasked;		/* a chunk out of order: err is its 503 */
	struct str unstuffed;
	bool exchange;		/* the next line answers a challenge */
};

/* smtp-server.c */
struct span smtp_unread(const struct smtp_server *server);
void smtp_read(struct smtp_server *server, size_t len);		/* off the front of that */
void smtp_reply(struct smtp_server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void smtp_show(const struct smtp_server *server, size_t from);	/* what stands in out from there on */
void smtp_reply_err(struct smtp_server *server, const struct err *err);
void smtp_greet(struct smtp_server *server);
void smtp_error(struct smtp_server *server, const char *reply);	/* counted: max_errors */
void smtp_error_err(struct smtp_server *server, const struct err *err);
void smtp_die(struct smtp_server *server, const char *reply);	/* the last words */
void smtp_die_err(struct smtp_server *server, const struct err *err);
void smtp_err_is_no(struct err *err);	/* a hook said no without a reason: TEMP */
bool smtp_is_junk_too_many(struct smtp_server *server);	/* counts one more: max_junk */
void smtp_refuse_order(struct smtp_server *server, const struct err *err);
void smtp_out_of_order(const struct smtp_server *server, struct err *err);	/* 503 */
void smtp_ask(struct smtp_server *server, int result, const struct err *err, smtp_step *step);
void smtp_forget(struct smtp_server *server);	/* the transaction, as RSET does */
bool smtp_too_early(struct smtp_server *server);	/* input ran ahead: dies, true */

/* ext-auth.c */
void smtp_auth_line(struct smtp_server *server, struct span line);
void smtp_auth_too_long(struct smtp_server *server);

/* smtp-body.c */
void smtp_body_data(struct smtp_server *server);
void smtp_body_chunk(struct smtp_server *server, uint64_t size, bool last);
bool smtp_body_take_data(struct smtp_server *server);	/* modes: false for more input */
bool smtp_body_take_chunk(struct smtp_server *server);
bool smtp_body_all_chunk(struct smtp_server *server, struct span bytes);	/* takes what is all of a
			   chunk, where nothing waits before it; else false */
bool smtp_is_binary(const struct smtp_server *server);	/* BODY=BINARYMIME was said */
void smtp_body_abort(struct smtp_server *server);

#endif
