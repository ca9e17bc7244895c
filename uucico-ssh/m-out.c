#include "uucico-ssh/m-out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/class.h"
#include "spool/dictionary.h"
#include "uucico-ssh/m-early.h"
#include "uucico-ssh/m-hold.h"
#include "uucico-ssh/m-taught.h"

enum {
	LARGE_MAX = 4, PUT_OFF_MAX = 1000, SMALL = M_HISTORY_MAX,
	LARGE_PACKED = 4,	/* times less at most is what a body packs to */
};

/* One object. */
struct m_out_part {
	struct m_out *out;
	struct m_out_part *next;
	struct form form;
	enum m_kind kind;
	bool is_job;
	struct message m;
	struct uucp_job job;
	char grade;
	char class[M_CLASS_MAX + 1];
	bool stream, large, given;
	bool stored;		/* they have it; to be settled */
	struct str where;	/* as in m-offered.h */
};

/* --- parts --- */

static const char *
id_of(struct m_out_part *part)
{
	return part->is_job ? outgoing_name(&part->job) : str_c(&part->m.id);
}

static void
job_free(struct uucp_job *job)
{
	struct str *all[] = { &job->from, &job->to, &job->user, &job->options, &job->temp, &job->notify,
		&job->command };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
}

/* A job goes back with its fate: outgoing has let go of it then. */
static void
part_free(struct m_out_part *part)
{
	if (part == NULL)
		return;
	part->out->large -= part->large;
	form_free(&part->form);
	if (part->is_job)
		job_free(&part->job);
	else
		message_close(&part->m);
	str_free(&part->where);
	free(part);
}

static void
take_out(struct m_out_part *part)
{
	struct m_out_part **at = &part->out->under_way;

	while (*at != part)
		at = &(*at)->next;
	*at = part->next;
}

static bool
is_among(char *const *list, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], id) == 0)
			return true;
	return false;
}

static void
add_id(char ***list, size_t *count, const char *id)
{
	*list = mem_resize(*list, *count + 1, sizeof **list);
	(*list)[(*count)++] = mem_text(id);
}

/* Not for this call.  Where that is said of very many, it is so of all. */
static void
put_off(struct m_out *out, const char *id)
{
	add_id(&out->put_off, &out->put_offs, id);
	out->stopped = out->stopped || out->put_offs >= PUT_OFF_MAX;
}

/* Is it worth a look?  What is under way, or waits to be settled, is known. */
static bool
passes(void *arg, const char *id)
{
	struct m_out *out = arg;

	for (struct m_out_part *part = out->under_way; part != NULL; part = part->next)
		if (!part->is_job && strcmp(str_c(&part->m.id), id) == 0)
			return false;
	struct m_out_part *taken[] = { out->mail, out->large_mail };
	for (size_t i = 0; i < 2; i++)
		if (taken[i] != NULL && strcmp(str_c(&taken[i]->m.id), id) == 0)
			return false;
	return !is_among(out->put_off, out->put_offs, id);
}

/* --- open and close --- */

void
m_out_start(struct m_out *out, const struct spool *spool, const struct site_settings *site)
{
	*out = (struct m_out){ .spool = spool, .site = site, .began = clock_now(), .largest = UINT64_MAX };
	out->offered.fd = -1;
	out->class_count = m_ring_classes(spool, site, out->classes, M_CLASSES_MAX);
}

/* 1: the queue is ours; 2: another process has it, ask again; -1. */
static int
open_queue(struct m_out *out, struct err *err)
{
	if (out->open)
		return 1;
	out->locked = false;
	if (queue_open(&out->queue, out->spool, out->site->name, false, err) < 0) {
		out->locked = errno == EWOULDBLOCK;
		return out->locked ? 2 : -1;
	}
	if (outgoing_open(&out->jobs, out->spool, out->site, err) < 0) {
		queue_close(&out->queue);
		return -1;
	}
	out->queue.passes = passes;
	out->queue.arg = out;
	out->jobs.queue = &out->queue;
	out->jobs.since = out->began;
	out->jobs.whole = true;
	offered_load(&out->offered, out->queue.dir);
	allowance_open(&out->allowance, out->spool, out->site);
	out->open = true;
	out->walked = out->jobs_over = out->more = out->passed = false;
	return 1;
}

