#include "uucico-ssh/m-in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/dictionary.h"
#include "spool/job.h"
#include "spool/quota.h"
#include "spool/route.h"
#include "uucico-ssh/filed.h"
#include "uucico-ssh/m-early.h"
#include "uucico-ssh/m-hold.h"
#include "uucico-ssh/m-mail.h"
#include "uucico-ssh/pair.h"

enum {
	PIECE = 65536,
	SMALL = M_HISTORY_MAX,		/* transfer bytes that are held in memory */
	FILE_EACH = 16384,		/* of what is in memory, so much more goes to the file */
	HEAD_ROOM = 64 << 10,		/* an entry's head beyond the largest body */
};
#define PARTS_BYTES (1ULL << 30)

/* One object. */
struct m_in_part {
	struct m_in *in;
	struct m_in_part *next;
	char file[2 * M_NAME + 1];
	enum m_kind kind;
	uint64_t length, at;
	bool memory;		/* its bytes are all in bytes */
	struct str bytes;
	int fd;			/* its file; -1: not open */
	uint64_t filed;		/* bytes that are in it */
	struct arrival arrival;
	bool arrives;		/* a mail, ready */
	struct take take;
	bool streams;		/* a mail that is unpacked while it comes */
	struct digest digest;
	bool summed;		/* a job whose digest grows while it comes */
	struct job job;
	bool is_job;		/* ready, or had */
	bool had;
	bool whole;		/* its file is the job as it is kept */
	struct str note;	/* a summary or request, ready */
	bool looked;		/* at who sent it, or it need not be */
	bool unwelcome;
	struct str first;	/* its first bytes, until that is known */
};

/* --- names that we had --- */

static bool
know(struct m_in *in, uint64_t key, bool add)
{
	if (key == 0)
		key = 1;	/* 0 is a free place */
	size_t at = (size_t)(key & (in->known_size - 1));
	while (in->known_size > 0 && in->known[at] != 0 && in->known[at] != key)
		at = (at + 1) & (in->known_size - 1);
	if (in->known_size > 0 && in->known[at] == key)
		return true;
	if (add) {
		in->known[at] = key;
		in->known_count++;
	}
	return false;
}

static void
learn(struct m_in *in, uint64_t key)
{
	if (2 * in->known_count >= in->known_size) {
		uint64_t *old = in->known;
		size_t size = in->known_size;
		in->known_size = size > 0 ? 2 * size : 1024;
		in->known = mem_get(in->known_size * sizeof *in->known);
		in->known_count = 0;
		for (size_t i = 0; i < size; i++)
			if (old[i] != 0)
				know(in, old[i], true);
		free(old);
	}
	know(in, key, true);
}

static void
learn_class(struct m_in *in, const char *class)
{
	struct ring ring;

	if (!m_ring_open(&ring, in->spool, in->site, RING_FROM, class))
		return;
	for (size_t i = 0; i < ring.commits; i++)
		learn(in, ring.commit[i].name);
	ring_close(&ring);
}

/* --- start --- */

static void
choose_folder(struct m_in *in)
{
	struct span rest = span_of(in->site->unpack), kind;

	span_cut(&rest, ':', &kind);
	if (span_is(kind, "spool") || rest.p == NULL)
		return;
	char *name = mem_text_n(kind.p, kind.len), *where = mem_text_n(rest.p, rest.len);
	route_folder_of(name, where, &in->folder);
	free(name);
	free(where);
}

/* Parts of what we had whole: their removal failed, or is not on disk. */
static void
drop_had(struct m_in *in)
{
	char file[2 * M_NAME + 1];
	size_t kept = 0;

	for (size_t i = 0; i < in->partial_count; i++) {
		m_part_file(in->partials[i].name, file);
		if (know(in, m_ring_key(in->partials[i].name), false))
			unlinkat(in->dir, file, 0);
		else
			in->partials[kept++] = in->partials[i];
	}
	in->partial_count = kept;
}

