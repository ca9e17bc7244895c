#include "tests/unit/m-ends.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/mail/mix-keep.h"
#include "spool/taught.h"

enum { PIPE = 65536, PIECE = 1460, TURNS_MAX = 2000000 };

/* --- rings --- */

static struct m_mark
ring_end(const struct ring_of *r)
{
	return r->count > 0 ? r->commit[r->count - 1].mark : r->base;
}

static bool
same_mark(struct m_mark a, struct m_mark b)
{
	return a.k == b.k && a.link == b.link;
}

static struct ring_of *
ring_of(struct ring_of *rings, const char *class)
{
	for (size_t i = 0; i < CLASSES; i++) {
		if (rings[i].class[0] == '\0')
			strcpy(rings[i].class, class);
		if (strcmp(rings[i].class, class) == 0)
			return &rings[i];
	}
	abort();
}

static void
cut_ring(struct ring_of *r, size_t count)
{
	while (r->count > count)
		str_free(&r->commit[--r->count].bytes);
	if (r->synced > r->count)
		r->synced = r->count;
}

static void
ring_add(struct ring_of *r, const unsigned char name[M_NAME], struct span bytes)
{
	struct m_mark last = ring_end(r);
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, &last.link, sizeof last.link);
	digest_add(&digest, name, 8);
	digest_end(&digest, sum);
	if (r->count == COMMITS)
		abort();
	struct commit *c = &r->commit[r->count++];
	*c = (struct commit){ .mark = { last.k + 1, bytes_number(sum, 8) } };
	memcpy(c->name, name, M_NAME);
	str_add_span(&c->bytes, bytes);
}

static bool
ring_find(const struct ring_of *r, struct m_mark mark, size_t *count)
{
	for (*count = 0; *count <= r->count; ++*count)
		if (same_mark(*count > 0 ? r->commit[*count - 1].mark : r->base, mark))
			return true;
	return false;
}

static void
ring_bytes(const struct ring_of *r, size_t count, struct str *to)
{
	str_clear(to);
	for (size_t i = 0; i < count; i++)
		str_add_span(to, str_span(&r->commit[i].bytes));
}

/* --- ours --- */

static int
hook_next(void *arg, bool tried, struct m_object *object, struct err *err)
{
	struct end *end = arg;
	struct thing *best = NULL;
	bool wait = end->wait;

	(void)err;
	for (size_t i = 0; i < end->things; i++) {
		struct thing *t = &end->thing[i];
		wait = wait || t->steps > 0;
		if (t->steps == 0 && !t->given && !t->done && (tried || !t->tried) && (best == NULL || t->object.grade < best->object.grade))
			best = t;
	}
	if (best == NULL)
		return wait ? 2 : 0;
	best->given = true;
	*object = best->object;
	object->behind = end->behind;
	object->tried = best->tried;
	object->mine = best;
	best->tried = true;
	return 1;
}

static int
hook_work(void *arg, struct err *err)
{
	struct end *end = arg;

	(void)err;
	for (size_t i = 0; i < end->things; i++) {
		if (end->thing[i].steps == 0)
			continue;
		end->worked = true;
		if (--end->thing[i].steps == 0)
			m_more(&end->m);
		return 1;
	}
	return 0;
}

static int
hook_read(void *arg, struct m_object *object, void *to, size_t len, struct err *err)
{
	struct thing *t = object->mine;
	struct end *end = arg;

	(void)err;
	end->read += len;
	if (object->at + len > t->bytes.len)
		abort();
	memcpy(to, t->bytes.p + object->at, len);
	return 0;
}

static int
hook_fate(void *arg, struct m_object *object, enum m_status status, const char *text, struct err *err)
{
	struct end *end = arg;
	struct thing *t = object->mine;

	(void)err;
	if (!t->given || t->fates++ > 0)
		abort();
	t->fate = status;
	t->at = end->m.own != NULL ? clock_now() : 0;
	strncpy(t->text, text, sizeof t->text - 1);
	t->done = t->done || status != M_LATER;
	if (status == M_STORED)
		ring_add(ring_of(end->to, t->object.class), t->object.name, str_span(&t->bytes));
	return 0;
}

