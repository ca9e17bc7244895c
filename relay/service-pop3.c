/*
 * service-pop3 - mail read by POP3: the engine (lib/proto/pop3-server.h) speaks, this file
 * knows who may (auth.h) and Maildirs (spool/maildrop.h).
 */
#include "relay/service.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/proto/pop3-server.h"
#include "relay/auth.h"
#include "relay/session.h"
#include "relay/window.h"
#include "spool/maildir.h"
#include "spool/maildrop.h"
#include "spool/route.h"
#include "spool/spooldrop.h"

enum {
	REFRESH_SECONDS = 10,	/* at most, and a 300th of the window */
	JUNK_MAX = 50,		/* CAPA, USER ... before a login */
	COUNT_SLICE = 10000,	/* microseconds: the others wait so long while mail is counted */
};

struct pop3 {
	struct session *session;
	struct pop3_server server;
	struct auth auth;
	struct maildrop drop;
	struct spooldrop queue;	/* where mail is read from the spool, */
	bool queued;		/* instead */
	bool open;
	bool listed;		/* and only to be counted */
	struct timer count;
	int64_t refreshed;	/* when POP before SMTP was told last that he is here */
	char *host;
	struct str stamp;	/* of the greeting, for APOP; "": there is no APOP */
};

static const struct relay_settings *
limits_of(const struct pop3 *pop3)
{
	return pop3->session->instance->settings;
}

static void
follow(struct pop3 *pop3)
{
	struct session *session = pop3->session;

	if (pop3->server.out.len > 0)
		stream_deadline(&session->stream, limits_of(pop3)->pop3_timeout);
	stream_send_str(&session->stream, &pop3->server.out);
	stream_pause(&session->stream, pop3->server.waiting && !pop3->server.start_tls);
	if (pop3->server.closing)
		session_end(session);
	else if (pop3->server.start_tls && session->stream.tls == NULL)
		session_secure(session);
}

/* ---- who is there ---- */

static void
on_known(struct auth *auth, int result, const struct err *err)
{
	struct pop3 *pop3 = (struct pop3 *)((char *)auth - offsetof(struct pop3, auth));

	pop3_server_answer(&pop3->server, result, (struct span){0}, err);
	follow(pop3);
}

static int
hook_pass(void *ctx, struct span user, struct span pass, struct err *err)
{
	return auth_password(&((struct pop3 *)ctx)->auth, user, pass, err);
}

static int
hook_apop(void *ctx, struct span user, struct span digest, struct err *err)
{
	struct pop3 *pop3 = ctx;

	return auth_apop(&pop3->auth, user, str_span(&pop3->stamp), digest, err);
}

static int
hook_sasl(void *ctx, const char *mechanism, struct span response, struct str *challenge, struct err *err)
{
	return auth_step(&((struct pop3 *)ctx)->auth, mechanism, response, challenge, err);
}

static void
hook_sasl_end(void *ctx)
{
	auth_cancel(&((struct pop3 *)ctx)->auth);
}

/* ---- his mail ---- */

/* The mailbox that whoever knew the password named, else as the settings have it. */
static int
find_folder(struct pop3 *pop3, const char *mailbox, struct str *folder, struct err *err)
{
	const struct settings *settings = &pop3->session->setup->settings;

	if (pop3->auth.mailbox.len == 0)
		return maildir_folder(settings, mailbox, str_span(&pop3->auth.user), folder, err);
	settings_path(settings, mailbox, folder);
	return 0;
}

/* The destination whose name the user's fills in: no other path than that below out/. */
static int
open_queue(struct pop3 *pop3, const char *name, struct err *err)
{
	struct str pattern = {0}, folder = {0};

	str_printf(&pattern, "/%s", name);
	int result = find_folder(pop3, str_c(&pattern), &folder, err);
	if (result == 0 && !settings_site_name(str_c(&folder) + 1) && !route_folder_ok(span_from(str_span(&folder), 1)))
		result = err_set(err, ERR_PERM, "there is no such destination");
	pop3->queued = result == 0;
	if (result == 0)
		result = spooldrop_open(&pop3->queue, &pop3->session->relay->spool, str_c(&folder) + 1, err);
	str_free(&pattern);
	str_free(&folder);
	return result;
}

