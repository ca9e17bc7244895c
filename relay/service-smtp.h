/*
 * service-smtp - mail taken by SMTP: the engine (lib/proto/smtp-server.h) asks, these files decide
 * and write an arrival into the spool.
 *
 *	service-smtp.c		the session: its greeting, logins, who it is, deadlines, its end
 *	service-smtp-decide.c	may he send this, to whom: limits, logins, tables, the gate
 *	service-smtp-take.c	a message comes: its envelope, header and body become an arrival
 *	service-smtp-end.c	it is whole: filters, the next hop, the sync, the answer
 *
 * What takes time answers SMTP_LATER, pauses the engine, and ends with smtp_server_answer() and
 * smtp_follow().  Functions return 0, -1 or, where they may have to wait, SMTP_LATER.
 */
#ifndef RELAY_SERVICE_SMTP_H
#define RELAY_SERVICE_SMTP_H

#include "lib/mail/header.h"
#include "lib/proto/smtp-server.h"
#include "relay/asked.h"
#include "relay/auth.h"
#include "relay/binary.h"
#include "relay/filters.h"
#include "relay/gate.h"
#include "relay/pass.h"
#include "relay/service.h"
#include "relay/session.h"

enum paused { PAUSED_NOT, PAUSED_RCPT, PAUSED_HEADER };	/* for an answer of a table's program */

struct smtp {
	struct session *session;
	struct smtp_server server;
	struct auth auth;
	struct gate gate;
	struct str reader;		/* who has read his mail from there (POP before SMTP) */
	struct arrival arrival;
	struct binary binary;		/* what came for it, where that is no lines */
	struct waiter waiter;		/* for the sync that makes it durable */
	bool posted;			/* one was, of what came in one piece */
	struct filters_asking asking;	/* while filters have it */
	struct pass pass;
	bool passing;			/* it is to go on before it is answered for */
	struct header_gather header;
	struct asked_question question;
	enum paused paused;
	unsigned looks;
	struct rcpt rcpt;		/* that waits */
	struct str composed, held;	/* the header that does, and what came behind it */
	bool end_held;			/* all of it did */
	struct err failure;		/* of what waited: it is told at the end */
	struct str id;			/* of the message under way */
	bool counted;			/* its hops were */
	bool accepted;			/* a message was, since the last look */
	bool greeted;			/* or the greeting still waits */
	bool busy, writes;		/* as the relay counts it */
	size_t messages, refused;
	uint64_t body, body_before;	/* bytes of it so far; and when the deadline was set */
	char *host;
};

enum { SMTP_HEADER_MAX = 256 << 10 };	/* DATA-05 */

/* service-smtp.c */
const struct relay_settings *smtp_limits(const struct smtp *smtp);
const struct settings *smtp_settings(const struct smtp *smtp);
bool smtp_others_busy(const struct smtp *smtp);
bool smtp_others_write(const struct smtp *smtp);
void smtp_follow(struct smtp *smtp);	/* after the engine ran or was answered */
void smtp_answer(struct smtp *smtp, int result, const struct err *err);	/* the engine, that waited, and follows;
			   it waits on with SMTP_LATER */

/* service-smtp-decide.c; smtp_on_... are the hooks of the engine, and answers of what we wait for */
int smtp_on_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err);
int smtp_on_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err);
void smtp_on_gate(struct gate *gate, int result, const struct err *err);
bool smtp_is_ours(const struct smtp *smtp);
void smtp_log_refusal(struct smtp *smtp, const struct envelope *env, struct span to, const struct err *err);
int smtp_await(struct smtp *smtp, enum paused paused, struct err *err);	/* after a look (relay/asked.h): 0 nothing
			   is missing; SMTP_LATER, it is asked and we go on when that is answered; -1 */

/* service-smtp-take.c */
int smtp_on_begin(void *ctx, const struct envelope *env, struct err *err);
int smtp_on_body(void *ctx, const char *bytes, size_t len, struct err *err);
int smtp_on_end(void *ctx, struct err *err);
void smtp_on_abort(void *ctx);
void smtp_go_on(struct smtp *smtp);	/* with the header that waited (PAUSED_HEADER) */
void smtp_forget_message(struct smtp *smtp);	/* the message under way, if there is one */

/* service-smtp-end.c */
bool smtp_forwards(const struct smtp *smtp, const char *when);
bool smtp_may_pass(struct smtp *smtp, const struct envelope *env);
void smtp_on_passed(struct pass *pass, enum passed how, const struct err *said);
int smtp_take_whole(struct smtp *smtp, struct err *err);
int smtp_ended(struct smtp *smtp, int result, struct err *err);	/* counts it, forgets it; returns result */

#endif
