/*
 * tcp - a connection, for ssh: and tcp: links: whichever of the host's addresses answers
 * first, or by a proxy (lib/net/dial.h), waited for here.
 *
 * The socket sends at once what is written, notices within the link's time that nobody
 * is there any more, and uses bbr where the kernel lets us: on links that lose packets it
 * is the largest single gain.
 */
#ifndef UUCICO_SSH_TCP_H
#define UUCICO_SSH_TCP_H

#include "lib/net/socks.h"

/* proxy: NULL, or through it.  speaks: we do, and first.  server: what is to listen there, for the
 * error's sentence.  A descriptor that never blocks, or -1. */
int tcp_connect(const char *host, const char *port, const struct socks_proxy *proxy, bool speaks, int64_t seconds,
    const char *server, struct err *err);
int64_t tcp_rtt(int fd);	/* microseconds there and back; 0 where the kernel does not say */

#endif
