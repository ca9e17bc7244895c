/*
 * Our objects: which is next, how much of it, and what became of it.
 *
 * A frame goes to the best grade, there to the one that has the least left, and each
 * eighth to the oldest, so that a large one gets on too.  Objects of one class go together:
 * each change of class begins the stream anew.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "uucico-ssh/m-parts.h"

enum {
	AHEAD = 8,		/* objects asked for before they are begun */
	OLDEST_EACH = 8, OLDEST_ANYWHERE = 64,
	CLASS_KEPT = 65536,	/* with no more left than that, an object of the present class goes first */
	FRAME_HEAD = 10,	/* a handle */
	MIX_PIECE = 12288,	/* plain bytes that fill no frame */
	OPEN_LEN = 128,		/* no OPEN or STREAM is longer, nearly */
	RESERVE = 1024,		/* of a budget, for ACKs */
	BUDGET_LEAST = 256,
};

/* --- what became of them --- */

static void
forget(struct m_parts *own, struct m_sending *s)
{
	for (size_t i = 0; i < own->sendings; i++) {
		if (own->sending[i] != s)
			continue;
		memmove(&own->sending[i], &own->sending[i + 1], (own->sendings - i - 1) * sizeof own->sending[0]);
		own->sendings--;
		break;
	}
	if (own->out.owner == s)
		own->out.owner = NULL;
	digest_free(&s->digest);
	free(s);
}

int
m_fate(struct m *m, struct m_sending *s, enum m_status status, const char *text)
{
	struct m_object object = s->object;
	struct err err = {0};

	forget(m->own, s);
	m->objects_out += status == M_STORED;
	m->own->fates = true;
	if (m->hooks->fate(m->arg, &object, status, text, &err) < 0)
		return m_hook_failed(m, &err);
	return 0;
}

void
m_settle(struct m *m)
{
	struct err err = {0};

	if (!m->own->fates)
		return;
	m->own->fates = false;
	if (m->hooks->settled(m->arg, &err) < 0)
		m_hook_failed(m, &err);
}

bool
m_unacked(const struct m *m)
{
	for (size_t i = 0; i < m->own->sendings; i++)
		if (m->own->sending[i]->sent)
			return true;
	return false;
}

void
m_send_end(struct m *m)
{
	while (m->own->sendings > 0)
		m_fate(m, m->own->sending[0], M_LATER, "");
}

/* --- which there are --- */

static size_t
unbegun(const struct m_parts *own)
{
	size_t count = 0;

	for (size_t i = 0; i < own->sendings; i++)
		count += own->sending[i]->handle == 0;
	return count;
}

/* Why it does not go in this call; M_TAKE: it goes. */
static enum m_status
unwanted(const struct m *m, const struct m_object *object, const char **why)
{
	const struct m_peer *peer = &m->own->peer;
	bool large = peer->max > 0 && object->length > peer->max && !object->asked;

	*why = "larger than what the far end takes unasked";
	if (large && object->kind == M_MAIL)
		return M_HOLD;
	if (large && object->kind == M_JOB)
		return M_LATER;
	*why = "of a grade that this call does not move";
	if ((m->config.grade != 0 && object->grade > m->config.grade) ||
	    (peer->grade != 0 && object->grade > peer->grade))
		return M_LATER;
	return M_TAKE;
}

static int
fetch_one(struct m *m)
{
	struct m_parts *own = m->own;
	struct m_sending *s = mem_get(sizeof *s);
	struct err err = {0};
	const char *why;
	bool tried = m->met && own->did_due == 0;

	int got = m->hooks->next(m->arg, tried, &s->object, &err);
	if (got != 1) {
		free(s);
		own->dry = true;
		own->dry_tried = tried;
		own->more_follows = got == 2;
		return got < 0 ? m_hook_failed(m, &err) : 0;
	}
	s->order = ++own->order;
	own->sending[own->sendings++] = s;
	enum m_status status = unwanted(m, &s->object, &why);
	return status == M_TAKE ? 0 : m_fate(m, s, status, why);
}

static int
fetch(struct m *m)
{
	struct m_parts *own = m->own;

	if (!own->dry_tried && m->met && own->did_due == 0)
		own->dry = false;
	while (!m->over && !own->dry && own->sendings < M_OBJECTS_MAX && unbegun(own) < AHEAD)
		if (fetch_one(m) < 0)
			return -1;
	return m->over ? -1 : 0;
}

static uint64_t
left(const struct m_sending *s)
{
	return s->object.length - s->object.at;
}

static bool
near(const struct m *m, const struct m_sending *s)
{
	return !s->object.stream || m_stream_fits(m, s);
}