static int
open_drop(struct pop3 *pop3, size_t *count, struct err *err)
{
	static const char queue[] = "queue:";
	const char *mailbox = pop3->auth.mailbox.len > 0 ? str_c(&pop3->auth.mailbox) : limits_of(pop3)->pop3_mailbox;
	struct str folder = {0};

	if (strncmp(mailbox, queue, strlen(queue)) == 0) {
		int result = open_queue(pop3, mailbox + strlen(queue), err);
		*count = pop3->queue.count;
		return result;
	}
	int result = find_folder(pop3, mailbox, &folder, err);
	if (result == 0)
		result = maildrop_look(&pop3->drop, str_c(&folder), err);
	pop3->listed = result == 0 && maildrop_count(&pop3->drop, clock_mono() + COUNT_SLICE);
	str_free(&folder);
	*count = pop3->drop.count;
	return result;
}

/* From there he may send for a while, if the settings say so. */
static void
open_window(struct pop3 *pop3)
{
	struct err err;

	if (limits_of(pop3)->pop_before_smtp == 0 || pop3->session->known)
		return;
	pop3->refreshed = clock_mono();
	if (window_open(&pop3->session->setup->settings, &pop3->session->ip, str_span(&pop3->auth.shown), &err) < 0)
		log_warn("-: event=pop-before-smtp-trouble why=\"%s\"", err.text);
}

/* A session lives longer than its beginning: so does the right. */
static void
keep_window(struct pop3 *pop3)
{
	int64_t now = clock_mono(), window = limits_of(pop3)->pop_before_smtp;
	int64_t every = window / 300 < REFRESH_SECONDS ? window / 300 : REFRESH_SECONDS;

	if (!pop3->open || window == 0 || now - pop3->refreshed < every * CLOCK_SECOND)
		return;
	pop3->refreshed = now;
	window_refresh(&pop3->session->setup->settings, &pop3->session->ip);
}

static int
hook_open(void *ctx, size_t *count, struct err *err)
{
	struct pop3 *pop3 = ctx;
	int result = 0;

	if (pop3->listed) {
		*count = pop3->drop.count;
	} else if ((result = open_drop(pop3, count, err)) == 0 && pop3->listed) {
		timer_set(&pop3->count, 0);
		return POP3_LATER;
	}
	log_info("-: event=login service=pop3 relay=%s client=%s user=%s messages=%zu%s", limits_of(pop3)->name,
	    str_c(&pop3->session->client), str_c(&pop3->auth.shown), result == 0 ? *count : 0,
	    result > 0 ? " in-use=yes" : "");
	if (result > 0)
		return POP3_IN_USE;
	if (result < 0) {
		log_error("-: event=maildrop-trouble user=%s why=\"%s\"", str_c(&pop3->auth.shown), err->text);
		err_set(err, ERR_TEMP, "the mailbox cannot be read now");
		return -1;
	}
	pop3->open = true;
	open_window(pop3);
	return 0;
}

/* A drop that is opened for the first time is read whole: a slice of it between what the others do. */
static void
on_count(void *ctx)
{
	struct pop3 *pop3 = ctx;

	if (maildrop_count(&pop3->drop, clock_mono() + COUNT_SLICE)) {
		timer_set(&pop3->count, 0);
		return;
	}
	pop3_server_answer(&pop3->server, 0, (struct span){0}, NULL);
	follow(pop3);
}

static uint64_t
hook_size(void *ctx, size_t message)
{
	const struct pop3 *pop3 = ctx;

	return pop3->queued ? pop3->queue.item[message].octets : pop3->drop.item[message].octets;
}

static void
hook_uid(void *ctx, size_t message, struct str *uid)
{
	const struct pop3 *pop3 = ctx;

	if (pop3->queued)
		str_add_text(uid, pop3->queue.item[message].id);
	else
		maildrop_uid(&pop3->drop, message, uid);
}

static int
hook_begin(void *ctx, size_t message, struct err *err)
{
	struct pop3 *pop3 = ctx;

	return pop3->queued ? spooldrop_begin(&pop3->queue, message, err) : maildrop_begin(&pop3->drop, message, err);
}

static ssize_t
hook_read(void *ctx, void *to, size_t len, struct err *err)
{
	struct pop3 *pop3 = ctx;

	return pop3->queued ? spooldrop_read(&pop3->queue, to, len, err) : maildrop_read(&pop3->drop, to, len, err);
}

static void
hook_end(void *ctx)
{
	struct pop3 *pop3 = ctx;

	if (pop3->queued)
		spooldrop_end(&pop3->queue);
	else
		maildrop_end(&pop3->drop);
}