static void
drop_ready(struct m_out *out)
{
	struct err ignored;

	part_free(out->mail);
	part_free(out->large_mail);
	out->mail = out->large_mail = NULL;
	if (out->job != NULL)
		outgoing_sent(&out->jobs, &out->job->job, UUCP_LATER, "the call is over", &ignored);
	part_free(out->job);
	out->job = NULL;
}

void
m_out_rest(struct m_out *out)
{
	if (!out->open || out->under_way != NULL)
		return;
	drop_ready(out);
	offered_close(&out->offered);
	outgoing_close(&out->jobs);
	queue_close(&out->queue);
	allowance_free(&out->allowance);
	out->open = false;
}

void
m_out_more(struct m_out *out)
{
	out->more = true;
}

static void
free_ids(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void
m_out_close(struct m_out *out)
{
	struct err err = {0};

	if (m_out_settled(out, &err) < 0)
		log_warn("peer=%s event=unsettled why=\"%s\"", out->site->name, err.text);
	while (out->under_way != NULL) {	/* the engine gave all back: this is for who did not */
		struct m_out_part *part = out->under_way;
		out->under_way = part->next;
		part_free(part);
	}
	m_out_rest(out);
	free_ids(out->put_off, out->put_offs);
	free_ids(out->restored, out->restoreds);
	m_commits_free(&out->commits);
	str_free(&out->history);
	taught_close(&out->taught);
	m_early_end(out->early);
	str_free(&out->showing);
	*out = (struct m_out){ .spool = out->spool, .site = out->site };
}

/* --- next: mail --- */

static void
refuse_all(struct m_out_part *part, const char *reply)
{
	const struct entry *entry = &part->m.entry;

	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state < RCPT_DONE)
			message_rcpt(&part->m, i, RCPT_FAILED, reply);
}

/* 1: it is larger than the site takes, and goes back; 0; -1. */
static int
check_size(struct m_out_part *part, struct err *err)
{
	uint64_t most = part->out->site->max_size;
	struct str reply = {0};

	if (most == 0 || part->m.entry.body_len <= most)
		return 0;
	str_printf(&reply, "552 5.3.4 %llu bytes are more than the %llu that %s takes",
	    (unsigned long long)part->m.entry.body_len, (unsigned long long)most, part->out->site->name);
	refuse_all(part, str_c(&reply));
	spool_event(part->out->spool, id_of(part), "event=not-carried site=%s reply=\"%s\"", part->out->site->name,
	    str_c(&reply));
	str_free(&reply);
	return message_settle(&part->m, err) < 0 ? -1 : 1;
}

static bool
was_offered(const struct m_out *out, const char *where)
{
	for (size_t i = 0; i < out->offered.olds; i++)
		if (!out->offered.item[i].over && strcmp(out->offered.item[i].where, where) == 0)
			return true;
	return false;
}

/* Not now: it was tried, or there are enough that are as large, or one in the making; or not in this call. */
static bool
must_wait(struct m_out_part *part)
{
	struct m_out *out = part->out;
	bool waits = (!out->tried && was_offered(out, str_c(&part->where))) ||
	    (part->large && (out->large > LARGE_MAX || out->large_mail != NULL));

	if (part->m.entry.body_len > out->largest) {
		put_off(out, id_of(part));
		return true;
	}
	if (allowance_spent(&out->allowance, &part->m.entry))
		return true;
	out->passed = out->passed || waits;
	return waits;
}

static void
set_class(struct m_out_part *part, const char *class)
{
	size_t len = strlen(class);

	if (len > M_CLASS_MAX)
		class = CLASS_MAIN, len = strlen(class);
	memcpy(part->class, class, len + 1);
}

