#include "lib/mail/mix-first.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/mix-text.h"

/*
 * contexts: 0 and 1 are the last one and two bytes and have tables of their own; the others
 * share one table of slots, a line of 32 bytes for each half of a byte in each context.
 */
enum {
	DIRECT = 2, CONTEXTS = 14,
	REPEAT = 2 * CONTEXTS,		/* inputs: two of each context, two of the repetition, */
	INPUTS = REPEAT + 3,		/* and one that is always the same */
	SETS = 3, SET_SIZE = 2048,	/* of weights; one of each set has a say */
	SLOTS_LOG_MIN = 10, SLOTS_LOG_MAX = 20,
	PAIRS_LOG_MAX = 22,		/* table of the last two bytes */
	FINAL_LOG_MIN = 8, FINAL_LOG_MAX = 16,
	SINGLE_MAX = 255, PAIR_MAX = 63,
	TAUGHT = 1 << 20,
	COUNT_MAX = 15,			/* bits that a slot remembers having seen */
	SURE = 20, LONG = 32,		/* bytes of a repetition: no longer one is looked for; nothing new */
	SHORTEST = 5,
	STEP = 192,			/* of that scale, between two points of the last stage */
	POINTS = 33,
	RATE = 14 << 4, RATE_END = 5 << 4, RATE_EVERY = 8192,
	WEIGHT = 9830,			/* at first: 0.15 */
	WEIGHT_MAX = 1 << 24,
};

struct slots { uint16_t check, node[15]; };	/* node: chance of a 1 (12 bits), times seen (4) */

struct mix_first {
	struct mix_text text;
	/* what was seen */
	struct slots *slots;
	unsigned slots_log;
	uint32_t *single, *pair;		/* chance (22 bits), times seen (10) */
	unsigned pair_log;
	uint32_t context[CONTEXTS];
	struct slots *line[CONTEXTS];
	uint16_t *node[CONTEXTS];
	uint32_t *direct[DIRECT];
	bool ready;				/* line is that of this half byte */
	uint32_t from, same;			/* a repetition goes on there, and is so long */
	int expected, length_class;		/* bit; -1: none */
	uint32_t bits;				/* of this byte, behind a 1 */
	/* weighing */
	uint16_t judged[CONTEXTS][16 * 64];	/* what a node's chance and count are worth */
	uint16_t repeats[32];
	int32_t weight[SETS][SET_SIZE][INPUTS];
	int32_t input[INPUTS];
	unsigned set[SETS];
	int32_t said[SETS];			/* by each set: a chance */
	uint16_t (*final[2])[POINTS], *point[2];
	unsigned final_log;
	int32_t rate;
	uint32_t learnt;			/* bits */
};

/* One of two lines has it, or the one that has seen less becomes it. */
static struct slots *
find_slots(struct mix_first *m, uint32_t h)
{
	uint32_t at = h >> (32 - m->slots_log);
	uint16_t check = (uint16_t)(h | 1);
	struct slots *one = &m->slots[at], *other = &m->slots[at ^ 1];

	if (one->check == check)
		return one;
	if (other->check == check)
		return other;
	if ((one->node[0] & 15) > (other->node[0] & 15))
		one = other;
	one->check = check;
	for (size_t i = 0; i < sizeof one->node / sizeof one->node[0]; i++)
		one->node[i] = 2048 << 4;
	return one;
}

/* For a half of a byte.  The table is much larger than what is at hand for a processor, so
 * all lines are called for before the first is looked at. */
static void
find_lines(struct mix_first *m)
{
	uint32_t h[CONTEXTS];

	for (uint32_t i = DIRECT; i < CONTEXTS; i++) {
		h[i] = mix_hash(m->context[i] + i * 0x9e3779b1u, m->bits * 0x3779fb9u);
		__builtin_prefetch(&m->slots[h[i] >> (32 - m->slots_log)]);
	}
	for (size_t i = DIRECT; i < CONTEXTS; i++)
		m->line[i] = find_slots(m, h[i]);
}