/* Where nothing is to be deleted, it is said to be gone and stays, as E-MailRelay's --pop-no-delete. */
static int
hook_remove(void *ctx, const bool *marked, size_t count, struct err *err)
{
	struct pop3 *pop3 = ctx;

	(void)count;
	if (!limits_of(pop3)->pop3_delete)
		return 0;
	return pop3->queued ? spooldrop_remove(&pop3->queue, marked, err) : maildrop_remove(&pop3->drop, marked, err);
}

static const struct pop3_server_hooks hooks = {
	.pass = hook_pass, .apop = hook_apop, .sasl = hook_sasl, .sasl_end = hook_sasl_end,
	.open = hook_open, .size = hook_size, .uid = hook_uid, .begin = hook_begin,
	.read = hook_read, .end = hook_end, .remove = hook_remove,
};

/* ---- the session ---- */

static const char *
pop3_listen(const struct relay_settings *settings)
{
	return settings->pop3_listen;
}

static void
pop3_open(struct session *session)
{
	const struct relay_settings *limits = session->instance->settings;
	struct pop3 *pop3 = mem_get(sizeof *pop3);

	session->work = pop3;
	*pop3 = (struct pop3){ .session = session,
		.drop = { .dir = { -1, -1 }, .top = -1, .lock = -1, .fd = -1 }, .queue.message.fd = -1,
		.host = mem_text(session->setup->settings.spool.host) };
	timer_start(&pop3->count, &session->relay->loop, on_count, pop3);
	auth_open(&pop3->auth, session, "pop3", on_known);
	const struct pop3_server_options options = {
		.host = pop3->host,
		.shown = session_shown(session),
		.mechanisms = str_c(&pop3->auth.mechanisms),
		.clear_mechanisms = str_c(&pop3->auth.clear_mechanisms),
		.stamp = auth_stamp(&pop3->auth, &pop3->stamp) ? str_c(&pop3->stamp) : NULL,
		.stls = session->instance->tls != NULL,
		.tls = session->stream.tls != NULL,
		.clear = limits->login_in_clear || ip_is_loopback(&session->ip),
		.max_errors = (unsigned)limits->max_errors,
		.max_junk = JUNK_MAX,
	};
	log_info("-: event=connect service=pop3 relay=%s client=%s", limits->name, str_c(&session->where));
	pop3_server_start(&pop3->server, &options, &hooks, pop3);
	follow(pop3);
}

static void
pop3_input(struct session *session, const void *bytes, size_t len)
{
	struct pop3 *pop3 = session->work;

	keep_window(pop3);
	pop3_server_feed(&pop3->server, bytes, len);
	follow(pop3);
}

static void
pop3_sent(struct session *session)
{
	struct pop3 *pop3 = session->work;

	pop3_server_fill(&pop3->server);
	follow(pop3);
}

static void
pop3_secured(struct session *session)
{
	struct pop3 *pop3 = session->work;

	pop3_server_tls(&pop3->server);
	auth_secured(&pop3->auth);
	pop3->server.options.mechanisms = str_c(&pop3->auth.mechanisms);
	follow(pop3);
}

static void
pop3_gone(struct session *session)
{
	session_break(session);
}

static void
pop3_late(struct session *session)
{
	struct pop3 *pop3 = session->work;

	pop3_server_close(&pop3->server, "you took too long");
	follow(pop3);
}

static void
pop3_stop(struct session *session)
{
	struct pop3 *pop3 = session->work;

	pop3_server_close(&pop3->server, "[SYS/TEMP] shutting down, please come back");
	follow(pop3);
}

static void
pop3_close(struct session *session)
{
	struct pop3 *pop3 = session->work;

	log_info("-: event=disconnect service=pop3 relay=%s client=%s user=%s sent=%zu removed=%zu",
	    limits_of(pop3)->name, str_c(&session->where), str_c(&pop3->auth.user), pop3->server.sent,
	    pop3->server.removed);
	timer_free(&pop3->count);
	auth_close(&pop3->auth);
	pop3_server_free(&pop3->server);
	maildrop_close(&pop3->drop);
	spooldrop_close(&pop3->queue);
	str_free(&pop3->stamp);
	free(pop3->host);
	free(pop3);
}

const struct service service_pop3 = {
	.name = "pop3",
	.listen = pop3_listen,
	.open = pop3_open,
	.input = pop3_input,
	.sent = pop3_sent,
	.secured = pop3_secured,
	.gone = pop3_gone,
	.late = pop3_late,
	.stop = pop3_stop,
	.close = pop3_close,
	.full = "-ERR [SYS/TEMP] too many connections, please come back later\r\n",
	.client_full = "-ERR [SYS/TEMP] too many connections from you\r\n",
};
