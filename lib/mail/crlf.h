/*
 * crlf - text from pipes and files as mail: every line ends in CRLF.
 *
 * LF, CRLF and a lone CR each end a line, so that nothing that looks like a line
 * end to one reader and not to another ever enters (DATA-02); a last line
 * without an end gets one.  A struct crlf starts as {0}.
 */
#ifndef LIB_MAIL_CRLF_H
#define LIB_MAIL_CRLF_H

#include "lib/base/str.h"

struct crlf {
	bool cr;	/* the last byte taken was a CR whose line end is written */
	bool in_line;
};

void crlf_add(struct crlf *crlf, struct span bytes, struct str *out);	/* appends */
void crlf_end(struct crlf *crlf, struct str *out);

/* The other way, for files and pipes of this host: CRLF becomes LF, and a CR alone stays one.
 * *cr: the last piece ended in a CR that is not in out yet; at the end it is the caller's. */
void crlf_to_lf(struct span bytes, bool *cr, struct str *out);

#endif
