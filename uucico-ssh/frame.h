/*
 * frame - what i and g share too: packets with a mark and a head of six bytes, out of a
 * line that may have noise between them.
 */
#ifndef UUCICO_SSH_FRAME_H
#define UUCICO_SSH_FRAME_H

#include "lib/base/str.h"

enum { FRAME_HEAD = 6 };

/* The bytes of a whole packet, by its head; 0: it is none. */
typedef size_t frame_len(const unsigned char head[FRAME_HEAD]);

/* Moves bytes from rest to packet: true when there is a whole one, to be cleared then.
 * Takes no more than it needs: what follows the last packet may be none. */
bool frame_take(struct str *packet, char mark, frame_len *len, struct span *rest);

#endif
