/*
 * command - the lines of a UUCP session, to and from struct uucp_job.
 *
 *	S from to user -options temp mode notify size
 *	E from to user -options temp mode notify size command...
 *	R from to user -options size
 *	X from to user -options
 */
#ifndef UUCICO_SSH_COMMAND_H
#define UUCICO_SSH_COMMAND_H

#include "uucico-ssh/uucp.h"

/* Reads a line that begins with S, E, R or X into an empty job; -1: not one. */
int command_parse(struct span line, unsigned features, struct uucp_job *job);
void command_print(const struct uucp_job *job, unsigned features, bool decimal, struct str *out);
void command_free(struct uucp_job *job);

/* "0x1f4", "500": 0 or -1.  More than fits is UINT64_MAX, which is "no limit". */
int command_number(struct span word, uint64_t *number);

#endif
