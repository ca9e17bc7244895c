#include "lib/mail/dot.h"

#include <string.h>

/* Whole lines from the front, as they nearly always are: ended by CRLF, with neither a CR nor
 * a LF before that, and without a dot at their start.  begun: of the first there was more. */
static size_t
lines_of(struct span in, bool begun)
{
	size_t at = 0;

	while (at < in.len && (begun || in.p[at] != '.')) {
		const char *from = in.p + at, *lf = memchr(from, '\n', in.len - at);
		if (lf == NULL || lf == from || lf[-1] != '\r' || memchr(from, '\r', (size_t)(lf - 1 - from)) != NULL)
			break;
		at = (size_t)(lf + 1 - in.p);
		begun = false;
	}
	return at;
}

/* A byte within a line, or at its start: where the reader is behind it. */
static enum dot_state
in_line(struct dot_in *dot, char c, struct str *out)
{
	if (c == '\r')
		return DOT_CR;
	if (c != '\n') {
		str_add_char(out, c);
		return DOT_LINE;
	}
	if (dot->lax) {
		str_add_text(out, "\r\n");
		dot->met = true;
		return dot->lines ? DOT_LINE : DOT_START;
	}
	dot->bare = true;
	str_add_char(out, c);
	return DOT_LINE;
}

/* The first line tells how they end. */
static void
met_crlf(struct dot_in *dot)
{
	dot->lines = dot->lines || (dot->crlf && !dot->met);
	dot->met = true;
}

/* A byte behind a CR that is not yet in out.  Lax, CRs before a CRLF are one line
 * end with it: a writer that made CRLF of LF twice must not leave empty lines. */
static enum dot_state
behind_cr(struct dot_in *dot, char c, struct str *out)
{
	if (c == '\n') {
		str_add_text(out, "\r\n");
		met_crlf(dot);
		return DOT_START;
	}
	if (c == '\r' && dot->lax)
		return DOT_CR;
	dot->bare |= !dot->lax;
	str_add_text(out, dot->lax ? "\r\n" : "\r");
	return in_line(dot, c, out);
}

/* A byte behind the dot that began a line: the dot is dropped unless it ends. */
static enum dot_state
behind_dot(struct dot_in *dot, char c, struct str *out)
{
	if (c == '\r')
		return DOT_DOT_CR;
	if (c == '\n' && dot->lax && !dot->crlf)
		return DOT_END;
	return in_line(dot, c, out);
}

static enum dot_state
behind_dot_cr(struct dot_in *dot, char c, struct str *out)
{
	if (c == '\n')
		return DOT_END;
	if (c == '\r' && dot->lax)
		return DOT_DOT_CR;
	return behind_cr(dot, c, out);
}

static enum dot_state
step(struct dot_in *dot, char c, struct str *out)
{
	switch (dot->state) {
	case DOT_START:
		return c == '.' ? DOT_DOT : in_line(dot, c, out);
	case DOT_CR:
		return behind_cr(dot, c, out);
	case DOT_DOT:
		return behind_dot(dot, c, out);
	case DOT_DOT_CR:
		return behind_dot_cr(dot, c, out);
	default:
		return in_line(dot, c, out);
	}
}

size_t
dot_unstuff(struct dot_in *dot, struct span in, struct str *out)
{
	size_t at = dot->state == DOT_LINE ? lines_of(in, true) : 0;

	if (at > 0) {
		dot->state = DOT_START;
		met_crlf(dot);
	}
	str_add(out, in.p, at);
	while (at < in.len && dot->state != DOT_END) {
		/* Only here: a line that is odd is looked at once. */
		size_t run = dot->state == DOT_START ? lines_of(span_from(in, at), false) :
		    dot->state == DOT_LINE ? span_run(span_from(in, at), '\r', '\n') : 0;
		str_add(out, in.p + at, run);
		at += run;
		if (dot->state == DOT_START && run > 0)
			met_crlf(dot);
		if (at < in.len)
			dot->state = step(dot, in.p[at++], out);
	}
	return at;
}

/* Adds a piece of a line; -1 when it would follow, or be, a bare CR or LF. */
static int
stuff_byte(struct dot_out *dot, char c, struct str *out)
{
	if ((c == '\n') != (dot->state == DOT_CR))
		return -1;
	if (c == '.' && dot->state == DOT_START)
		str_add_char(out, '.');
	dot->state = c == '\r' ? DOT_CR : c == '\n' ? DOT_START : DOT_LINE;
	str_add_char(out, c);
	return 0;
}

int
dot_stuff(struct dot_out *dot, struct span in, struct str *out)
{
	while (in.len > 0) {
		size_t run = dot->state == DOT_START ? lines_of(in, false) :
		    dot->state == DOT_LINE ? span_run(in, '\r', '\n') : 0;
		str_add_span(out, span_to(in, run));
		in = span_from(in, run);
		if (in.len > 0 && stuff_byte(dot, in.p[0], out) < 0)
			return -1;
		in = span_from(in, 1);
	}
	return 0;
}

int
dot_finish(struct dot_out *dot, struct str *out)
{
	if (dot->state == DOT_CR)
		return -1;
	str_add_text(out, dot->state == DOT_START ? ".\r\n" : "\r\n.\r\n");
	dot->state = DOT_END;
	return 0;
}

bool
dot_lines_ok(struct span bytes, bool *cr)
{
	while (bytes.len > 0) {
		size_t run = *cr ? 0 : span_run(bytes, '\r', '\n');
		bytes = span_from(bytes, run);
		if (bytes.len == 0)
			return true;
		if ((bytes.p[0] == '\n') != *cr)
			return false;
		*cr = bytes.p[0] == '\r';
		bytes = span_from(bytes, 1);
	}
	return true;
}
