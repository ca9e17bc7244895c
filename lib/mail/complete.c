#include "lib/mail/complete.h"

#include <string.h>

#include "lib/base/digest.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"

static void
add_message_id(const struct completing *c, struct str *out)
{
	unsigned char random[8];

	random_bytes(random, sizeof random);
	str_printf(out, "Message-ID: <%lld.", (long long)c->now);
	digest_hex(random, sizeof random, out);
	str_printf(out, "@%s>\r\n", c->host);
}

static void
add_missing(const struct completing *c, struct span text, struct str *out)
{
	struct header_field field;

	if (!header_find(text, "Date", &field)) {
		str_add_text(out, "Date: ");
		date_mail(c->now, out);
		str_add_text(out, "\r\n");
	}
	if (!header_find(text, "From", &field)) {
		if (c->full_name != NULL && c->full_name[0] != '\0')
			str_printf(out, "From: \"%s\" <%s>\r\n", c->full_name, c->from);
		else
			str_printf(out, "From: %s\r\n", c->from[0] != '\0' ? c->from : "<>");
	}
	if (!header_find(text, "Message-ID", &field))
		add_message_id(c, out);
}

/* Blanks, line ends and comments; RFC 8601 2.2 allows them in front of the name. */
static struct span
skip_comments(struct span text)
{
	size_t depth = 0, at = 0;

	for (; at < text.len; at++) {
		char ch = text.p[at];
		if (depth == 0 && strchr(" \t\r\n(", ch) == NULL)
			break;
		if (ch == '\\' && depth > 0)
			at++;
		else if (ch == '(')
			depth++;
		else if (ch == ')')
			depth--;
	}
	return span_from(text, at < text.len ? at : text.len);
}

/* Does the field speak in that name? */
static bool
speaks_as(const struct header_field *field, const char *name)
{
	if (name == NULL || !span_is_case(field->name, "Authentication-Results"))
		return false;
	struct span value = skip_comments(field->value);
	bool quoted = value.len > 0 && value.p[0] == '"';
	size_t len = 0;
	value = span_from(value, quoted);
	while (len < value.len && strchr(quoted ? "\"" : " \t\r\n;(", value.p[len]) == NULL)
		len++;
	value.len = len;
	if (value.len > 0 && value.p[value.len - 1] == '.')
		value.len--;
	return span_is_case(value, name);
}

void
complete_header(const struct completing *c, struct span *text, struct str *out)
{
	struct header_field field;

	if (c->add_missing)
		add_missing(c, *text, out);
	while (header_next(text, &field)) {
		bool blind = span_is_case(field.name, "Bcc") || span_is_case(field.name, "Resent-Bcc");
		if ((!c->strip_bcc || !blind) && !speaks_as(&field, c->results))
			str_add_span(out, field.whole);
	}
}
