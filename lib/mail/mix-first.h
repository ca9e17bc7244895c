/*
 * mix-first - the model of labels 2 to 4, for reading what is packed by it; mix.h says what one is.
 */
#ifndef LIB_MAIL_MIX_FIRST_H
#define LIB_MAIL_MIX_FIRST_H

#include "lib/base/str.h"

struct mix_first;

struct mix_first *mix_first_new(const struct span *past, size_t pasts, size_t most);
unsigned mix_first_next(struct mix_first *mix);
void mix_first_learn(struct mix_first *mix, int bit);
void mix_first_free(struct mix_first *mix);

#endif
