/*
 * notify - what whoever started us is told, and has given us (sd_notify(3),
 * sd_listen_fds(3)), by the environment alone.
 */
#ifndef RELAY_NOTIFY_H
#define RELAY_NOTIFY_H

#include "lib/base/err.h"

void notify_say(const char *format, ...) __attribute__((format(printf, 1, 2)));	/* "READY=1"; to
				   nobody where nobody asked */
int64_t notify_watchdog(void);	/* microseconds between two signs of life, or 0 */
int notify_socket(const char *name);	/* an inherited socket called so; -1: there is none */
void notify_forget(void);	/* before anything is run: it is for us alone */

#endif
