#include "lib/mail/mix.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/mix-text.h"

/*
 * What a context saw are histories of bits, a byte each, in lines of 16: a check, and the 15 nodes of half
 * a byte.  All that is touched for a bit is small, so that it stays near the processor, and what is
 * multiplied are 16 bits into 32, in loops that compilers make vectors of.  The bounds below see to it that
 * no sum is longer, whoever adds it up and in what order.
 */
enum {
	CONTEXTS = 13,
	LINE = 16,
	REPEAT = 2 * CONTEXTS,		/* inputs: two of each context, two of each repetition, */
	ALWAYS = REPEAT + 4,		/* and one that is always the same */
	INPUTS = 32,
	SETS = 4, SET_SIZE = 2048,	/* of weights; one of each set has a say, */
	LEVELS = 8, DEPTHS = 4,		/* and how much of one, by surprise and by known contexts */
	SLOTS_LOG_MIN = 10,		/* lines */
	CLOSE_LOG = 16,
	SURE = 20, LONG = 32,		/* bytes of a repetition: no longer one is looked for; nothing new */
	SHORTEST = 5, CLOSE = 3, CLOSE_SURE = 16,
	MISSED_MAX = 16,
	CLASSES = 64, ASTRAY = 32,	/* of a repetition's length; of one that went wrong */
	STEP = 192,			/* of the scale, between two points of the last stage */
	POINTS = 33, FINALS = 2048,
	RATE = 200, RATE_END = 40, RATE_EVERY = 4096,
	WEIGHT = 2200, WEIGHT_ONE = 14, WEIGHT_MAX = 28000,	/* at first: 0.13 */
	SHARE_ONE = 1 << 16, SHARE_MAX = 1 << 20,
	STATES = 256, EXACT = 4,	/* so many bits are remembered one by one */
	SEEN_MAX = 40,
	COUNT_MAX = 255,
	LIGHTER = 16,			/* so much sooner is a byte done that is not taught */
	HINTS = 3, HINTS_LOG = 14,	/* of a byte as a whole, */
	FORESEEN = 16,			/* where so many repeat others */
	SURE_ENOUGH = 65536 - 500,	/* then it is asked for */
};

#define HINT_AT_FIRST (64000u << 16 | 6)

struct mix {
	struct mix_text text;
	uint32_t past, older;		/* bytes of it that are to be gone through, and of these not taught */
	/* histories */
	uint8_t next[STATES][2], total[STATES];
	uint8_t *slots, *line[CONTEXTS], *node[CONTEXTS];
	uint32_t line_at[CONTEXTS];	/* the former, in slots, while it is put away */
	unsigned slots_log;
	uint32_t context[CONTEXTS], place[CONTEXTS];
	uint32_t map[CONTEXTS][STATES], *mapped[CONTEXTS];	/* what they are worth: chance (22 bits), times seen (10) */
	int32_t slower[COUNT_MAX + 1];
	bool ready;			/* line is that of this half byte */
	/* repetitions */
	uint32_t from, same, missed;	/* it goes on there, is so long, and went wrong so often */
	uint32_t *close, from_close, same_close;	/* where the last 4 bytes stood last */
	int expected, expected_close;	/* bit; -1: none */
	unsigned class, class_close;
	uint32_t repeats[CLASSES], repeats_close[CLASSES];
	/* whole bytes */
	bool guesses;
	int foreseen;			/* -1: nothing is */
	uint32_t (*hint)[1 << HINTS_LOG], *hints[HINTS];
	/* where we are */
	uint32_t bits;			/* of this byte, behind a 1 */
	uint16_t followed[256];		/* by what the last two times, each byte */
	uint32_t surprise, wrong;	/* of the last bytes, and of this one so far */
	unsigned level;
	/* weighing */
	int16_t (*weight)[SET_SIZE][INPUTS], *set[SETS];
	int16_t input[INPUTS];
	int32_t said[SETS], logits[SETS], said_last;	/* by each set, by all: chances, logits */
	int32_t share[LEVELS][DEPTHS][SETS], *shares;
	uint16_t final[2][FINALS][POINTS], *point[2];
	int32_t rate;
	uint32_t learnt;		/* bits */
};