/* Whether a goes before b. */
static bool
better(const struct m *m, const struct m_sending *a, const struct m_sending *b)
{
	if (a->object.grade != b->object.grade)
		return a->object.grade < b->object.grade;
	bool near_a = near(m, a) && left(a) < CLASS_KEPT, near_b = near(m, b) && left(b) < CLASS_KEPT;
	if (near_a != near_b)
		return near_a;
	return left(a) != left(b) ? left(a) < left(b) : a->order < b->order;
}

static struct m_sending *
pick(struct m *m)
{
	struct m_parts *own = m->own;
	struct m_sending *best = NULL, *oldest = NULL;
	bool anywhere = own->turn % OLDEST_ANYWHERE == OLDEST_ANYWHERE - 1;

	for (size_t i = 0; i < own->sendings; i++) {
		struct m_sending *s = own->sending[i];
		if (s->sent || s->checking)
			continue;
		if (best == NULL || better(m, s, best))
			best = s;
		if ((anywhere || near(m, s)) && (oldest == NULL || s->order < oldest->order))
			oldest = s;
	}
	return own->turn % OLDEST_EACH == OLDEST_EACH - 1 && oldest != NULL ? oldest : best;
}

/* --- what they have the beginning of --- */

static int
read_at(struct m *m, struct m_sending *s, void *to, size_t len)
{
	struct err err = {0};

	if (m->hooks->read(m->arg, &s->object, to, len, &err) < 0)
		return m_hook_failed(m, &err);
	s->object.at += len;
	return 0;
}

static const struct m_partial *
part_of(const struct m *m, const struct m_sending *s)
{
	const struct m_peer *peer = &m->own->peer;

	for (size_t i = 0; i < peer->haves; i++)
		if (memcmp(peer->have[i].name, s->object.name, M_NAME) == 0 && peer->have[i].at <= s->object.length)
			return &peer->have[i];
	return NULL;
}

static void
end_check(struct m_sending *s)
{
	unsigned char sum[DIGEST_SIZE];
	struct m_cursor first = { sum, sizeof sum, false };

	digest_end(&s->digest, sum);
	s->start = m_get_number(&first, 8) == s->part->check ? s->part->at : 0;
	s->checking = false;
	s->checked = true;
}

/* A piece more of ours: do the bytes that they have make the same sum? */
static int
check(struct m *m, struct m_sending *s)
{
	static char bytes[M_PLAIN_MAX];
	uint64_t rest = s->part->at - s->object.at;
	size_t len = rest < sizeof bytes ? (size_t)rest : sizeof bytes;

	if (read_at(m, s, bytes, len) < 0)
		return -1;
	digest_add(&s->digest, bytes, len);
	if (s->object.at == s->part->at)
		end_check(s);
	return 0;
}

bool
m_send_checks(struct m *m)
{
	struct m_parts *own = m->own;

	for (size_t i = 0; i < own->sendings; i++)
		if (own->sending[i]->checking)
			return check(m, own->sending[i]) == 0;
	return false;
}

/* Where it goes on: behind what they have, if that is what we have.  1: that takes a while; 0; -1. */
static int
resume(struct m *m, struct m_sending *s)
{
	s->part = s->checked || s->again ? NULL : part_of(m, s);
	if (s->part != NULL) {
		s->object.at = 0;
		s->checking = true;
		digest_start(&s->digest);
		if (check(m, s) < 0)
			return -1;
	}
	if (!s->checking)
		s->object.at = s->again ? 0 : s->start;
	return s->checking;
}

/* --- OPEN --- */

static int
open_object(struct m *m, struct m_sending *s)
{
	struct m_parts *own = m->own;
	const struct m_object *object = &s->object;
	struct str body = {0};
	const char *understood = own->out.number > 0 ? own->out.class : "main";
	bool named = strcmp(object->class, understood) != 0;

	s->handle = ++own->handle_out;
	s->from = object->at;
	s->first = s->stream = own->out.number;
	m_put_v(&body, s->handle);
	str_add_char(&body, (char)object->kind);
	str_add_char(&body, object->grade);
	str_add_char(&body, (char)((object->stream ? M_FLAG_STREAM : 0) | (object->packed ? M_FLAG_PACKED : 0) |
	    (named ? M_FLAG_CLASS : 0)));
	m_put_v(&body, object->length);
	m_put_v(&body, object->at);
	str_add(&body, object->name, M_NAME);
	if (named)
		m_stream_class(&body, object->class);
	m_frame(m, M_OPEN, str_span(&body));
	str_free(&body);
	return 0;
}

/* --- DATA --- */

static void
data_frame(struct m *m, uint64_t handle, const void *bytes, size_t len)
{
	struct str body = {0};

	m_put_v(&body, handle);
	str_add(&body, bytes, len);
	m_frame(m, M_DATA, str_span(&body));
	m_line_sent(m, body.len);
	m->packed_out += len;
	str_free(&body);
}

