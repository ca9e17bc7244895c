/*
 * filter-lmtp - hands the message to a filter by LMTP, which takes it over and brings back what
 * is to go on, to a listener with from-filter = yes.  Each recipient has an answer of his own, so
 * this is for mail on its way out, and last in its chain.
 */
#include "relay/filter.h"

#include <stdlib.h>
#include <string.h>

#include "lib/proto/smtp-client.h"
#include "relay/talk.h"

struct outcome {
	bool told;
	struct err err;		/* ERR_NONE: it has it */
};

struct hand_over {
	struct dialogue d;
	struct smtp_client client;
	const struct letter *letter;
	size_t read;
	bool given;
	struct outcome *outcome;
};

static void
on_rcpt(void *ctx, size_t rcpt, const struct err *err, const char *reply)
{
	struct hand_over *h = ctx;

	(void)reply;
	h->outcome[rcpt] = (struct outcome){ .told = true, .err = *err };
}

static int
on_read(void *ctx, void *bytes, size_t room, size_t *got, struct err *err)
{
	struct hand_over *h = ctx;
	struct span rest = span_from(letter_text(h->letter), h->read);

	(void)err;
	*got = rest.len < room ? rest.len : room;
	if (*got > 0)
		memcpy(bytes, rest.p, *got);
	h->read += *got;
	return 0;
}

static void
on_done(void *ctx, const struct err *err, const char *reply)
{
	struct hand_over *h = ctx;

	(void)reply;
	for (size_t i = 0; i < h->letter->env.rcpts; i++)
		if (!h->outcome[i].told)
			h->outcome[i] = (struct outcome){ .told = true, .err = *err };
	h->d.done = true;
}

static const struct smtp_client_hooks hooks = { .rcpt = on_rcpt, .read = on_read, .done = on_done };

/* What the client says is what the dialogue says; a message is given once. */
static int
pass_on(struct hand_over *h, struct err *err)
{
	if (h->client.ready && !h->given) {
		h->given = true;
		smtp_client_send(&h->client, &h->letter->env, letter_text(h->letter).len);
	}
	if (h->d.done)
		smtp_client_quit(&h->client);
	str_add_span(&h->d.out, str_span(&h->client.out));
	str_clear(&h->client.out);
	if (!h->client.failed || h->d.done)
		return 0;
	*err = h->client.err;
	err->kind = ERR_TEMP;
	return -1;
}

static int
lmtp_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	struct hand_over *h = (struct hand_over *)d;

	smtp_client_feed(&h->client, bytes.p, bytes.len);
	return pass_on(h, err);
}

static void
lmtp_more(struct dialogue *d)
{
	struct hand_over *h = (struct hand_over *)d;
	struct err ignored;

	smtp_client_pump(&h->client);
	pass_on(h, &ignored);
}

static int
lmtp_eof(struct dialogue *d, struct err *err)
{
	struct hand_over *h = (struct hand_over *)d;

	smtp_client_eof(&h->client);
	return h->d.done ? 0 : err_set(err, ERR_TEMP, "it closed the connection");
}

static const struct dialogue_row row = { .more = lmtp_more, .feed = lmtp_feed, .eof = lmtp_eof };

/* Each recipient's answer, for who notes it. */
static void
tell(struct filter_job *job, const struct hand_over *h)
{
	for (size_t i = 0; i < h->letter->env.rcpts; i++) {
		const struct err *err = &h->outcome[i].err;
		struct str reply = {0};
		if (err->kind == ERR_NONE)
			str_add_text(&reply, "250 2.0.0 the filter has it");
		else
			err_reply(err, &reply);
		str_printf(&job->outcomes, "%zu %s %s\n", i, err->kind == ERR_NONE ? "done" :
		    err->kind == ERR_PERM ? "failed" : "later", str_c(&reply));
		str_free(&reply);
	}
}

static int
lmtp_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str where = spec->rest, host = job->host, shown = {0};
	struct hand_over h = { .d.row = &row, .letter = letter };

	h.outcome = mem_get(letter->env.rcpts * sizeof *h.outcome);
	smtp_client_start(&h.client, str_c(&host), &hooks, &h);
	h.client.lmtp = true;
	str_printf(&shown, "filter=lmtp:%s", str_c(&where));
	if (shown_is_wanted())
		h.client.shown = (struct shown){ shown_in_log, shown.p };
	int result = talk_to(str_c(&where), &h.d, job->deadline, err);
	if (result == 0) {
		tell(job, &h);
		letter->gone = true;
	}
	smtp_client_free(&h.client);
	str_free(&h.d.out);
	str_free(&shown);
	free(h.outcome);
	return result;
}

const struct filter filter_lmtp = { .scheme = "lmtp:", .departure_only = true, .check = talk_check, .run = lmtp_run,
	.form = "lmtp:HOST:PORT or lmtp:/SOCKET" };
