/*
 * bytes - numbers as they stand on a wire and in a sum: so many bytes, the highest first.
 */
#ifndef LIB_BASE_BYTES_H
#define LIB_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t
bytes_number(const void *bytes, size_t len)	/* of up to 8 */
{
	const unsigned char *p = bytes;
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++)
		number = number << 8 | p[i];
	return number;
}

#endif
