#include "uucico-ssh/sum.h"

#include <zlib.h>

uint32_t
sum_crc(struct span bytes)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)bytes.p, bytes.len) ^ 0xffffffff;
}

static uint16_t
turn(uint16_t sum)
{
	return (uint16_t)(sum << 1 | sum >> 15);
}

uint16_t
sum_turning(struct span bytes)
{
	uint16_t sum = 0xffff;

	for (size_t i = 0; i < bytes.len; i++)
		sum = (uint16_t)(turn(sum) + (unsigned char)bytes.p[i]);
	return sum;
}

uint16_t
sum_field(struct span bytes)
{
	uint16_t a = 0xffff, b = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char byte = (unsigned char)bytes.p[i];
		uint16_t before = turn(a);
		a = (uint16_t)(before + byte);
		b = (uint16_t)(b + (a ^ (uint16_t)(bytes.len - i)));
		if (byte == 0 || a < before)
			a ^= b;
	}
	return a;
}
