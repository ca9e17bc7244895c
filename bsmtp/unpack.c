/*
 * unpack: reads a batch into an arrival; proved whole, it enters the spool by one rename, and
 * a sink is given what waits for it (bsmtp/sink.h).
 *
 * A batch from a peer carries the peer's ids: they become peer-id, by which a batch
 * that comes twice is known.  A foreign batch from a peer is known by the job that
 * brought it ($MOCHILA_JOB) and the number of the message.  From nobody in particular
 * nothing it says of itself counts but the ids: what a person unpacks twice, after a doubt
 * or out of a shell's history, is there once, unless he says --again.
 *
 * What is wrong in an envelope, or too large, is the matter of that recipient or message: it
 * enters as failed, and settle tells the sender.  A message for a site that has all that its
 * quota allows is left in the batch, and that is a temporary failure: whoever has the batch
 * unpacks it again, and what was taken the first time is known by its id.
 */
#include "bsmtp/bsmtp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bsmtp/history.h"
#include "bsmtp/reader.h"
#include "bsmtp/sink.h"
#include "lib/base/clock.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/mail/received.h"
#include "spool/enclose.h"
#include "spool/quota.h"
#include "spool/route.h"

enum { PIECE = 65536 };
#define HAND "_by-hand"		/* a peer, as seen/ knows it: hardly the name of a site */

struct unpacking {
	const struct bsmtp *b;
	const struct sink *sink;
	const char *where;	/* behind its colon */
	void *work;		/* the sink's */
	struct str folder;	/* below out/; empty: routed */
	struct spool spool;
	struct arrival batch;
	const char *job;	/* NULL: not said */
	uint64_t number;	/* of the message, from 1 */
	uint64_t left;		/* messages for which there is no room, */
	bool leave;		/* this one too, */
	struct err no_room;	/* and why not */
	struct str states;	/* of its recipients that failed at the door */
	uint64_t size, unlooked;	/* unlooked: written since room on the disk was looked for */
	struct past past;
	bool labelled;
	struct label label;	/* when labelled */
	int copy;		/* of the batch as it came, in tmp/; -1: it needs none */
	struct str copy_name;
};

/* messages */

static void
fill_info(const struct unpacking *u, const struct entry_info *said, struct entry_info *info)
{
	const char *peer = u->b->peer;

	str_set(&info->from, "bsmtp");
	str_set_span(&info->to, str_span(&u->folder));
	if (peer == NULL && said != NULL && !u->b->again) {
		str_set(&info->peer, HAND);
		str_set_span(&info->peer_id, str_span(&said->id));
	}
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
	struct arrival *a = &u->batch;
	struct str field = {0};
	struct received received = {
		.helo = span_of(u->b->peer), .by = span_of(u->b->settings.spool.host),
		.with = SPAN("BSMTP"), .id = str_span(&a->info.id), .when = clock_now(),
	};

	received_field(&received, &field);
	int result = arrival_body(a, field.p, field.len, err);
	str_free(&field);
	return result;
}

static void
fail_rcpts(struct unpacking *u, const char *rcpts, struct span reply)
{
	entry_state_line(clock_now(), rcpts, "failed due=failure", "reply", reply, &u->states);
}

/* The recipients that could not be taken join the envelope all the same: as failed. */
static void
add_refused(struct unpacking *u, const struct reader_refused *refused, struct envelope *env)
{
	for (size_t i = 0; i < refused->rcpts; i++) {
		struct str number = {0};
		envelope_add(env, str_span(&refused->rcpt[i].to), (struct span){0});
		str_printf(&number, "%zu", env->rcpts);
		fail_rcpts(u, str_c(&number), str_span(&refused->rcpt[i].reply));
		str_free(&number);
	}
	if (refused->all != NULL) {
		str_clear(&u->states);
		fail_rcpts(u, NULL, span_of(refused->all));
	}
}

/* What has no id would be taken once more the next time: then nothing is taken. */
static int
find_room(struct unpacking *u, const struct entry_info *info, const struct envelope *env, struct err *err)
{
	u->leave = false;
	for (size_t i = 0; u->folder.len == 0 && !u->leave && i < env->rcpts; i++)
		u->leave = quota_rcpt(&u->spool, str_span(&env->rcpt[i].to), &u->no_room) < 0;
	if (!u->leave)
		return 0;
	u->left++;
	if (info->peer_id.len > 0)
		return 0;
	*err = u->no_room;
	return -1;
}