/* Lines of histories for a byte that teaches or comes, and most of them; bytes for a place where a repetition may be, and places. */
static const struct { size_t lines; unsigned lines_log; size_t bytes_a_place; unsigned places_log; enum mix_pages pages; } sizes[] = {
	[MIX_LARGE] = { 8, 21, 1, MIX_PLACES_LOG, MIX_PAGES_LARGE },
	[MIX_SMALL] = { 2, 20, 4, MIX_PLACES_LOG - 2, MIX_PAGES_SMALL },
};

/* Of its lines. */
static unsigned
lines_log(size_t past, size_t taught, size_t most, enum mix_size size)
{
	return mix_log_for(sizes[size].lines * ((past < taught ? past : taught) + most), SLOTS_LOG_MIN, sizes[size].lines_log);
}

static unsigned
places_log(size_t past, size_t most, enum mix_size size)
{
	return mix_text_log(past + most, sizes[size].bytes_a_place, sizes[size].places_log);
}

bool
mix_may_grow(size_t past, size_t taught, size_t most, enum mix_size size, size_t more)
{
	return lines_log(past + more, taught + more, most, size) == lines_log(past, taught, most, size) &&
	    places_log(past + more, most, size) == places_log(past, most, size);
}

/*
 * histories: up to EXACT bits one by one, then how many zeros and ones, and which came last.  A bit makes
 * less of the many others before it: what changed is likely to stay so.
 */

struct history { int seen[2], last, bits; };

static bool
is_history(int zeros, int ones)
{
	static const int most[] = { SEEN_MAX, 24, 10, 7, 5 };
	int few = zeros < ones ? zeros : ones, many = zeros + ones - few;

	return few < (int)(sizeof most / sizeof most[0]) && many <= most[few];
}

static int
forget(int seen)
{
	return seen <= 2 ? seen : 32 - __builtin_clz((unsigned)seen);
}

/* What is there of it, or nearest. */
static void
add_seen(int seen[2], int bit, bool exact)
{
	int *same = &seen[bit], *other = &seen[!bit];

	++*same;
	if (!exact)
		*other = forget(*other);
	while (*same + *other <= EXACT)
		++*same;
	while (!is_history(seen[0], seen[1]))
		--*(*same > 1 && is_history(seen[0] - !bit, seen[1] - bit) ? same : *other > 0 ? other : same);
}

static uint8_t
find_history(const struct history *h, int count, const int seen[2], int last)
{
	int i = (2 << EXACT) - 1;

	while (i + 1 < count && (h[i].seen[0] != seen[0] || h[i].seen[1] != seen[1] || h[i].last != last))
		i++;
	return (uint8_t)i;
}

static int
list_histories(struct history h[STATES])
{
	int count = 0;

	for (int len = 0; len <= EXACT; len++)
		for (int bits = 0; bits < 1 << len; bits++) {
			int ones = __builtin_popcount((unsigned)bits);
			h[count++] = (struct history){ { len - ones, ones }, bits & 1, len };
		}
	for (int zeros = 0; zeros <= SEEN_MAX; zeros++)
		for (int ones = zeros <= EXACT ? EXACT + 1 - zeros : 0; ones <= SEEN_MAX; ones++)
			for (int last = 0; last < 2 && is_history(zeros, ones); last++)
				if ((last ? ones : zeros) > 0 && count < STATES)
					h[count++] = (struct history){ { zeros, ones }, last, EXACT + 1 };
	return count;
}

/* Chance of a 1 at first, in 65536ths. */
static uint32_t
chance_at_first(const struct history *h)
{
	uint32_t ones = (uint32_t)h->seen[1], all = ones + (uint32_t)h->seen[0];
	uint32_t doubt = ones == 0 || ones == all ? 4 : 8;

	return 65535 * (20 * ones + doubt) / (20 * all + 2 * doubt);
}

