/*
 * talk - holds a dialogue with a service, and waits for it: for mochila-filter only.
 *
 * where is HOST:PORT, or /SOCKET.  -1: err is ERR_TEMP, whatever was wrong with it.
 */
#ifndef RELAY_TALK_H
#define RELAY_TALK_H

#include "lib/proto/dialogue.h"

int talk_check(const char *where, struct err *err);
int talk_to(const char *where, struct dialogue *d, int64_t deadline, struct err *err);	/* of clock_mono() */

#endif
