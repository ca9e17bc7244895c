/*
 * unpack: reads a batch into an arrival, and gives it to a sink when it is proved.
 *
 * A batch from a peer carries the peer's ids: they become peer-id, by which a batch
 * that comes twice is known.  A foreign batch from a peer is known by the job that
 * brought it ($MOCHILA_JOB) and the number of the message.  From nobody in particular
 * nothing it says of itself counts.
 */
#include "bsmtp/bsmtp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bsmtp/reader.h"
#include "bsmtp/sink.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/received.h"

struct unpacking {
	struct delivery delivery;
	const char *job;	/* NULL: not said */
	uint64_t number;	/* of the message, from 1 */
};

static void
fill_info(const struct unpacking *u, const struct entry_info *said, struct entry_info *info)
{
	const char *peer = u->delivery.peer;

	str_set(&info->from, "bsmtp");
	if (peer == NULL)
		return;
	str_set(&info->peer, peer);
	if (said != NULL) {
		str_set_span(&info->peer_id, str_span(&said->id));
		info->time = said->time;
		info->grade = said->grade;
	} else if (u->job != NULL) {
		str_printf(&info->peer_id, "%s-%llu", u->job, (unsigned long long)u->number);
	}
}

/* Each pass through a batch leaves its trace, or a loop of calls would never end. */
static int
add_trace(struct unpacking *u, struct err *err)
{
	struct arrival *a = &u->delivery.batch;
	struct str field = {0};
	struct received received = {
		.helo = span_of(u->delivery.peer), .by = span_of(u->delivery.settings->spool.host),
		.with = SPAN("BSMTP"), .id = str_span(&a->info.id), .when = clock_now(),
	};

	received_field(&received, &field);
	int result = arrival_body(a, field.p, field.len, err);
	str_free(&field);
	return result;
}

static int
on_begin(void *ctx, const struct entry_info *said, const struct envelope *env, struct err *err)
{
	struct unpacking *u = ctx;
	struct entry_info info = {0};

	u->number++;
	fill_info(u, said, &info);
	int result = arrival_begin(&u->delivery.batch, &info, env, err);
	entry_info_free(&info);
	return result < 0 ? -1 : add_trace(u, err);
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct unpacking *u = ctx;

	return arrival_body(&u->delivery.batch, bytes, len, err);
}

static int
on_end(void *ctx, struct err *err)
{
	struct unpacking *u = ctx;

	return arrival_end(&u->delivery.batch, err);
}

static int
read_batch(struct unpacking *u, const struct bsmtp *b, int fd, struct err *err)
{
	static const struct reader_hooks hooks = { .begin = on_begin, .body = on_body, .end = on_end };
	struct reader reader;

	reader_start(&reader, b->codec, b->settings.spool.max_batch_unpacked, &hooks, u);
	int result = reader_run(&reader, fd, err);
	reader_free(&reader);
	return result < 0 ? err_prefix(err, "batch refused, nothing of it was taken") : 0;
}

static int
unpack_to(struct unpacking *u, const struct bsmtp *b, const struct sink *sink, const char *where,
    int fd, struct err *err)
{
	struct delivery *d = &u->delivery;

	int result = spool_room(&d->spool, 0, err);
	/* A name of its own each time: what an earlier run of the same job left may be
	 * settled by half, and must not be replaced.  Repeats are known by peer-id. */
	if (result == 0)
		result = arrival_open(&d->batch, &d->spool, NULL, err);
	if (result == 0) {
		if (read_batch(u, b, fd, err) < 0 || sink->deliver(d, where, err) < 0)
			result = -1;
		arrival_close(&d->batch);
		arrival_close(&d->kept);
	}
	if (result == 0)
		log_info("event=unpacked peer=%s messages=%llu done=%zu later=%zu held=%zu repeats=%zu",
		    d->peer != NULL ? d->peer : "-", (unsigned long long)u->number, d->done, d->later,
		    d->held, d->repeats);
	return result;
}

int
unpack(const struct bsmtp *b, int count, char **args, struct err *err)
{
	const char *where, *job = getenv("MOCHILA_JOB");
	struct unpacking u = {
		.delivery = { .settings = &b->settings, .peer = b->peer, .kept = { .fd = -1 } },
		.job = job != NULL && job[0] != '\0' && strlen(job) <= 64 ? job : NULL,
	};

	if (count > 1 || b->to.count > 1)
		return usage(err, "unpack: one batch to one place");
	const struct sink *sink = sink_of(b->to.count > 0 ? b->to.text[0] : "spool:", &where, err);
	if (sink == NULL)
		return -1;
	int fd = open_batch(b, count > 0 ? args[0] : NULL, err);
	if (fd < 0)
		return -1;
	int result = spool_open(&u.delivery.spool, &b->settings, true, err);
	if (result == 0) {
		result = unpack_to(&u, b, sink, where, fd, err);
		spool_close(&u.delivery.spool);
	}
	close_batch(fd);
	return result;
}
