/*
 * A frame: type 1 | length 2, highest first | body | check 4.  The check is CRC-32 over the
 * heads and bodies of all frames sent this way so far (its own bytes are left out: with
 * them it would forget what was before), so a lost or doubled frame shows too.
 */
#include <string.h>
#include <zlib.h>

#include "lib/base/bytes.h"
#include "uucico-ssh/m-parts.h"

enum { V_MAX = 9, HELD_MAX = 1 << 20 };

/* --- numbers --- */

void
m_put_v(struct str *body, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		str_add_char(body, (char)(number | 0x80));
	str_add_char(body, (char)number);
}

void
m_put_number(struct str *body, uint64_t number, size_t bytes)
{
	while (bytes-- > 0)
		str_add_char(body, (char)(number >> 8 * bytes));
}

const unsigned char *
m_get_bytes(struct m_cursor *c, size_t len)
{
	const unsigned char *at = c->p;

	if (c->bad || c->left < len) {
		c->bad = true;
		return NULL;
	}
	c->p += len;
	c->left -= len;
	return at;
}

uint64_t
m_get_number(struct m_cursor *c, size_t bytes)
{
	const unsigned char *p = m_get_bytes(c, bytes);

	return p != NULL ? bytes_number(p, bytes) : 0;
}

uint64_t
m_get_v(struct m_cursor *c)
{
	uint64_t number = 0;

	for (size_t i = 0; i < V_MAX; i++) {
		const unsigned char *p = m_get_bytes(c, 1);
		if (p == NULL)
			return 0;
		number |= (uint64_t)(*p & 0x7f) << 7 * i;
		if (*p < 0x80)
			return number;
	}
	c->bad = true;
	return 0;
}

/* --- text --- */

/* UTF-8 or not, it is for the log, which escapes: only what could steer a terminal is wrong. */
bool
m_printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	return true;
}

bool
m_get_text(struct m_cursor *c, size_t most, struct str *text)
{
	size_t len = (size_t)m_get_number(c, 1);
	const unsigned char *p = m_get_bytes(c, len);

	if (p == NULL || len > most || !m_printable((struct span){ (const char *)p, len }))
		return false;
	str_add(text, p, len);
	return true;
}

/* --- out --- */

void
m_frame(struct m *m, enum m_type type, struct span body)
{
	struct m_parts *own = m->own;
	unsigned char head[M_HEAD] = { (unsigned char)type, (unsigned char)(body.len >> 8), (unsigned char)body.len };

	own->check_out = (uint32_t)crc32(own->check_out, head, M_HEAD);
	if (body.len > 0)
		own->check_out = (uint32_t)crc32(own->check_out, (const unsigned char *)body.p, (unsigned)body.len);
	str_add(m->out, head, M_HEAD);
	str_add_span(m->out, body);
	m_put_number(m->out, own->check_out, M_CHECK);
	own->bytes_sent += M_HEAD + body.len + M_CHECK;
	own->floor_bytes += M_HEAD + body.len + M_CHECK;
	own->spoke = true;
	m_show(m, true, type, body.len);
}

/* --- in --- */

static size_t
body_len(const unsigned char *frame)
{
	return (size_t)frame[1] << 8 | frame[2];
}

/* What needs a model of theirs that is not made yet waits, and all behind it but words about the line. */
static bool
must_wait(const struct m *m, unsigned type)
{
	if (!m_mix_offers(m))
		return false;
	if (m->own->held.len > 0)
		return type != M_PING && type != M_PONG && type != M_SEEN;
	return type == M_DATA && m_mix_holds(m);
}

static int
hear(struct m *m, const unsigned char *frame, size_t whole)
{
	return m_heard(m, frame[0], (struct m_cursor){ frame + M_HEAD, whole - M_HEAD - M_CHECK, false });
}

static int
hear_or_hold(struct m *m, const unsigned char *frame, size_t whole)
{
	struct str *held = &m->own->held;

	if (!must_wait(m, frame[0]))
		return hear(m, frame, whole);
	str_add(held, frame, whole);
	return held->len > HELD_MAX ? m_frames_held(m, true) : 0;
}

int
m_frames_held(struct m *m, bool all)
{
	struct str held = m->own->held;
	size_t len = 0;
	int result = 0;

	if (!m_mix_offers(m) || held.len == 0 || (!all && m_mix_holds(m)))
		return 0;
	m->own->held = (struct str){0};
	for (struct span rest = str_span(&held); rest.len > 0 && result == 0 && !m->over; rest = span_from(rest, len)) {
		const unsigned char *frame = (const unsigned char *)rest.p;
		len = body_len(frame) + M_HEAD + M_CHECK;
		result = all ? hear(m, frame, len) : hear_or_hold(m, frame, len);
	}
	str_free(&held);
	return result;
}

static int
take_frame(struct m *m, const unsigned char *frame, size_t whole)
{
	struct m_parts *own = m->own;
	struct m_cursor check = { frame + whole - M_CHECK, M_CHECK, false };

	own->check_in = (uint32_t)crc32(own->check_in, frame, (unsigned)(whole - M_CHECK));
	if (m_get_number(&check, M_CHECK) != own->check_in)
		return m_wrong(m, "a frame is damaged, or one is missing");
	return hear_or_hold(m, frame, whole);
}

/* How long the frame is that begins here; 0: not to be seen yet.  -1: too long. */
static int
frame_len(struct m *m, struct span bytes, size_t *len)
{
	*len = 0;
	if (bytes.len < M_HEAD)
		return 0;
	*len = body_len((const unsigned char *)bytes.p);
	if (*len > M_FRAME_MAX)
		return m_wrong(m, "a frame of %zu bytes", *len);
	*len += M_HEAD + M_CHECK;
	return 0;
}

/* Adds to the begun frame what it lacks, and no more. */
static int
complete_frame(struct m *m, struct span *rest)
{
	struct str *in = &m->own->in;
	size_t len;

	for (int part = 0; part < 2; part++) {	/* the head, then the rest of it */
		if (frame_len(m, str_span(in), &len) < 0)
			return -1;
		size_t wanted = len > 0 ? len : M_HEAD;
		struct span more = span_to(*rest, wanted - in->len);
		str_add_span(in, more);
		*rest = span_from(*rest, more.len);
	}
	if (frame_len(m, str_span(in), &len) < 0)
		return -1;
	if (len == 0 || in->len < len)
		return 0;
	struct str whole = *in;
	*in = (struct str){0};
	int result = take_frame(m, (const unsigned char *)whole.p, len);
	str_free(&whole);
	return result;
}

int
m_frames(struct m *m, struct span bytes)
{
	struct m_parts *own = m->own;
	bool begun = own->in.len > 0;
	size_t len;

	while (bytes.len > 0 && !m->over) {
		if (own->in.len == 0 && frame_len(m, bytes, &len) < 0)
			return -1;
		if (own->in.len == 0 && len > 0 && bytes.len >= len) {
			if (take_frame(m, (const unsigned char *)bytes.p, len) < 0)
				return -1;
			bytes = span_from(bytes, len);
			begun = false;
			continue;
		}
		if (complete_frame(m, &bytes) < 0)
			return -1;
		begun = begun && own->in.len > 0;
	}
	if (own->in.len == 0)
		own->line.frame = 0;
	else if (!begun)
		own->line.frame = own->now;
	return 0;
}
