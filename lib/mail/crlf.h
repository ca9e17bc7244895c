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

/* What is counted instead of dotted is to have such lines already; if it has not, it gets them.  What
 * it is now: the bytes themselves, or a copy in out.  At the end a CR may still want its LF. */
struct lines {
	struct crlf crlf;
	bool cr;	/* the last byte taken was a CR, and stands there */
	bool mended;	/* since the first line end that was none */
};
struct span lines_add(struct lines *lines, struct span bytes, struct str *out);	/* out is emptied first */
struct span lines_end(struct lines *lines);

/* The other way, for files and pipes of this host: CRLF becomes LF, and a CR alone stays one.
 * *cr: the last piece ended in a CR that is not in out yet; at the end it is the caller's. */
void crlf_to_lf(struct span bytes, bool *cr, struct str *out);

#endif