static void
make_histories(struct mix *m)
{
	struct history h[STATES];
	int count = list_histories(h);

	for (int i = 0; i < count; i++) {
		m->total[i] = (uint8_t)(h[i].seen[0] + h[i].seen[1]);
		for (size_t c = 0; c < CONTEXTS; c++)
			m->map[c][i] = chance_at_first(&h[i]) << 16 | 6;
		for (int bit = 0; bit < 2; bit++) {
			int seen[2] = { h[i].seen[0], h[i].seen[1] };
			if (h[i].bits < EXACT) {	/* they stand in the order of a tree */
				m->next[i][bit] = (uint8_t)(2 * i + 1 + bit);
				continue;
			}
			add_seen(seen, bit, h[i].bits == EXACT);
			m->next[i][bit] = find_history(h, count, seen, bit);
		}
	}
}

/* One of three lines has it, or the one that has seen least becomes it. */
static uint8_t *
find_line(struct mix *m, uint32_t h)
{
	uint32_t at = h >> (32 - m->slots_log);
	uint8_t check = (uint8_t)(h & 0xff ? h & 0xff : 1), *least = NULL;

	for (uint32_t i = 0; i < 3; i++) {
		uint8_t *line = m->slots + (size_t)(at ^ i) * LINE;
		if (line[0] == check)
			return line;
		if (least == NULL || m->total[least[1]] > m->total[line[1]])
			least = line;
	}
	memset(least, 0, LINE);
	least[0] = check;
	return least;
}

/* The table is larger than what is at hand for a processor: lines are called for here, and looked at when
 * all else of a bit is done. */
static void
call_lines(struct mix *m)
{
	for (uint32_t i = 0; i < CONTEXTS; i++) {
		m->place[i] = mix_hash(m->context[i] + i * 0x9e3779b1u, m->bits * 0x3779fb9u);
		__builtin_prefetch(m->slots + (size_t)(m->place[i] >> (32 - m->slots_log)) * LINE);
	}
}

static void
find_lines(struct mix *m)
{
	for (size_t i = 0; i < CONTEXTS; i++)
		m->line[i] = find_line(m, m->place[i]);
}

/* chances (22 bits) of what was seen so often (10) */

static void
learn_chance(const struct mix *m, uint32_t *seen, int bit)
{
	uint32_t count = *seen & 1023;
	int32_t chance = (int32_t)(*seen >> 10), wrong = (bit ? (1 << 22) - 1 : 0) - chance;

	chance += (wrong >> 4) * m->slower[count] >> 9;
	*seen = (uint32_t)chance << 10 | (count + (count < COUNT_MAX));
}

static int32_t
within(int32_t n, int32_t most)
{
	return n > most ? most : n < -most ? -most : n;
}

/* contexts of a byte */

static uint32_t
expected_byte(const struct mix *m)
{
	uint32_t length = m->same < 16 ? m->same : m->same < LONG ? 16 : 17;

	if (m->from == 0)
		return 0;
	return m->text.bytes[m->from] + 256 * (m->missed == 0 ? length : m->same > 3 ? 21 : 20) + 65536;
}

static void
set_contexts(struct mix *m)
{
	const struct mix_text *t = &m->text;
	uint32_t last = t->last4 & 0xff, *c = m->context;

	*c++ = 0;
	*c++ = last | 256;
	*c++ = mix_hash(t->last4 & 0xffffff, 3);
	*c++ = mix_hash(t->last4, 4);
	*c++ = mix_hash(t->last4, t->before4 & 0xffff);
	*c++ = mix_hash(t->word, last);
	*c++ = mix_hash(t->word + t->word_before * 31, t->field != 0 ? 5 : 6);
	*c++ = mix_hash(t->field, t->last4 & 0xffff);
	*c++ = mix_hash(expected_byte(m), last);
	*c++ = mix_hash(t->field + t->part * 77, t->word);
	*c++ = mix_hash(mix_text_above(t), last | t->column << 8);
	*c++ = mix_hash(m->followed[last], last + 7777);
	*c = mix_hash(t->field, t->part * 256 + last);
}