static int
form_of(struct m_out_part *part, struct err *err)
{
	struct str text = {0};

	if (part->kind != M_REQUEST)
		return form_of_message(&part->form, part->out->spool, &part->m, err);
	hold_request(&part->m, part->out->site, &text);
	form_of_text(&part->form, str_span(&text));
	str_free(&text);
	return 0;
}

/* 1: it is ready, or begun; 0: not this one; -1. */
static int
make_mail(struct m_out_part *part, struct err *err)
{
	struct m_out *out = part->out;

	str_printf(&part->where, "%s/%s", str_c(&part->m.bucket), str_c(&part->m.id));
	part->large = part->m.entry.body_len > SMALL;
	out->large += part->large;
	errno = 0;
	part->grade = part->m.entry.info.grade;
	part->stream = true;
	part->kind = !hold_is_note(&part->m.entry) ? M_MAIL :
	    hold_is_request(&part->m.entry, out->site->name) ? M_REQUEST : M_SUMMARY;
	set_class(part, class_of(out->spool->settings, &part->m.entry.env));
	int result = check_size(part, err);
	if (result != 0)
		return result < 0 ? -1 : 0;
	/* The best come first: behind one that is too bad are only such. */
	out->walked = out->walked || (out->grade != 0 && part->grade > out->grade);
	if (out->walked || must_wait(part) || !message_still_there(&part->m))
		return 0;
	message_keep(&part->m);
	if (part->kind == M_MAIL)
		hold_asked_by(&part->m, out->site);
	return form_of(part, err) < 0 ? -1 : 1;
}

/* One that cannot be read blocks only itself (FS-02); what would meet the next as well ends
 * the walk. */
static int
skip_or_stop(struct m_out_part *part, const struct err *err)
{
	if (queue_must_stop(errno))
		return -1;
	log_error("%s: event=unreadable where=out/%s/%s why=\"%s\"", id_of(part), part->out->site->name,
	    str_c(&part->where), err->text);
	put_off(part->out, id_of(part));
	return 0;
}

/* 1: out->mail is ready; 0: there is none; -1.  A large one that it meets is begun. */
static int
ready_mail(struct m_out *out, struct err *err)
{
	while (out->mail == NULL && !out->walked) {
		if (out->stopped)
			return 0;
		struct m_out_part *part = mem_get(sizeof *part);
		part->out = out;
		part->form.scratch = part->form.fd = -1;
		part->m.fd = -1;
		errno = 0;
		int got = queue_next(&out->queue, &part->m, err);
		if (got <= 0) {
			part->m.fd = -1;
			out->walked = got == 0;
			free(part);
			if (got < 0)
				return -1;
			continue;
		}
		got = make_mail(part, err);
		if (got < 0)
			got = skip_or_stop(part, err);
		if (got > 0)
			*(form_whole(&part->form) ? &out->mail : &out->large_mail) = part;
		else
			part_free(part);
		if (got < 0)
			return -1;
	}
	return out->mail != NULL;
}

/* --- next: jobs --- */

/* What its data begins with says that it is packed already. */
static bool
is_packed(struct uucp_job *job)
{
	char first[OUTGOING_FIRST];
	struct err ignored;

	job->at = 0;
	return job->size >= sizeof first && outgoing_read(job, first, sizeof first, &ignored) == 0 &&
	    outgoing_unpacker((struct span){ first, sizeof first }) != NULL;
}

static void
give_job_back(struct m_out_part *part, const char *why)
{
	struct err ignored;

	outgoing_sent(&part->out->jobs, &part->job, UUCP_LATER, why, &ignored);
}

static int
skip_job(struct m_out_part *part, const struct err *why)
{
	log_warn("batch=%s event=skipped %s", outgoing_name(&part->job), why->text);
	give_job_back(part, why->text);
	return 0;
}

