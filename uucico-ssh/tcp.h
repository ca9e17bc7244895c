/*
 * tcp - a connection, for ssh: and tcp: links: every address of the host in turn, each
 * with its time.
 */
#ifndef UUCICO_SSH_TCP_H
#define UUCICO_SSH_TCP_H

#include "lib/base/err.h"

/* server: what is to listen there, for the error's sentence.  A descriptor that never
 * blocks, or -1. */
int tcp_connect(const char *host, const char *port, int64_t seconds, const char *server,
    struct err *err);

#endif
