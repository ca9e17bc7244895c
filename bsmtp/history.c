#include "bsmtp/history.h"

#include <string.h>

#include "lib/base/log.h"
#include "spool/class.h"

/* classes: "main" is not said on a label */

static const char *
class_on(const struct label *label)
{
	return label->class[0] != '\0' ? label->class : CLASS_MAIN;
}

static void
put_class(const char *class, struct label *label)
{
	bool main = strcmp(class, CLASS_MAIN) == 0;

	label->class[0] = '\0';
	if (!main)
		memcpy(label->class, class, strlen(class) + 1);
}

static bool
keeps(const struct site_settings *site, const char *class)
{
	return site != NULL && site->history >= LABEL_UNIT && strcmp(class, CLASS_NONE) != 0;
}

/* What cannot be had is done without: a ring is a cache. */
static bool
open_ring(struct ring *ring, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class)
{
	struct err why = {0};

	if (ring_open(ring, spool, site->name, way, class, site->history, &why) == 0)
		return true;
	log_warn("event=no-history why=\"%s\"", why.text);
	return false;
}

static void
ring_trouble(int result, const struct err *why)
{
	if (result < 0)
		log_warn("event=no-history why=\"%s\"", why->text);
}

/* what we have of theirs, to be told */

/* all: also what it is known to know */
static void
say(const struct spool *spool, const struct site_settings *site, const char *class, bool all,
    struct label *label)
{
	struct ring ring;

	if (!open_ring(&ring, spool, site, RING_FROM, class))
		return;
	label->has_have = ring_say(&ring, &label->have) || (all && label->have.last.k > 0);
	ring_close(&ring);
}

static void
was_said(const struct spool *spool, const struct site_settings *site, const char *class)
{
	struct ring ring;
	struct err why = {0};

	if (!open_ring(&ring, spool, site, RING_FROM, class))
		return;
	ring_trouble(ring_said(&ring, &why), &why);
	ring_close(&ring);
}

/* packing */

static int
on_travels(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct history *h = ctx;

	(void)err;
	h->too_large |= h->travels.len + len > h->most;
	if (h->too_large)
		str_free(&h->travels);
	else
		str_add(&h->travels, bytes, len);
	return 0;
}

/* As much as both ends keep, and are sure to have. */
static void
refer(struct history *h, struct writer_setup *setup)
{
	uint64_t window = h->ring.head.peer < h->ring.window ? h->ring.head.peer : h->ring.window;
	struct label *label = &setup->label;
	struct span all;
	struct err why = {0};

	label->mark = ring_last(&h->ring);
	if (label->mark.k == 0)
		return;
	if (ring_at(&h->ring, label->mark, window, &all, &why) < 0)
		ring_trouble(-1, &why);
	label->units = label_units(all.len);
	label->has_ref = label->units > 0;
	label->has_at = !label->has_ref;
	setup->pack.prefix = span_from(all, all.len - (size_t)label->units * LABEL_UNIT);
	if (!label->has_ref)
		setup->pack.prefix = (struct span){0};
}

void
history_begin(struct history *h, const struct spool *spool, const struct site_settings *site,
    const char *class, struct writer_setup *setup)
{
	*h = (struct history){ .spool = spool, .site = site, .class = class };
	if (!keeps(site, class)) {
		put_class(CLASS_NONE, &setup->label);
		return;
	}
	put_class(class, &setup->label);
	say(spool, site, class, false, &setup->label);
	h->said = setup->label.has_have;
	h->open = open_ring(&h->ring, spool, site, RING_TO, class);
	if (!h->open)
		return;
	refer(h, setup);
	/* Half of what both keep: one batch shall not drive out all the others. */
	h->most = h->ring.window / 2;
	if (h->ring.head.peer > 0 && h->ring.head.peer / 2 < h->most)
		h->most = h->ring.head.peer / 2;
	setup->travels = on_travels;
	setup->ctx = h;
}

void
history_label(const struct history *h, struct label *label)
{
	label->not_kept = h->open && h->too_large;
}

int
history_offer(struct history *h, struct batch *batch, const struct label *label, struct err *err)
{
	struct err why = {0};

	if (h->said)
		was_said(h->spool, h->site, h->class);
	if (!h->open)
		return 0;
	ring_trouble(ring_wait(&h->ring, label_name(label), str_span(&h->travels), &why), &why);
	return label->has_ref ? batch_needs(batch, str_c(&h->ring.name), label_name(label), err) : 0;
}

