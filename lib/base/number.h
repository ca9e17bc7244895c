/*
 * number - sums of amounts that are told to us: what would not fit is as much as there is.
 */
#ifndef LIB_BASE_NUMBER_H
#define LIB_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

uint64_t number_sum(uint64_t a, uint64_t b);
uint64_t number_times(uint64_t a, uint64_t b);
uint64_t number_share(uint64_t a, uint64_t b, uint64_t by, bool up);	/* a * b / by, rounded down, or up; by > 0 */

#endif
