#include "lib/mail/rewrite.h"

#include <string.h>

#include "lib/mail/header.h"

/* A mailbox as it is read: the address so far without blanks and comments, where its bytes
 * stand, and the comments within. */
struct reading {
	struct span value;
	size_t at;		/* the byte being read */
	size_t copied;		/* up to here it is in out */
	struct str address, comments;
	size_t begin, end;	/* of the address; comments and blanks behind it are not in it */
	bool at_sign;		/* it has one outside quotes */
	bool torn;		/* two words stand side by side: that is no address */
	bool angle;		/* between < and > */
	bool had_angle;		/* the address stood in <>: a name was before it */
	rewrite_map *map;
	void *ctx;
	struct str *out;
	bool changed;
};

/* The byte behind a comment that begins at `at`; comments nest. */
static size_t
skip_comment(struct span value, size_t at)
{
	size_t depth = 0;

	for (; at < value.len; at++) {
		char c = value.p[at];
		if (c == '\\')
			at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			return at + 1;
	}
	return value.len;
}

/* The byte behind a quoted string, or a domain literal. */
static size_t
skip_quoted(struct span value, size_t at, char end)
{
	for (at++; at < value.len; at++) {
		if (value.p[at] == '\\')
			at++;
		else if (value.p[at] == end)
			return at + 1;
	}
	return value.len;
}

static void
forget(struct reading *r)
{
	str_clear(&r->address);
	str_clear(&r->comments);
	r->at_sign = r->torn = false;
}

static bool
joins(char c)
{
	return c == '.' || c == '@';
}

/* A piece of the address: what stood between it and the piece before were blanks and
 * comments, which are its comments now. */
static void
add_piece(struct reading *r, size_t from, size_t to)
{
	if (r->address.len == 0) {
		r->begin = from;
	} else {
		r->torn = r->torn || !(joins(r->address.p[r->address.len - 1]) || joins(r->value.p[from]));
		str_add_span(&r->comments, span_to(span_from(r->value, r->end), from - r->end));
	}
	str_add_span(&r->address, span_to(span_from(r->value, from), to - from));
	r->end = to;
}

/* Those within the address that was changed; blanks alone are none. */
static void
add_comments(struct reading *r)
{
	struct span between = span_trim(str_span(&r->comments));

	if (between.len == 0 || memchr(between.p, '(', between.len) == NULL)
		return;
	str_add_char(r->out, ' ');
	str_add_span(r->out, between);
}

/* The end of a mailbox. */
static int
end_of_address(struct reading *r, struct err *err)
{
	struct str to = {0};
	int got = 0;

	if (r->address.len > 0 && r->at_sign && !r->torn)
		got = r->map(r->ctx, str_span(&r->address), &to, err);
	if (got > 0) {
		str_add_span(r->out, span_to(span_from(r->value, r->copied), r->begin - r->copied));
		str_add_span(r->out, str_span(&to));
		add_comments(r);
		r->copied = r->end;
		r->changed = true;
	}
	str_free(&to);
	forget(r);
	return got < 0 ? -1 : 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What ends an atom: all that is not part of an address as it stands. */
static bool
is_mark(char c)
{
	return is_blank(c) || c == '<' || c == '>' || c == ',' || c == ';' || c == ':' || c == '(' || c == ')' ||
	    c == '"' || c == '[';
}

/* A mark that ends or begins something. */
static int
take_mark(struct reading *r, char c, struct err *err)
{
	int result = 0;

	if (c == '<') {
		forget(r);	/* it was a name */
		r->angle = true;
	} else if (c == '>') {
		result = r->angle ? end_of_address(r, err) : 0;
		r->angle = false;
		r->had_angle = true;
		forget(r);
	} else if (c == ':') {
		forget(r);	/* a group's name, or a source route */
	} else {		/* , ; */
		result = r->had_angle || r->angle ? 0 : end_of_address(r, err);
		if (!r->angle) {
			forget(r);
			r->had_angle = false;
		}
	}
	r->at++;
	return result;
}

/* Atoms, quoted strings, "@", "." and literals: whatever an address is made of. */
static void
take_piece(struct reading *r)
{
	char c = r->value.p[r->at];
	size_t to = r->at;

	r->torn = r->torn || c == ')';
	if (c == '"') {
		to = skip_quoted(r->value, to, '"');
	} else if (c == '[') {
		to = skip_quoted(r->value, to, ']');
	} else {
		do {
			r->at_sign = r->at_sign || r->value.p[to] == '@';
			to++;
		} while (to < r->value.len && !is_mark(r->value.p[to]));
	}
	add_piece(r, r->at, to);
	r->at = to;
}

static int
take(struct reading *r, struct err *err)
{
	char c = r->value.p[r->at];

	if (is_blank(c))
		r->at++;
	else if (c == '(')
		r->at = skip_comment(r->value, r->at);
	else if (c == '<' || c == '>' || c == ',' || c == ';' || c == ':')
		return take_mark(r, c, err);
	else
		take_piece(r);
	return 0;
}

int
rewrite_value(struct span value, rewrite_map *map, void *ctx, struct str *out, struct err *err)
{
	struct reading r = { .value = value, .map = map, .ctx = ctx, .out = out };
	int result = 0;

	while (r.at < value.len && result == 0)
		result = take(&r, err);
	if (result == 0 && !r.angle && !r.had_angle)
		result = end_of_address(&r, err);
	str_add_span(out, span_from(value, r.copied));
	str_free(&r.address);
	str_free(&r.comments);
	return result < 0 ? -1 : r.changed;
}

static bool
holds_addresses(struct span name)
{
	static const char *const names[] = {
		"From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Resent-From", "Resent-Sender", "Resent-Reply-To",
		"Resent-To", "Resent-Cc", "Resent-Bcc", "Return-Path", "Errors-To", "Return-Receipt-To",
		"Disposition-Notification-To", "Mail-Followup-To", "Mail-Reply-To",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_case(name, names[i]))
			return true;
	return false;
}

int
rewrite_header(struct span header, rewrite_map *map, void *ctx, struct str *out, struct err *err)
{
	struct header_field field;

	while (header_next(&header, &field)) {
		size_t before = (size_t)(field.value.p - field.whole.p);
		if (!holds_addresses(field.name)) {
			str_add_span(out, field.whole);
			continue;
		}
		str_add_span(out, span_to(field.whole, before));
		if (rewrite_value(field.value, map, ctx, out, err) < 0)
			return -1;
		str_add_span(out, span_from(field.whole, before + field.value.len));
	}
	str_add_span(out, header);
	return 0;
}
