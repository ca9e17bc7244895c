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
#include "lib/base/number.h"
#include "lib/mail/range.h"
#include "spool/dictionary.h"
#include "uucico-ssh/m-parts.h"

enum {
	LOG_MIN = 14, LOG_MAX = 20,	/* bytes through one stream: in all, */
	LOG_LEAST = 17, LOG_MOST = 19,	/* and what we say, by what waits */
	PAST_MAX = 4 << 20, PAST_NEAR = 1 << 20,	/* bytes of history; where they are less dear */
	TAUGHT_MAX = 512 << 10, TAUGHT_STEP = 32 << 10,
	OBJECT_MAX = 64 << 10,
	WORTH_A_START = 16 << 10,
	MUCH = 512 << 10,
	CREDIT_LEAST = 32768,		/* of theirs: a flush is never cut */
	FLUSH_MAX = M_FRAME_MAX - 10,
	/* How long it takes, and what it saves. */
	PER_BYTE = 1800, PER_TAUGHT = 1100,	/* nanoseconds for what goes through, for what is taught, */
	PER_PAST = 40,			/* and for what is only looked at */
	HIDES = 8,			/* what is so near it may be a model's, not the line's */
	BUSY = 3,			/* so many times as long: then we stop */
	SAVES = 20,			/* one byte on the line of so many */
	/* The line: bytes a second; a mobile one, and one by a satellite. */
	RATE_NEAR = 250000, RATE_FAR = 64000, RATE_DEAR = 128000,
	/* What a peer may let us do: bytes, and more for each that it sends. */
	WORK = 4 << 20, WORK_PER_BYTE = 32, PAST_PER_WORK = 32,
	/* The number. */
	ALL = 65528, LEN_BITS = 17,
};

#define FAR (CLOCK_SECOND * 3 / 10)	/* what takes as long there and back is a satellite's */
#define PATIENCE (CLOCK_SECOND / 2)	/* in a call, for bytes that are worth more than their time; */
#define PATIENCE_MAX (5 * CLOCK_SECOND)
enum { PATIENCE_TURNS = 3 };		/* over a long line, as long as so many turns of it take */

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

/* Of the line: what we measure has their disks in it, and comes late. */
static int64_t
turn_of(const struct m *m)
{
	return m->own->peer.far > 0 ? m->own->peer.far : m->config.far > 0 ? m->config.far : m->rtt;
}

static uint64_t
rate_of(const struct m *m)
{
	int64_t turn = turn_of(m);

	return m->rate > 0 ? m->rate : turn > 0 && turn < FAR ? RATE_NEAR : RATE_FAR;
}

static int64_t
patience(const struct m *m)
{
	int64_t turns = PATIENCE_TURNS * turn_of(m);

	return turns < PATIENCE ? PATIENCE : turns < PATIENCE_MAX ? turns : PATIENCE_MAX;
}

static int64_t
takes_time(uint64_t bytes)
{
	return (int64_t)(bytes * PER_BYTE / 1000);
}

static int64_t
prepares_in(uint64_t taught, uint64_t past)
{
	return (int64_t)((taught * PER_TAUGHT + past * PER_PAST) / 1000);
}

/* As much longer as all has taken so far. */
static int64_t
slowed(const struct m_stream_out *out, int64_t time)
{
	if (out->planned <= 0 || out->spent <= out->planned)
		return time;
	return (int64_t)((double)time * (double)out->spent / (double)out->planned);
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
	/* What a model has cost is no reason to go without what it was made for. */
	uint64_t went = out->mixing.most - out->mixing.left;
	bool meant = went == 0 || (went < out->mixing.meant && out->spent <= BUSY * out->planned);
	return m->config.mix == M_MIX_ALWAYS || meant ||
	    out->spent + slowed(out, takes_time(left)) <= out->saved + saves_time(m, left) + patience(m);
}

size_t
m_mix_past(const struct m *m)
{
	size_t most = m->config.mix == M_MIX_ALWAYS || rate_of(m) <= RATE_DEAR ? PAST_MAX : PAST_NEAR;

	return m->config.window < most ? m->config.window : most;
}

/* Of that class, what is no larger, and how many objects that is. */
static uint64_t
waiting(const struct m *m, const char *class, uint64_t largest, size_t *count)
{
	uint64_t bytes = 0;

	*count = 0;
	for (size_t i = 0; i < m->own->sendings; i++) {
		const struct m_sending *s = m->own->sending[i];
		if (s->sent || !s->object.stream || s->object.length > largest || strcmp(s->object.class, class) != 0)
			continue;
		bytes += left_of(s);
		++*count;
	}
	return bytes;
}