static int
on_begin(void *ctx, const struct entry_info *said, const struct envelope *env,
    const struct reader_refused *refused, struct err *err)
{
	struct unpacking *u = ctx;
	struct entry_info info = {0};
	struct envelope all = {0};
	struct mask mask;

	u->number++;
	u->size = 0;
	str_clear(&u->states);
	fill_info(u, said, &info);
	envelope_copy(&all, env);
	int result = mask_envelope(&u->b->settings, MASQUERADE_IN, &all, &mask, err);
	if (result == 0)
		result = find_room(u, &info, &all, err);
	add_refused(u, refused, &all);
	if (result == 0 && !u->leave && (result = arrival_begin(&u->batch, &info, &all, err)) == 0) {
		arrival_mask(&u->batch, mask);
		result = add_trace(u, err);
	}
	entry_info_free(&info);
	envelope_free(&all);
	return result;
}

/* A batch may unpack to a thousand times its size: what it takes is looked at on the way. */
static int
room_for(struct unpacking *u, size_t len, struct err *err)
{
	enum { STEP = 4 << 20 };

	u->unlooked += len;
	if (u->unlooked < STEP)
		return 0;
	u->unlooked = 0;
	return spool_room(&u->spool, STEP, err);
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct unpacking *u = ctx;

	u->size += len;
	if (u->leave)
		return 0;
	return room_for(u, len, err) < 0 ? -1 : arrival_body(&u->batch, bytes, len, err);
}

static void
check_size(struct unpacking *u)
{
	uint64_t most = u->b->settings.spool.max_size;
	struct str reply = {0};

	if (most == 0 || u->size <= most)
		return;
	str_printf(&reply, "552 5.3.4 %llu bytes are more than the %llu taken here",
	    (unsigned long long)u->size, (unsigned long long)most);
	str_clear(&u->states);
	fail_rcpts(u, NULL, str_span(&reply));
	str_free(&reply);
}

static int
on_end(void *ctx, struct err *err)
{
	struct unpacking *u = ctx;

	if (u->leave)
		return 0;
	check_size(u);
	if (arrival_end(&u->batch, err) < 0)
		return -1;
	arrival_states(&u->batch, str_span(&u->states));
	return 0;
}

static int
on_history(void *ctx, const struct label *label, struct codec_setup *setup, struct err *err)
{
	struct unpacking *u = ctx;

	return past_find(&u->past, label, setup, err);
}

static int
on_travelled(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct unpacking *u = ctx;

	(void)err;
	past_travelled(&u->past, bytes, len);
	return 0;
}

/* the batch as it came: what is refused is kept for a person */

static int
open_copy(struct unpacking *u, struct err *err)
{
	spool_new_id(&u->copy_name);
	u->copy = fs_create(u->spool.tmp, str_c(&u->copy_name), 0640, err);
	if (u->copy >= 0)
		flock(u->copy, LOCK_EX | LOCK_NB);	/* alive, says it to who tidies up */
	return u->copy < 0 ? -1 : 0;
}

static void
close_copy(struct unpacking *u)
{
	if (u->copy < 0)
		return;
	unlinkat(u->spool.tmp, str_c(&u->copy_name), 0);	/* gone already when held */
	close(u->copy);
	u->copy = -1;
}

/* Reads the rest of it too: a person wants to see all. */
static int
copy_rest(struct unpacking *u, int fd, struct err *err)
{
	uint64_t most = u->b->settings.spool.max_batch_unpacked, total = 0;
	char *piece = mem_get(PIECE);
	ssize_t got = 1;
	int result = 0;

	while (result == 0 && got != 0 && (most == 0 || total < most)) {
		got = read(fd, piece, PIECE);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = err_sys(err, "reading the batch");
		else if (got > 0 && (result = spool_room(&u->spool, PIECE, err)) == 0)
			result = fs_write(u->copy, piece, (size_t)got, err);
		total += got > 0 ? (uint64_t)got : 0;
	}
	free(piece);
	return result;
}

static int
hold_copy(struct unpacking *u, const struct err *why, struct err *err)
{
	const char *name = str_c(&u->copy_name);
	struct str file = {0}, text = {0};

	str_printf(&file, "%s.reason", name);
	str_printf(&text, "%s\n", why->text);
	int result = fs_sync(u->copy, err);
	if (result == 0)
		result = fs_replace(u->spool.hold, str_c(&file), str_span(&text), 0640, err);
	if (result == 0)
		result = fs_rename(u->spool.tmp, name, u->spool.hold, name, err);
	if (result == 0)
		result = fs_sync_dir(u->spool.hold, ".", err);
	if (result == 0)
		log_error("event=batch-held file=hold/%s peer=%s why=\"%s\"", name,
		    u->b->peer != NULL ? u->b->peer : "-", why->text);
	str_free(&file);
	str_free(&text);
	return result;
}

/* -1, as it was: refused, with the batch in hold/; or with why it could not be put there,
 * which is for later. */