static void
prepare(struct mix *m)
{
	set_contexts(m);
	call_lines(m);
	m->ready = true;
}

/* repetitions */

static uint32_t *
place_close(const struct mix *m)
{
	return &m->close[m->text.last4 * 0x9e3779b1u >> (32 - CLOSE_LOG)];
}

static void
look_at(struct mix *m, uint32_t place)
{
	uint32_t same = mix_text_same(&m->text, place);

	if (same > m->same && same >= SHORTEST) {
		m->same = same;
		m->from = place;
		m->missed = 0;
	}
}

static void
look_close(struct mix *m, uint32_t place)
{
	uint32_t same = mix_text_same(&m->text, place);

	m->same_close = same >= CLOSE ? same : 0;
	m->from_close = place;
}

static void
find_repetitions(struct mix *m)
{
	if (m->text.at < MIX_HASHED)
		return;
	uint32_t *near = mix_text_near(&m->text), *far = mix_text_far(&m->text), *close = place_close(m);
	if (m->same < SURE || m->missed > 0) {
		look_at(m, *far);
		look_at(m, *near);
	}
	if (m->same_close < CLOSE_SURE)
		look_close(m, *close);
	*near = *far = *close = m->text.at;
}

/* Where a repetition goes wrong it may go on behind that. */
static void
follow(struct mix *m, unsigned char c)
{
	if (m->from > 0 && m->text.bytes[m->from] == c) {
		m->same++;
		m->missed -= m->missed > 0 && m->same % 4 == 0;
		m->from++;
	} else if (m->from > 0) {
		m->same = 0;
		m->from = ++m->missed > MISSED_MAX ? 0 : m->from + 1;
		m->missed = m->from > 0 ? m->missed : 0;
	}
	m->same_close = m->same_close > 0 && m->text.bytes[m->from_close++] == c ? m->same_close + 1 : 0;
}

/* whole bytes: in a long repetition most bits cost next to nothing but time.  Where what was seen in such a
 * place says that the byte is as good as sure, one answer does for all eight; else there is no question. */

static void
foresee(struct mix *m)
{
	const struct mix_text *t = &m->text;

	m->foreseen = m->from > 0 && m->missed == 0 && m->same >= FORESEEN ? t->bytes[m->from] : -1;
	if (m->foreseen < 0)
		return;
	uint32_t byte = (uint32_t)m->foreseen, length = 31 - (uint32_t)__builtin_clz(m->same);
	uint32_t at[HINTS] = {
		mix_hash(2 * length + (m->same >> (length - 1) & 1), byte),
		mix_hash(t->last4 & 0xffff, byte),
		mix_hash(t->field + t->part * 77, t->column),
	};
	for (size_t i = 0; i < HINTS; i++) {
		m->hints[i] = &m->hint[i][at[i] >> (32 - HINTS_LOG)];
		if (*m->hints[i] == 0)
			*m->hints[i] = HINT_AT_FIRST;
	}
}

/* They say much the same, but not quite. */
static unsigned
sure(const struct mix *m)
{
	int32_t sum = 0;

	for (size_t i = 0; i < HINTS; i++)
		sum += m->text.logit[*m->hints[i] >> 20];
	return m->text.chance[within(sum * 7 / 16, MIX_LOGIT) + MIX_LOGIT];
}

static void
learn_hints(struct mix *m, unsigned char c)
{
	for (size_t i = 0; i < HINTS && m->foreseen >= 0; i++)
		learn_chance(m, m->hints[i], c == m->foreseen);
	m->foreseen = -1;
}

