/*
 * The other kind of stream: bytes that the model of lib/mail/mix.h makes a fifth smaller than zstd
 * does, for a microsecond or two of the processor each, at both ends.  Worth it for mails over a slow
 * line, not for what is large, or is packed already.
 *
 * Behind STREAM each frame of DATA is one number of lib/mail/range.h: a bit that says that these are
 * all the bytes which the object still misses, else how many in 17 bits; and the bytes.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/range.h"
#include "spool/dictionary.h"
#include "uucico-ssh/m-parts.h"

enum {
	LOG_MIN = 14, LOG_MAX = 20, LOG = 19,	/* bytes through one stream */
	PAST_MAX = 4 << 20, PAST = 2 << 20,	/* bytes of history: where bytes are dear, and else */
	TAUGHT_MAX = 512 << 10,
	TAUGHT_SLOW = 256 << 10, TAUGHT = 128 << 10,
	OBJECT_MAX = 64 << 10,
	WORTH_A_START = 16 << 10,
	CREDIT_LEAST = 32768,		/* of theirs: a flush is never cut */
	FLUSH_MAX = M_FRAME_MAX - 10,
	/* How long it takes, and what it saves. */
	PER_BYTE = 1500,		/* nanoseconds for what is taught or goes through, */
	PER_PAST = 50,			/* and for what is only looked at */
	SAVES = 20,			/* one byte on the line of so many */
	/* The line: bytes a second. */
	RATE_GUESSED = 64000, RATE_SLOW = 20000, RATE_FAST = 1000000,
	/* What a peer may let us do: bytes, and more for each that it sends. */
	WORK = 4 << 20, WORK_PER_BYTE = 32, PAST_PER_WORK = 32,
	/* The number. */
	ALL = 65528, LEN_BITS = 17,
};

#define PATIENCE (CLOCK_SECOND / 2)	/* in a call, for bytes that are worth more than their time */

/* --- whether --- */

bool
m_mix_offers(const struct m *m)
{
	return m->config.mix != M_MIX_NEVER && m->config.credit >= CREDIT_LEAST;
}

bool
m_mix_hears(struct span models)
{
	uint64_t number;

	for (struct span one; span_cut(&models, ',', &one);)
		if (span_number(one, UINT32_MAX, &number) == 0 && number == MIX_MODEL)
			return true;
	return false;
}

static bool
may(const struct m *m)
{
	const struct m_peer *peer = &m->own->peer;

	return m->config.mix != M_MIX_NEVER && m->mix_theirs && !m->own->out.unmixed && peer->credit >= CREDIT_LEAST;
}

static uint64_t
rate_of(const struct m *m)
{
	return m->rate > 0 ? m->rate : RATE_GUESSED;
}

static int64_t
takes_time(uint64_t bytes, uint64_t past)
{
	return (int64_t)((bytes * PER_BYTE + past * PER_PAST) / 1000);
}

static int64_t
saves_time(const struct m *m, uint64_t bytes)
{
	return (int64_t)(bytes / SAVES * CLOCK_SECOND / rate_of(m));
}

static bool
small(const struct m_sending *s)
{
	return s->object.stream && s->object.length <= OBJECT_MAX;
}

static uint64_t
left_of(const struct m_sending *s)
{
	return s->object.length - s->object.at;
}

bool
m_mix_takes(const struct m *m, const struct m_sending *s)
{
	const struct m_stream_out *out = &m->own->out;
	uint64_t left = left_of(s);

	if (!may(m) || !small(s) || left > out->mixing.left)
		return false;
	return m->config.mix == M_MIX_ALWAYS ||
	    out->spent + takes_time(left, 0) <= out->saved + saves_time(m, left) + PATIENCE;
}

static size_t
taught(const struct m *m)
{
	bool slow = m->rate > 0 && m->rate < RATE_SLOW;

	return slow || m->config.mix == M_MIX_ALWAYS ? TAUGHT_SLOW : TAUGHT;
}

size_t
m_mix_past(const struct m *m)
{
	size_t most = m->config.mix == M_MIX_ALWAYS ? PAST_MAX : PAST;

	return m->config.window < most ? m->config.window : most;
}

bool
m_mix_pays(const struct m *m, const struct m_sending *s)
{
	const struct m_stream_out *out = &m->own->out;
	uint64_t waiting = 0;

	if (!may(m) || !small(s))
		return false;
	/* The present one would do for it, if there was time: then there is none for another. */
	if (out->mixed && strcmp(out->class, s->object.class) == 0 && left_of(s) <= out->mixing.left)
		return false;
	for (size_t i = 0; i < m->own->sendings; i++) {
		const struct m_sending *other = m->own->sending[i];
		if (!other->sent && small(other) && strcmp(other->object.class, s->object.class) == 0)
			waiting += left_of(other);
	}
	if (m->config.mix == M_MIX_ALWAYS || waiting == 0)
		return waiting > 0;
	int64_t patience = waiting >= WORTH_A_START ? PATIENCE : 0;
	int64_t costs = takes_time(taught(m) + waiting, m_mix_past(m));
	return rate_of(m) <= RATE_FAST && out->spent + costs <= out->saved + saves_time(m, waiting) + patience;
}

/* A machine that is busy, or slow, takes longer than was thought. */
void
m_mix_clock(struct m *m, bool taken)
{
	struct m_stream_out *out = &m->own->out;
	int64_t took = m->own->now - out->working;

	if (taken && out->worked > 0 && took > out->worked)
		out->spent += took - out->worked;
	out->working = m->own->now;
	out->worked = 0;
}