int
m_in_start(struct m_in *in, const struct spool *spool, const struct site_settings *site, struct err *err)
{
	struct m_class classes[M_CLASSES_MAX];

	*in = (struct m_in){ .spool = spool, .site = site, .dir = -1, .largest = UINT64_MAX,
		.journal = { .spool = spool, .fd = -1 } };
	choose_folder(in);
	if (in->folder.len > 0 && !route_folder_ok(str_span(&in->folder)))
		return err_set(err, ERR_CONFIG, "[site %s] unpack: %s: too long for a folder's name", site->name,
		    str_c(&in->folder));
	in->dir = m_part_folder(spool, site->name, err);
	if (in->dir < 0)
		return -1;
	m_part_clean(in->dir, site->name, PARTS_BYTES);
	in->partial_count = m_part_list(in->dir, in->partials, M_HAVE_MAX);
	size_t count = m_ring_classes(spool, site, classes, M_CLASSES_MAX);
	for (size_t i = 0; i < count; i++)
		learn_class(in, classes[i].name);
	drop_had(in);
	return 0;
}

/* --- parts --- */

static void
stop_stream(struct m_in_part *part)
{
	if (part->streams)
		take_free(&part->take);
	part->streams = false;
}

static void
part_free(struct m_in_part *part)
{
	struct m_in_part **at = &part->in->parts;

	while (*at != part)
		at = &(*at)->next;
	*at = part->next;
	part->in->promised -= part->length - part->at;
	if (part->fd >= 0)
		close(part->fd);
	stop_stream(part);
	digest_free(&part->digest);
	if (part->arrives)
		arrival_close(&part->arrival);
	if (part->is_job)
		job_close(&part->job);
	str_free(&part->bytes);
	str_free(&part->note);
	str_free(&part->first);
	free(part);
}

static void
remove_file(struct m_in_part *part)
{
	if (part->fd >= 0 && unlinkat(part->in->dir, part->file, 0) < 0 && errno != ENOENT)
		log_warn("part/%s/%s: %s", part->in->site->name, part->file, strerror(errno));
}

/* What is there already, as far as it goes on from there; the rest of it goes. */
static int
open_part(struct m_in_part *part, struct err *err)
{
	uint64_t size = 0;
	struct err none = {0};

	part->fd = m_part_open(part->in->dir, part->file, !part->memory, &size, &none);
	if (part->fd < 0 && errno == ENOENT && part->at == 0)
		return 0;	/* small and new: it has no file yet */
	if (part->fd < 0)
		return *err = none, -1;
	if (part->at > size)
		return err_set(err, ERR_TEMP, "%llu bytes of it are here, not %llu", (unsigned long long)size,
		    (unsigned long long)part->at);
	if (size > part->at && ftruncate(part->fd, (off_t)part->at) < 0)
		return err_sys(err, "part %s", part->file);
	part->filed = part->at;
	if (!part->memory || part->at == 0)
		return 0;
	ssize_t got = fs_pread(part->fd, str_room(&part->bytes, (size_t)part->at), (size_t)part->at, 0, err);
	if (got < (ssize_t)part->at)
		return got < 0 ? -1 : err_set(err, ERR_TEMP, "part %s became shorter", part->file);
	part->bytes.len = (size_t)part->at;
	return 0;
}

/* Where its mail grows. */
static void
join(struct m_in_part *part)
{
	struct m_in *in = part->in;

	part->take = (struct take){ .spool = in->spool, .site = in->site, .folder = str_c(&in->folder),
		.arrival = &part->arrival };
	arrival_join(&part->arrival, &in->journal);
	part->arrives = true;
}

/* A large one's sum, and its mail, are made while it comes: at its end the far end waits for
 * our word.  One that goes on is made at its end. */
static void
begin_stream(struct m_in_part *part, const struct m_object *object)
{
	if (part->memory || part->at > 0)
		return;
	if (part->kind == M_JOB) {
		digest_start(&part->digest);
		part->summed = true;
	} else if (part->kind == M_MAIL) {
		join(part);
		take_start(&part->take, object);
		part->streams = true;
	}
}

/* --- offered --- */

static enum m_status
say(enum m_status status, struct str *text, const char *why)
{
	str_set(text, why);
	return status;
}