void
history_end(struct history *h)
{
	if (h->open)
		ring_close(&h->ring);
	h->open = false;
	str_free(&h->travels);
}

/* batches of no messages */

static int
write_words(const struct spool *spool, const struct label *label, struct batch *batch, struct err *err)
{
	const struct codec *codec = codec_named("zstd-plain", err);
	struct writer_setup setup = { .label = *label, .scratch = spool->tmp };
	struct writer w = { .scratch = -1 };
	int result = codec == NULL || writer_start(&w, codec, &setup, batch->fd, err) < 0 ||
	    writer_end(&w, err) < 0 ? -1 : batch_offer(batch, err);

	writer_free(&w);
	if (result < 0)
		batch_undo(batch, &(struct err){0});
	return result;
}

/* With the site's lock held. */
static int
tell_locked(const struct spool *spool, const struct site_settings *site, const char *class,
    struct label *label, struct err *err)
{
	struct batch batch;

	put_class(class, label);
	if (keeps(site, class))
		say(spool, site, class, true, label);
	if (batch_new(&batch, spool, site->name, err) < 0)
		return -1;
	int result = write_words(spool, label, &batch, err);
	if (result == 0)
		log_info("event=batch site=%s batch=%s messages=0 lost=%zu", site->name, str_c(&batch.name),
		    label->losts);
	if (result == 0 && keeps(site, class))
		was_said(spool, site, class);
	batch_close(&batch);
	return result;
}

static int
tell(const struct spool *spool, const struct site_settings *site, const char *class,
    struct label *label, struct err *err)
{
	struct queue q;

	if (queue_open(&q, spool, site->name, true, err) < 0)
		return -1;
	int result = tell_locked(spool, site, class, label, err);
	queue_close(&q);
	return result;
}

static bool
is_untold(const struct spool *spool, const struct site_settings *site, const char *class)
{
	struct ring ring;
	struct ring_word word;

	if (!open_ring(&ring, spool, site, RING_FROM, class))
		return false;
	bool untold = ring_say(&ring, &word) && ring.head.told < word.last.k;
	ring_close(&ring);
	return untold;
}

int
history_tell_all(const struct spool *spool, const struct site_settings *site, struct err *err)
{
	static const char from[] = "from-";
	struct ring_files files;
	int result = ring_list(spool, &files, err);

	for (size_t i = 0; i < files.count && result == 0; i++) {
		const char *class = files.file[i].name + strlen(from);
		struct label label = {0};
		if (strcmp(files.file[i].site, site->name) == 0 && keeps(site, class) &&
		    span_begins(span_of(files.file[i].name), from) && is_untold(spool, site, class))
			result = tell_locked(spool, site, class, &label, err);
	}
	ring_files_free(&files);
	return result;
}

/* unpacking */

void
past_open(struct past *p, const struct spool *spool, const struct site_settings *site)
{
	*p = (struct past){ .spool = spool, .site = site };
}

static struct ring_mark
mark_of(const struct ring *ring, const struct label *label)
{
	struct ring_mark mark = label->mark;

	if (label->part)
		ring_fill_in(ring, LABEL_CHAIN, &mark);
	return mark;
}

int
history_of(struct ring *ring, const struct spool *spool, const char *site, enum ring_way way,
    const struct label *label, struct span *history, struct err *err)
{
	uint64_t len = label->units * LABEL_UNIT;

	if (ring_open(ring, spool, site, way, class_on(label), RING_WINDOW_MAX, err) < 0)
		return -1;
	struct ring_mark mark = mark_of(ring, label);
	if (ring_at(ring, mark, len, history, err) > 0 && history->len == len)
		return 0;
	ring_close(ring);
	return label_without(label, " that is not here: its sender must pack it again", err);
}

int
past_find(struct past *p, const struct label *label, struct codec_setup *setup, struct err *err)
{
	const char *class = class_on(label);

	if (p->site == NULL)
		return label_without(label, ": whose? say --peer", err);
	p->open = keeps(p->site, class) && history_of(&p->ring, p->spool, p->site->name, RING_FROM, label,
	    &setup->prefix, err) == 0;
	p->lost = !p->open;
	return p->open ? 0 : label_without(label, " that is not here", err);
}

void
past_travelled(struct past *p, const void *bytes, size_t len)
{
	p->too_large |= p->site == NULL || p->travelled.len + len > p->site->history;
	if (p->too_large)
		str_free(&p->travelled);
	else
		str_add(&p->travelled, bytes, len);
}

void
past_read(struct past *p)
{
	if (p->open)
		ring_close(&p->ring);
	p->open = false;
}