static int
hook_settled(void *arg, struct err *err)
{
	struct end *end = arg;

	(void)err;
	end->settles++;
	for (size_t i = 0; i < end->things; i++)
		end->thing[i].done_synced = end->thing[i].done;
	for (size_t i = 0; i < CLASSES; i++)
		end->to[i].synced = end->to[i].count;
	return 0;
}

static int
hook_did(void *arg, const char *class, const unsigned char (*names)[M_NAME], size_t count, struct m_mark last, struct err *err)
{
	struct end *end = arg;
	struct ring_of *r = ring_of(end->to, class);

	(void)err;
	end->dids++;
	for (size_t i = 0; i < count; i++) {
		for (size_t n = 0; n < end->things; n++) {
			struct thing *t = &end->thing[n];
			if (memcmp(t->object.name, names[i], 8) != 0)
				continue;
			if (!t->done)
				t->fate = M_STORED;
			t->done = true;
			ring_add(r, t->object.name, str_span(&t->bytes));
		}
	}
	if (same_mark(ring_end(r), last))
		return 0;
	size_t known;
	cut_ring(r, ring_find(r, last, &known) ? known : 0);
	if (!same_mark(ring_end(r), last)) {
		cut_ring(r, 0);
		r->base = last;
	}
	return 0;
}

static struct span
joined(struct str *to, const struct end *end, bool dictionary, struct span history)
{
	str_clear(to);
	if (dictionary)
		str_add_span(to, str_span(&end->dictionary));
	str_add_span(to, history);
	return str_span(to);
}

static int
hook_refer(void *arg, const char *class, struct m_mark theirs, size_t most, struct m_prefix *prefix, struct span *bytes,
    struct err *err)
{
	struct end *end = arg;
	struct ring_of *r = ring_of(end->to, class);
	size_t count;

	bool kept = prefix->kept;

	(void)err;
	end->refers++;
	*prefix = (struct m_prefix){ .dictionary = end->dictionary.len > 0 ? 1 : 0 };
	*bytes = str_span(&end->dictionary);
	if (theirs.k == 0 || !ring_find(r, theirs, &count) || ring_end(r).k == 0)
		return 0;
	ring_bytes(r, r->count, &end->history_out);
	if (end->history_out.len == 0)
		return 0;
	struct span history = str_span(&end->history_out);
	if (kept) {	/* which was made from all that there was */
		*prefix = (struct m_prefix){ .mark = ring_end(r), .length = history.len, .kept = true };
		*bytes = history;
		return 0;
	}
	if (history.len > most)
		history = span_from(history, history.len - most);
	*prefix = (struct m_prefix){ ring_end(r), history.len,
		history.len + end->dictionary.len <= most ? prefix->dictionary : 0, false };
	*bytes = joined(&end->joined_out, end, prefix->dictionary > 0, history);
	return 0;
}

/* --- theirs --- */

static struct part *
part_of(struct end *end, const unsigned char name[M_NAME], bool make)
{
	struct part *unused = NULL;

	for (size_t i = 0; i < PARTS; i++) {
		if (end->part[i].used && memcmp(end->part[i].name, name, M_NAME) == 0)
			return &end->part[i];
		if (!end->part[i].used && unused == NULL)
			unused = &end->part[i];
	}
	if (!make || unused == NULL)
		return NULL;
	*unused = (struct part){ .used = true };
	memcpy(unused->name, name, M_NAME);
	return unused;
}

static void
part_free(struct part *part)
{
	str_free(&part->bytes);
	*part = (struct part){0};
}

static bool
has(const struct end *end, const unsigned char name[M_NAME])
{
	for (size_t i = 0; i < end->gots; i++)
		if (memcmp(end->got[i].name, name, M_NAME) == 0)
			return true;
	return false;
}