static uint32_t
length_seen(const struct mix_first *m)
{
	return m->same < 16 ? m->same : m->same < LONG ? 16 : 17;
}

static void
set_contexts(struct mix_first *m)
{
	uint32_t last = m->text.last4 & 0xff, *c = &m->context[DIRECT];

	*c++ = mix_hash(m->text.last4 & 0xffffff, 3);
	*c++ = mix_hash(m->text.last4, 4);
	*c++ = mix_hash(m->text.last4, m->text.before4 & 0xffff);
	*c++ = mix_hash(m->text.word, last);
	*c++ = mix_hash(m->text.word + m->text.word_before * 31, m->text.field != 0 ? 5 : 6);
	*c++ = mix_hash(m->text.field, m->text.last4 & 0xffff);
	*c++ = mix_hash(m->same > 0 ? m->text.bytes[m->from] + 256 * length_seen(m) + 65536 : 0, last);
	*c++ = mix_hash(m->text.last4, m->text.before4 & 0xff);
	*c++ = mix_hash(m->text.field + m->text.part * 77, m->text.word);
	*c++ = 0;
	*c++ = mix_hash(mix_text_above(&m->text), last | m->text.column << 8);
	*c = mix_hash(m->text.last4 & 0xf0f0ffff, 9);
}

/* repetitions */

static void
look_at(struct mix_first *m, uint32_t place)
{
	uint32_t same = mix_text_same(&m->text, place);

	if (same > m->same && same >= SHORTEST) {
		m->same = same;
		m->from = place;
	}
}

static void
find_repetition(struct mix_first *m)
{
	if (m->text.at < MIX_HASHED)
		return;
	uint32_t *near = mix_text_near(&m->text), *far = mix_text_far(&m->text);
	if (m->same < SURE) {
		look_at(m, *far);
		look_at(m, *near);
	}
	*near = *far = m->text.at;
}

static void
end_byte(struct mix_first *m, unsigned char c)
{
	mix_text_byte(&m->text, c);
	if (m->same > 0 && m->text.bytes[m->from] == c) {
		m->from++;
		m->same++;
	} else {
		m->same = 0;
	}
	find_repetition(m);
	m->bits = 1;
	m->ready = false;
}

/* weighing */

static int
class_of_length(uint32_t same)
{
	if (same < 16)
		return (int)same;
	if (same < 32)
		return 16 + (int)(same - 16) / 4;
	if (same < 64)
		return 20 + (int)(same - 32) / 8;
	return same < 512 ? 24 + (int)(same - 64) / 90 : 29;
}

static unsigned
bits_seen(const struct mix_first *m)
{
	return 31 - (unsigned)__builtin_clz(m->bits);
}

/* A chance, and how far the few that were seen can be trusted in it. */
static int32_t
trusted(int chance, int count)
{
	return (chance - 2048) * (count > 6 ? 6 : count) / 8;
}

static void
ask_direct(struct mix_first *m)
{
	uint32_t pair = mix_hash(m->text.last4 & 0xffff, m->bits) >> (32 - m->pair_log);

	m->direct[0] = &m->single[(m->text.last4 & 0xff) << 8 | m->bits];
	m->direct[1] = &m->pair[pair];
	for (size_t i = 0; i < DIRECT; i++) {
		int chance = (int)(*m->direct[i] >> 20), count = (int)(*m->direct[i] & 1023);
		m->input[2 * i] = trusted(chance, count);
		m->input[2 * i + 1] = count > 0 ? m->text.logit[chance] : 0;
	}
}

/* How many of the longest contexts were met before, as a class from 0 to 6. */
static unsigned
ask_contexts(struct mix_first *m)
{
	unsigned seen = bits_seen(m), deepest = 0;
	uint32_t node = seen < 4 ? m->bits : 1u << (seen - 4) | (m->bits & ((1u << (seen - 4)) - 1));

	for (unsigned i = DIRECT; i < CONTEXTS; i++) {
		uint16_t *n = m->node[i] = &m->line[i]->node[node - 1];
		int chance = *n >> 4, count = *n & 15;
		m->input[2 * i] = trusted(chance, count);
		m->input[2 * i + 1] = count > 0 ? m->text.logit[m->judged[i][count * 64 + chance / 64] >> 4] : 0;
		if (count > 0 && i < 6)
			deepest = i + 1;
	}
	return deepest;
}

