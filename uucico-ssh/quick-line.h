/*
 * quick-line - an ssh link whose session is a struct quick: the connection, the keys, the clock.
 *
 * quick_line_open() says 1 when this is not for it: the settings ask for what only libssh2 does, or
 * the far end turned out to.  Nothing was said in a channel then, and the link is as it was.
 */
#ifndef UUCICO_SSH_QUICK_LINE_H
#define UUCICO_SSH_QUICK_LINE_H

#include "uucico-ssh/link.h"
#include "uucico-ssh/ssh.h"

/* place: where it is; kept when it opens.  0: link->row and link->mine are set; 1; -1 with err. */
int quick_line_open(struct link *link, struct ssh *place, const char *command, struct err *err);

#endif
