/*
 * session - one connection to an SMTP or LMTP server, for the sinks: messages of a queue go
 * over it one after the other.
 *
 * The dialogue is lib/proto's; here is only a blocking socket with a deadline on every wait.
 * A connection that ended after it took a message is made again (servers end them after so
 * many, or when nothing was said for long); one that takes none is not.
 */
#ifndef BSMTP_SESSION_H
#define BSMTP_SESSION_H

#include "spool/queue.h"

bool session_place_ok(const char *where);	/* "HOST:PORT" or "[HOST]:PORT" */

/* where may also be the path of a socket. */
int session_open(const struct settings *settings, const char *where, bool lmtp, void **work,
    struct err *err);
int session_send(void *work, struct message *m, struct err *err);	/* as struct sink has it */
void session_close(void *work);

#endif