static void
ask_repetition(struct mix_first *m)
{
	unsigned seen = bits_seen(m);
	uint32_t byte = m->same > 0 ? m->text.bytes[m->from] | 256u : 0;

	m->expected = -1;
	m->length_class = 0;
	m->input[REPEAT] = m->input[REPEAT + 1] = 0;
	if (byte >> (8 - seen) != m->bits) {
		m->same = 0;
		return;
	}
	m->expected = byte >> (7 - seen) & 1;
	m->length_class = class_of_length(m->same);
	int32_t logit = m->text.logit[m->repeats[m->length_class] >> 4];
	int32_t length = (int32_t)(m->same < LONG ? m->same : LONG) * 16;
	m->input[REPEAT] = m->expected ? logit : -logit;
	m->input[REPEAT + 1] = m->expected ? length : -length;
}

static int32_t
within(int64_t logit)
{
	return logit > MIX_LOGIT ? MIX_LOGIT : logit < -MIX_LOGIT ? -MIX_LOGIT : (int32_t)logit;
}

static int32_t
weigh(struct mix_first *m)
{
	int32_t sum = 0;

	for (size_t s = 0; s < SETS; s++) {
		const int32_t *weight = m->weight[s][m->set[s]];
		int64_t logit = 0;
		for (size_t i = 0; i < INPUTS; i++)
			logit += (int64_t)m->input[i] * weight[i];
		int32_t says = within(logit / 65536);
		m->said[s] = m->text.chance[says + MIX_LOGIT];
		sum += says;
	}
	return sum / SETS;
}

/* What became of such words in the past: between two points of a curve that is learnt. */
static int32_t
correct(struct mix_first *m, size_t which, uint32_t row, int32_t logit)
{
	uint16_t *points = m->final[which][row & ((1u << m->final_log) - 1)];
	int32_t low = (logit + MIX_LOGIT + 1) / STEP, far = (logit + MIX_LOGIT + 1) % STEP;

	m->point[which] = &points[low + (far >= STEP / 2)];
	return (points[low] * (STEP - far) + points[low + 1] * far) / STEP;
}

unsigned
mix_first_next(struct mix_first *m)
{
	if (!m->ready) {
		set_contexts(m);
		find_lines(m);
		m->ready = true;
	}
	ask_direct(m);
	unsigned deepest = ask_contexts(m);
	ask_repetition(m);
	m->input[INPUTS - 1] = 256;
	m->set[0] = m->bits;
	m->set[1] = (unsigned)m->length_class * 8 + bits_seen(m) + (m->text.field != 0 ? 256 : 0);
	m->set[2] = (m->text.last4 & 0xff) | deepest << 8;
	int32_t logit = weigh(m);
	int32_t chance = (2 * m->text.chance[logit + MIX_LOGIT] + correct(m, 0, m->bits | (m->text.last4 & 0xff) << 8, logit) +
	    correct(m, 1, mix_hash(m->text.last4 & 0xffffff, m->bits), logit)) / 4;
	return chance < 8 ? 8 : chance > 65528 ? 65528 : (unsigned)chance;
}

/* learning */

static void
move(uint16_t *chance, int bit, int slowness)
{
	*chance = (uint16_t)(*chance + ((bit ? 65535 : 0) - *chance) / slowness);
}

static void
learn_weights(struct mix_first *m, int bit)
{
	for (size_t s = 0; s < SETS; s++) {
		int32_t wrong = ((bit ? 65536 : 0) - m->said[s]) * m->rate / 256;
		int32_t *weight = m->weight[s][m->set[s]];
		for (size_t i = 0; i < INPUTS; i++) {
			int32_t to = weight[i] + ((m->input[i] * wrong + 8192) >> 14);
			weight[i] = to > WEIGHT_MAX ? WEIGHT_MAX : to < -WEIGHT_MAX ? -WEIGHT_MAX : to;
		}
	}
	if (++m->learnt % RATE_EVERY == 0 && m->rate > RATE_END)
		m->rate--;
}