static unsigned
level_of(uint32_t surprise)
{
	static const uint8_t steps[LEVELS - 1] = { 1, 2, 4, 6, 9, 12, 14 };
	unsigned level = 0;

	while (level < LEVELS - 1 && surprise >= steps[level] * 14000u)
		level++;
	return level;
}

static void
end_byte(struct mix *m, unsigned char c)
{
	uint16_t *followed = &m->followed[m->text.last4 & 0xff];

	*followed = (uint16_t)(*followed << 8 | c);
	learn_hints(m, c);
	follow(m, c);
	mix_text_byte(&m->text, c);
	find_repetitions(m);
	m->surprise = (3 * m->surprise + m->wrong) / 4;
	m->wrong = 0;
	m->level = level_of(m->surprise);
	m->bits = 1;
	m->ready = false;
}

int
mix_guess(struct mix *m, unsigned *chance)
{
	if (!m->guesses)
		return -1;
	foresee(m);
	*chance = m->foreseen >= 0 ? sure(m) : 0;
	return *chance >= SURE_ENOUGH ? m->foreseen : -1;
}

void
mix_guessed(struct mix *m, bool right)
{
	if (right)
		end_byte(m, (unsigned char)m->foreseen);
}

/* weighing */

static unsigned
class_of(uint32_t same, uint32_t missed)
{
	if (missed > 0)
		return ASTRAY + (same > 7 ? 7 : same) + 8 * (missed > 3 ? 3 : missed - 1);
	if (same < 16)
		return same;
	if (same < 32)
		return 16 + (same - 16) / 4;
	if (same < 64)
		return 20 + (same - 32) / 8;
	return same < 512 ? 24 + (same - 64) / 90 : 29;
}

static unsigned
bits_seen(const struct mix *m)
{
	return 31 - (unsigned)__builtin_clz(m->bits);
}

/* How many of three longer contexts were met before. */
static unsigned
ask_contexts(struct mix *m)
{
	unsigned seen = bits_seen(m), deepest = 0;
	uint32_t node = seen < 4 ? m->bits : 1u << (seen - 4) | (m->bits & ((1u << (seen - 4)) - 1));

	for (unsigned i = 0; i < CONTEXTS; i++) {
		uint8_t *n = m->node[i] = m->line[i] + node;
		uint32_t *map = m->mapped[i] = &m->map[i][*n];
		int chance = (int)(*map >> 20), met = -(*n != 0);
		m->input[2 * i] = (int16_t)(m->text.logit[chance] & met);
		m->input[2 * i + 1] = (int16_t)(((chance >> 2) - 512) & met);
	}
	for (unsigned i = 2; i < 2 + DEPTHS - 1; i++)
		if (*m->node[i] != 0)
			deepest = i - 1;
	return deepest;
}

static void
put_inputs(int16_t input[2], int expected, int first, int second)
{
	input[0] = (int16_t)(expected < 0 ? 0 : expected ? first : -first);
	input[1] = (int16_t)(expected < 0 ? 0 : expected ? second : -second);
}

/* The next bit of that byte, if those before it are ours: else -1. */
static int
bit_of(const struct mix *m, uint32_t place)
{
	unsigned seen = bits_seen(m);
	uint32_t byte = place > 0 ? m->text.bytes[place] | 256u : 0;

	return byte >> (8 - seen) == m->bits ? (int)(byte >> (7 - seen) & 1) : -1;
}

static void
ask_repetitions(struct mix *m)
{
	int32_t length = (int32_t)(m->same < LONG ? m->same : LONG) * 16;

	m->expected = bit_of(m, m->from);
	m->class = m->expected < 0 ? 0 : class_of(m->same, m->missed);
	put_inputs(&m->input[REPEAT], m->expected, m->text.logit[m->repeats[m->class] >> 20], length);
	m->expected_close = m->same_close > 0 ? bit_of(m, m->from_close) : -1;
	m->class_close = 2 * (m->same_close < CLOSE_SURE ? m->same_close : CLOSE_SURE) + (m->expected_close == m->expected);
	int chance = (int)(m->repeats_close[m->class_close] >> 20);
	put_inputs(&m->input[REPEAT + 2], m->expected_close, m->text.logit[chance], (chance - 2048) / 2);
	m->input[ALWAYS] = 256;
}