static enum m_status
hook_offered(void *arg, struct m_object *object, struct str *text)
{
	struct end *end = arg;

	if (has(end, object->name))
		return M_HAD;
	if (end->offer != M_TAKE) {
		str_set(text, "as the test wants it");
		return end->offer;
	}
	struct part *part = part_of(end, object->name, true);
	if (part == NULL || part->open || part->bytes.len < object->at)
		return M_LATER;
	end->written_again += part->bytes.len - (size_t)object->at;
	part->bytes.len = (size_t)object->at;
	if (part->synced > part->bytes.len)
		part->synced = part->bytes.len;
	part->open = true;
	object->mine = part;
	return M_TAKE;
}

static int
hook_write(void *arg, struct m_object *object, const void *bytes, size_t len, struct err *err)
{
	struct end *end = arg;
	struct part *part = object->mine;

	if (end->no_disk)
		return err_set(err, ERR_TEMP, "no disk");
	if (!part->open || part->bytes.len != object->at || object->at + len > object->length)
		abort();
	str_add(&part->bytes, bytes, len);
	end->wrote += len;
	return end->enough > 0 && part->bytes.len >= end->enough;
}

static enum m_status
hook_complete(void *arg, struct m_object *object, struct str *text)
{
	struct end *end = arg;
	struct part *part = object->mine;
	unsigned char sum[DIGEST_SIZE];

	if (!part->open)
		abort();
	digest_of(part->bytes.p, part->bytes.len, sum);
	if (object->at == object->length && memcmp(sum, object->name, M_NAME) == 0 && end->whole == M_STORED)
		return M_STORED;
	part_free(part);
	str_set(text, "as the test wants it");
	return end->whole != M_STORED ? end->whole : end->enough > 0 && object->at < object->length ? M_NEVER : M_WRONG;
}

static int
hook_commit(void *arg, struct m_object *const *objects, enum m_status *status, size_t count, struct err *err)
{
	struct end *end = arg;

	(void)err;
	end->commits++;
	for (size_t i = 0; i < count; i++) {
		struct part *part = objects[i]->mine;
		if (status[i] != M_STORED || !part->open)
			abort();
		if (has(end, objects[i]->name) || end->gots == THINGS) {
			status[i] = end->gots == THINGS ? M_LATER : M_HAD;
			part_free(part);
			continue;
		}
		struct got *got = &end->got[end->gots++];
		memcpy(got->name, objects[i]->name, M_NAME);
		got->bytes = part->bytes;
		got->kind = objects[i]->kind;
		got->grade = objects[i]->grade;
		part->bytes = (struct str){0};
		part_free(part);
		ring_add(ring_of(end->from, objects[i]->class), objects[i]->name, str_span(&got->bytes));
	}
	return 0;
}

static void
hook_dropped(void *arg, struct m_object *object)
{
	struct end *end = arg;
	struct part *part = object->mine;

	if (!part->open)
		abort();
	part->open = false;
	if (!end->crashed)
		part->synced = part->bytes.len;
}

static int
hook_history(void *arg, const char *class, const struct m_prefix *prefix, struct span *bytes, struct err *err)
{
	struct end *end = arg;
	struct ring_of *r = ring_of(end->from, class);
	size_t count;

	(void)err;
	if (end->no_history || prefix->dictionary > 1 || (prefix->dictionary == 1 && end->dictionary.len == 0))
		return 0;
	if (prefix->mark.k == 0) {
		*bytes = str_span(&end->dictionary);
		return 1;
	}
	if (!ring_find(r, prefix->mark, &count))
		return 0;
	ring_bytes(r, count, &end->history_in);
	struct span history = str_span(&end->history_in);
	if (history.len < prefix->length)
		return 0;
	*bytes = joined(&end->joined_in, end, prefix->dictionary > 0, span_from(history, history.len - prefix->length));
	return 1;
}

