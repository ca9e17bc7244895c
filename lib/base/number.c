#include "lib/base/number.h"

uint64_t
number_sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t
number_times(uint64_t a, uint64_t b)
{
	return b > 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* By hand, bit after bit: the product may have 128, and a small box would carry floating point for nothing else. */
uint64_t
number_share(uint64_t a, uint64_t b, uint64_t by, bool up)
{
	uint64_t whole = number_times(a / by, b), part = 0, p = a % by, rest = 0;

	if (by > INT64_MAX)	/* so that there is room for a doubled rest */
		by >>= 1, p >>= 1;
	for (int bit = 63; bit >= 0; bit--) {
		rest <<= 1, part <<= 1;
		if (rest >= by)
			rest -= by, part++;
		rest += (b >> bit & 1) != 0 ? p : 0;
		if (rest >= by)
			rest -= by, part++;
	}
	return number_sum(whole, number_sum(part, up && rest > 0));
}
