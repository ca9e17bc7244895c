/*
 * fuzz - what a target is, run by libFuzzer or by replay.c, and how it says what it holds.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLD(what) do {						\
	if (!(what)) {						\
		fprintf(stderr, "does not hold: %s\n", #what);	\
		abort();					\
	}							\
} while (0)

#endif