static size_t
hook_untold(void *arg, const char *class, struct m_mark known, unsigned char (*names)[M_NAME], size_t most)
{
	struct end *end = arg;
	struct ring_of *r = ring_of(end->from, class);
	size_t first, count = 0;

	if (!ring_find(r, known, &first))
		first = 0;
	if (r->count - first > most)
		first = r->count - most;
	for (; first < r->count; first++) {
		memset(names[count], 0, M_NAME);
		memcpy(names[count++], r->commit[first].name, 8);
	}
	return count;
}

static bool
hook_kept(void *arg, const char *class, bool ours, struct m_kept *kept)
{
	struct end *end = arg;
	const struct kept *k = ours ? &end->kept_out : &end->kept_in;
	struct ring_of *r = ring_of(ours ? end->to : end->from, class);
	struct str history = {0};

	if (k->model.len == 0 || strcmp(class, "main") != 0)
		return false;
	ring_bytes(r, r->count, &history);
	*kept = (struct m_kept){ .model = str_span(&k->model), .past = k->past, .taught = k->taught,
		.grown = history.len - k->past };
	memcpy(kept->digest, k->digest, DIGEST_SIZE);
	str_free(&history);
	return true;
}

/* What the thread of a call does, as far as the engine sees it. */
static struct mix *
hook_made(void *arg, bool ours, struct span past, size_t taught)
{
	struct end *end = arg;
	const struct kept *k = ours ? &end->kept_out : &end->kept_in;

	if (!end->makes)
		return NULL;
	struct mix *mix = mix_take_up(past, taught, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL, str_span(&k->model));
	while (mix != NULL && mix_prepare(mix, MIX_STEP))
		;
	end->mades += mix != NULL;
	return mix;
}

static const struct m_models models = { .kept = hook_kept, .made = hook_made };

const struct m_hooks end_hooks = {
	.next = hook_next, .work = hook_work, .read = hook_read, .fate = hook_fate, .did = hook_did, .settled = hook_settled,
	.refer = hook_refer, .offered = hook_offered, .write = hook_write, .complete = hook_complete,
	.commit = hook_commit, .dropped = hook_dropped, .history = hook_history, .untold = hook_untold,
};

/* --- ends --- */

void
end_make(struct end *end, const char *name)
{
	*end = (struct end){ .name = name, .offer = M_TAKE };
	end->config = (struct m_config){ .timeout = 60, .keepalive = 60, .window = 1 << 20, .level = 3,
		.models = &models };
	strcpy(end->from[0].class, "main");
	strcpy(end->to[0].class, "main");
}

size_t
end_thing(struct end *end, struct span bytes, char grade, const char *class)
{
	struct thing *t = &end->thing[end->things];
	unsigned char sum[DIGEST_SIZE];

	if (end->things == THINGS)
		abort();
	digest_of(bytes.p, bytes.len, sum);
	memcpy(t->object.name, sum, M_NAME);
	str_add_span(&t->bytes, bytes);
	t->object.length = bytes.len;
	t->object.grade = grade;
	t->object.stream = true;
	strcpy(t->object.class, class);
	return end->things++;
}

size_t
end_mail(struct end *end, size_t len, char grade, unsigned seed)
{
	static const char *const words[] = { "the ", "of ", "a boat ", "tomorrow ", "engine ", "parts ", "come ", "with ",
		"weather ", "and ", "your letter ", "of the ", "to ", "in ", "harbour ", "please " };
	struct str text = {0};
	uint32_t state = seed * 2654435761u + (unsigned char)end->name[0] + 7;

	str_printf(&text, "MAIL FROM:<ann@%s.example>\r\nRCPT TO:<bob@x.example>\r\nSubject: %08x%zu\r\n\r\n", end->name,
	    state, end->things);
	while (text.len < len) {
		state = state * 1664525u + 1013904223u;
		str_add_text(&text, words[state >> 28]);
		if ((state >> 20 & 7) == 0)
			str_printf(&text, "%x\r\n", state >> 8 & 0xfff);
	}
	text.len = len;
	size_t number = end_thing(end, str_span(&text), grade, "main");
	str_free(&text);
	return number;
}

