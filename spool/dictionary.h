/*
 * dictionary - what all sites that run mochila have: words of mail, to pack against
 * where there is no history yet.
 *
 * A version is one file, mail-N.dict, which never changes once it was shipped; a better
 * one is N + 1, and the older ones stay, because batches may be years on their way.
 * The file is a dictionary of zstd's with number 32768 + N in it, so `zstd -D` takes it
 * too; scripts/train-dictionary made it and says from what.
 */
#ifndef SPOOL_DICTIONARY_H
#define SPOOL_DICTIONARY_H

#include "lib/base/err.h"

enum {
	DICTIONARY_VERSION = 1,		/* the one to pack with */
	DICTIONARY_NUMBER = 32768,	/* plus the version; below are registered ones */
	DICTIONARY_MAX = 112 * 1024,
	DICTIONARY_MARK = 8,		/* its first bytes: what it is, and its number */
};

/* Appends its bytes.  ERR_TEMP: it is not here, or not what it should be. */
bool dictionary_is(uint64_t version, struct span bytes);	/* by its first bytes */
int dictionary_load(uint64_t version, struct str *out, struct err *err);

#endif