/* What refers to history waits at the sender until it has heard of it. */
static void
tell_again(const struct past *p, const struct label *label)
{
	struct label words = {0};
	struct err why = {0};

	if (tell(p->spool, p->site, class_on(label), &words, &why) == 0)
		spool_ring(p->spool);
	else
		log_warn("event=untold why=\"%s\"", why.text);
}

/* true: the sender is to be told at once */
static bool
commit(struct past *p, const struct label *label)
{
	struct ring_item item = { label_name(label), str_span(&p->travelled) };
	struct err why = {0};
	struct ring ring;

	if (!open_ring(&ring, p->spool, p->site, RING_FROM, class_on(label)))
		return false;
	if (label->has_ref || label->has_at)
		ring_trouble(ring_heard(&ring, mark_of(&ring, label), &why), &why);
	if (label->not_kept)
		item.bytes = (struct span){0};
	/* What is larger than the ring is not known as such below: it has been dropped already. */
	if (p->too_large && !label->not_kept)
		ring_trouble(ring_anew(&ring, &why), &why);
	bool again = label->has_ref && ring_again(&ring, item.name, &why);
	if (label->count > 0)
		ring_trouble(ring_commit(&ring, &item, 1, &why), &why);
	ring_close(&ring);
	ring_trouble(ring_budget(p->spool, &why), &why);
	return again;
}

void
past_committed(struct past *p, const struct label *label)
{
	if (keeps(p->site, class_on(label)) && commit(p, label))
		tell_again(p, label);
}

/* It refers to bytes that are not those it was packed against: one of the two is damaged. */
static void
forget(struct past *p, const struct label *label)
{
	struct ring ring;
	struct err why = {0};

	if (!open_ring(&ring, p->spool, p->site, RING_FROM, class_on(label)))
		return;
	ring_trouble(ring_anew(&ring, &why), &why);
	ring_close(&ring);
}

int
past_refused(struct past *p, const struct label *label, struct err *err)
{
	struct label words = { .lost = { label_name(label) }, .losts = 1 };
	struct err trouble = {0};

	if (p->site == NULL || !label->has_ref || (!p->lost && err->kind != ERR_PERM))
		return 0;
	if (!p->lost)
		forget(p, label);
	if (tell(p->spool, p->site, class_on(label), &words, &trouble) < 0) {
		*err = trouble;		/* it comes again, and is told then */
		err->kind = ERR_TEMP;
		return -1;
	}
	log_warn("event=no-reference peer=%s commit=%llu; asked for again", p->site->name,
	    (unsigned long long)label->mark.k);
	spool_ring(p->spool);
	return p->lost;
}

/* words of the other direction */

/* true: it has lost its ring */
static bool
learn(struct past *p, const struct label *label, bool lost)
{
	struct ring ring;
	struct err why = {0};

	if (!keeps(p->site, class_on(label)) || !open_ring(&ring, p->spool, p->site, RING_TO, class_on(label)))
		return false;
	int result = ring_learn(&ring, &label->have, lost, &why);
	ring_trouble(result, &why);
	ring_close(&ring);
	return result > 0;
}

static int
hear(struct past *p, const struct queue *q, const struct label *label, struct err *err)
{
	struct str ring = {0};
	int result = 0, lost = 0;

	str_printf(&ring, "to-%s", class_on(label));
	for (size_t i = 0; i < label->have.names && result == 0; i++)
		result = batch_known(p->spool, p->site->name, str_c(&ring), label->have.name[i], err);
	for (size_t i = 0; i < label->losts && result == 0; i++) {
		int found = batch_lost(q, str_c(&ring), label->lost[i], err);
		lost += found > 0;
		result = found < 0 ? -1 : 0;
	}
	/* The word of others may have been lost with the ring: what arrived is known by its ids. */
	if (result == 0 && learn(p, label, lost > 0))
		result = batch_untold(q, str_c(&ring), err);
	str_free(&ring);
	return result;
}

int
past_heard(struct past *p, const struct label *label, struct err *err)
{
	struct queue q;

	if (p->site == NULL || (!label->has_have && label->losts == 0))
		return 0;
	if (queue_open(&q, p->spool, p->site->name, true, err) < 0)
		return -1;
	int result = hear(p, &q, label, err);
	queue_close(&q);
	if (result == 0 && label->losts > 0)
		spool_ring(p->spool);
	return result;
}

void
past_close(struct past *p)
{
	past_read(p);
	str_free(&p->travelled);
}