/* As the ring stands now: what the HELLO tells. */
static void
tell_classes(struct end *end)
{
	size_t count = 0;

	for (size_t i = 0; i < CLASSES; i++) {
		const char *class = end->from[i].class[0] != '\0' ? end->from[i].class : end->to[i].class;
		if (class[0] == '\0')
			continue;
		struct m_class *c = &end->classes[count++];
		*c = (struct m_class){0};
		strcpy(c->name, class);
		struct ring_of *from = ring_of(end->from, class), *to = ring_of(end->to, class);
		if (from->count > 0)
			c->from = ring_end(from);
		if (to->count > 0 || to->base.k > 0)
			c->to = ring_end(to);
		if (strcmp(class, "main") == 0 && end->kept_in.model.len > 0)
			c->kept = (uint32_t)bytes_number(end->kept_in.digest, 4);
	}
	end->config.classes = end->classes;
	end->config.class_count = count;
}

static void
tell_partials(struct end *end)
{
	unsigned char sum[DIGEST_SIZE];
	size_t count = 0;

	for (size_t i = 0; i < PARTS && count < M_HAVE_MAX; i++) {
		struct part *part = &end->part[i];
		if (!part->used || part->synced == 0)
			continue;
		digest_of(part->bytes.p, part->synced, sum);
		struct m_partial *p = &end->partials[count++];
		*p = (struct m_partial){ .at = part->synced, .check = bytes_number(sum, 8) };
		memcpy(p->name, part->name, M_NAME);
	}
	end->config.partials = end->partials;
	end->config.partial_count = count;
}

static void
teach(struct ring_of *r, struct kept *kept)
{
	struct str history = {0};
	struct err err;

	str_free(&kept->model);
	*kept = (struct kept){0};
	ring_bytes(r, r->count, &history);
	struct span past = str_span(&history);
	if (past.len == 0)
		return;
	kept->past = past.len;
	kept->taught = past.len < TAUGHT_BYTES ? past.len : TAUGHT_BYTES;
	digest_of(past.p, past.len, kept->digest);
	struct mix *mix = mix_begin(&past, 1, kept->taught, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL);
	while (mix_prepare(mix, MIX_STEP))
		;
	if (mix_keep(mix, &kept->model, &err) < 0)
		abort();
	mix_free(mix);
	str_free(&history);
}

void
end_teach(struct end *end)
{
	teach(ring_of(end->to, "main"), &end->kept_out);
	teach(ring_of(end->from, "main"), &end->kept_in);
}

void
end_begin(struct end *end, bool caller, int64_t now)
{
	end->config.caller = caller;
	end->crashed = false;
	for (size_t i = 0; i < end->things; i++) {
		end->thing[i].given = false;
		end->thing[i].fates = 0;
	}
	tell_classes(end);
	tell_partials(end);
	str_clear(&end->out);
	m_start(&end->m, &end->config, &end_hooks, end, &end->out, now);
	end->on = true;
}

void
end_stop(struct end *end)
{
	if (end->on)
		m_free(&end->m);
	end->on = false;
}

/* What was not synced is lost: parts, what was done, history of it. */
void
end_crash(struct end *end)
{
	size_t count[CLASSES];
	bool done[THINGS];

	for (size_t i = 0; i < CLASSES; i++)
		count[i] = end->to[i].synced;
	for (size_t i = 0; i < end->things; i++)
		done[i] = end->thing[i].done_synced;
	end->crashed = true;
	end_stop(end);
	for (size_t i = 0; i < CLASSES; i++)
		cut_ring(&end->to[i], count[i]);
	for (size_t i = 0; i < end->things; i++)
		end->thing[i].done = end->thing[i].done_synced = done[i];
	for (size_t i = 0; i < PARTS; i++) {
		struct part *part = &end->part[i];
		if (part->used && part->synced < part->bytes.len)
			part->bytes.len = part->synced;
	}
}