/* The same, and what is behind the objects that are known, which is taken to be like them. */
static uint64_t
expected(const struct m *m, const char *class, uint64_t largest)
{
	const struct m_parts *own = m->own;
	size_t count;
	uint64_t bytes = waiting(m, class, largest, &count);

	return count > 0 ? bytes / count * (count + own->sending[own->sendings - 1]->object.behind) : 0;
}

bool
m_much_waits(const struct m *m)
{
	return expected(m, m->own->out.class, UINT64_MAX) > MUCH;
}

/* The most that may be taught for so many bytes; 0: no stream of mix is worth it. */
static size_t
worth_teaching(const struct m *m, uint64_t bytes)
{
	const struct m_stream_out *out = &m->own->out;
	int64_t saves = saves_time(m, bytes), left = out->saved + saves - out->spent;

	if (m->config.mix == M_MIX_ALWAYS || bytes == 0)
		return bytes > 0 ? TAUGHT_MAX : 0;
	if (rate_of(m) > M_MIX_RATE)
		return 0;
	if (bytes >= WORTH_A_START)
		left += patience(m);
	for (size_t n = TAUGHT_MAX; n > 0; n -= TAUGHT_STEP) {
		int64_t costs = slowed(out, prepares_in(n, m_mix_past(m)) + takes_time(bytes));
		if (costs <= saves || costs <= left)
			return n;
	}
	return 0;
}

/* What a stream is worth to begin for, and what it is taught: all that is expected, or some of that. */
static uint64_t
worth(const struct m *m, const char *class, size_t *taught)
{
	uint64_t bytes = expected(m, class, OBJECT_MAX);

	*taught = worth_teaching(m, bytes);
	while (*taught == 0 && bytes >= 2 * WORTH_A_START) {
		bytes /= 2;
		*taught = worth_teaching(m, bytes);
	}
	return bytes;
}

bool
m_mix_pays(const struct m *m, const struct m_sending *s)
{
	size_t taught = 0;

	if (may(m) && small(s))
		worth(m, s->object.class, &taught);
	return taught > 0;
}

/* A machine that is busy, or slow, takes longer than was thought. */
void
m_mix_clock(struct m *m, bool taken)
{
	struct m_stream_out *out = &m->own->out;
	int64_t took = m->own->now - out->working;

	if ((taken || out->mixing.due) && out->worked > 0 && took > out->worked)
		out->spent += took - out->worked;
	out->working = m->own->now;
	out->worked = 0;
}

static void
works(struct m_stream_out *out, int64_t time)
{
	out->planned += time;
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
	if (mixing->mix == NULL)
		mixing->mix = mix_begin(&mixing->past, 1, mixing->taught, mixing->most, MIX_SMALL);
	mixing->due = mix_prepare(mixing->mix, MIX_STEP);
}

bool
m_mix_due(const struct m *m)
{
	return m->own->stream.mixing.due || m->own->out.mixing.due;
}

void
m_mix_prepare(struct m *m)
{
	struct m_stream_out *out = &m->own->out;

	m->models = m_mix_due(m);
	prepare(&m->own->stream.mixing);
	if (out->mixing.due)
		works(out, prepares_in(MIX_STEP, 0));
	prepare(&out->mixing);
}

bool
m_mix_holds(const struct m *m)
{
	return m->own->stream.mixing.due;
}

/* --- ours --- */

unsigned
m_mix_begin(struct m *m, struct span past)
{
	struct m_stream_out *out = &m->own->out;
	size_t taught;
	uint64_t meant = worth(m, out->class, &taught);
	bool more = m->config.mix == M_MIX_ALWAYS || m->config.stay || m->own->peer.stay;
	unsigned log = more ? LOG_MOST : LOG_LEAST;

	while (log < LOG_MOST && UINT64_C(1) << log < meant)
		log++;
	out->mixing = (struct m_mixing){ .past = past, .taught = taught, .most = (size_t)1 << log, .due = true,
		.left = UINT64_C(1) << log, .meant = meant };
	m->mixes++;
	return log;
}

/* In so many microseconds that rate was measured.  A line that no model, and no turn of it, makes look slow is so by
 * far. */
bool
m_mix_hides(const struct m *m, int64_t took, uint64_t rate)
{
	const struct m_stream_out *out = &m->own->out;

	if (!out->mixed || out->spent <= 0 || (m->rate > 0 && rate > m->rate))
		return false;
	uint64_t pace = number_share(m->mixed_out, CLOCK_SECOND, (uint64_t)out->spent, false);
	return took < HIDES * turn_of(m) || rate > pace / HIDES;
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
	works(out, takes_time(bytes.len));
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
	while (in->mixing.due)
		prepare(&in->mixing);
	if (in->work <= WORK + WORK_PER_BYTE * m->own->line.got && get_all(in, bytes, left, &plain->len) == 0)
		return 0;
	plain->len = 0;
	m_mix_drop(&in->mixing);
	return m_lost(m) < 0 ? -1 : 1;
}