static int
make_job(struct m_out_part *part, struct err *err)
{
	str_printf(&part->where, "=%s", outgoing_name(&part->job));
	part->is_job = true;
	part->kind = M_JOB;
	part->grade = part->job.grade;
	part->stream = !is_packed(&part->job);
	set_class(part, CLASS_MAIN);
	return form_of_job(&part->form, &part->job, err);
}

/* Those of an earlier call, by whatever protocol, come when tried ones may: nothing is in a
 * hurry here, and it is seldom that there is any. */
static int
ready_job(struct m_out *out, struct err *err)
{
	while (out->job == NULL && !out->jobs_over && out->tried) {
		struct m_out_part *part = mem_get(sizeof *part);
		part->out = out;
		part->form.scratch = part->form.fd = -1;
		int got = outgoing_next(&out->jobs, true, &part->job, err);
		if (got <= 0) {
			out->jobs_over = got == 0;
			job_free(&part->job);
			free(part);
			if (got < 0)
				return -1;
			continue;
		}
		if (make_job(part, err) == 0) {
			out->job = part;
			break;
		}
		skip_job(part, err);
		part_free(part);
	}
	return out->job != NULL && form_whole(&out->job->form);
}

/* --- what is in the making --- */

static struct m_out_part *
unfinished(const struct m_out *out)
{
	struct m_out_part *parts[] = { out->large_mail, out->job };

	for (size_t i = 0; i < 2; i++)
		if (parts[i] != NULL && !form_whole(&parts[i]->form))
			return parts[i];
	return NULL;
}

static int
give_up(struct m_out_part *part, const struct err *why)
{
	struct m_out *out = part->out;

	*(part->is_job ? &out->job : &out->large_mail) = NULL;
	out->more = out->more || out->passed;
	int result = part->is_job ? skip_job(part, why) : skip_or_stop(part, why);
	part_free(part);
	return result;
}

int
m_out_work(struct m_out *out, struct err *err)
{
	struct m_out_part *part = unfinished(out);

	if (part == NULL)
		return 0;
	errno = 0;
	if (form_step(&part->form, err) < 0)
		return give_up(part, err) < 0 ? -1 : 2;
	if (!form_whole(&part->form))
		return 1;
	part->stream = part->stream && !form_dense(&part->form);
	return 2;
}

/* --- next --- */

static int
walk_again(struct m_out *out, struct err *err)
{
	out->more = out->passed = out->walked = false;
	return queue_again(&out->queue, err);
}

static void
fill_object(struct m_out_part *part, struct m_object *object)
{
	const struct form *form = &part->form;

	*object = (struct m_object){ .kind = part->kind, .grade = part->grade,
		.asked = !part->is_job && part->m.entry.asked, .packed = form->packed, .stream = part->stream,
		.length = form->length, .behind = queue_left(&part->out->queue), .mine = part };
	memcpy(object->name, form->name, M_NAME);
	memcpy(object->class, part->class, sizeof object->class);
	object->tried = offered_before(&part->out->offered, form->name) ||
	    (part->is_job && part->job.tried);
}

static void
give(struct m_out_part **ready, struct m_object *object)
{
	struct m_out_part *part = *ready;
	struct m_out *out = part->out;

	*ready = NULL;
	part->given = true;
	part->next = out->under_way;
	out->under_way = part;
	fill_object(part, object);
	offered_add(&out->offered, object->name, str_c(&part->where));
	log_debug("%s: event=offered peer=%s bytes=%llu packed=%d", id_of(part), out->site->name,
	    (unsigned long long)object->length, (int)object->packed);
}

static int
find_next(struct m_out *out, struct m_object *object, struct err *err)
{
	int mail = ready_mail(out, err);
	int job = mail < 0 ? -1 : ready_job(out, err);
	struct m_out_part **ready[] = { &out->large_mail, &out->mail, &out->job }, **best = NULL;

	if (mail < 0 || job < 0)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		const struct m_out_part *part = *ready[i];
		if (part != NULL && form_whole(&part->form) && (best == NULL || part->grade < (*best)->grade))
			best = ready[i];
	}
	if (best == NULL)
		return 0;
	/* Another large one may be begun. */
	out->more = out->more || (best == &out->large_mail && out->passed);
	give(best, object);
	return 1;
}