static void
choose_sets(struct mix *m, unsigned deepest)
{
	const struct mix_text *t = &m->text;

	m->set[0] = m->weight[0][m->level << 8 | m->bits];
	m->set[1] = m->weight[1][(t->field != 0 ? 512 : 0) + m->class * 8 + bits_seen(m)];
	m->set[2] = m->weight[2][deepest << 8 | (t->last4 & 0xff)];
	m->set[3] = m->weight[3][deepest << 8 | mix_hash(t->field, t->part) >> 24];
	m->shares = m->share[m->level][deepest];
}

/* At most 32 * 2047 * WEIGHT_MAX. */
static int32_t
weigh(const int16_t *restrict weight, const int16_t *restrict input)
{
	int32_t sum = 0;

	for (size_t i = 0; i < INPUTS; i++)
		sum += input[i] * weight[i];
	return sum;
}

/* What became of such words in the past: between two points of a curve that is learnt. */
static int32_t
correct(struct mix *m, size_t which, uint32_t row, int32_t logit)
{
	uint16_t *points = m->final[which][row];
	int32_t low = (logit + MIX_LOGIT + 1) / STEP, far = (logit + MIX_LOGIT + 1) % STEP;

	m->point[which] = &points[low + (far >= STEP / 2)];
	return (points[low] * (STEP - far) + points[low + 1] * far) / STEP;
}

unsigned
mix_next(struct mix *m)
{
	int32_t sum = 0;

	if (!m->ready) {
		prepare(m);
		find_lines(m);
	}
	unsigned deepest = ask_contexts(m);
	ask_repetitions(m);
	choose_sets(m, deepest);
	for (size_t s = 0; s < SETS; s++) {
		m->logits[s] = within(weigh(m->set[s], m->input) >> WEIGHT_ONE, MIX_LOGIT_IN);
		m->said[s] = m->text.chance[m->logits[s] + MIX_LOGIT];
		sum += m->logits[s] * (m->shares[s] >> 8);
	}
	int32_t logit = within(sum >> 8, MIX_LOGIT);
	m->said_last = m->text.chance[logit + MIX_LOGIT];
	int32_t chance = (2 * m->said_last + correct(m, 0, m->level << 8 | m->bits, logit) +
	    correct(m, 1, mix_hash(m->text.last4 & 0xff, m->bits) % FINALS, logit)) / 4;
	return chance < 8 ? 8 : chance > 65528 ? 65528 : (unsigned)chance;
}

/* learning */

/* wrong is not more than 65535 * RATE / 1024, so that no step passes what 16 bits hold. */
static void
learn_weights(int16_t *restrict weight, const int16_t *restrict input, int16_t wrong)
{
	for (size_t i = 0; i < INPUTS; i++) {
		int16_t step = (int16_t)((int16_t)(input[i] * 16) * wrong >> 16);
		int16_t to = (int16_t)(weight[i] + (int16_t)((step + 1) >> 1));
		to = to > WEIGHT_MAX ? WEIGHT_MAX : to;
		weight[i] = to < -WEIGHT_MAX ? -WEIGHT_MAX : to;
	}
}

static void
learn_sets(struct mix *m, int32_t right)
{
	int32_t wrong = right - m->said_last;

	for (size_t s = 0; s < SETS; s++) {
		learn_weights(m->set[s], m->input, (int16_t)((right - m->said[s]) * m->rate >> 10));
		m->shares[s] = within(m->shares[s] + (m->logits[s] * wrong >> 16), SHARE_MAX);
	}
	for (size_t i = 0; i < 2; i++)
		*m->point[i] = (uint16_t)(*m->point[i] + (right - *m->point[i]) / 64);
	if (++m->learnt % RATE_EVERY == 0 && m->rate > RATE_END)
		m->rate--;
}