/* 65536 / (times seen + 1.5) */
static const int32_t slower[] = {
	43690, 26214, 18724, 14563, 11915, 10082, 8738, 7710, 6898, 6241, 5698, 5242, 4854, 4519, 4228, 3971, 3744, 3542,
	3360, 3196, 3048, 2912, 2788, 2674, 2570, 2473, 2383, 2299, 2221, 2148, 2080, 2016, 1956, 1899, 1846, 1795,
	1747, 1702, 1659, 1618, 1579, 1542, 1506, 1472, 1440, 1409, 1379, 1351, 1323, 1297, 1272, 1248, 1224, 1202,
	1180, 1159, 1139, 1120, 1101, 1083, 1065, 1048, 1032, 1016, 1000, 985, 970, 956, 942, 929, 916, 903,
	891, 879, 868, 856, 845, 834, 824, 814, 804, 794, 784, 775, 766, 757, 748, 740, 732, 724,
	716, 708, 700, 693, 686, 679, 672, 665, 658, 652, 645, 639, 633, 627, 621, 615, 609, 604,
	598, 593, 587, 582, 577, 572, 567, 562, 557, 553, 548, 543, 539, 534, 530, 526, 522, 518,
	514, 510, 506, 502, 498, 494, 490, 487, 483, 480, 476, 473, 469, 466, 463, 459, 456, 453,
	450, 447, 444, 441, 438, 435, 432, 429, 426, 424, 421, 418, 416, 413, 410, 408, 405, 403,
	400, 398, 395, 393, 391, 388, 386, 384, 382, 379, 377, 375, 373, 371, 369, 367, 365, 363,
	361, 359, 357, 355, 353, 351, 349, 347, 345, 344, 342, 340, 338, 336, 335, 333, 331, 330,
	328, 326, 325, 323, 322, 320, 318, 317, 315, 314, 312, 311, 309, 308, 306, 305, 304, 302,
	301, 299, 298, 297, 295, 294, 293, 291, 290, 289, 288, 286, 285, 284, 283, 281, 280, 279,
	278, 277, 275, 274, 273, 272, 271, 270, 269, 268, 266, 265, 264, 263, 262, 261, 260, 259,
	258, 257, 256, 255,
};

static void
learn_direct(uint32_t *seen, int bit, uint32_t most)
{
	int64_t chance = *seen >> 10, count = *seen & 1023;

	chance += ((bit ? (1 << 22) - 1 : 0) - chance) * slower[count] >> 16;
	*seen = (uint32_t)chance << 10 | (uint32_t)(count < most ? count + 1 : count);
}

/* 65536 / (times seen + 1.3) */
static const int32_t pace[COUNT_MAX + 1] = {
	50412, 28493, 19859, 15240, 12365, 10402, 8977, 7895, 7046, 6362, 5799, 5328, 4927, 4582, 4283, 4020,
};

static void
learn_node(struct mix_first *m, size_t i, int bit)
{
	int32_t chance = *m->node[i] >> 4, count = *m->node[i] & 15;

	if (count > 0)
		move(&m->judged[i][count * 64 + chance / 64], bit, 64);
	if (bit)
		chance += ((4095 - chance) * pace[count] + 65535) / 65536;
	else
		chance -= (chance * pace[count] + 65535) / 65536;
	*m->node[i] = (uint16_t)(chance << 4 | (count < COUNT_MAX ? count + 1 : count));
}

void
mix_first_learn(struct mix_first *m, int bit)
{
	learn_weights(m, bit);
	move(m->point[0], bit, 64);
	move(m->point[1], bit, 64);
	learn_direct(m->direct[0], bit, SINGLE_MAX);
	learn_direct(m->direct[1], bit, PAIR_MAX);
	for (size_t i = DIRECT; i < CONTEXTS; i++)
		learn_node(m, i, bit);
	if (m->expected >= 0) {
		move(&m->repeats[m->length_class], bit == m->expected, 64);
		m->same = bit == m->expected ? m->same : 0;
	}
	m->bits = m->bits << 1 | (uint32_t)bit;
	if (m->bits >= 256)
		end_byte(m, (unsigned char)m->bits);
	else if (m->bits >= 16 && m->bits < 32)
		find_lines(m);
}

