/*
 * The UUCP conversation against a peer that says anything.  The first byte says who we
 * are (1: the caller) and in what steps we hear it (2: byte by byte); the rest is the
 * peer's.  Held: every job of ours is told its fate once, every job that we said yes to
 * is stored or dropped once, no file has more bytes than it may, memory stays small,
 * and the end comes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "uucico-ssh/uucp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OURS = 3, OUR_SIZE = 40000, KEPT_MAX = 1 << 20 };

struct tally {
	unsigned given, told, accepted, ended;
	uint64_t written, limit;
};

static void
hold(bool true_thing)
{
	if (!true_thing)
		abort();
}

static int
next(void *arg, struct uucp_job *job, struct err *err)
{
	struct tally *tally = arg;

	(void)err;
	if (tally->given == OURS)
		return 0;
	job->kind = tally->given == 1 ? 'S' : 'E';
	str_printf(&job->from, "D.%u", tally->given);
	str_add_span(&job->to, str_span(&job->from));
	str_add_span(&job->temp, str_span(&job->from));
	str_set(&job->user, "uucp");
	str_set(&job->options, "C");
	str_set(&job->command, "rmail x");
	job->size = tally->given == 2 ? OUR_SIZE : tally->given;
	tally->given++;
	return 1;
}

static int
read_job(void *arg, struct uucp_job *job, void *to, size_t len, struct err *err)
{
	(void)arg;
	(void)err;
	hold(len > 0 && job->at + len <= job->size);
	memset(to, 'x', len);
	return 0;
}

static int
sent(void *arg, struct uucp_job *job, enum uucp_fate fate, const char *why, struct err *err)
{
	struct tally *tally = arg;

	(void)job;
	(void)fate;
	(void)err;
	hold(why != NULL);
	tally->told++;
	return 0;
}

static enum uucp_answer
offered(void *arg, struct uucp_job *job)
{
	struct tally *tally = arg;

	hold(strchr("SE", job->kind) != NULL && job->temp.len > 0);
	if (job->mode == 0400)
		return UUCP_HAD;
	if (job->mode == 0200)
		return UUCP_NO_ROOM;
	tally->accepted++;
	job->at = job->size != UUCP_SIZE_UNKNOWN && job->size > 3 ? 3 : 0;
	tally->written = job->at;
	tally->limit = job->size;
	return UUCP_YES;
}

static int
write_job(void *arg, struct uucp_job *job, const void *bytes, size_t len, struct err *err)
{
	struct tally *tally = arg;

	(void)bytes;
	tally->written += len;
	hold(tally->written <= tally->limit && job->at + len == tally->written);
	return len == 13 ? err_set(err, ERR_TEMP, "a disk that is full") : 0;
}

static int
stored(void *arg, struct uucp_job *job, struct err *err)
{
	struct tally *tally = arg;

	tally->ended++;
	hold(job->at == job->size && tally->written == job->size);
	if (job->size % 7 == 6)
		return err_set(err, ERR_PERM, "a job that cannot be");
	return 0;
}

static void
dropped(void *arg, struct uucp_job *job)
{
	struct tally *tally = arg;

	(void)job;
	tally->ended++;
}

static const struct uucp_hooks hooks = {
	.next = next,
	.read = read_job,
	.sent = sent,
	.offered = offered,
	.write = write_job,
	.stored = stored,
	.dropped = dropped,
};

static void
hear(struct uucp *u, const uint8_t *data, size_t size, size_t step)
{
	while (size > 0 && u->phase != UUCP_OVER) {
		size_t len = size < step ? size : step;
		uucp_fill(u);
		hold(u->out.len < KEPT_MAX);
		uucp_taken(u, u->out.len, 1);
		uucp_feed(u, data, len, 1);
		hold(u->line.len <= UUCP_HELLO_MAX && u->noise.len < KEPT_MAX);
		data += len;
		size -= len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally tally = {0};
	struct uucp u;

	if (size == 0)
		return 0;
	bool caller = (data[0] & 1) != 0;
	struct uucp_config config = { .caller = caller, .name = caller ? "home" : "hub",
		.peer = caller ? "hub" : "home", .letters = "e", .timeout = 60 };
	uucp_start(&u, &config, &hooks, &tally, 0);
	hear(&u, data + 1, size - 1, (data[0] & 2) != 0 ? 1 : size);
	if ((data[0] & 4) != 0)
		uucp_tick(&u, INT64_C(1000000000));
	else
		uucp_eof(&u, 2);
	hold(u.phase == UUCP_OVER);
	hold(tally.given == tally.told && tally.accepted == tally.ended);
	uucp_free(&u);
	return 0;
}
