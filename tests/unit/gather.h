/*
 * gather - where a codec's output goes in tests: all of it into a struct str.
 */
#ifndef TESTS_UNIT_GATHER_H
#define TESTS_UNIT_GATHER_H

#include "lib/base/err.h"

static inline int
gather(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)err;
	str_add(ctx, bytes, len);
	return 0;
}

#endif