int
m_out_next(struct m_out *out, bool tried, struct m_object *object, struct err *err)
{
	int got = out->stopped ? 0 : open_queue(out, err);

	if (got != 1)
		return got;
	if (tried && !out->tried) {
		out->tried = true;
		out->more = out->more || out->passed;
	}
	got = find_next(out, object, err);
	if (got == 0 && out->more)
		got = walk_again(out, err) < 0 ? -1 : find_next(out, object, err);
	return got == 0 && unfinished(out) != NULL ? 2 : got;
}

int
m_out_read(struct m_out *out, struct m_object *object, void *to, size_t len, struct err *err)
{
	struct m_out_part *part = object->mine;

	str_set(&out->showing, id_of(part));
	out->shown_at = object->at + len;
	out->shown_length = object->length;
	return form_read(&part->form, object->at, to, len, err);
}

/* --- fate --- */

static void
done_all(struct m_out_part *part)
{
	const struct entry *entry = &part->m.entry;
	struct str reply = {0};

	str_printf(&reply, "250 2.0.0 %s has it", part->out->site->name);
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state < RCPT_DONE)
			message_rcpt(&part->m, i, RCPT_DONE, str_c(&reply));
	str_free(&reply);
}

/* They have it: durable with settled(). */
static void
note_stored(struct m_out_part *part, struct m_object *object, bool counted)
{
	struct m_out *out = part->out;
	struct str bytes = {0};
	struct err ignored;

	if (counted && m_ring_keeps(out->site, object)) {
		if (form_read(&part->form, 0, str_room(&bytes, (size_t)object->length), (size_t)object->length,
		    &ignored) == 0)
			bytes.len = (size_t)object->length;
	}
	if (counted)
		m_commits_add(&out->commits, object, str_span(&bytes));
	str_free(&bytes);
	part->stored = true;
	out->sent++;
	if (!part->is_job)
		spool_event(out->spool, id_of(part), "event=sent site=%s by=m bytes=%llu%s", out->site->name,
		    (unsigned long long)object->length, counted ? "" : " had=yes");
}

/* The peer's words as a reply: they become a report to the sender. */
static void
as_reply(const char *text, struct str *reply)
{
	bool code = strspn(text, "0123456789") == 3 && text[0] == '5' && text[3] == ' ';

	str_printf(reply, "%s%s", code ? "" : "554 5.0.0 ", text[0] != '\0' ? text : "refused");
}

static int
refused(struct m_out_part *part, const char *text, struct err *err)
{
	struct m_out *out = part->out;
	struct str reply = {0};

	out->refused++;
	as_reply(text, &reply);
	if (part->is_job) {
		int result = outgoing_sent(&out->jobs, &part->job, UUCP_REFUSED, str_c(&reply), err);
		str_free(&reply);
		return result;
	}
	refuse_all(part, str_c(&reply));
	spool_event(out->spool, id_of(part), "event=refused site=%s reply=\"%s\"", out->site->name, str_c(&reply));
	str_free(&reply);
	return message_settle(&part->m, err);
}

static int
kept(struct m_out_part *part, const char *text)
{
	struct m_out *out = part->out;

	if (part->is_job)
		give_job_back(part, text[0] != '\0' ? text : "the call ended");
	if (text[0] == '\0')	/* the call ended: it goes on in the next */
		return 0;
	out->later++;
	if (!part->is_job) {
		log_warn("%s: event=kept peer=%s why=\"%s\"", id_of(part), out->site->name, text);
		put_off(out, id_of(part));
	}
	return 0;
}