void
end_forget_rings(struct end *end)
{
	for (size_t i = 0; i < CLASSES; i++) {
		cut_ring(&end->from[i], 0);
		cut_ring(&end->to[i], 0);
		end->to[i].base = (struct m_mark){0};
		end->from[i].base = (struct m_mark){ 0, end->from[i].base.link + 0x1234 };
	}
}

void
end_free(struct end *end)
{
	end_stop(end);
	str_free(&end->out);
	for (size_t i = 0; i < end->things; i++)
		str_free(&end->thing[i].bytes);
	for (size_t i = 0; i < end->gots; i++)
		str_free(&end->got[i].bytes);
	for (size_t i = 0; i < PARTS; i++)
		part_free(&end->part[i]);
	for (size_t i = 0; i < CLASSES; i++) {
		cut_ring(&end->from[i], 0);
		cut_ring(&end->to[i], 0);
	}
	str_free(&end->dictionary);
	str_free(&end->history_out);
	str_free(&end->history_in);
	str_free(&end->joined_out);
	str_free(&end->joined_in);
	str_free(&end->kept_out.model);
	str_free(&end->kept_in.model);
}

int
end_arrived(const struct end *from, const struct end *to)
{
	int count = 0;

	for (size_t i = 0; i < from->things; i++) {
		unsigned copies = 0;
		for (size_t n = 0; n < to->gots; n++) {
			if (memcmp(to->got[n].name, from->thing[i].object.name, M_NAME) != 0)
				continue;
			if (!span_same(str_span(&to->got[n].bytes), str_span(&from->thing[i].bytes)))
				return -1;
			copies++;
		}
		if (copies > 1)
			return -1;
		count += copies == 1;
	}
	return (size_t)count <= to->gots ? count : -1;
}

/* --- the line --- */

struct packet {
	struct packet *next;
	int64_t at;
	size_t len;
	char bytes[PIECE];
};

struct way {
	struct packet *first, **last;
	size_t inside, left, flip, passed;
	int64_t free_at;
};

static void
way_start(struct way *way, size_t left, size_t flip)
{
	*way = (struct way){ .left = left > 0 ? left : WHOLE, .flip = flip };
	way->last = &way->first;
}