static enum m_status
admit(const struct m_in *in, const struct m_object *object, struct str *text)
{
	const struct spool_settings *spool = &in->spool->settings->spool;
	uint64_t most = object->kind == M_MAIL ? spool->max_size : spool->max_batch_unpacked;
	uint64_t coming = object->length - object->at + in->promised;
	struct err err;

	if (object->kind >= M_KINDS || object->at > object->length)
		return say(M_NEVER, text, "554 5.5.4 no object that is known here");
	if ((object->kind == M_SUMMARY || object->kind == M_REQUEST) && object->length > M_NOTE_MAX)
		return say(M_NEVER, text, "554 5.3.4 a note that is too long");
	if (most > 0 && object->length > HEAD_ROOM && object->length - HEAD_ROOM > most) {
		str_printf(text, "552 5.3.4 %llu bytes are more than the %llu taken here",
		    (unsigned long long)object->length, (unsigned long long)most);
		return M_NEVER;
	}
	if (object->kind == M_MAIL && in->site->hold_over > 0 && object->length > in->site->hold_over &&
	    !object->asked) {
		str_printf(text, "%llu bytes are more than the %llu that come unasked",
		    (unsigned long long)object->length, (unsigned long long)in->site->hold_over);
		return M_HOLD;
	}
	if (object->kind == M_MAIL && object->length > in->largest)
		return say(M_LATER, text, "4.3.4 larger than what this call moves");
	/* Its bytes, and then the message of them. */
	if (spool_room(in->spool, coming > UINT64_MAX / 4 ? UINT64_MAX : 2 * coming, &err) < 0 ||
	    quota_spool(in->spool, &err) < 0)
		return say(M_LATER, text, err.text);
	return M_TAKE;
}

enum m_status
m_in_offered(struct m_in *in, struct m_object *object, struct str *text)
{
	struct err err = {0};

	if (know(in, m_ring_key(object->name), false))
		return M_HAD;
	char file[2 * M_NAME + 1];
	m_part_file(object->name, file);
	object->asked = hold_asked(in->dir, file);
	enum m_status status = admit(in, object, text);
	if (status != M_TAKE) {
		in->refused++;
		log_warn("peer=%s event=refused bytes=%llu why=\"%s\"", in->site->name,
		    (unsigned long long)object->length, str_c(text));
		return status;
	}
	struct m_in_part *part = mem_get(sizeof *part);
	*part = (struct m_in_part){ .in = in, .next = in->parts, .kind = object->kind, .length = object->length,
		.at = object->at, .memory = object->length <= SMALL, .fd = -1 };
	m_part_file(object->name, part->file);
	part->looked = object->kind != M_MAIL || object->at > 0 || object->asked;
	in->parts = part;
	in->promised += part->length - part->at;
	if (open_part(part, &err) == 0) {
		begin_stream(part, object);
		object->mine = part;
		return M_TAKE;
	}
	log_error("peer=%s event=refused part=%s why=\"%s\"", in->site->name, part->file, err.text);
	part_free(part);
	return say(M_LATER, text, "4.3.0 it cannot be kept now");
}

/* --- write --- */

/* A disk's trouble is met again, and told, at the end. */
static void
stream(struct m_in_part *part, const void *bytes, size_t len)
{
	struct err err;

	if (part->summed)
		digest_add(&part->digest, bytes, len);
	if (!part->streams || take_feed(&part->take, bytes, len, &err) == 0)
		return;
	stop_stream(part);
	arrival_close(&part->arrival);
	part->arrives = false;
}

/* Of what is in memory the most part is in the file, too, should we be killed. */
static int
file_bytes(struct m_in_part *part, struct err *err)
{
	uint64_t size;

	if (part->fd < 0)
		part->fd = m_part_open(part->in->dir, part->file, true, &size, err);
	if (part->fd < 0 || fs_pwrite(part->fd, part->bytes.p + part->filed, part->bytes.len - (size_t)part->filed,
	    (off_t)part->filed, err) < 0)
		return -1;
	part->filed = part->bytes.len;
	return 0;
}

/* 1: who sent it is not welcome. */
static int
look_at_sender(struct m_in_part *part, struct span bytes)
{
	if (part->looked)
		return 0;
	str_add_span(&part->first, bytes);
	int is = hold_unwelcome(part->in->site, part->in->spool->settings, str_span(&part->first));
	if (is < 0 && part->at < part->length)
		return 0;
	part->looked = true;
	part->unwelcome = is > 0;
	str_free(&part->first);
	return part->unwelcome;
}