static void
works(struct m_stream_out *out, int64_t time)
{
	out->spent += time;
	out->worked += time;
}

/* --- both ends --- */

void
m_mix_drop(struct m_mixing *mixing)
{
	mix_free(mixing->mix);
	*mixing = (struct m_mixing){0};
}

static void
prepare(struct m_mixing *mixing)
{
	if (!mixing->due)
		return;
	mixing->mix = mix_new(&mixing->past, 1, mixing->taught, mixing->most);
	mixing->due = false;
}

void
m_mix_prepare(struct m *m)
{
	struct m_stream_out *out = &m->own->out;
	size_t past = out->mixing.past.len;

	prepare(&m->own->stream.mixing);
	if (out->mixing.due)
		works(out, takes_time(past < out->mixing.taught ? past : out->mixing.taught, past));
	prepare(&out->mixing);
}

bool
m_mix_due(const struct m *m)
{
	return m->own->stream.mixing.due || m->own->out.mixing.due;
}

/* --- ours --- */

unsigned
m_mix_begin(struct m *m, struct span past)
{
	struct m_stream_out *out = &m->own->out;

	out->mixing = (struct m_mixing){ .past = past, .taught = taught(m), .most = (size_t)1 << LOG, .due = true,
		.left = 1 << LOG };
	m->mixes++;
	return LOG;
}

static void
put_number(struct range *range, uint32_t number, int bits, struct str *to)
{
	while (bits-- > 0)
		range_put(range, 32768, number >> bits & 1, to);
}

int
m_mix_pack(struct m *m, struct span bytes, bool all, struct str *to)
{
	struct m_stream_out *out = &m->own->out;
	struct range range = RANGE_ALL;

	range_put(&range, ALL, all, to);
	if (!all)
		put_number(&range, (uint32_t)bytes.len - 1, LEN_BITS, to);
	for (size_t i = 0; i < bytes.len && to->len <= FLUSH_MAX; i++) {
		for (int n = 7; n >= 0; n--) {
			int bit = (unsigned char)bytes.p[i] >> n & 1;
			range_put(&range, mix_next(out->mixing.mix), bit, to);
			mix_learn(out->mixing.mix, bit);
		}
	}
	range_end(&range, to);
	if (to->len == 0)
		str_add_char(to, '\0');
	out->mixing.left -= bytes.len;
	works(out, takes_time(bytes.len, 0));
	out->saved += saves_time(m, bytes.len);
	m->mixed_out += to->len;
	return to->len > FLUSH_MAX;
}

/* --- theirs --- */

int
m_mix_follow(struct m *m, unsigned log, uint64_t taught, struct span past)
{
	struct m_stream_in *in = &m->own->stream;

	if (log < LOG_MIN || log > LOG_MAX || taught > TAUGHT_MAX || past.len > PAST_MAX + DICTIONARY_MAX)
		return m_lost(m);
	in->work += past.len / PAST_PER_WORK + (past.len < taught ? past.len : taught);
	if (in->work > WORK + WORK_PER_BYTE * m->own->line.got)
		return m_lost(m);
	m->mixes++;
	in->mixing = (struct m_mixing){ .past = past, .taught = (size_t)taught, .most = (size_t)1 << log, .due = true,
		.left = UINT64_C(1) << log };
	return 0;
}

static uint64_t
get_number(struct range_reader *reader, int bits)
{
	uint64_t number = 0;

	while (bits-- > 0)
		number = number << 1 | (unsigned)range_get(reader, 32768);
	return number;
}

static char
get_byte(struct range_reader *reader, struct mix *mix)
{
	unsigned c = 1;

	while (c < 256) {
		int bit = range_get(reader, mix_next(mix));
		mix_learn(mix, bit);
		c = c << 1 | (unsigned)bit;
	}
	return (char)c;
}

/* What says nothing else than zeros is a zero: there is no frame without a byte. */
static bool
ends(struct range_reader *reader)
{
	if (range_ends(reader))
		return true;
	if (reader->bytes.len != 1 || reader->bytes.p[0] != '\0')
		return false;
	reader->bytes.len = 0;
	return range_ends(reader);
}

/* 0, or -1: it is none. */
static int
get_all(struct m_stream_in *in, struct span bytes, uint64_t left, size_t *len)
{
	struct range_reader reader;

	range_read(&reader, bytes);
	uint64_t count = range_get(&reader, ALL) ? left : get_number(&reader, LEN_BITS) + 1;
	if (count > left || count > M_PLAIN_MAX || count > in->mixing.left)
		return -1;
	for (*len = 0; *len < count && !range_spent(&reader); ++*len)
		in->room[*len] = get_byte(&reader, in->mixing.mix);
	in->mixing.left -= count;
	in->work += count;
	return ends(&reader) ? 0 : -1;
}

int
m_mix_unpack(struct m *m, struct span bytes, uint64_t left, struct span *plain)
{
	struct m_stream_in *in = &m->own->stream;

	if (left == 0)
		return m_wrong(m, "more bytes than the object has");
	m->mixed_in += bytes.len;
	prepare(&in->mixing);
	if (in->work <= WORK + WORK_PER_BYTE * m->own->line.got && get_all(in, bytes, left, &plain->len) == 0)
		return 0;
	plain->len = 0;
	m_mix_drop(&in->mixing);
	return m_lost(m) < 0 ? -1 : 1;
}
