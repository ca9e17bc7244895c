#include "lib/mail/fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/header.h"

void
fields_read(struct fields *fields, struct span message)
{
	struct header_field field;

	*fields = (struct fields){0};
	while (header_next(&message, &field)) {
		if ((fields->count & (fields->count - 1)) == 0)
			fields->one = mem_resize(fields->one, fields->count > 0 ? 2 * fields->count : 1, sizeof *fields->one);
		fields->one[fields->count++] = (struct fields_one){ .whole = field.whole, .name = field.name };
	}
}

static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':')
			return false;
	return name.len > 0;
}

/* CRLF, LF and CR alone are folds alike; an empty line is none. */
static void
add_value(struct str *out, struct span value, bool blank)
{
	if (blank)
		str_add_char(out, ' ');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		if (c != '\r' && c != '\n') {
			str_add_char(out, c != '\0' ? c : ' ');
			continue;
		}
		while (i + 1 < value.len && (value.p[i + 1] == '\r' || value.p[i + 1] == '\n'))
			i++;
		if (i + 1 >= value.len)
			break;
		str_add_text(out, "\r\n");
		if (value.p[i + 1] != ' ' && value.p[i + 1] != '\t')
			str_add_char(out, '\t');
	}
	str_add_text(out, "\r\n");
}

static void
write_one(struct fields_one *one, struct span name, struct span value, bool blank)
{
	struct str text = {0};

	str_add_span(&text, name);
	size_t len = text.len;
	str_add_char(&text, ':');
	add_value(&text, value, blank);
	str_free(&one->own);
	one->own = text;
	one->whole = str_span(&one->own);
	one->name = span_to(one->whole, len);
}

void
fields_insert(struct fields *fields, size_t at, struct span name, struct span value, bool blank)
{
	struct fields_one one = {0};

	if (!is_name(name))
		return;
	if (at > fields->count)
		at = fields->count;
	fields->one = mem_resize(fields->one, 2 * (fields->count + 1), sizeof *fields->one);
	memmove(&fields->one[at + 1], &fields->one[at], (fields->count - at) * sizeof *fields->one);
	fields->count++;
	write_one(&one, name, value, blank);
	fields->one[at] = one;
}

void
fields_change(struct fields *fields, struct span name, size_t nth, struct span value, bool blank)
{
	for (size_t i = 0, seen = 0; i < fields->count; i++) {
		struct fields_one *one = &fields->one[i];
		if (one->name.len != name.len || strncasecmp(one->name.p, name.p, name.len) != 0 || ++seen < nth)
			continue;
		one->gone = value.len == 0;
		if (!one->gone) {
			char *as = mem_text_n(one->name.p, one->name.len);
			write_one(one, span_of(as), value, blank);
			free(as);
		}
		return;
	}
	if (value.len > 0)
		fields_insert(fields, fields->count, name, value, blank);
}

void
fields_write(const struct fields *fields, struct str *out)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct fields_one *one = &fields->one[i];
		if (one->gone)
			continue;
		str_add_span(out, one->whole);
		if (one->whole.len > 0 && one->whole.p[one->whole.len - 1] != '\n')
			str_add_text(out, "\r\n");
	}
}

void
fields_free(struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		str_free(&fields->one[i].own);
	free(fields->one);
	*fields = (struct fields){0};
}
