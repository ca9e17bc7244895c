/*
 * Their objects: from OPEN to the word that each is stored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uucico-ssh/m-parts.h"

/* --- our word --- */

static void
add_ack(struct m *m, uint64_t handle, enum m_status status, struct str *text)
{
	struct m_parts *own = m->own;
	struct span words = span_to(str_span(text), M_TEXT_MAX);

	m_put_v(&own->acks, handle);
	str_add_char(&own->acks, (char)status);
	if (status > M_HAD) {
		str_add_char(&own->acks, (char)words.len);
		for (size_t i = 0; i < words.len; i++)
			str_add_char(&own->acks, m_printable(span_to(span_from(words, i), 1)) ? words.p[i] : ' ');
	}
	own->acks_waiting++;
}

/* All of it that is still on its way is passed over. */
static void
pass_over(struct m_parts *own, uint64_t handle, const struct m_object *object, uint64_t at)
{
	own->refused[own->refusals++ % M_OBJECTS_MAX] =
	    (struct m_refused){ handle, object->length - at, object->stream };
}

static void
forget(struct m_parts *own, struct m_taking *t)
{
	for (size_t i = 0; i < own->takings; i++) {
		if (own->taking[i] != t)
			continue;
		memmove(&own->taking[i], &own->taking[i + 1], (own->takings - i - 1) * sizeof own->taking[0]);
		own->takings--;
		break;
	}
	free(t);
}

bool
m_awaits(const struct m *m)
{
	for (size_t i = 0; i < m->own->takings; i++)
		if (!m->own->taking[i]->complete)
			return true;
	return false;
}

/* --- the end of one --- */

/* The hooks have said that they have all of it, or want no more. */
static int
complete(struct m *m, struct m_taking *t)
{
	struct m_parts *own = m->own;
	struct str text = {0};
	enum m_status status = m->hooks->complete(m->arg, &t->object, &text);

	if (status == M_STORED) {
		t->complete = true;
		t->end = own->line.got;
		own->ready[own->readies++] = t;
	} else {
		add_ack(m, t->handle, status < M_TAKE ? status : M_LATER, &text);
		if (t->object.at < t->object.length)
			pass_over(own, t->handle, &t->object, t->object.at);
		forget(own, t);
	}
	str_free(&text);
	return 0;
}

void
m_take_commit(struct m *m)
{
	struct m_parts *own = m->own;
	struct m_object *objects[M_OBJECTS_MAX];
	enum m_status status[M_OBJECTS_MAX];
	size_t count = own->readies;
	struct str none = {0};
	struct err err = {0};

	if (count == 0 || m->over)
		return;
	for (size_t i = 0; i < count; i++) {
		objects[i] = &own->ready[i]->object;
		status[i] = M_STORED;
	}
	if (m->hooks->commit(m->arg, objects, status, count, &err) < 0) {
		m_hook_failed(m, &err);
		return;
	}
	own->readies = 0;
	for (size_t i = 0; i < count; i++) {
		m->objects_in += status[i] == M_STORED;
		if (status[i] == M_STORED && own->ready[i]->end > own->line.told)
			own->line.told = own->ready[i]->end;	/* the ACK says it by the way */
		add_ack(m, own->ready[i]->handle, status[i] < M_TAKE ? status[i] : M_LATER, &none);
		forget(own, own->ready[i]);
	}
}

void
m_take_say(struct m *m)
{
	struct m_parts *own = m->own;

	for (size_t i = 0; i < own->norefs; i++) {
		struct str body = {0};
		m_put_v(&body, own->noref[i]);
		m_frame(m, M_NOREF, str_span(&body));
		str_free(&body);
	}
	own->norefs = 0;
	if (own->acks.len > 0)
		m_frame(m, M_ACK, str_span(&own->acks));
	str_clear(&own->acks);
	own->acks_waiting = 0;
}

void
m_take_end(struct m *m)
{
	struct m_parts *own = m->own;

	own->readies = 0;
	while (own->takings > 0) {
		m->hooks->dropped(m->arg, &own->taking[0]->object);
		forget(own, own->taking[0]);
	}
}

/* --- OPEN --- */