int
m_in_write(struct m_in *in, struct m_object *object, const void *bytes, size_t len, struct err *err)
{
	struct m_in_part *part = object->mine;

	if (len > part->length - part->at)
		return err_set(err, ERR_PERM, "more comes of an object than was announced");
	if (part->memory)
		str_add(&part->bytes, bytes, len);
	else if (fs_pwrite(part->fd, bytes, len, (off_t)part->at, err) < 0)
		return -1;
	stream(part, bytes, len);
	part->at += len;
	in->promised -= len;
	str_set(&in->showing, part->file);
	in->shown_at = part->at;
	in->shown_length = part->length;
	if (look_at_sender(part, (struct span){ bytes, len }))
		return 1;
	if (part->memory && part->at < part->length && part->bytes.len - part->filed >= FILE_EACH)
		return file_bytes(part, err);
	return 0;
}

/* --- complete --- */

static int
feed_file(struct m_in_part *part, struct take *take, struct err *err)
{
	char *piece = mem_get(PIECE);
	int result = 0;

	for (uint64_t at = 0; at < part->length && result == 0;) {
		size_t want = part->length - at < PIECE ? (size_t)(part->length - at) : PIECE;
		ssize_t got = fs_pread(part->fd, piece, want, (off_t)at, err);
		if (got != (ssize_t)want)
			result = got < 0 ? -1 : err_set(err, ERR_TEMP, "part %s became shorter", part->file);
		else
			result = take_feed(take, piece, want, err);
		at += want;
	}
	free(piece);
	return result;
}

static enum m_status
feed(struct m_in_part *part, const struct m_object *object, struct take *take, struct err *err)
{
	take_start(take, object);
	int result = part->memory ? take_feed(take, part->bytes.p, part->bytes.len, err) :
	    feed_file(part, take, err);
	return result < 0 ? M_LATER : take_end(take, err);
}

static enum m_status
complete_mail(struct m_in_part *part, const struct m_object *object, struct err *err)
{
	enum m_status status;

	if (part->streams) {
		status = take_end(&part->take, err);
	} else {
		join(part);
		status = feed(part, object, &part->take, err);
		take_free(&part->take);
	}
	stop_stream(part);
	return status;
}

/* A summary or a request: its text. */
static enum m_status
complete_note(struct m_in_part *part, const struct m_object *object, struct err *err)
{
	struct take take = { .spool = part->in->spool, .site = part->in->site, .note = M_NOTE_MAX };
	enum m_status status = feed(part, object, &take, err);

	if (status == M_STORED)
		str_add_span(&part->note, str_span(&take.text));
	take_free(&take);
	return status;
}

/* --- jobs --- */

static int
take_job_words(struct span line, struct str *user, struct str *temp, uint64_t *size)
{
	struct span word = span_word(&line), value, name;
	int seen = 0;

	if (!span_is(word, "job=1"))
		return -1;
	while ((word = span_word(&line)).len > 0) {
		value = word;
		span_cut(&value, '=', &name);
		if (span_is(name, "user"))
			str_set_span(user, value);
		else if (span_is(name, "temp"))
			str_set_span(temp, value);
		else if (!span_is(name, "size") || span_number(value, INT64_MAX, size) < 0)
			return -1;
		seen++;
	}
	return seen == 3 && user->len > 0 && temp->len > 0 ? 0 : -1;
}

/* Cuts the head off: its first line, the command, and how long it is. */
static int
cut_head(struct span head, struct span *first, struct span *command, size_t *len)
{
	static const char word[] = "command ";
	struct span rest = head, empty;

	if (!span_cut(&rest, '\n', first) || !span_cut(&rest, '\n', command) || !span_cut(&rest, '\n', &empty) ||
	    empty.len != 0 || empty.p == head.p + head.len || !span_begins(*command, word))
		return -1;
	*command = span_from(*command, strlen(word));
	*len = (size_t)(empty.p - head.p) + 1;
	return memchr(head.p, '\0', *len) == NULL ? 0 : -1;
}

/* Its file is what a job's file is (spool/job.h), with no word in it that means something else
 * there. */
static bool
is_kept_so(const struct m_in_part *part, struct span first, struct span command, size_t head_len)
{
	return !part->memory && head_len < JOB_HEAD_MAX && memchr(first.p, '%', first.len) == NULL &&
	    memchr(command.p, '\r', command.len) == NULL;
}

