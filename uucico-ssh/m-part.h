/*
 * m-part - what came of an object whose call ended before its last byte: part/PEER/NAME.
 *
 * NAME is the object's, in hex; the file holds its first transfer bytes.  Nothing was promised of
 * it.  The next HELLO tells of some, with a sum of their bytes, once they are synced, and the sender
 * compares that sum with its own: so a file that a power cut has spoilt is thrown away by who
 * knows better.  A whole object's file is removed behind the commit.
 */
#ifndef UUCICO_SSH_M_PART_H
#define UUCICO_SSH_M_PART_H

#include "spool/spool.h"
#include "uucico-ssh/m.h"

enum {
	PARTS_MAX = 64,			/* of a peer: the oldest go first */
	PARTS_KEPT = 14 * 24 * 3600,	/* seconds */
};

int m_part_folder(const struct spool *spool, const char *peer, struct err *err);	/* opened */
/* Removes what is too old, too much or no part.  most: bytes. */
void m_part_clean(int dir, const char *peer, uint64_t most);
/* Those that a HELLO tells: synced, the newest first. */
size_t m_part_list(int dir, struct m_partial *partials, size_t most);
void m_part_file(const unsigned char name[M_NAME], char file[2 * M_NAME + 1]);
int m_part_open(int dir, const char *file, bool make, uint64_t *size, struct err *err);
				/* -1 with ENOENT: there is none */

#endif
