#include "lib/mail/crlf.h"

#include <string.h>

/* Each line end may become two bytes. */
static void
add_piece(struct crlf *crlf, struct span bytes, struct str *out)
{
	char *to = str_room(out, 2 * bytes.len), *start = to;

	while (bytes.len > 0) {
		size_t n = span_run(bytes, '\n', '\r');
		memcpy(to, bytes.p, n);
		to += n;
		if (n > 0) {
			crlf->in_line = true;
			crlf->cr = false;
		}
		bytes = span_from(bytes, n);
		if (bytes.len == 0)
			break;
		if (!(bytes.p[0] == '\n' && crlf->cr)) {
			*to++ = '\r';
			*to++ = '\n';
		}
		crlf->cr = bytes.p[0] == '\r';
		crlf->in_line = false;
		bytes = span_from(bytes, 1);
	}
	out->len += (size_t)(to - start);
}

void
crlf_add(struct crlf *crlf, struct span bytes, struct str *out)
{
	enum { PIECE = 32768 };

	for (; bytes.len > 0; bytes = span_from(bytes, PIECE))
		add_piece(crlf, span_to(bytes, PIECE), out);
}

void
crlf_end(struct crlf *crlf, struct str *out)
{
	if (crlf->in_line)
		str_add_text(out, "\r\n");
	*crlf = (struct crlf){0};
}

void
crlf_to_lf(struct span bytes, bool *cr, struct str *out)
{
	while (bytes.len > 0) {
		if (*cr && bytes.p[0] != '\n')
			str_add_char(out, '\r');
		const char *at = memchr(bytes.p, '\r', bytes.len);
		size_t n = at != NULL ? (size_t)(at - bytes.p) : bytes.len;
		str_add(out, bytes.p, n);
		*cr = at != NULL;
		bytes = span_from(bytes, at != NULL ? n + 1 : n);
	}
}
