/*
 * spamd - asks SpamAssassin's spamd about a message, without I/O (dialogue.h).
 *
 *	spamd_start(&spamd, SPAMD_SYMBOLS, message)	or SPAMD_PROCESS: the message rewritten
 *	... until spamd.d.done ...
 *	spamd.spam, spamd.score, spamd.threshold, spamd.text
 *
 * The protocol is spamd's PROTOCOL file, version 1.5.  text is the names of the rules that
 * met, or the message as it is to be.
 */
#ifndef LIB_PROTO_SPAMD_H
#define LIB_PROTO_SPAMD_H

#include "lib/proto/dialogue.h"

enum spamd_how { SPAMD_SYMBOLS, SPAMD_PROCESS };

struct spamd {
	struct dialogue d;
	enum spamd_how how;
	bool spam;
	struct str score, threshold;	/* as it writes them */
	struct str text;
	/* the rest is its own */
	struct span message;
	size_t sent, most;
	struct str head;
	bool in_text, sized;
	uint64_t size;
};

void spamd_start(struct spamd *spamd, enum spamd_how how, struct span message);
void spamd_free(struct spamd *spamd);

#endif