static int
open_job(struct m_in_part *part, struct span first, struct span said, size_t head_len, struct err *err)
{
	struct str user = {0}, temp = {0}, command = {0};
	uint64_t size = 0;
	struct filed filed;	/* its files stand in front of its input, as in a job of ours */
	int result;

	str_add_span(&command, said);
	if (take_job_words(first, &user, &temp, &size) < 0 || size != part->length - head_len ||
	    filed_parse(said, &filed) < 0 || filed.total > size) {
		result = err_set(err, ERR_PERM, "554 5.6.0 no job as jobs are");
	} else if (!pair_may_run(part->in->site, filed.command, NULL)) {
		result = err_set(err, ERR_PERM, "554 5.7.1 a command that may not run here");
	} else if (is_kept_so(part, first, said, head_len)) {
		part->whole = true;
		result = 0;
	} else {
		result = job_begin(&part->job, part->in->spool, part->in->site->name, str_c(&user), str_c(&temp), size,
		    str_c(&command), false, err);
		part->is_job = true;
		part->had = result > 0;
	}
	str_free(&user);
	str_free(&temp);
	str_free(&command);
	return result < 0 ? -1 : 0;
}

/* *at: the length of its head. */
static int
begin_job(struct m_in_part *part, struct span head, size_t *at, struct err *err)
{
	struct span first, command;

	if (cut_head(head, &first, &command, at) < 0)
		return err_set(err, ERR_PERM, "554 5.6.0 no job as jobs are");
	return open_job(part, first, command, *at, err);
}

static ssize_t
read_part(const struct m_in_part *part, uint64_t at, char *to, size_t len, struct err *err)
{
	if (part->fd >= 0 && !part->memory)
		return fs_pread(part->fd, to, len, (off_t)at, err);
	struct span rest = span_to(span_from(str_span(&part->bytes), (size_t)at), len);
	memcpy(to, rest.p, rest.len);
	return (ssize_t)rest.len;
}

/* Is it what its name says? */
static bool
is_named(struct m_in_part *part, const struct m_object *object, char *piece, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};
	ssize_t got = 1;

	if (part->summed) {
		part->summed = false;
		digest_end(&part->digest, sum);
		return memcmp(sum, object->name, M_NAME) == 0;
	}
	digest_start(&digest);
	for (uint64_t at = 0; at < part->length && got > 0; at += (uint64_t)got)
		if ((got = read_part(part, at, piece, PIECE, err)) > 0)
			digest_add(&digest, piece, (size_t)got);
	digest_end(&digest, sum);
	return got > 0 && memcmp(sum, object->name, M_NAME) == 0;
}

