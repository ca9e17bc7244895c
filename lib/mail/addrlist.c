#include "lib/mail/addrlist.h"

struct scan {
	struct str *plain;	/* outside brackets and comments */
	struct str angle;	/* inside <> */
	bool quoted, in_angle, in_literal, had_angle;
	unsigned long depth;	/* of comments */
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str *
place(struct scan *scan)
{
	return scan->in_angle ? &scan->angle : scan->plain;
}

/* Inside quotes and comments a backslash takes the next byte with it; returns how many
 * bytes were used. */
static size_t
take_quoted(struct scan *scan, struct span text)
{
	size_t used = text.p[0] == '\\' && text.len > 1 ? 2 : 1;

	if (scan->depth == 0)
		str_add(place(scan), text.p, used);
	else if (used == 1)
		scan->depth += text.p[0] == '(' ? 1 : text.p[0] == ')' ? (unsigned long)-1 : 0;
	if (scan->depth == 0 && used == 1 && text.p[0] == '"')
		scan->quoted = false;
	return used;
}

static void
take_plain(struct scan *scan, char c)
{
	switch (c) {
	case '(':
		scan->depth = 1;
		return;
	case '<':
		scan->in_angle = scan->had_angle = true;
		str_clear(&scan->angle);
		return;
	case '>':
		scan->in_angle = false;
		return;
	case ':':	/* a group's name, or a source route, was before it */
		if (!scan->in_literal) {
			str_clear(place(scan));
			return;
		}
		break;
	case '"':
		scan->quoted = true;
		break;
	case '[':
	case ']':
		scan->in_literal = c == '[';
		break;
	}
	if (!is_blank(c))
		str_add_char(place(scan), c);
}

int
addrlist_next(struct span *rest, struct str *address)
{
	struct scan scan = { .plain = address };

	str_clear(address);
	while (rest->len > 0) {
		char c = rest->p[0];
		size_t used = 1;
		if (scan.quoted || scan.depth > 0)
			used = take_quoted(&scan, *rest);
		else if ((c == ',' || c == ';') && !scan.in_angle) {
			if (scan.had_angle ? scan.angle.len > 0 : address->len > 0)
				break;
			scan.had_angle = false;
			str_clear(address);
		} else
			take_plain(&scan, c);
		*rest = span_from(*rest, used);
	}
	if (rest->len > 0)	/* the comma */
		*rest = span_from(*rest, 1);
	if (scan.had_angle)
		str_set_span(address, str_span(&scan.angle));
	str_free(&scan.angle);
	return address->len > 0;
}
