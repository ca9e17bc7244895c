#include "lib/mail/header.h"

#include <string.h>

/* The first line of text with its line end; empty at the end. */
static struct span
line_of(struct span text)
{
	const char *lf = text.len > 0 ? memchr(text.p, '\n', text.len) : NULL;

	return lf == NULL ? text : span_to(text, (size_t)(lf - text.p) + 1);
}

static struct span
chomp(struct span line)
{
	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool
is_folded(struct span line)
{
	return line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* The name before the colon, blanks before it tolerated (RFC 5322 4.5); empty
 * when the line begins no field. */
static struct span
name_of(struct span line)
{
	size_t len = 0;

	while (len < line.len && line.p[len] > ' ' && line.p[len] <= '~' && line.p[len] != ':')
		len++;
	struct span behind = span_trim(span_from(line, len));
	return behind.len > 0 && behind.p[0] == ':' ? span_to(line, len) : (struct span){0};
}

bool
header_next(struct span *rest, struct header_field *field)
{
	struct span line = line_of(*rest), name = name_of(line);

	if (name.len == 0)
		return false;
	size_t len = line.len;
	while (is_folded(span_from(*rest, len)))
		len += line_of(span_from(*rest, len)).len;
	field->whole = span_to(*rest, len);
	field->name = name;
	const char *colon = memchr(line.p, ':', line.len);
	field->value = span_trim(chomp(span_from(field->whole, (size_t)(colon - line.p) + 1)));
	*rest = span_from(*rest, len);
	return true;
}

void
header_end(struct span *rest)
{
	struct header_field field;

	while (header_next(rest, &field))
		;
	struct span line = line_of(*rest);
	if (line.len > 0 && chomp(line).len == 0)
		*rest = span_from(*rest, line.len);
}

bool
header_find(struct span message, const char *name, struct header_field *field)
{
	while (header_next(&message, field)) {
		if (span_is_case(field->name, name))
			return true;
	}
	return false;
}

size_t
header_count(struct span message, const char *name)
{
	struct header_field field;
	size_t count = 0;

	while (header_next(&message, &field))
		count += span_is_case(field.name, name);
	return count;
}

void
header_unfold(struct span value, struct str *out)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] != '\r' && value.p[i] != '\n')
			str_add_char(out, value.p[i]);
	}
}

/* Is there an empty line in text that ends at or behind from? */
static bool
has_empty_line(struct span text, size_t from)
{
	size_t at = from > 2 ? from - 2 : 0;

	for (; at < text.len; at++) {
		bool starts = at == 0 || text.p[at - 1] == '\n';
		struct span line = span_from(text, at);
		if (starts && (span_begins(line, "\n") || span_begins(line, "\r\n")))
			return true;
	}
	return false;
}

void
header_gather(struct header_gather *gather, struct span bytes)
{
	if (gather->done)
		return;
	size_t before = gather->text.len, room = gather->max - before;
	str_add_span(&gather->text, span_to(bytes, room));
	gather->done = has_empty_line(str_span(&gather->text), before);
	if (!gather->done && bytes.len >= room)
		gather->done = gather->over = true;
}