static void
way_free(struct way *way)
{
	for (struct packet *p = way->first, *next; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
}

static void
empty(struct way *way)
{
	way_free(way);
	way_start(way, WHOLE, 0);
}

static void
put(struct line *line, struct way *way, struct end *end)
{
	size_t pipe = line->pipe > 0 ? line->pipe : PIPE;

	if (end->out.len > end->largest_out)
		end->largest_out = end->out.len;
	for (size_t held; end->out.len > (held = m_holds_back(&end->m)) && way->inside < pipe;) {
		size_t len = end->out.len - held < PIECE ? end->out.len - held : PIECE;
		if (held > end->held_back)
			end->held_back = held;
		struct packet *p = mem_get(sizeof *p);
		p->len = len;
		memcpy(p->bytes, end->out.p, len);
		if (way->free_at < line->now)
			way->free_at = line->now;
		if (line->rate > 0)
			way->free_at += (int64_t)(len * CLOCK_SECOND / line->rate);
		p->at = way->free_at + line->delay;
		*way->last = p;
		way->last = &p->next;
		way->inside += len;
		m_taken(&end->m, len, line->now);
	}
}

/* Up to the cut; true: there it is. */
static bool
deliver(struct line *line, struct way *way, struct end *end, uint64_t *count)
{
	while (way->first != NULL && way->first->at <= line->now) {
		struct packet *p = way->first;
		size_t len = p->len < way->left ? p->len : way->left, step = line->step > 0 ? line->step : len;
		size_t bit = way->flip > 0 ? way->flip - 1 : 0;
		if (way->flip > 0 && bit / 8 >= way->passed && bit / 8 < way->passed + len)
			p->bytes[bit / 8 - way->passed] ^= (char)(1 << bit % 8);
		for (size_t at = 0; at < len; at += step)
			m_feed(&end->m, p->bytes + at, at + step < len ? step : len - at, line->now);
		way->passed += len;
		*count += len;
		way->left -= len;
		way->inside -= p->len;
		bool cut = way->left == 0 && (len < p->len || way->first->next == NULL || p->len == len);
		way->first = p->next;
		if (way->first == NULL)
			way->last = &way->first;
		free(p);
		if (cut)
			return true;
	}
	return false;
}

static int64_t
earliest(const struct line *line, struct end *a, struct end *b, const struct way *there, const struct way *back)
{
	int64_t at = INT64_MAX, due;

	if (there->first != NULL)
		at = there->first->at > line->mends ? there->first->at : line->mends;
	if (back->first != NULL && back->first->at < at)
		at = back->first->at;
	if (!a->m.over && (due = m_deadline(&a->m)) < at)
		at = due;
	if (!b->m.over && (due = m_deadline(&b->m)) < at)
		at = due;
	if (line->wake > line->now && line->wake < at)
		at = line->wake;
	return at > line->now ? at : line->now;
}

static void
one_turn(struct line *line, struct end *end, struct way *way)
{
	m_commit(&end->m, line->now);
	m_fill(&end->m, line->now);
	put(line, way, end);
}

void
line_run(struct line *line, struct end *a, struct end *b)
{
	struct way there, back;
	int64_t began = line->now;
	bool dead = false;

	way_start(&there, line->there, line->flip);
	way_start(&back, line->back, line->flip_back);
	for (unsigned turns = 0; !a->m.over || !b->m.over; turns++) {
		if (turns == TURNS_MAX)
			abort();
		if (line->each != NULL)
			line->each(line, a, b);
		clock_set(line->now + 1);
		one_turn(line, a, &there);
		one_turn(line, b, &back);
		if (dead) {	/* the line swallows it */
			empty(&there);
			empty(&back);
		}
		if (a->m.over && b->m.over)
			break;
		int64_t next = earliest(line, a, b, &there, &back);
		if (next == INT64_MAX)
			abort();
		line->now = next;
		clock_set(line->now + 1);
		bool came = line->now >= line->mends && !dead && deliver(line, &there, b, &line->up);
		bool cut = !dead && (came | deliver(line, &back, a, &line->down));
		dead = dead || cut;
		if (cut) {
			empty(&there);
			empty(&back);
		}
		/* who is over hangs up, when all it said has gone */
		bool hung = !line->silent && (cut || (a->m.over && there.first == NULL && a->out.len == 0) ||
		    (b->m.over && back.first == NULL && b->out.len == 0));
		if (hung && (cut || a->m.over))
			m_eof(&b->m, line->now);
		if (hung && (cut || b->m.over))
			m_eof(&a->m, line->now);
		m_tick(&a->m, line->now);
		m_tick(&b->m, line->now);
	}
	line->took = line->now - began;
	clock_set(0);
	way_free(&there);
	way_free(&back);
}

static bool
all_done(const struct end *end)
{
	for (size_t i = 0; i < end->things; i++)
		if (!end->thing[i].done)
			return false;
	return true;
}

bool
line_until_done(struct end *a, struct end *b, unsigned calls)
{
	struct line line = { .now = 1000 * CLOCK_SECOND };

	for (unsigned i = 0; i < calls; i++) {
		end_begin(a, true, line.now);
		end_begin(b, false, line.now);
		line_run(&line, a, b);
		bool good = a->m.err.kind == ERR_NONE && b->m.err.kind == ERR_NONE;
		end_stop(a);
		end_stop(b);
		if (good && all_done(a) && all_done(b))
			return true;
	}
	return false;
}