static int
copy_job(struct m_in_part *part, uint64_t at, char *piece, struct err *err)
{
	while (at < part->length) {
		ssize_t got = read_part(part, at, piece, PIECE, err);
		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_TEMP, "part %s became shorter", part->file);
		if (job_write(&part->job, piece, (size_t)got, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	return 0;
}

static enum m_status
complete_job(struct m_in_part *part, const struct m_object *object, struct err *err)
{
	char *piece = mem_get(PIECE);
	enum m_status status = M_STORED;
	size_t at = 0;

	if (!is_named(part, object, piece, err)) {
		status = M_WRONG;
		err_set(err, ERR_PERM, "its bytes are not those of its name");
	} else {
		ssize_t got = read_part(part, 0, piece, PIECE, err);
		if (got < 0 || begin_job(part, (struct span){ piece, (size_t)got }, &at, err) < 0 ||
		    (!part->had && !part->whole && copy_job(part, at, piece, err) < 0))
			status = err->kind == ERR_PERM ? M_NEVER : M_LATER;
	}
	free(piece);
	if (status != M_STORED && part->is_job && !part->had)
		job_drop(&part->job);
	return status;
}

/* --- complete --- */

static void
tell_refused(struct m_in_part *part, enum m_status status, const struct err *err, struct str *text)
{
	part->in->refused++;
	log_error("peer=%s event=refused part=%s status=%d why=\"%s\"", part->in->site->name, part->file,
	    (int)status, err->text);
	if (part->kind == M_MAIL && status == M_NEVER)
		err_reply(err, text);
	else
		str_set(text, err->text);
}

enum m_status
m_in_complete(struct m_in *in, struct m_object *object, struct str *text)
{
	struct m_in_part *part = object->mine;
	struct err err = {0};
	enum m_status status = M_NEVER;

	(void)in;
	if (part->unwelcome) {
		status = M_HOLD;
		err_set(&err, ERR_PERM, "its sender is not among those whose mail comes unasked");
	} else if (object->kind == M_MAIL)
		status = complete_mail(part, object, &err);
	else if (object->kind == M_SUMMARY || object->kind == M_REQUEST)
		status = complete_note(part, object, &err);
	else if (object->kind == M_JOB)
		status = complete_job(part, object, &err);
	if (status == M_STORED)
		return status;
	tell_refused(part, status, &err, text);
	if (status != M_LATER)
		remove_file(part);	/* it would be the same again */
	object->mine = NULL;
	part_free(part);
	return status;
}

/* --- commit --- */

static int
adopt(struct m_in_part *part, struct err *err)
{
	const struct m_in *in = part->in;

	part->is_job = true;
	return job_adopt(&part->job, in->spool, in->site->name, part->fd, in->dir, part->file, err) < 0 ? -1 : 0;
}

/* 0: durable with the journal, or already; -1. */
static int
put_in(struct m_in_part *part, struct err *err)
{
	const struct m_in *in = part->in;

	if (part->kind == M_JOB)
		return part->had ? 0 : part->whole ? adopt(part, err) : job_commit(&part->job, err);
	if (part->kind == M_SUMMARY)
		return hold_take_summary(in->spool, in->site, str_span(&part->note), &part->in->journal, err);
	if (part->kind == M_REQUEST)
		return hold_take_request(in->spool, in->site, str_span(&part->note), err);
	return arrival_post(&part->arrival, err) < 0 ? -1 : 0;
}

static bool
by_journal(const struct m_in_part *part)
{
	return (part->kind == M_MAIL && !part->arrival.committed) || part->kind == M_SUMMARY;
}

static void
forget_own(struct m_in *in)
{
	if (in->own_length > 0)
		arrival_close(&in->own);
	in->own_length = 0;
}

static void
keep_own(struct m_in_part *part)
{
	struct m_in *in = part->in;

	if (!part->arrives || !part->arrival.committed || part->arrival.sums.count == 0 ||
	    part->length <= in->own_length)
		return;
	forget_own(in);
	in->own = part->arrival;
	in->own_length = part->length;
	part->arrives = false;
}

static void
count_in(struct m_in_part *part, const struct m_object *object)
{
	struct m_in *in = part->in;
	struct str bytes = {0};

	if (m_ring_keeps(in->site, object) && part->memory)
		str_add_span(&bytes, str_span(&part->bytes));
	m_commits_add(&in->commits, object, str_span(&bytes));
	str_free(&bytes);
	learn(in, m_ring_key(object->name));
	in->got++;
	in->asked = in->asked || part->kind == M_REQUEST;
	hold_came(in->dir, part->file);
	remove_file(part);
	keep_own(part);
}

/* In two steps: first the mail, then its numbers. */
int
m_in_commit(struct m_in *in, struct m_object *const *objects, enum m_status *status, size_t count,
    struct err *err)
{
	struct err why = {0};

	for (size_t i = 0; i < count; i++)
		if (put_in(objects[i]->mine, &why) < 0) {
			status[i] = why.kind == ERR_PERM ? M_NEVER : M_LATER;
			log_error("peer=%s event=not-stored why=\"%s\"", in->site->name, why.text);
		}
	bool synced = journal_sync(&in->journal, &why) == 0;
	if (!synced)
		log_error("peer=%s event=not-stored why=\"%s\"", in->site->name, why.text);
	for (size_t i = 0; i < count; i++) {
		struct m_in_part *part = objects[i]->mine;
		if (status[i] == M_STORED && by_journal(part) && !synced)
			status[i] = M_LATER;
		if (status[i] == M_STORED)
			count_in(part, objects[i]);
		objects[i]->mine = NULL;
		part_free(part);
	}
	m_commits_write(&in->commits, in->spool, in->site, RING_FROM);
	(void)err;
	return 0;
}

/* --- dropped --- */

void
m_in_dropped(struct m_in *in, struct m_object *object)
{
	struct m_in_part *part = object->mine;
	struct err err = {0};
	int result = 0;

	(void)in;
	if (part == NULL)
		return;
	object->mine = NULL;
	if (part->memory && part->bytes.len > part->filed)
		result = file_bytes(part, &err);
	if (result == 0 && part->fd >= 0)
		result = fs_sync(part->fd, &err);
	if (result < 0) {
		log_warn("part/%s/%s: not kept: %s", part->in->site->name, part->file, err.text);
		remove_file(part);
	}
	part_free(part);
}

/* --- history --- */

static bool
copy_history(struct m_in *in, struct ring *ring, struct ring_mark mark, uint64_t len)
{
	struct span history = {0};
	struct err why = {0};
	int got = ring_at(ring, mark, len, &history, &why);

	m_ring_trouble(got, &why);
	if (got <= 0 || history.len != len)
		return false;
	str_add_span(&in->history, history);
	return true;
}

int
m_in_history(struct m_in *in, const char *class, const struct m_prefix *prefix, struct span *bytes,
    struct err *err)
{
	struct span early = m_early_history(in->early, class, prefix);
	struct ring_mark mark = { prefix->mark.k, prefix->mark.link };
	struct ring ring;
	struct err why = {0};

	(void)err;
	str_clear(&in->history);
	if (early.len == 0 && prefix->dictionary > 0 && !m_ring_dictionary(prefix->dictionary, mark.k > 0, &in->history))
		return 0;
	if (mark.k > 0) {
		if (!m_ring_open(&ring, in->spool, in->site, RING_FROM, class))
			return 0;
		bool can = early.len > 0 || copy_history(in, &ring, mark, prefix->length);
		m_ring_trouble(ring_heard(&ring, mark, &why), &why);
		ring_close(&ring);
		if (!can)
			return 0;
	}
	*bytes = early.len > 0 ? early : str_span(&in->history);
	return 1;
}

static void
put_key(uint64_t key, unsigned char name[M_NAME])
{
	memset(name, 0, M_NAME);
	for (int i = 8; i-- > 0; key >>= 8)
		name[i] = (unsigned char)key;
}

size_t
m_in_untold(struct m_in *in, const char *class, struct m_mark known, unsigned char (*names)[M_NAME],
    size_t most)
{
	struct ring_mark mark = { known.k, known.link };
	struct ring ring;
	struct err why = {0};
	size_t count = 0;

	if (!m_ring_open(&ring, in->spool, in->site, RING_FROM, class))
		return 0;
	if (known.k == 0 || ring_knows(&ring, mark)) {
		uint64_t untold = known.k < ring.head.base.k ? ring.commits : ring_last(&ring).k - known.k;
		count = untold < most ? (size_t)untold : most;
		if (count > ring.commits)
			count = ring.commits;
		for (size_t i = 0; i < count; i++)
			put_key(ring.commit[ring.commits - count + i].name, names[i]);
		if (known.k > 0)
			m_ring_trouble(ring_heard(&ring, mark, &why), &why);
	}
	ring_close(&ring);
	return count;
}

/* --- what comes behind --- */

void
m_in_settle(struct m_in *in)
{
	struct settled settled;
	struct err why = {0};

	if (journal_turn(&in->journal, &why) < 0 ||
	    spool_settle_own(in->spool, in->own_length > 0 ? &in->own : NULL, &settled, &why) < 0)
		log_warn("peer=%s event=unsettled why=\"%s\"", in->site->name, why.text);
	forget_own(in);
	spool_ring(in->spool);
	if (in->folder.len > 0)
		log_debug("peer=%s event=settled to=%s", in->site->name, str_c(&in->folder));
}

void
m_in_close(struct m_in *in)
{
	while (in->parts != NULL)	/* the engine gave all back: this is for who did not */
		part_free(in->parts);
	journal_close(&in->journal);
	forget_own(in);
	if (in->dir >= 0)
		close(in->dir);
	in->dir = -1;
	free(in->known);
	in->known = NULL;
	in->known_size = in->known_count = 0;
	m_commits_free(&in->commits);
	str_free(&in->folder);
	str_free(&in->history);
	taught_close(&in->taught);
	m_early_end(in->early);
	in->early = NULL;
	str_free(&in->showing);
}