static bool
grade_like(unsigned c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
parse_open(struct m *m, struct m_cursor *body, uint64_t *handle, struct m_object *object)
{
	const struct m_parts *own = m->own;
	const unsigned char *name;

	*handle = m_get_v(body);
	unsigned kind = (unsigned)m_get_number(body, 1), grade = (unsigned)m_get_number(body, 1);
	unsigned flags = (unsigned)m_get_number(body, 1);
	object->length = m_get_v(body);
	object->at = m_get_v(body);
	name = m_get_bytes(body, M_NAME);
	if (name == NULL || kind >= M_KINDS || !grade_like(grade) || (flags & ~(unsigned)M_FLAGS) != 0)
		return false;
	memcpy(object->name, name, M_NAME);
	object->kind = (enum m_kind)kind;
	object->grade = (char)grade;
	object->stream = (flags & M_FLAG_STREAM) != 0;
	object->packed = (flags & M_FLAG_PACKED) != 0;
	snprintf(object->class, sizeof object->class, "%s", own->stream.number > 0 ? own->stream.class : "main");
	if ((flags & M_FLAG_CLASS) != 0 && !m_get_class(body, object->class))
		return false;
	bool note = kind == M_SUMMARY || kind == M_REQUEST;
	return body->left == 0 && object->at <= object->length && !(note && object->length > M_NOTE_MAX);
}

/* One of that name is under way: what takes its place is the same, opened anew. */
static void
close_older(struct m *m, const unsigned char name[M_NAME])
{
	struct m_parts *own = m->own;

	for (size_t i = 0; i < own->takings; i++) {
		struct m_taking *t = own->taking[i];
		if (memcmp(t->object.name, name, M_NAME) != 0)
			continue;
		if (t->complete) {
			m_take_commit(m);
			return;
		}
		m->hooks->dropped(m->arg, &t->object);
		pass_over(own, t->handle, &t->object, t->object.at);
		forget(own, t);
		return;
	}
}

static enum m_status
decide(struct m *m, struct m_object *object, struct str *text)
{
	uint64_t from = object->at;
	bool large = m->config.max_object > 0 && object->length > m->config.max_object;

	if (m->own->ending) {
		str_set(text, "the call ends");
		return M_LATER;
	}
	if (m->config.grade != 0 && object->grade > m->config.grade) {
		str_set(text, "of a grade that this call does not move");
		return M_LATER;
	}
	enum m_status status = m->hooks->offered(m->arg, object, text);
	bool unasked = large && object->kind == M_MAIL && !object->asked;
	if (status != M_TAKE || (object->at == from && !unasked))
		return status;
	m->hooks->dropped(m->arg, object);
	if (!unasked)
		return M_LATER;
	str_set(text, "larger than what is taken unasked");
	return M_HOLD;
}

int
m_open_heard(struct m *m, struct m_cursor body)
{
	struct m_parts *own = m->own;
	struct m_object object = {0};
	struct str text = {0};
	uint64_t handle;

	if (!parse_open(m, &body, &handle, &object) || handle != own->handle_in + 1)
		return m_wrong(m, "an OPEN that cannot be");
	own->handle_in = handle;
	close_older(m, object.name);
	if (m->over)
		return -1;
	if (own->takings + own->acks_waiting >= M_OBJECTS_MAX)
		return m_wrong(m, "more than %d objects open at once", M_OBJECTS_MAX);
	uint64_t from = object.at;
	enum m_status status = decide(m, &object, &text);
	if (status != M_TAKE) {
		add_ack(m, handle, status, &text);
		pass_over(own, handle, &object, from);
		str_free(&text);
		return 0;
	}
	str_free(&text);
	struct m_taking *t = mem_get(sizeof *t);
	t->object = object;
	t->handle = handle;
	own->taking[own->takings++] = t;
	return object.at == object.length ? complete(m, t) : 0;
}

/* --- DATA --- */

int
m_lost(struct m *m)
{
	struct m_parts *own = m->own;

	own->stream.lost = true;
	if (own->norefs == M_STREAMS_KEPT)
		return m_wrong(m, "too many streams that cannot be followed");
	own->noref[own->norefs++] = own->stream.number;
	return 0;
}

static struct m_refused *
refused(struct m_parts *own, uint64_t handle)
{
	for (size_t i = 0; i < M_OBJECTS_MAX && i < own->refusals; i++)
		if (own->refused[i].handle == handle)
			return &own->refused[i];
	return NULL;
}

/* It misses a part, and comes once more. */
static int
broken(struct m *m, struct m_taking *t)
{
	m->hooks->dropped(m->arg, &t->object);
	pass_over(m->own, t->handle, &t->object, t->object.at);
	forget(m->own, t);
	return 0;
}

static int
store(struct m *m, struct m_taking *t, struct span bytes)
{
	struct err err = {0};

	if (t->complete || bytes.len > t->object.length - t->object.at)
		return m_wrong(m, "more bytes than the object has");
	int result = bytes.len > 0 ? m->hooks->write(m->arg, &t->object, bytes.p, bytes.len, &err) : 0;
	if (result < 0)
		return m_hook_failed(m, &err);
	t->object.at += bytes.len;
	m->bytes_in += bytes.len;
	return result > 0 || t->object.at == t->object.length ? complete(m, t) : 0;
}

static int
too_much(struct m *m)
{
	if (m->config.left > 0 && m->own->line.got > m->config.left + m->config.credit)
		return m_wrong(m, "more bytes than are taken in this call");
	return 0;
}

int
m_data_heard(struct m *m, struct m_cursor body)
{
	struct m_parts *own = m->own;
	struct m_taking *t = NULL;

	own->line.got += body.left;
	own->line.got_at = own->now;
	uint64_t handle = m_get_v(&body);
	struct span bytes = { (const char *)body.p, body.left };
	for (size_t i = 0; i < own->takings && t == NULL; i++)
		if (own->taking[i]->handle == handle)
			t = own->taking[i];
	struct m_refused *passed = t == NULL ? refused(own, handle) : NULL;
	if (body.bad || bytes.len == 0 || (t == NULL && passed == NULL))
		return m_wrong(m, "DATA of no object");
	m->packed_in += bytes.len;
	int result = 0;
	if (t != NULL ? t->object.stream : passed->stream) {
		if (t != NULL && own->stream.number > 0 && strcmp(t->object.class, own->stream.class) != 0)
			return m_wrong(m, "DATA of one class in the stream of another");
		uint64_t left = t != NULL ? t->object.length - t->object.at : passed->left;
		result = m_stream_unpack(m, bytes, left, &bytes);
	}
	if (passed != NULL)
		passed->left -= bytes.len < passed->left ? bytes.len : passed->left;
	if (result < 0 || too_much(m) < 0)
		return -1;
	if (t == NULL)
		return 0;
	return result > 0 ? broken(m, t) : store(m, t, bytes);
}
