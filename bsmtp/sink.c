#include "bsmtp/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/base/conf.h"
#include "lib/base/log.h"
#include "spool/retry.h"
#include "spool/route.h"

#define X(name) extern const struct sink sink_##name;
SINKS(X)
#undef X

static const struct sink *const sinks[] = {
#define X(name) &sink_##name,
	SINKS(X)
#undef X
	NULL
};

static const char *
name_at(const void *list, size_t i)
{
	const struct sink *const *row = list;
	return row[i] != NULL ? row[i]->name : NULL;
}

static void
no_such_sink(const char *name, struct err *err)
{
	const char *nearest = conf_nearest(name, name_at, sinks);
	struct str all = {0};

	for (size_t i = 0; sinks[i] != NULL; i++)
		str_printf(&all, "%s%s", i > 0 ? ", " : "there are ", sinks[i]->form);
	if (nearest != NULL)
		err_set(err, ERR_CONFIG, "no sink %.40s:; did you mean %s:?", name, nearest);
	else
		err_set(err, ERR_CONFIG, "no sink %.40s:; %s", name, str_c(&all));
	err_as(err, EX_USAGE, NULL);
	str_free(&all);
}

static const struct sink *
sink_named(const char *name, struct err *err)
{
	for (size_t i = 0; sinks[i] != NULL; i++)
		if (strcmp(sinks[i]->name, name) == 0)
			return sinks[i];
	no_such_sink(name, err);
	return NULL;
}

const struct sink *
sink_of(const char *text, const char **where, struct err *err)
{
	size_t len = strcspn(text, ":");
	char *name = mem_text_n(text, len);
	const struct sink *sink = sink_named(name, err);

	free(name);
	*where = text[len] == ':' ? text + len + 1 : "";
	if (sink == NULL || sink->check(*where, err) == 0)
		return sink;
	return NULL;
}

void
sink_folder(const struct sink *sink, const char *where, struct str *folder)
{
	route_folder_of(sink->name, where, folder);
}

/* one message */

void
waiting_of(const struct message *m, struct waiting *w)
{
	const struct envelope *env = &m->entry.env;

	*w = (struct waiting){ .at = mem_get(env->rcpts * sizeof *w->at) };
	envelope_from(&w->env, str_span(&env->from), str_span(&env->args));
	for (size_t i = 0; i < env->rcpts; i++) {
		if (m->entry.status[i].state >= RCPT_DONE)
			continue;
		w->at[w->env.rcpts] = i;
		envelope_add(&w->env, str_span(&env->rcpt[i].to), str_span(&env->rcpt[i].args));
	}
}

void
waiting_drop(struct waiting *w)
{
	envelope_free(&w->env);
	free(w->at);
}

/* What a person must mend is tried again. */
void
sink_failed(struct message *m, size_t rcpt, const struct err *err, const char *reply)
{
	struct str made = {0};

	if (reply == NULL || reply[0] == '\0') {
		err_reply(err, &made);
		reply = str_c(&made);
	}
	message_rcpt(m, rcpt, err->kind == ERR_PERM ? RCPT_FAILED : RCPT_DEFERRED, reply);
	str_free(&made);
}

/* The worst counts; a recipient that was not told of waits. */
static void
count_message(const struct message *m, struct sunk *sunk)
{
	bool later = false, failed = false;

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		if (m->entry.status[i].state >= RCPT_DONE)
			continue;
		later |= m->fresh[i].at == 0 || m->fresh[i].state < RCPT_DONE;
		failed |= m->fresh[i].at != 0 && m->fresh[i].state == RCPT_FAILED;
	}
	*(later ? &sunk->later : failed ? &sunk->failed : &sunk->done) += 1;
}

static void
log_message(const struct message *m, const char *folder)
{
	static const char *const words[] = {
		[RCPT_WAITING] = "later", [RCPT_DEFERRED] = "later",
		[RCPT_DONE] = "delivered", [RCPT_FAILED] = "refused",
	};
	struct str id = m->id;

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		struct rcpt_status *fresh = &m->fresh[i];
		const struct str *to = &m->entry.env.rcpt[i].to;
		if (fresh->at != 0)
			spool_event(m->spool, str_c(&id), "event=%s to=%s rcpt=%.*s reply=\"%s\"",
			    words[fresh->state], folder, (int)to->len, to->p, str_c(&fresh->reply));
	}
}

static int
send_message(const struct sink *sink, void *work, const char *folder, struct message *m,
    struct sunk *sunk, struct err *err)
{
	if (sink->send(work, m, err) < 0)
		return -1;
	log_message(m, folder);
	count_message(m, sunk);
	return message_settle(m, err);
}

/* the queue */

static void
pause_briefly(void)
{
	static const struct timespec tenth = { .tv_nsec = 100 * 1000 * 1000 };

	nanosleep(&tenth, NULL);
}

/* 1: ours; 0: another is at it and stays at it, and will find what we put there. */
static int
open_queue(struct queue *q, const struct spool *spool, const char *folder, struct err *err)
{
	for (int tenths = 0; tenths < 100; tenths++) {
		if (queue_open(q, spool, folder, false, err) == 0)
			return 1;
		if (errno != EWOULDBLOCK)
			return -1;
		pause_briefly();
	}
	return 0;
}

static int
work_queue(const struct sink *sink, void *work, struct queue *q, struct sunk *sunk, struct err *err)
{
	struct message m;
	int got, result = 0;

	while (result == 0 && (got = queue_next(q, &m, err)) != 0) {
		if (got < 0)
			return -1;
		result = send_message(sink, work, q->site, &m, sunk, err);
		message_close(&m);
	}
	return result;
}

static void
note_retry(const struct spool *spool, const char *folder, int result, const struct err *why)
{
	struct err ignored;

	if (result == 0)
		retry_clear(spool, folder);
	else if (retry_failed(spool, folder, why->text, &ignored) < 0)
		log_warn("event=retry-lost to=%s why=\"%s\"", folder, ignored.text);
}

/* Reports were put into in/: now they are routed, or by the next who settles. */
static void
settle_reports(const struct spool *spool)
{
	struct settled settled;
	struct err why = {0};

	if (spool_settle(spool, &settled, &why) < 0)
		log_warn("event=unsettled why=\"%s\"", why.text);
	spool_ring(spool);
}

int
sink_work(const struct sink *sink, void *work, const struct spool *spool, const char *folder,
    struct sunk *sunk, struct err *err)
{
	struct queue q;
	int got = open_queue(&q, spool, folder, err);

	if (got <= 0) {
		if (got == 0)
			log_info("event=left to=%s why=\"another process works on it\"", folder);
		return got;
	}
	int result = work_queue(sink, work, &q, sunk, err);
	note_retry(spool, folder, result, err);
	queue_close(&q);
	settle_reports(spool);
	return result;
}
