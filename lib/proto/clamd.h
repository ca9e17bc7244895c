/*
 * clamd - asks ClamAV's clamd about a message by INSTREAM, without I/O (dialogue.h).
 */
#ifndef LIB_PROTO_CLAMD_H
#define LIB_PROTO_CLAMD_H

#include "lib/proto/dialogue.h"

struct clamd {
	struct dialogue d;
	bool found;
	struct str name;	/* of what was found */
	/* the rest is its own */
	struct span message;
	size_t sent;
	bool ended;
	struct str in;
};

void clamd_start(struct clamd *clamd, struct span message);
void clamd_free(struct clamd *clamd);

#endif