static void
whole(struct m *m, struct m_sending *s)
{
	if (s->object.at < s->object.length)
		return;
	s->sent = true;
	s->end = m->own->line.sent;
}

/* What came out of the stream already; what mix made of a piece is not cut. */
static void
send_pending(struct m *m, uint64_t credit)
{
	struct m_stream_out *out = &m->own->out;
	size_t len = out->pending.len;

	if (len > M_FRAME_MAX - FRAME_HEAD)
		len = M_FRAME_MAX - FRAME_HEAD;
	if (len > credit && !out->mixed)
		len = (size_t)credit;
	data_frame(m, out->pending_handle, out->pending.p, len);
	str_cut(&out->pending, len);
	if (out->pending.len == 0 && out->owner != NULL)
		whole(m, out->owner);
}

/* How much of it is worth so many bytes on the line; a small rest goes along. */
static size_t
piece(const struct m *m, const struct m_sending *s, uint64_t room)
{
	const struct m_stream_out *out = &m->own->out;
	uint64_t unit = m_unit(m), rest = left(s), len;

	if (unit > room)
		unit = room;
	len = s->object.stream ? unit * out->ratio / 256 : unit;
	if (rest <= len + len / 2)
		len = rest;
	uint64_t most = !s->object.stream ? M_FRAME_MAX - FRAME_HEAD : out->mixed ? MIX_PIECE : M_PLAIN_MAX;
	return (size_t)(len == 0 ? 1 : len < most ? len : most);
}

/* It goes in a stream of the other kind, when the next is asked for. */
static void
take_back(struct m *m, struct m_sending *s, size_t len)
{
	s->object.at -= len;
	m->bytes_out -= len;
	m->own->out.owner = NULL;
	str_clear(&m->own->out.pending);
}

static int
send_piece(struct m *m, struct m_sending *s, uint64_t room)
{
	struct m_stream_out *out = &m->own->out;
	static char bytes[M_PLAIN_MAX];
	size_t len = piece(m, s, room);

	if (!s->object.stream && len > room)
		len = (size_t)room;
	if (read_at(m, s, bytes, len) < 0)
		return -1;
	m->bytes_out += len;
	if (!s->object.stream) {
		data_frame(m, s->handle, bytes, len);
		whole(m, s);
		return 0;
	}
	s->stream = out->number;
	out->owner = s;
	out->pending_handle = s->handle;
	int result = m_stream_pack(m, (struct span){ bytes, len }, left(s) == 0, &out->pending);
	if (result > 0)
		take_back(m, s, len);
	else if (result == 0)
		send_pending(m, room);
	return result < 0 ? -1 : 0;
}

/* A stream for it: the present one, unless its history is out of reach and worth a new one, or there
 * is a better kind. */
static int
ready_stream(struct m *m, const struct m_sending *s)
{
	const struct m_stream_out *out = &m->own->out;
	bool worn = out->plain > out->window && s->object.at == 0 && left(s) <= M_HISTORY_MAX && out->history;

	if (!s->object.stream || (m_stream_fits(m, s) && !worn && (out->mixed || !m_mix_pays(m, s))))
		return 0;
	return m_stream_begin(m, s);
}

/* 1: not yet, but others may be; 0; -1. */
static int
begin(struct m *m, struct m_sending *s)
{
	int got = resume(m, s);

	if (got == 0)
		got = ready_stream(m, s);
	if (got != 0)
		return got;
	open_object(m, s);
	whole(m, s);	/* nothing is missing but their word */
	return 0;
}

/* --- how far --- */

/* Bytes that the budgets leave; few are none. */
static uint64_t
budget(const struct m *m)
{
	const struct m_parts *own = m->own;
	uint64_t rest = UINT64_MAX, may = m->config.may_send, take = own->peer.left;
	int64_t early = 2 * m->rtt + CLOCK_SECOND, until = own->peer.until;

	if (m->config.secs > 0 && own->began + m->config.secs * CLOCK_SECOND < until)
		until = own->began + m->config.secs * CLOCK_SECOND;
	if (until != INT64_MAX && own->now + early >= until)
		return 0;
	if (may > 0)
		rest = may > own->bytes_sent + RESERVE + OPEN_LEN ? may - own->bytes_sent - RESERVE - OPEN_LEN : 0;
	if (take > 0 && rest > (take > own->line.sent ? take - own->line.sent : 0))
		rest = take > own->line.sent ? take - own->line.sent : 0;
	return rest < BUDGET_LEAST ? 0 : rest;
}

static bool
anything(const struct m_parts *own)
{
	for (size_t i = 0; i < own->sendings; i++)
		if (!own->sending[i]->sent && !own->sending[i]->checking)
			return true;
	return own->out.pending.len > 0;
}

