/*
 * The other kind of stream: bytes that the model of lib/mail/mix.h makes a fifth smaller than zstd
 * does, for a microsecond or two of the processor each, at both ends.  Worth it for mails over a slow
 * line, not for what is large, or is packed already.
 *
 * Behind STREAM each frame of DATA is one number of lib/mail/range.h: a bit that says that these are
 * all the bytes which the object still misses, else how many in 17 bits; and the bytes.
 */
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/number.h"
#include "lib/mail/mix-keep.h"
#include "lib/mail/range.h"
#include "spool/dictionary.h"
#include "spool/taught.h"
#include "uucico-ssh/m-parts.h"

enum {
	LOG_MIN = 14, LOG_MAX = 20,	/* bytes through one stream: in all, */
	LOG_LEAST = 17, LOG_MOST = 19,	/* and what we say, by what waits */
	PAST_MAX = 4 << 20, PAST_NEAR = 1 << 20,	/* bytes of history; where they are less dear */
	TAUGHT_MAX = 2 << 20, TAUGHT_HERE = 512 << 10, TAUGHT_STEP = 32 << 10,	/* at most, and while both wait */
	WORTH_A_START = 16 << 10,
	MUCH = 512 << 10,
	CREDIT_LEAST = 32768,		/* of theirs: a flush is never cut */
	FLUSH_MAX = M_FRAME_MAX - 10,
	/* Of TCP, where 1,492 bytes are the most; two of them ssh makes one, which saves what it adds. */
	PACKET = 1376, PACKETS = 2800,
	UNCOMMITTED_MOST = 24 << 10,	/* bytes that came and are not durable; and objects */
	READIES_MOST = M_OBJECTS_MAX / 2,
	/* How long it takes, and what it saves. */
	PER_BYTE = 1800, PER_TAUGHT = 1100,	/* nanoseconds for what goes through, for what is taught, */
	PER_PAST = 40,			/* and for what is only looked at */
	HIDES = 8,			/* what is so near it may be a model's, not the line's */
	BUSY = 3,			/* so many times as long: then we stop */
	SAVES = 20,			/* one byte on the line of so many */
	/* The line: bytes a second; a mobile one, and one by a satellite. */
	RATE_NEAR = 250000, RATE_FAR = 64000, RATE_DEAR = 128000,
	RATE_TAUGHT = 300000,		/* over a faster one a model pays only if it was taught before */
	/* What a peer may let us do: bytes, and more for each that it sends. */
	WORK = 4 << 20, WORK_PER_BYTE = 32, PAST_PER_WORK = 32,
	/* The number. */
	ALL = 65528, LEN_BITS = 17,
};

#define FAR (CLOCK_SECOND * 3 / 10)	/* what takes as long there and back is a satellite's */
#define NEAR (CLOCK_SECOND / 20)	/* a shorter one is taken for faster than RATE_TAUGHT, until more is known of it */
#define GATHERS (CLOCK_SECOND / 40)	/* for so long, at least, mails are acknowledged together; */
#define GATHERS_MORE (CLOCK_SECOND / 2)	/* so long, while one of them is not whole: there is more to come */
#define TAKE_UP (CLOCK_SECOND / 25)	/* a model that was kept */
#define PATIENCE (CLOCK_SECOND / 2)	/* in a call, for bytes that are worth more than their time; */
#define PATIENCE_MAX (5 * CLOCK_SECOND)
enum { PATIENCE_TURNS = 3 };		/* over a long line, as long as so many turns of it take */

/* --- whether --- */

bool
m_mix_offers(const struct m *m)
{
	return m->config.mix != M_MIX_NEVER && m->config.credit >= CREDIT_LEAST;
}

void
m_mix_say(const struct m *m, struct str *hello)
{
	str_printf(hello, " mix=%d", MIX_MODEL);
	for (size_t i = 0; i < m->config.class_count && i < M_CLASSES_MAX; i++) {
		const struct m_class *c = &m->config.classes[i];
		if (c->kept != 0)
			str_printf(hello, ",%s:%llu", strcmp(c->name, "main") == 0 ? "" : c->name, (unsigned long long)c->kept);
	}
}