static int
held(struct m_out_part *part, const char *why, struct err *err)
{
	struct str reason = {0};

	if (part->is_job)
		return refused(part, why, err);
	str_printf(&reason, "%s: %s", part->out->site->name, why);
	int result = message_hold(&part->m, str_c(&reason), err);
	if (result == 0)
		spool_event(part->out->spool, id_of(part), "event=held reason=\"%s\"", str_c(&reason));
	str_free(&reason);
	return result;
}

/* They want to be asked: a summary tells them of it, in this call. */
static int
hold(struct m_out_part *part, const struct m_object *object, const char *text, struct err *err)
{
	if (part->kind != M_MAIL)
		return refused(part, text, err);
	part->out->more = true;
	part->out->held++;
	return hold_back(&part->m, part->out->site, object->name, object->length,
	    text[0] != '\0' ? text : "it does not come unasked", err);
}

static int
take_fate(struct m_out_part *part, struct m_object *object, enum m_status status, const char *text,
    struct err *err)
{
	switch (status) {
	case M_STORED:
	case M_HAD:
		note_stored(part, object, status == M_STORED);
		return 0;
	case M_NEVER:
		return refused(part, text, err);
	case M_HOLD:
		return hold(part, object, text, err);
	case M_WRONG:	/* the engine has tried it once more from its beginning */
		return held(part, "it arrived twice as something else than what was sent", err);
	case M_LATER:
	case M_TAKE:
		break;
	}
	return kept(part, text);
}

int
m_out_fate(struct m_out *out, struct m_object *object, enum m_status status, const char *text,
    struct err *err)
{
	struct m_out_part *part = object->mine;
	bool open = status == M_LATER && text[0] == '\0';

	object->mine = NULL;
	if (part == NULL)
		return 0;
	int result = take_fate(part, object, status, text, err);
	if (part->stored)
		return result;
	if (!open)
		offered_over(&out->offered, object->name);
	out->more = out->more || (part->large && out->passed);
	take_out(part);
	part_free(part);
	return result;
}

/* --- settled --- */

/* First the ring: who is killed behind it offers again what the peer then says that it had. */
static int
settle_part(struct m_out_part *part, struct err *err)
{
	if (part->is_job)	/* once: what went wrong behind it is tried again */
		return part->job.mine == NULL ? 0 :
		    outgoing_sent(&part->out->jobs, &part->job, UUCP_DELIVERED, "", err);
	done_all(part);
	return message_settle(&part->m, err);
}

static bool
synced_before(const struct m_out_part *part)
{
	for (const struct m_out_part *before = part->out->under_way; before != part; before = before->next)
		if (before->stored && !before->is_job &&
		    span_same(str_span(&before->m.bucket), str_span(&part->m.bucket)))
			return true;
	return false;
}

/* One sync for each bucket. */
static int
sync_parts(struct m_out *out, struct err *err)
{
	for (struct m_out_part *part = out->under_way; part != NULL; part = part->next)
		if (part->stored && !part->is_job && !synced_before(part) && message_sync(&part->m, err) < 0)
			return -1;
	return 0;
}

static void
drop_settled(struct m_out *out)
{
	struct m_out_part **at = &out->under_way;

	while (*at != NULL) {
		struct m_out_part *part = *at;
		if (!part->stored) {
			at = &part->next;
			continue;
		}
		*at = part->next;
		offered_over(&out->offered, part->form.name);
		out->more = out->more || (part->large && out->passed);
		part_free(part);
	}
}

int
m_out_settled(struct m_out *out, struct err *err)
{
	int result = 0;

	m_commits_write(&out->commits, out->spool, out->site, RING_TO);
	for (struct m_out_part *part = out->under_way; part != NULL && result == 0; part = part->next)
		if (part->stored)
			result = settle_part(part, err);
	if (result == 0)
		result = sync_parts(out, err);
	if (result == 0)
		drop_settled(out);
	return result;
}

/* --- acknowledgements that were lost --- */