static int
refuse_batch(struct unpacking *u, int fd, struct err *err)
{
	struct err why = *err, trouble = {0};

	if (u->copy < 0 || why.kind != ERR_PERM)
		return -1;
	if (quota_spool(&u->spool, &trouble) < 0 || copy_rest(u, fd, &trouble) < 0 ||
	    hold_copy(u, &why, &trouble) < 0) {
		*err = trouble;
		err->kind = ERR_TEMP;
	}
	return -1;
}

/* reading */

static int
read_pieces(struct unpacking *u, struct reader *reader, int fd, struct err *err)
{
	char *piece = mem_get(PIECE);
	ssize_t got = 1;
	int result = 0;

	while (result == 0 && got != 0) {
		got = read(fd, piece, PIECE);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = err_sys(err, "reading the batch");
		else if (got > 0 && u->copy >= 0)
			result = fs_write(u->copy, piece, (size_t)got, err);
		if (result == 0 && got > 0)
			result = reader_feed(reader, piece, (size_t)got, err);
	}
	free(piece);
	return result < 0 ? -1 : reader_end(reader, err);
}

static int
read_batch(struct unpacking *u, int fd, struct err *err)
{
	static const struct reader_hooks hooks = { .begin = on_begin, .body = on_body, .end = on_end,
		.history = on_history, .travelled = on_travelled };
	struct reader reader;

	reader_start(&reader, u->b->codec, u->b->settings.spool.max_batch_unpacked, &hooks, u);
	int result = read_pieces(u, &reader, fd, err);
	u->labelled = reader.labelled;
	u->label = reader.label;
	reader_free(&reader);
	past_read(&u->past);
	return result < 0 ? err_prefix(err, "batch refused, nothing of it was taken") : 0;
}

/* the whole */

static int
take_batch(struct unpacking *u, size_t *repeats, struct err *err)
{
	struct settled settled;
	struct err why = {0};

	*repeats = 0;
	if (u->batch.count == 0)
		return 0;
	if (arrival_commit(&u->batch, err) < 0)
		return -1;
	/* Accepted: whatever happens now, the next who settles finds it in in/. */
	if (spool_settle_own(&u->spool, &u->batch, &settled, &why) < 0)
		log_warn("event=unsettled why=\"%s\"", why.text);
	*repeats = settled.repeats;
	spool_ring(&u->spool);
	return 0;
}

/* What is not delivered now waits: the batch is done either way. */
static void
deliver(struct unpacking *u, struct sunk *sunk)
{
	struct err why = {0};

	if (u->sink->send != NULL &&
	    sink_work(u->sink, u->work, &u->spool, str_c(&u->folder), sunk, &why) < 0)
		log_warn("event=waits to=%s why=\"%s\"", str_c(&u->folder), why.text);
}

/* What it says of our batches counts also when it could not be read itself: its own
 * sender may wait for just that. */
static int
refuse(struct unpacking *u, int fd, struct err *err)
{
	struct err trouble = {0};
	int asked = u->labelled ? past_refused(&u->past, &u->label, err) : 0;

	if (u->labelled && asked >= 0 && past_heard(&u->past, &u->label, &trouble) < 0) {
		*err = trouble;
		return -1;
	}
	return asked > 0 ? 0 : refuse_batch(u, fd, err);
}

/* It is in in/: now it is history, when that is all of it, and its words count. */
static int
remember(struct unpacking *u, struct err *err)
{
	if (!u->labelled)
		return 0;
	if (u->left == 0)
		past_committed(&u->past, &u->label);
	return past_heard(&u->past, &u->label, err);
}

/* The batch is not done with. */
static int
leave_rest(const struct unpacking *u, struct err *err)
{
	if (u->left == 0)
		return 0;
	*err = u->no_room;
	return err_prefix(err, "%llu of %llu messages wait in the batch", (unsigned long long)u->left,
	    (unsigned long long)u->number);
}

static int
unpack_into(struct unpacking *u, int fd, struct err *err)
{
	const char *peer = u->b->peer != NULL ? u->b->peer : "-";
	struct sunk sunk = {0};
	size_t repeats;

	if (read_batch(u, fd, err) < 0)
		return refuse(u, fd, err);
	if (take_batch(u, &repeats, err) < 0 || remember(u, err) < 0)
		return -1;
	deliver(u, &sunk);
	log_info("event=unpacked peer=%s messages=%llu repeats=%zu done=%zu later=%zu failed=%zu left=%llu", peer,
	    (unsigned long long)u->number, repeats, sunk.done, sunk.later, sunk.failed,
	    (unsigned long long)u->left);
	return leave_rest(u, err);
}