/* "CLASS:NUMBER", "main" by no name.  What is none may be of another time. */
static void
hear_kept(struct m_peer *peer, struct span one)
{
	struct m_class *class = &peer->kept[peer->kepts];
	struct span name;
	uint64_t number;

	if (peer->kepts == M_CLASSES_MAX || !span_cut(&one, ':', &name) || name.len > M_CLASS_MAX ||
	    span_number(one, UINT32_MAX, &number) < 0)
		return;
	if (name.len == 0)
		name = SPAN("main");
	*class = (struct m_class){ .kept = (uint32_t)number };
	memcpy(class->name, name.p, name.len);
	peer->kepts++;
}

bool
m_mix_hears(struct m *m, struct span models)
{
	bool ours = false;
	uint64_t number;

	for (struct span one; span_cut(&models, ',', &one);) {
		if (span_number(one, UINT32_MAX, &number) == 0)
			ours = ours || number == MIX_MODEL;
		else
			hear_kept(&m->own->peer, one);
	}
	return ours;
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

static bool
quick(const struct m *m)
{
	int64_t turn = turn_of(m);

	return m->rate > 0 ? m->rate > RATE_TAUGHT : turn > 0 && turn < NEAR;
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
	return s->object.stream && s->object.length <= M_MIX_OBJECT_MAX;
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

/* The model that is kept at both ends for the history of such mail; NULL: none is. */
static const struct m_kept *
kept_for(const struct m *m, const char *class)
{
	const struct m_peer *peer = &m->own->peer;
	struct m_stream_out *out = &m->own->out;
	uint32_t theirs = 0;
	bool same = !m->met && m->config.kept_theirs && strcmp(class, "main") == 0;	/* until they say otherwise */

	for (size_t i = 0; i < peer->kepts; i++)
		if (strcmp(peer->kept[i].name, class) == 0)
			theirs = peer->kept[i].kept;
	if ((theirs == 0 && !same) || out->fallen > 0 || m->config.models == NULL)
		return NULL;
	if (strcmp(out->kept_class, class) != 0) {
		if (out->mixing.due)	/* by the one that was looked up before */
			return NULL;
		memmove(out->kept_class, class, strlen(class) + 1);
		if (!m->config.models->kept(m->arg, class, true, &out->kept))
			out->kept = (struct m_kept){0};
	}
	return out->kept.past > 0 && (same || bytes_number(out->kept.digest, 4) == theirs) ? &out->kept : NULL;
}

/* What it may cost for so many bytes. */
static int64_t
may_cost(const struct m *m, uint64_t bytes, uint64_t least)
{
	const struct m_stream_out *out = &m->own->out;
	int64_t saves = saves_time(m, bytes), left = out->saved + saves - out->spent;

	if (bytes >= least)
		left += patience(m);
	return saves > left ? saves : left;
}

/* The most that may be taught for so many bytes; 0: no stream of mix is worth it. */
static size_t
worth_teaching(const struct m *m, uint64_t bytes)
{
	if (m->config.mix == M_MIX_ALWAYS || bytes == 0)
		return bytes > 0 ? TAUGHT_HERE : 0;
	if (quick(m))
		return 0;
	for (size_t n = TAUGHT_HERE; n > 0; n -= TAUGHT_STEP)
		if (slowed(&m->own->out, prepares_in(n, m_mix_past(m)) + takes_time(bytes)) <= may_cost(m, bytes, WORTH_A_START))
			return n;
	return 0;
}

static bool
may_go_on(const struct m_kept *kept)
{
	return taught_may_grow(kept->past, kept->taught, kept->grown);
}

static bool
worth_taking_up(const struct m *m, const struct m_kept *kept, uint64_t bytes)
{
	if (kept == NULL || bytes == 0 || bytes > UINT64_C(1) << TAUGHT_MOST_LOG || rate_of(m) > M_MIX_RATE || !may_go_on(kept))
		return false;
	return slowed(&m->own->out, TAKE_UP + prepares_in(kept->grown, 0) + takes_time(bytes)) <=
	    may_cost(m, bytes, M_MIX_WORTH);
}

/* More may always come. */
static bool
lasts(const struct m *m)
{
	return m->config.mix == M_MIX_ALWAYS || m->config.stay || m->own->peer.stay;
}

/* What a stream is worth to begin for, and how: all that is expected, or some of that. */
struct plan {
	uint64_t meant;
	size_t taught;			/* or */
	const struct m_kept *kept;	/* the model that is kept */
};

static struct plan
plan_for(const struct m *m, const char *class, uint64_t bytes)
{
	struct plan plan = { .meant = bytes, .taught = worth_teaching(m, bytes), .kept = kept_for(m, class) };

	if (lasts(m) || !worth_taking_up(m, plan.kept, bytes))
		plan.kept = NULL;
	return plan;
}

static bool
pays(const struct plan *plan)
{
	return plan->taught > 0 || plan->kept != NULL;
}

static struct plan
make_plan(const struct m *m, const char *class)
{
	uint64_t bytes = expected(m, class, M_MIX_OBJECT_MAX);
	struct plan plan = plan_for(m, class, bytes);

	while (!pays(&plan) && bytes >= 2 * WORTH_A_START) {
		bytes /= 2;
		plan = plan_for(m, class, bytes);
	}
	return plan;
}

bool
m_mix_pays(const struct m *m, const struct m_sending *s)
{
	struct plan plan = {0};

	if (may(m) && small(s))
		plan = make_plan(m, s->object.class);
	return pays(&plan);
}

bool
m_mix_wants_kept(const struct m *m, const char *class)
{
	return make_plan(m, class).kept != NULL;
}

bool
m_mix_goes_on(struct m *m, struct span past)
{
	struct m_kept *kept = &m->own->out.kept;

	kept->grown = past.len >= kept->past ? past.len - kept->past : UINT64_MAX;
	return may_go_on(kept);
}

void
m_tell_mix(const struct m *m, struct str *line)
{
	if (m->mixes > 0)
		str_printf(line, " mixes=%u kept=%u mixed_out=%llu mixed_in=%llu", m->mixes, m->taken_up,
		    (unsigned long long)m->mixed_out, (unsigned long long)m->mixed_in);
}

bool
m_keeps_same(const struct m *m)
{
	return m->met && kept_for(m, "main") != NULL;
}

bool
m_teaches(const struct m *m)
{
	return m->met && m->mix_theirs && m->config.mix == M_MIX_MAY && !lasts(m) && rate_of(m) <= M_MIX_RATE &&
	    m->objects_in + m->objects_out > 0;
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

/* It was made from the beginning of the same past, and began to be taught at the same place. */
static bool
goes_on(const struct m_mixing *mixing)
{
	const struct m_kept *kept = &mixing->kept;
	unsigned char digest[DIGEST_SIZE];

	if (kept->model.len == 0 || kept->past > mixing->past.len || kept->taught > mixing->taught ||
	    mixing->past.len - kept->past != mixing->taught - kept->taught)
		return false;
	digest_of(mixing->past.p, kept->past, digest);
	return memcmp(digest, kept->digest, sizeof digest) == 0;
}

/* Somebody may have had the time for it before. */
static struct mix *
made(const struct m *m, const struct m_mixing *mixing)
{
	if (mixing->kept.model.len == 0)
		return NULL;
	return m->config.models->made(m->arg, mixing == &m->own->out.mixing, mixing->past, mixing->taught);
}

static void
begin(struct m *m, struct m_mixing *mixing)
{
	mixing->mix = made(m, mixing);
	if (mixing->mix == NULL && goes_on(mixing))
		mixing->mix = mix_take_up(mixing->past, mixing->taught, mixing->most, MIX_SMALL, mixing->kept.model);
	m->taken_up += mixing->mix != NULL;
	if (mixing->mix == NULL)
		mixing->mix = mix_begin(&mixing->past, 1, mixing->taught, mixing->most, MIX_SMALL);
}

static void
prepare(struct m *m, struct m_mixing *mixing)
{
	if (!mixing->due)
		return;
	if (mixing->mix == NULL)
		begin(m, mixing);
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
	out->before = m->mixed_out;
	prepare(m, &m->own->stream.mixing);
	if (out->mixing.due)
		works(out, prepares_in(MIX_STEP, 0) + (out->mixing.mix == NULL && out->mixing.kept.model.len > 0 ? TAKE_UP : 0));
	prepare(m, &out->mixing);
}

/* The model of the other end is always as late as the last piece was long, and the first mail it waits for. */
static size_t
piece_of(const struct m *m)
{
	const struct m_stream_out *out = &m->own->out;
	size_t count;

	waiting(m, out->class, M_MIX_OBJECT_MAX, &count);
	if (out->before == 0 || count == 0)
		return 1;
	if (quick(m) || m->mixed_out <= PACKETS)
		return PACKET;
	return rate_of(m) <= RATE_DEAR ? 2 * PACKETS : PACKETS;
}

/* Where a model is at work what it said last goes out in whole pieces, and the rest with what it says next. */
size_t
m_holds_back(const struct m *m)
{
	const struct m_stream_out *out = &m->own->out;

	return m->over || !out->mixed || m->mixed_out == out->before ? 0 : m->out->len % piece_of(m);
}

/* It comes slowly, so the line has it as it comes. */
bool
m_mix_enough(const struct m *m)
{
	const struct m_stream_out *out = &m->own->out;

	return out->mixed && m->mixed_out > out->before && m->out->len >= piece_of(m);
}

/* ACKs are for several mails, as long as one comes behind the other: each is a packet of its own, and at both ends
 * the disk is waited for.  The least is for models: while they read what came, more may have come. */
int64_t
m_mix_commit_at(const struct m *m)
{
	const struct m_parts *own = m->own;
	int64_t turn = turn_of(m), wait = turn / 8;

	if (!own->stream.mixed || own->readies == 0 || own->readies >= READIES_MOST || own->heard || lasts(m) ||
	    m->config.half_duplex || own->line.got - own->ready[0]->end >= UNCOMMITTED_MOST)
		return 0;
	int64_t at = own->line.got_at + (wait > GATHERS ? wait : GATHERS);
	int64_t more = m_awaits(m) ? own->line.told_at + (turn > GATHERS_MORE ? turn : GATHERS_MORE) : 0;
	return at > more ? at : more;
}

bool
m_mix_holds(const struct m *m)
{
	return m->own->stream.mixing.due;
}

/* --- ours --- */

unsigned
m_mix_begin(struct m *m, struct span past, bool kept)
{
	struct m_stream_out *out = &m->own->out;
	struct plan plan = make_plan(m, out->class);
	unsigned log = lasts(m) ? LOG_MOST : LOG_LEAST;

	while (log < LOG_MOST && UINT64_C(1) << log < plan.meant)
		log++;
	if (kept) {
		log = TAUGHT_MOST_LOG;
		plan.taught = out->kept.taught + (size_t)out->kept.grown;
	}
	out->mixing = (struct m_mixing){ .past = past, .taught = plan.taught, .most = (size_t)1 << log, .due = true,
		.left = UINT64_C(1) << log, .meant = plan.meant };
	if (kept)
		out->mixing.kept = out->kept;
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

static void
put_byte(struct range *range, struct mix *mix, unsigned char c, struct str *to)
{
	unsigned chance;
	int guess = mix_guess(mix, &chance);

	if (guess >= 0) {
		range_put(range, chance, guess == c, to);
		mix_guessed(mix, guess == c);
	}
	for (int n = 7; n >= 0 && guess != c; n--) {
		int bit = c >> n & 1;
		range_put(range, mix_next(mix), bit, to);
		mix_learn(mix, bit);
	}
}

int
m_mix_pack(struct m *m, struct span bytes, bool all, struct str *to)
{
	struct m_stream_out *out = &m->own->out;
	struct range range = RANGE_ALL;

	range_put(&range, ALL, all, to);
	if (!all)
		put_number(&range, (uint32_t)bytes.len - 1, LEN_BITS, to);
	for (size_t i = 0; i < bytes.len && to->len <= FLUSH_MAX; i++)
		put_byte(&range, out->mixing.mix, (unsigned char)bytes.p[i], to);
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
	if (m->config.models != NULL && log == TAUGHT_MOST_LOG &&
	    !m->config.models->kept(m->arg, in->class, false, &in->mixing.kept))
		in->mixing.kept = (struct m_kept){0};
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
	unsigned c = 1, chance;
	int guess = mix_guess(mix, &chance);

	if (guess >= 0) {
		int right = range_get(reader, chance);
		mix_guessed(mix, right);
		if (right)
			return (char)guess;
	}
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
		prepare(m, &in->mixing);
	if (in->work <= WORK + WORK_PER_BYTE * m->own->line.got && get_all(in, bytes, left, &plain->len) == 0)
		return 0;
	plain->len = 0;
	m_mix_drop(&in->mixing);
	return m_lost(m) < 0 ? -1 : 1;
}
