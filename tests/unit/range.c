/* lib/mail/range: what is written with some chances is read with them, and is as short as it can be. */
#include <math.h>
#include <stdlib.h>

#include "lib/mail/range.h"
#include "tests/unit/unit.h"

enum { BITS = 5000, LEAST = 8 };

/* Bits that come up by their chance, by their opposite, or anyhow. */
static void
draw(int how, unsigned char *bit, unsigned *chance)
{
	*chance = how == 0 ? 32768 : LEAST + (unsigned)random() % (65536 - 2 * LEAST);
	if (how == 3)
		*chance = random() % 2 ? LEAST : 65536 - LEAST;
	bool likely = (unsigned)random() % 65536 < *chance;
	*bit = how == 2 ? !likely : likely;
}

START_TEST(bits_come_back_whatever_their_chances)
{
	static unsigned char bit[BITS];
	static unsigned chance[BITS];
	struct range range = RANGE_ALL;
	struct range_reader reader;
	struct str out = {0};
	double worth = 0;

	srandom((unsigned)_i);
	int count = _i < 20 ? _i : (int)(random() % BITS);
	for (int i = 0; i < count; i++) {
		draw(_i % 4, &bit[i], &chance[i]);
		range_put(&range, chance[i], bit[i], &out);
		worth -= log2((bit[i] ? chance[i] : 65536 - chance[i]) / 65536.0);
	}
	range_end(&range, &out);
	/* A byte to round up, one for the end, and what 32 bits cannot say of a chance. */
	ck_assert_msg((double)out.len <= worth * 1.001 / 8 + 2, "%d bits worth %f took %d bytes", count, worth, (int)out.len);
	range_read(&reader, str_span(&out));
	for (int i = 0; i < count; i++) {
		ck_assert(!range_spent(&reader));
		ck_assert_int_eq(range_get(&reader, chance[i]), bit[i]);
	}
	ck_assert(range_ends(&reader));
	str_free(&out);
}
END_TEST

START_TEST(another_end_is_seen)
{
	struct range range = RANGE_ALL;
	struct range_reader reader;
	struct str out = {0};

	for (int i = 0; i < 100; i++)
		range_put(&range, 30000, i % 3 == 0, &out);
	range_end(&range, &out);
	str_add_char(&out, (char)_i);
	range_read(&reader, str_span(&out));
	for (int i = 0; i < 100; i++)
		range_get(&reader, 30000);
	ck_assert(!range_ends(&reader));
	str_free(&out);
}
END_TEST

START_TEST(behind_the_end_are_zeros)
{
	struct range_reader reader;

	range_read(&reader, (struct span){ "\xff", 1 });
	for (int i = 0; i < 100; i++)
		range_get(&reader, 32768);
	ck_assert(range_spent(&reader));
	ck_assert(!range_ends(&reader));
}
END_TEST

UNIT("range",
	{ bits_come_back_whatever_their_chances, 60 },
	{ another_end_is_seen, 3 },
	{ behind_the_end_are_zeros, 1 })
