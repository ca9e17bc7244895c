#include "lib/mail/xtext.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')	/* lower case is no xtext */
		return c - 'A' + 10;
	return -1;
}

/* Takes one character off xtext: what it means, or -1. */
static int
next(struct span *xtext)
{
	char c = xtext->p[0];

	if (c != '+') {
		*xtext = span_from(*xtext, 1);
		return c >= '!' && c <= '~' && c != '=' ? c : -1;
	}
	if (xtext->len < 3 || hex(xtext->p[1]) < 0 || hex(xtext->p[2]) < 0)
		return -1;
	int meant = hex(xtext->p[1]) * 16 + hex(xtext->p[2]);
	*xtext = span_from(*xtext, 3);
	return meant >= ' ' && meant <= '~' ? meant : -1;
}

int
xtext_decode(struct span xtext, struct str *out)
{
	size_t before = out->len;

	while (xtext.len > 0) {
		int meant = next(&xtext);
		if (meant < 0) {
			out->len = before;
			return -1;
		}
		str_add_char(out, (char)meant);
	}
	return 0;
}

bool
xtext_ok(struct span xtext)
{
	while (xtext.len > 0) {
		if (next(&xtext) < 0)
			return false;
	}
	return true;
}

void
xtext_encode(struct span text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (c >= '!' && c <= '~' && c != '+' && c != '=')
			str_add_char(out, c);
		else
			str_printf(out, "+%02X", (unsigned char)c);
	}
}