/* What may be history waits under its name, so that the ring can follow. */
static void
wait_in_ring(struct m_out *out, const char *class, uint64_t key, struct span bytes)
{
	struct ring ring;
	struct err why = {0};

	if (!m_ring_open(&ring, out->spool, out->site, RING_TO, class))
		return;
	m_ring_trouble(ring_wait(&ring, key, bytes, &why), &why);
	ring_close(&ring);
}

/* 1: it is left to be offered once more. */
static int
did_mail(struct m_out *out, const char *class, struct offered_item *item, struct err *err)
{
	struct m_out_part *part = mem_get(sizeof *part);
	const char *slash = strchr(item->where, '/');
	char *bucket = mem_text_n(item->where, slash != NULL ? (size_t)(slash - item->where) : 0);

	part->out = out;
	part->form.scratch = part->form.fd = -1;
	part->m.fd = -1;
	int got = slash == NULL ? 0 : queue_take(&out->queue, bucket, slash + 1, &part->m, err);
	free(bucket);
	if (got <= 0) {
		free(part);
		return got;
	}
	/* To name it takes long, and no history is made of it: they say that they had it when it is offered. */
	if (part->m.entry.body_len > LARGE_PACKED * SMALL) {
		wait_in_ring(out, class, m_ring_key(item->name), (struct span){ "", 0 });
		part_free(part);
		return 1;
	}
	struct m_object object = { .kind = M_MAIL, .stream = true };
	part->kind = !hold_is_note(&part->m.entry) ? M_MAIL :
	    hold_is_request(&part->m.entry, out->site->name) ? M_REQUEST : M_SUMMARY;
	got = form_of(part, err);
	while (got == 0 && !form_whole(&part->form))
		got = form_step(&part->form, err);
	/* Of other recipients, or changed by hand: then it is not what they have. */
	if (got == 0 && memcmp(part->form.name, item->name, M_NAME) == 0) {
		object.length = part->form.length;
		memcpy(object.name, part->form.name, M_NAME);
		snprintf(object.class, sizeof object.class, "%s", class);
		part->next = out->under_way;
		out->under_way = part;
		note_stored(part, &object, true);
		struct m_commit *commit = &out->commits.commit[--out->commits.count];
		wait_in_ring(out, class, commit->name, str_span(&commit->bytes));
		str_free(&commit->bytes);
		return 0;
	}
	part_free(part);
	return got;
}

static int
did_one(struct m_out *out, const char *class, const unsigned char name[M_NAME], struct err *err)
{
	struct offered_item *item = offered_find(&out->offered, name);
	struct str ring = {0};
	int result;

	if (item != NULL && item->where[0] != '=') {
		result = did_mail(out, class, item, err);
	} else if (item != NULL) {
		wait_in_ring(out, class, m_ring_key(name), (struct span){ "", 0 });
		result = outgoing_over(&out->jobs, item->where + 1, err);
	} else {	/* a batch, perhaps, that waits for just this word */
		str_printf(&ring, "to-%s", class);
		result = batch_known(out->spool, out->site->name, str_c(&ring), m_ring_key(name), err);
		str_free(&ring);
	}
	if (item != NULL && result == 0)
		item->over = true;
	return result < 0 ? -1 : 0;
}

static void
follow(struct m_out *out, const char *class, const unsigned char (*names)[M_NAME], size_t count,
    struct m_mark last)
{
	struct ring_word word = { .last = { last.k, last.link } };
	size_t first = count > RING_NAMES_MAX ? count - RING_NAMES_MAX : 0;
	struct ring ring;
	struct err why = {0};

	if (!m_ring_open(&ring, out->spool, out->site, RING_TO, class))
		return;
	word.size = ring.head.peer;
	for (size_t i = first; i < count; i++)
		word.name[word.names++] = m_ring_key(names[i]);
	m_ring_trouble(ring_learn(&ring, &word, false, &why), &why);
	ring_close(&ring);
}