static void
learn_contexts(struct mix *m, int bit)
{
	for (size_t i = 0; i < CONTEXTS; i++) {
		learn_chance(m, m->mapped[i], bit);
		*m->node[i] = m->next[*m->node[i]][bit];
	}
}

static void
learn_repetitions(struct mix *m, int bit)
{
	if (m->expected >= 0)
		learn_chance(m, &m->repeats[m->class], bit == m->expected);
	if (m->expected_close >= 0)
		learn_chance(m, &m->repeats_close[m->class_close], bit == m->expected_close);
	if (m->expected_close != bit)
		m->same_close = 0;
}

void
mix_learn(struct mix *m, int bit)
{
	int32_t right = bit ? 65535 : 0;

	learn_repetitions(m, bit);
	m->wrong += (uint32_t)abs(right - m->said_last);
	m->bits = m->bits << 1 | (uint32_t)bit;
	bool half = m->bits >= 16 && m->bits < 32, whole = m->bits >= 256;
	if (whole) {
		end_byte(m, (unsigned char)m->bits);
		prepare(m);
	} else if (half) {
		call_lines(m);
	}
	learn_sets(m, right);
	learn_contexts(m, bit);
	if (half || whole)
		find_lines(m);
}

/* beginning */

static void
make_final(struct mix *m)
{
	uint16_t first[POINTS];

	for (int32_t i = 0; i < POINTS; i++)
		first[i] = m->text.chance[within(i * STEP - 1 - MIX_LOGIT, MIX_LOGIT) + MIX_LOGIT];
	for (size_t i = 0; i < FINALS; i++)
		for (size_t which = 0; which < 2; which++)
			memcpy(m->final[which][i], first, sizeof first);
}

static void
make_weights(struct mix *m)
{
	m->weight = mix_get(SETS * sizeof *m->weight, MIX_PAGES_SMALL);
	for (size_t s = 0; s < SETS; s++)
		for (size_t k = 0; k < SET_SIZE; k++)
			for (size_t i = 0; i < INPUTS; i++)
				m->weight[s][k][i] = WEIGHT;
	for (size_t i = 0; i < LEVELS * DEPTHS * SETS; i++)
		m->share[i / SETS / DEPTHS][i / SETS % DEPTHS][i % SETS] = SHARE_ONE / SETS;
	m->rate = RATE;
}

static void
make_counts(struct mix *m)
{
	for (int32_t i = 0; i <= COUNT_MAX; i++)
		m->slower[i] = 8192 * 2 / (2 * i + 3);
	for (uint32_t i = 0; i < CLASSES; i++) {
		m->repeats[i] = (i < ASTRAY ? 65535 - 32768 / (i + 2) : 45000) << 16 | 6;
		m->repeats_close[i] = (65535 - 32768 / (i / 2 + 2)) << 16 | 6;
	}
}

static void
learn_byte(struct mix *m, unsigned char c)
{
	for (int i = 7; i >= 0; i--) {
		mix_next(m);
		mix_learn(m, c >> i & 1);
	}
}

/* The bytes are in m->text already.  What is not taught takes little time. */
bool
mix_prepare(struct mix *m, size_t step)
{
	struct mix_text *t = &m->text;
	size_t left = LIGHTER * step;

	for (; t->at < m->older && left > 0; t->at++, left--)
		if (t->at >= MIX_HASHED)
			*mix_text_near(t) = *mix_text_far(t) = t->at;
	for (left /= LIGHTER; t->at < m->past && left > 0; left--) {
		unsigned char c = t->bytes[t->at];
		unsigned chance;
		if (m->guesses ? mix_guess(m, &chance) == c : m->same >= LONG && t->bytes[m->from] == c)
			end_byte(m, c);
		else
			learn_byte(m, c);
	}
	return t->at < m->past;
}

