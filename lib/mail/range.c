#include "lib/mail/range.h"

/* Where a 1 ends. */
static uint32_t
split(const struct range *range, unsigned chance)
{
	return range->low + (uint32_t)((uint64_t)(range->high - range->low) * chance >> 16);
}

static void
narrow(struct range *range, uint32_t at, int bit)
{
	if (bit)
		range->high = at;
	else
		range->low = at + 1;
}

/* true: a byte is decided, and is *byte */
static bool
shift(struct range *range, unsigned char *byte)
{
	if ((range->low ^ range->high) >> 24 != 0)
		return false;
	*byte = (unsigned char)(range->low >> 24);
	range->low <<= 8;
	range->high = range->high << 8 | 0xff;
	return true;
}

void
range_put(struct range *range, unsigned chance, int bit, struct str *out)
{
	unsigned char byte;

	narrow(range, split(range, chance), bit);
	while (shift(range, &byte))
		str_add_char(out, (char)byte);
}

/* The fewest bytes that are in the range, when it is known that zeros follow. */
static size_t
last_bytes(const struct range *range, char out[4])
{
	uint32_t number = 0;
	size_t n = 0;

	while (number < range->low || number > range->high) {
		uint32_t rest = (uint32_t)(UINT64_C(0xffffffff) >> (8 * ++n));
		number = range->low > UINT32_MAX - rest ? range->high & ~rest : (range->low + rest) & ~rest;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(number >> (24 - 8 * i));
	return n;
}

void
range_end(const struct range *range, struct str *out)
{
	char last[4];

	str_add(out, last, last_bytes(range, last));
}

/* --- reading --- */

/* Behind the end there are zeros. */
static void
take_byte(struct range_reader *r)
{
	r->number = r->number << 8 | (r->at + 4 < r->bytes.len ? (unsigned char)r->bytes.p[r->at + 4] : 0);
	r->at++;
}

void
range_read(struct range_reader *r, struct span bytes)
{
	*r = (struct range_reader){ .bytes = bytes, .range = RANGE_ALL };
	for (size_t i = 0; i < 4; i++)
		r->number = r->number << 8 | (i < bytes.len ? (unsigned char)bytes.p[i] : 0);
}

int
range_get(struct range_reader *r, unsigned chance)
{
	uint32_t at = split(&r->range, chance);
	int bit = r->number <= at;
	unsigned char byte;

	narrow(&r->range, at, bit);
	while (shift(&r->range, &byte))
		take_byte(r);
	return bit;
}

bool
range_spent(const struct range_reader *r)
{
	return r->at > r->bytes.len;
}

bool
range_ends(const struct range_reader *r)
{
	char last[4];
	size_t len = last_bytes(&r->range, last);

	return r->at <= r->bytes.len && span_same(span_from(r->bytes, r->at), (struct span){ last, len });
}