int
m_out_did(struct m_out *out, const char *class, const unsigned char (*names)[M_NAME], size_t count,
    struct m_mark last, struct err *err)
{
	int got = open_queue(out, err);

	if (got != 1)	/* later: then they say that they had it */
		return got < 0 ? -1 : 0;
	for (size_t i = 0; i < count && got >= 0; i++)
		got = did_one(out, class, names[i], err);
	if (got < 0 || m_out_settled(out, err) < 0)
		return -1;
	follow(out, class, names, count, last);
	log_info("peer=%s event=acknowledged count=%zu by=earlier-call", out->site->name, count);
	return 0;
}

/* --- history --- */

/* Where we stood when the call began: what was acknowledged since they did not know at their
 * HELLO. */
static const struct m_class *
at_start(const struct m_out *out, const char *class)
{
	for (size_t i = 0; i < out->class_count; i++)
		if (strcmp(out->classes[i].name, class) == 0)
			return &out->classes[i];
	return NULL;
}

/* They have gone back to what they had before: we follow, once. */
static void
reconcile(struct m_out *out, struct ring *ring, const char *class, struct m_mark theirs)
{
	const struct m_class *start = at_start(out, class);
	struct ring_mark mark = { theirs.k, theirs.link };
	struct err why = {0};

	if (start == NULL || theirs.k == 0 || theirs.k > start->to.k ||
	    (theirs.k == start->to.k && theirs.link == start->to.link) ||
	    is_among(out->restored, out->restoreds, class))
		return;
	add_id(&out->restored, &out->restoreds, class);
	log_warn("peer=%s event=restored class=%s commit=%llu ours=%llu: it has gone back to what it had before",
	    out->site->name, class, (unsigned long long)theirs.k, (unsigned long long)start->to.k);
	m_ring_trouble(ring_knows(ring, mark) ? ring_cut(ring, mark, &why) : ring_adopt(ring, mark, &why), &why);
}

static void
copy_history(struct m_out *out, struct ring *ring, size_t most, struct m_prefix *prefix)
{
	struct ring_mark last = ring_last(ring);
	size_t kept = most < out->site->history ? most : (size_t)out->site->history;
	struct span history;
	struct err why = {0};

	if (last.k == 0 || kept == 0)
		return;
	int got = ring_at(ring, last, kept, &history, &why);
	m_ring_trouble(got, &why);
	if (got <= 0 || history.len == 0)
		return;
	if (history.len + DICTIONARY_MAX <= most && m_ring_dictionary(DICTIONARY_VERSION, true, &out->history))
		prefix->dictionary = DICTIONARY_VERSION;
	str_add_span(&out->history, history);
	prefix->mark = (struct m_mark){ last.k, last.link };
	prefix->length = history.len;
}

int
m_out_refer(struct m_out *out, const char *class, struct m_mark theirs, size_t most,
    struct m_prefix *prefix, struct span *bytes, struct err *err)
{
	bool kept = prefix->kept;
	struct span early = {0};
	struct ring ring;

	(void)err;
	*prefix = (struct m_prefix){0};
	str_clear(&out->history);
	m_commits_write(&out->commits, out->spool, out->site, RING_TO);
	if (strcmp(class, CLASS_NONE) != 0 && m_ring_open(&ring, out->spool, out->site, RING_TO, class)) {
		reconcile(out, &ring, class, theirs);
		if (kept)
			early = m_early_refer(out->early, class, &ring, prefix);
		if (early.len == 0 && (!kept || !m_taught_refer(&out->taught, &ring, prefix, &out->history)))
			copy_history(out, &ring, most, prefix);
		ring_close(&ring);
	}
	*bytes = early;
	if (early.len > 0)
		return 0;
	if (out->history.len == 0 && m_ring_dictionary(DICTIONARY_VERSION, false, &out->history))
		prefix->dictionary = DICTIONARY_VERSION;
	*bytes = str_span(&out->history);
	return 0;
}