struct mix *
mix_begin(const struct span *past, size_t pasts, size_t taught, size_t most, enum mix_size size)
{
	struct mix *m = mem_get(sizeof *m);
	size_t len = mix_text_start(&m->text, past, pasts, most, sizes[size].bytes_a_place, sizes[size].places_log,
	    sizes[size].pages);

	m->past = (uint32_t)len;
	m->older = (uint32_t)(len > taught ? len - taught : 0);
	m->bits = 1;
	m->foreseen = -1;
	m->guesses = size == MIX_SMALL;
	m->hint = m->guesses ? mix_get(HINTS * sizeof *m->hint, MIX_PAGES_SMALL) : NULL;
	m->slots_log = lines_log(len, taught, most, size);
	m->slots = mix_get((size_t)LINE << m->slots_log, sizes[size].pages);
	m->close = mix_get(sizeof *m->close << CLOSE_LOG, MIX_PAGES_SMALL);
	make_histories(m);
	make_final(m);
	make_weights(m);
	make_counts(m);
	return m;
}

struct span
mix_past(const struct mix *m)
{
	return (struct span){ (const char *)m->text.bytes, m->past };
}

struct mix *
mix_new(const struct span *past, size_t pasts, size_t taught, size_t most)
{
	struct mix *m = mix_begin(past, pasts, taught, most, MIX_LARGE);

	while (mix_prepare(m, MIX_STEP))
		;
	return m;
}

/* putting away */

size_t
mix_pieces(struct mix *m, struct mix_piece piece[MIX_PIECES])
{
	uint8_t *slots = m->slots;
	size_t quarter = ((size_t)LINE << m->slots_log) / 4;
	const struct mix_piece own[] = {
		{ &m->ready, sizeof m->ready }, { m->line_at, sizeof m->line_at }, { m->context, sizeof m->context },
		{ m->map, sizeof m->map }, { &m->from, sizeof m->from }, { &m->same, sizeof m->same },
		{ &m->missed, sizeof m->missed }, { &m->from_close, sizeof m->from_close },
		{ &m->same_close, sizeof m->same_close }, { m->repeats, sizeof m->repeats },
		{ m->repeats_close, sizeof m->repeats_close }, { m->followed, sizeof m->followed },
		{ &m->surprise, sizeof m->surprise }, { &m->level, sizeof m->level }, { m->share, sizeof m->share },
		{ &m->rate, sizeof m->rate }, { &m->learnt, sizeof m->learnt }, { m->final, sizeof m->final },
		{ m->weight, SETS * sizeof *m->weight }, { m->close, sizeof *m->close << CLOSE_LOG },
		{ slots, quarter }, { slots + quarter, quarter }, { slots + 2 * quarter, quarter }, { slots + 3 * quarter, quarter },
		{ m->hint, m->guesses ? HINTS * sizeof *m->hint : 0 },
	};
	size_t texts = mix_text_pieces(&m->text, piece);

	for (size_t i = 0; i < CONTEXTS; i++)
		m->line_at[i] = m->ready ? (uint32_t)(m->line[i] - m->slots) : 0;
	memcpy(piece + texts, own, sizeof own);
	return texts + sizeof own / sizeof own[0];
}

bool
mix_resumes(struct mix *m)
{
	uint32_t at = m->text.at;
	bool can = at <= m->past && m->from <= at && m->from_close <= at && m->level < LEVELS;

	for (size_t i = 0; i < CONTEXTS && can; i++) {
		can = m->line_at[i] < (size_t)LINE << m->slots_log && m->line_at[i] % LINE == 0;
		m->line[i] = m->slots + m->line_at[i];
	}
	return can;
}

void
mix_free(struct mix *m)
{
	if (m == NULL)
		return;
	mix_text_free(&m->text);
	mix_put(m->slots, (size_t)LINE << m->slots_log);
	mix_put(m->weight, SETS * sizeof *m->weight);
	mix_put(m->close, sizeof *m->close << CLOSE_LOG);
	mix_put(m->hint, HINTS * sizeof *m->hint);
	free(m);
}
