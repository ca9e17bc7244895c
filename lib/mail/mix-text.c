#include "lib/mail/mix-text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/bytes.h"
#include "lib/mail/mix.h"

#ifndef MADV_POPULATE_WRITE	/* of Linux 5.14; who has an older kernel, or C library, waits for each page */
#define MADV_POPULATE_WRITE 23
#endif

enum { HASH_LOG_MIN = 12, LINE = 64, HUGE = 2 << 20 };

static size_t
rounded(size_t size, size_t each)
{
	return (size + each - 1) / each * each;
}

static void *
get_pages(size_t size, enum mix_pages pages)
{
	size_t all = rounded(size, HUGE);
	char *map = mmap(NULL, all + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return mem_get(SIZE_MAX);	/* which says so */
	size_t before = rounded((uintptr_t)map, HUGE) - (uintptr_t)map;
	if (before > 0)
		munmap(map, before);
	munmap(map + before + all, HUGE - before);
	madvise(map + before, all, pages == MIX_PAGES_LARGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return map + before;
}

void *
mix_get(size_t size, enum mix_pages pages)
{
	if (size >= HUGE)
		return get_pages(size, pages);
	void *p = aligned_alloc(LINE, rounded(size, LINE));
	return p != NULL ? memset(p, 0, size) : mem_get(SIZE_MAX);
}

void
mix_fills(void *p, size_t size)
{
	if (size >= HUGE)
		madvise(p, size, MADV_POPULATE_WRITE);
}

void
mix_put(void *p, size_t size)
{
	if (p != NULL && size >= HUGE)
		munmap(p, rounded(size, HUGE));
	else
		free(p);
}

unsigned
mix_log_for(size_t n, unsigned least, unsigned most)
{
	unsigned log = least;

	while (log < most && (size_t)1 << log < n)
		log++;
	return log;
}

/* scales: 65536 / (1 + e^(-x/256)) for every 128th x from -3072, with lines between */

static const uint16_t curve[] = {
	4, 4, 4, 4, 4, 4, 8, 13, 21, 36, 59, 98, 162, 266, 438, 720, 1178, 1921, 3108, 4971, 7812, 11955, 17625,
	24742, 32768, 40793, 47910, 53580, 57723, 60564, 62427, 63614, 64357, 64815, 65097, 65269, 65373, 65437,
	65476, 65499, 65514, 65522, 65527, 65531, 65532, 65532, 65532, 65532, 65532,
};

static void
make_scales(struct mix_text *text)
{
	int chance = 0;

	for (int i = 0; i <= 2 * MIX_LOGIT; i++) {
		int at = i + 1, near = at % 128;
		text->chance[i] = (uint16_t)((curve[at / 128] * (128 - near) + curve[at / 128 + 1] * near) / 128);
	}
	for (int x = -MIX_LOGIT_IN; x <= MIX_LOGIT_IN; x++)
		while (chance <= text->chance[x + MIX_LOGIT] >> 4)
			text->logit[chance++] = (int16_t)x;
	while (chance < 4096)
		text->logit[chance++] = MIX_LOGIT_IN;
}

/* repetitions */

#define PRIME 0x9e3779b185ebca87ull
#define PRIME_2 0xc2b2ae3d27d4eb4full

uint32_t *
mix_text_near(const struct mix_text *text)
{
	return &text->near[(bytes_number(text->bytes + text->at - 8, 8) << 16) * PRIME >> (64 - text->hash_log)];
}

uint32_t *
mix_text_far(const struct mix_text *text)
{
	const unsigned char *p = text->bytes + text->at;

	return &text->far[(bytes_number(p - 8, 8) * PRIME ^ bytes_number(p - 16, 8) * PRIME_2) * PRIME >> (64 - text->hash_log)];
}

uint32_t
mix_text_same(const struct mix_text *text, uint32_t place)
{
	uint32_t same = 0;

	while (same < MIX_COMPARED && same < place && text->bytes[place - 1 - same] == text->bytes[text->at - 1 - same])
		same++;
	return same;
}

/* bytes */

static bool
in_word(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 128;
}

/* "Name: " at the beginning of a line, or a line that goes on with the field before. */
static void
follow_name(struct mix_text *text, unsigned char c, unsigned char lower)
{
	enum { NAME_MAX = 30 };

	if (text->column == 0 && (c == ' ' || c == '\t')) {
		text->in_name = false;
		return;
	}
	if (text->column == 0)
		text->name = 0;
	if (c != ':' && c > ' ' && text->column <= NAME_MAX) {
		text->name = mix_hash(text->name, lower) | 1;
		return;
	}
	text->in_name = false;
	text->field = c == ':' ? mix_hash(text->name, 3) | 1 : 0;
}

static void
follow_line(struct mix_text *text, unsigned char c, unsigned char lower)
{
	if (text->above > 0)
		text->above++;
	if (c == '\n') {
		text->above = text->line_start;
		text->line_start = text->at;
		text->column = text->part = 0;
		text->in_name = true;
		return;
	}
	if (text->in_name)
		follow_name(text, c, lower);
	else
		text->part += c == ' ' || c == ';' || c == '<' || c == '@' || c == '=' || c == ',';
	text->column++;
}

void
mix_text_byte(struct mix_text *text, unsigned char c)
{
	unsigned char lower = c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;

	text->bytes[text->at++] = c;
	text->before4 = text->before4 << 8 | text->last4 >> 24;
	text->last4 = text->last4 << 8 | c;
	if (!in_word(c) && text->word != 0)
		text->word_before = text->word;
	text->word = in_word(c) ? mix_hash(text->word, lower) : 0;
	follow_line(text, c, lower);
}

/* beginning and end */

unsigned
mix_text_log(size_t bytes, size_t bytes_a_place, unsigned log_max)
{
	return mix_log_for(bytes / bytes_a_place, HASH_LOG_MIN, log_max);
}

size_t
mix_text_start(struct mix_text *text, const struct span *past, size_t pasts, size_t most, size_t bytes_a_place,
    unsigned log_max, enum mix_pages pages)
{
	size_t len = 0;

	*text = (struct mix_text){0};
	for (size_t i = 0; i < pasts; i++)
		len += past[i].len;
	text->room = len + most + 1;
	text->bytes = mix_get(text->room, pages);
	mix_fills(text->bytes, text->room);
	for (size_t i = 0, at = 0; i < pasts; at += past[i++].len)
		if (past[i].len > 0)
			memcpy(text->bytes + at, past[i].p, past[i].len);
	text->hash_log = mix_text_log(len + most, bytes_a_place, log_max);
	text->near = mix_get(sizeof *text->near << text->hash_log, pages);
	text->far = mix_get(sizeof *text->far << text->hash_log, pages);
	make_scales(text);
	return len;
}

size_t
mix_text_pieces(struct mix_text *text, struct mix_piece *piece)
{
	uint32_t *const numbers[] = { &text->at, &text->last4, &text->before4, &text->word, &text->word_before, &text->field,
		&text->name, &text->part, &text->column, &text->above, &text->line_start };
	size_t count = 0;

	for (; count < sizeof numbers / sizeof numbers[0]; count++)
		piece[count] = (struct mix_piece){ numbers[count], sizeof *numbers[count] };
	piece[count++] = (struct mix_piece){ &text->in_name, sizeof text->in_name };
	piece[count++] = (struct mix_piece){ text->near, sizeof *text->near << text->hash_log };
	piece[count++] = (struct mix_piece){ text->far, sizeof *text->far << text->hash_log };
	return count;
}

void
mix_text_free(struct mix_text *text)
{
	mix_put(text->bytes, text->room);
	mix_put(text->near, sizeof *text->near << text->hash_log);
	mix_put(text->far, sizeof *text->far << text->hash_log);
}