/* beginning */

static void
make_tables(struct mix_first *m, size_t taught)
{
	m->slots_log = mix_log_for(8 * taught, SLOTS_LOG_MIN, SLOTS_LOG_MAX);
	m->pair_log = mix_log_for(8 * taught, SLOTS_LOG_MIN, PAIRS_LOG_MAX);
	m->final_log = mix_log_for(taught, FINAL_LOG_MIN, FINAL_LOG_MAX);
	m->slots = mem_get(sizeof *m->slots << m->slots_log);
	m->single = mem_get(sizeof *m->single << 16);
	m->pair = mem_get(sizeof *m->pair << m->pair_log);
	for (size_t i = 0; i < (size_t)1 << 16; i++)
		m->single[i] = 1u << 31;
	for (size_t i = 0; i < (size_t)1 << m->pair_log; i++)
		m->pair[i] = 1u << 31;
}

static void
make_final(struct mix_first *m)
{
	for (size_t which = 0; which < 2; which++) {
		uint16_t (*row)[POINTS] = m->final[which] = mem_get(sizeof *row << m->final_log);
		for (int i = 0; i < POINTS; i++) {
			int32_t at = i * STEP - 1;
			row[0][i] = m->text.chance[at < 0 ? 0 : at > 2 * MIX_LOGIT ? 2 * MIX_LOGIT : at];
		}
		for (size_t i = 1; i < (size_t)1 << m->final_log; i++)
			memcpy(row[i], row[0], sizeof *row);
	}
}

static void
make_weights(struct mix_first *m)
{
	for (size_t i = 0; i < CONTEXTS; i++)
		for (int n = 0; n < 16 * 64; n++)
			m->judged[i][n] = (uint16_t)((n % 64 * 64 + 32) * 16);
	for (int i = 0; i < 32; i++)
		m->repeats[i] = (uint16_t)(65535 - 32768 / (i + 2));
	for (size_t s = 0; s < SETS; s++)
		for (size_t k = 0; k < SET_SIZE; k++)
			for (size_t i = 0; i < INPUTS; i++)
				m->weight[s][k][i] = WEIGHT;
	m->rate = RATE;
}

static void
learn_byte(struct mix_first *m, unsigned char c)
{
	for (int i = 7; i >= 0; i--) {
		mix_first_next(m);
		mix_first_learn(m, c >> i & 1);
	}
}

/* The bytes are in m->text already. */
static void
take_past(struct mix_first *m, size_t len)
{
	size_t older = len > TAUGHT ? len - TAUGHT : 0;

	while (m->text.at < older) {
		if (m->text.at++ >= MIX_HASHED)
			*mix_text_near(&m->text) = *mix_text_far(&m->text) = m->text.at;
	}
	while (m->text.at < len) {
		unsigned char c = m->text.bytes[m->text.at];
		if (m->same >= LONG && m->text.bytes[m->from] == c)
			end_byte(m, c);
		else
			learn_byte(m, c);
	}
}

struct mix_first *
mix_first_new(const struct span *past, size_t pasts, size_t most)
{
	struct mix_first *m = mem_get(sizeof *m);
	size_t len = mix_text_start(&m->text, past, pasts, most, 1, MIX_PLACES_LOG, MIX_PAGES_LARGE);

	m->bits = 1;
	make_tables(m, (len < TAUGHT ? len : TAUGHT) + most);
	make_final(m);
	make_weights(m);
	take_past(m, len);
	return m;
}

void
mix_first_free(struct mix_first *m)
{
	if (m == NULL)
		return;
	mix_text_free(&m->text);
	free(m->slots);
	free(m->single);
	free(m->pair);
	free(m->final[0]);
	free(m->final[1]);
	free(m);
}