/* STREAM goes first, so that they prepare for it meanwhile; and what comes out goes whole. */
static bool
mix_ready(const struct m *m)
{
	const struct m_parts *own = m->own;

	return !own->out.mixed || (!own->out.mixing.due &&
	    own->line.sent - own->line.seen + M_FRAME_MAX <= own->peer.credit);
}

/* One frame more; false: not now. */
static bool
send_one(struct m *m)
{
	struct m_parts *own = m->own;

	if (fetch(m) < 0 || !anything(own))
		return false;
	uint64_t room = m_credit(m), rest = budget(m);
	if (rest == 0) {
		m_end(m, M_BYE_BUDGET);
		return false;
	}
	room = room < rest ? room : rest;
	if (room == 0)
		return false;
	if (own->out.pending.len > 0) {
		send_pending(m, room);
		return true;
	}
	struct m_sending *s = pick(m);
	own->turn++;
	int begun = s->handle == 0 ? begin(m, s) : 0;
	if (begun != 0)
		return begun > 0;
	if (!s->sent && ready_stream(m, s) < 0)
		return false;
	if (!s->sent && s->object.stream && !mix_ready(m))
		return false;
	return s->sent || send_piece(m, s, room) == 0;
}

void
m_send(struct m *m)
{
	while (m_sends(m) && m->out->len < M_OUT_MAX && !m_mix_enough(m) && send_one(m))
		;
}

/* --- what they say of it --- */

static void
once_more(struct m *m, struct m_sending *s, uint64_t from)
{
	struct m_stream_out *out = &m->own->out;

	m->again_out += s->object.at - from;
	s->object.at = from;
	s->handle = 0;
	s->sent = false;
	if (out->owner == s)
		out->owner = NULL;
}

/* Perhaps it was the history that was wrong. */
static int
was_wrong(struct m *m, struct m_sending *s)
{
	struct m_stream_out *out = &m->own->out;
	unsigned depth = out->depths[s->stream % M_STREAMS_KEPT];

	if (s->again)
		return m_fate(m, s, M_WRONG, "its bytes came out wrong, twice");
	if (s->object.stream && out->fallen <= depth && depth < 2)
		out->fallen = depth + 1;
	out->unmixed = true;
	s->again = true;
	once_more(m, s, 0);
	return 0;
}

static int
acked(struct m *m, uint64_t handle, enum m_status status, const char *text)
{
	struct m_parts *own = m->own;
	struct m_sending *s = NULL;

	for (size_t i = 0; i < own->sendings && s == NULL; i++)
		if (own->sending[i]->handle == handle)
			s = own->sending[i];
	if (handle == 0 || handle > own->handle_out || status > M_WRONG)
		return m_wrong(m, "an ACK that cannot be");
	if (s == NULL)
		return 0;	/* opened anew meanwhile, under another handle */
	if ((status == M_STORED || status == M_WRONG) && !s->sent)
		return m_wrong(m, "an ACK of what was not sent");
	if (status == M_STORED)
		m_seen(m, s->end);
	return status == M_WRONG ? was_wrong(m, s) : m_fate(m, s, status, text);
}

int
m_ack_heard(struct m *m, struct m_cursor body)
{
	do {
		struct str text = {0};
		uint64_t handle = m_get_v(&body);
		unsigned status = (unsigned)m_get_number(&body, 1);
		bool good = status <= M_HAD || m_get_text(&body, M_TEXT_MAX, &text);
		int result = good && !body.bad ? acked(m, handle, (enum m_status)status, str_c(&text)) :
		    m_wrong(m, "an ACK that cannot be");
		str_free(&text);
		if (result < 0)
			return -1;
	} while (body.left > 0);
	return 0;
}

int
m_noref_heard(struct m *m, struct m_cursor body)
{
	struct m_parts *own = m->own;
	struct m_stream_out *out = &own->out;
	uint64_t number = m_get_v(&body);

	if (body.bad || body.left > 0 || number == 0 || number > out->number)
		return m_wrong(m, "a NOREF of no stream");
	unsigned depth = out->number - number < M_STREAMS_KEPT ? out->depths[number % M_STREAMS_KEPT] : 0;
	if (depth == 2)
		return m_wrong(m, "a NOREF of what refers to nothing");
	if (out->fallen <= depth)
		out->fallen = depth + 1;
	out->unmixed = true;
	if (number == out->number)
		str_clear(&out->pending);
	for (size_t i = 0; i < own->sendings; i++) {
		struct m_sending *s = own->sending[i];
		if (s->object.stream && s->handle != 0 && s->first <= number && number <= s->stream)
			once_more(m, s, s->from);
	}
	return 0;
}