static int
unpack_from(struct unpacking *u, int fd, struct err *err)
{
	int result = spool_room(&u->spool, 0, err);

	/* A file that has a name stays where it is, and our uuxqt keeps its jobs. */
	if (result == 0 && fd == STDIN_FILENO && u->job == NULL)
		result = open_copy(u, err);
	/* A name of its own each time: what an earlier run of the same job left may be
	 * settled by half, and must not be replaced.  Repeats are known by peer-id. */
	if (result == 0)
		result = arrival_open(&u->batch, &u->spool, NULL, err);
	if (result == 0) {
		past_open(&u->past, &u->spool, u->b->peer != NULL ? settings_site(&u->b->settings, u->b->peer) : NULL);
		result = unpack_into(u, fd, err);
		past_close(&u->past);
		arrival_close(&u->batch);
	}
	close_copy(u);
	return result;
}

/* The sink comes first: one that cannot be reached leaves the batch where it is. */
static int
open_sink(struct unpacking *u, struct err *err)
{
	if (u->sink->open == NULL)
		return 0;
	sink_folder(u->sink, u->where, &u->folder);
	if (!route_folder_ok(str_span(&u->folder)))
		return err_set(err, ERR_CONFIG, "%s: too long for a folder's name", str_c(&u->folder));
	return u->sink->open(&u->b->settings, u->where, &u->work, err);
}

static int
with_spool(struct unpacking *u, int fd, int (*run)(struct unpacking *, int, struct err *),
    struct err *err)
{
	int result = open_sink(u, err);

	if (result == 0 && (result = spool_open(&u->spool, &u->b->settings, true, err)) == 0) {
		result = run(u, fd, err);
		spool_close(&u->spool);
	}
	if (u->work != NULL)
		u->sink->close(u->work);
	str_free(&u->folder);
	str_free(&u->states);
	str_free(&u->copy_name);
	return result;
}

static const struct sink *
choose_sink(struct unpacking *u, struct err *err)
{
	const char *said = u->b->to.count > 0 ? u->b->to.text[0] : "spool:";

	return u->sink = sink_of(said, &u->where, err);
}

/* Batches are from elsewhere.  The sink may be one that only the command line names. */
static int
enclose_sink(const struct unpacking *u, struct err *err)
{
	struct str folder = {0};

	if (strcmp(u->sink->name, "maildir") == 0)
		settings_path(&u->b->settings, u->where, &folder);
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL | ENCLOSE_NEW, .written = folder.len > 0 ? str_c(&folder) : NULL,
		.program = strcmp(u->sink->name, "sendmail") == 0 ? u->where : NULL };
	int result = enclose(&u->b->settings, u->b->args, &mine, err);
	str_free(&folder);
	return result;
}

int
unpack(const struct bsmtp *b, int count, char **args, struct err *err)
{
	const char *job = getenv("MOCHILA_JOB");
	struct unpacking u = {
		.b = b, .copy = -1,
		.job = job != NULL && job[0] != '\0' && strlen(job) <= 64 ? job : NULL,
	};

	if (count > 1 || b->to.count > 1)
		return usage(err, "unpack: one batch to one place");
	if (choose_sink(&u, err) == NULL)
		return -1;
	int fd = open_batch(b, count > 0 ? args[0] : NULL, err);
	if (fd < 0)
		return -1;
	int result = enclose_sink(&u, err);
	if (result == 0)
		result = with_spool(&u, fd, unpack_from, err);
	close_batch(fd);
	helper_stop();
	return result;
}

/* deliver: what waits for a sink since an earlier batch */

static int
deliver_waiting(struct unpacking *u, int fd, struct err *err)
{
	struct settled settled;
	struct sunk sunk = {0};

	(void)fd;
	if (spool_settle(&u->spool, &settled, err) < 0)
		log_warn("event=unsettled why=\"%s\"", err->text);
	int result = sink_work(u->sink, u->work, &u->spool, str_c(&u->folder), &sunk, err);
	log_info("event=delivered to=%s done=%zu later=%zu failed=%zu", str_c(&u->folder), sunk.done,
	    sunk.later, sunk.failed);
	return result;
}

int
deliver_to(const struct bsmtp *b, int count, char **args, struct err *err)
{
	struct unpacking u = { .b = b, .copy = -1 };

	(void)args;
	if (count > 0 || b->to.count != 1)
		return usage(err, "deliver: to where? say --to=SINK, and nothing else");
	if (choose_sink(&u, err) == NULL)
		return -1;
	if (u.sink->send == NULL)
		return usage(err, "deliver: what is in the spool is routed anyway");
	int result = enclose_sink(&u, err);
	if (result == 0)
		result = with_spool(&u, -1, deliver_waiting, err);
	helper_stop();
	return result;
}
