#include "lib/mail/thin.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/mail/base64.h"
#include "lib/mail/header.h"
#include "lib/mail/html-text.h"
#include "lib/mail/utf8.h"

enum { DEPTH_MAX = 20, PARTS_MAX = 1000, NAME_MAX_SHOWN = 80, QUOTED_WIDTH = 74 };

struct part {
	struct span whole, body;
	struct span type, disposition, encoding;	/* values of fields, with their parameters */
};

struct thin {
	const struct thin_how *how;
	struct str text;	/* UTF-8 */
	struct str kept;	/* parts, each behind a line for its boundary */
	struct str list;	/* of what was left out, a line each */
	size_t parts;
	bool changed;		/* there is something to be gained */
	bool sealed;		/* it is encrypted */
	struct str boundary;
};

/* fields */

static struct span
value_of(struct span header, const char *name)
{
	struct header_field field;

	return header_find(header, name, &field) ? field.value : (struct span){ "", 0 };
}

static void
part_of(struct span whole, struct part *part)
{
	*part = (struct part){ .whole = whole, .body = whole };
	header_end(&part->body);
	struct span header = span_to(whole, whole.len - part->body.len);
	part->type = value_of(header, "Content-Type");
	part->disposition = value_of(header, "Content-Disposition");
	part->encoding = span_trim(value_of(header, "Content-Transfer-Encoding"));
}

/* "text/html" of "Text/HTML; charset=x" */
static bool
is_type(const struct part *part, const char *type)
{
	struct span value = part->type, word;

	span_cut(&value, ';', &word);
	word = span_trim(word);
	if (word.len == 0)
		return strcmp(type, "text/plain") == 0;
	size_t len = strlen(type);
	return type[len - 1] == '/' ? span_begins_case(word, type) : span_is_case(word, type);
}

/* The next parameter behind a ";": quotes are taken off, and what they quote is left as it is. */
static bool
next_parameter(struct span *rest, struct span *name, struct span *value)
{
	const char *at = rest->len > 0 ? memchr(rest->p, ';', rest->len) : NULL;

	if (at == NULL)
		return false;
	*rest = span_from(*rest, (size_t)(at - rest->p) + 1);
	while (rest->len > 0 && strchr(" \t\r\n", rest->p[0]) != NULL && rest->p[0] != '\0')
		*rest = span_from(*rest, 1);
	size_t len = 0;
	while (len < rest->len && rest->p[len] != '=' && rest->p[len] != ';')
		len++;
	*name = span_trim(span_to(*rest, len));
	if (len == rest->len || rest->p[len] == ';') {
		*value = (struct span){ "", 0 };
		*rest = span_from(*rest, len);
		return true;
	}
	*rest = span_trim(span_from(*rest, len + 1));
	bool quoted = rest->len > 0 && rest->p[0] == '"';
	*rest = span_from(*rest, quoted);
	for (len = 0; len < rest->len && (quoted ? rest->p[len] != '"' : strchr("; \t\r\n", rest->p[len]) == NULL); len++)
		;
	*value = span_to(*rest, len);
	*rest = span_from(*rest, len + (quoted && len < rest->len));
	return true;
}

static struct span
parameter(struct span field, const char *wanted)
{
	struct span name, value;

	while (next_parameter(&field, &name, &value))
		if (span_is_case(name, wanted))
			return value;
	return (struct span){ "", 0 };
}

/* contents */

static int
digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
decode_quoted(struct span in, struct str *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] != '=') {
			str_add_char(out, in.p[i]);
			continue;
		}
		if (i + 1 < in.len && in.p[i + 1] == '\n') {
			i++;
		} else if (i + 2 < in.len && in.p[i + 1] == '\r' && in.p[i + 2] == '\n') {
			i += 2;
		} else if (i + 2 < in.len && digit_of(in.p[i + 1]) >= 0 && digit_of(in.p[i + 2]) >= 0) {
			str_add_char(out, (char)(digit_of(in.p[i + 1]) << 4 | digit_of(in.p[i + 2])));
			i += 2;
		} else {
			str_add_char(out, '=');
		}
	}
}

/* What writers make of it, line ends and all, not only what is exact. */
static void
decode_base64(struct span in, struct str *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, count = 0;

	for (size_t i = 0; i < in.len && in.p[i] != '='; i++) {
		const char *at = in.p[i] != '\0' ? strchr(letters, in.p[i]) : NULL;
		if (at == NULL)
			continue;
		bits = bits << 6 | (unsigned)(at - letters);
		if (++count % 4 == 0) {
			str_add_char(out, (char)(bits >> 16));
			str_add_char(out, (char)(bits >> 8 & 0xff));
			str_add_char(out, (char)(bits & 0xff));
			bits = 0;
		}
	}
	if (count % 4 >= 2)
		str_add_char(out, (char)(bits >> (count % 4 == 2 ? 4 : 10) & 0xff));
	if (count % 4 == 3)
		str_add_char(out, (char)(bits >> 2 & 0xff));
}

static void
decode(const struct part *part, struct str *out)
{
	if (span_is_case(part->encoding, "base64"))
		decode_base64(part->body, out);
	else if (span_is_case(part->encoding, "quoted-printable"))
		decode_quoted(part->body, out);
	else
		str_add_span(out, part->body);
}

static uint64_t
size_of(const struct part *part)
{
	return span_is_case(part->encoding, "base64") ? part->body.len / 78 * 57 + part->body.len % 78 * 3 / 4 : part->body.len;
}

/* What is none of that charset is a question mark. */
static void
to_utf8(struct span charset, struct span in, struct str *out)
{
	char *name = mem_text_n(charset.p, charset.len < 40 ? charset.len : 40);
	iconv_t convert = iconv_open("UTF-8", charset.len == 0 || span_is_case(charset, "us-ascii") ? "UTF-8" : name);
	char *at = (char *)(uintptr_t)in.p;
	size_t left = in.len;

	if (convert == (iconv_t)-1)
		convert = iconv_open("UTF-8", "ISO-8859-1");
	while (left > 0 && convert != (iconv_t)-1) {
		enum { ROOM = 4096 };
		char *to = str_room(out, ROOM);
		size_t room = ROOM;
		size_t got = iconv(convert, &at, &left, &to, &room);
		out->len += ROOM - room;
		if (got != (size_t)-1 || errno == E2BIG)
			continue;
		str_add_char(out, '?');
		at++;
		left--;
	}
	if (convert != (iconv_t)-1)
		iconv_close(convert);
	free(name);
}

/* Lines end in CRLF, and nothing is in them that moves a cursor. */
static void
add_lines(struct str *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '\n' || (c == '\r' && (i + 1 == text.len || text.p[i + 1] != '\n')))
			str_add_text(out, "\r\n");
		else if (c >= ' ' || c == '\t')
			str_add_char(out, (char)c);
	}
	if (text.len > 0 && text.p[text.len - 1] != '\n')
		str_add_text(out, "\r\n");
}

static void
take_text(struct thin *t, const struct part *part, bool html)
{
	struct str raw = {0}, text = {0};

	decode(part, &raw);
	to_utf8(parameter(part->type, "charset"), str_span(&raw), &text);
	if (t->text.len > 0)
		str_add_text(&t->text, "\r\n");
	if (html)
		html_text(str_span(&text), &t->text);
	else
		add_lines(&t->text, str_span(&text));
	t->changed = t->changed || html;
	str_free(&raw);
	str_free(&text);
}

/* attachments */

static void
add_shown(struct str *out, struct span text)
{
	for (size_t i = 0; i < text.len && i < NAME_MAX_SHOWN; i++)
		str_add_char(out, (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f ? '?' : text.p[i]);
}

static void
add_size(struct str *out, uint64_t size)
{
	if (size >= 10 << 20)
		str_printf(out, "%llu MB", (unsigned long long)(size >> 20));
	else if (size >= 1 << 20)
		str_printf(out, "%.1f MB", (double)size / (1 << 20));
	else if (size >= 1 << 10)
		str_printf(out, "%llu KB", (unsigned long long)(size >> 10));
	else
		str_printf(out, "%llu bytes", (unsigned long long)size);
}

static void
leave_out(struct thin *t, const struct part *part)
{
	struct span name = parameter(part->disposition, "filename"), type = part->type, word;

	if (name.len == 0)
		name = parameter(part->type, "name");
	if (name.len == 0)
		name = parameter(part->disposition, "filename*");
	span_cut(&type, ';', &word);
	str_add_text(&t->list, "  ");
	add_shown(&t->list, name.len > 0 ? name : SPAN("(without a name)"));
	str_add_text(&t->list, ", ");
	add_shown(&t->list, word.len > 0 ? span_trim(word) : SPAN("text/plain"));
	str_add_text(&t->list, ", ");
	add_size(&t->list, size_of(part));
	str_add_text(&t->list, "\r\n");
	t->changed = true;
}

static void
keep(struct thin *t, struct span part)
{
	str_printf(&t->kept, "--%s\r\n", str_c(&t->boundary));
	str_add_span(&t->kept, part);
	if (part.len < 2 || part.p[part.len - 1] != '\n')
		str_add_text(&t->kept, "\r\n");
}

static void
keep_picture(struct thin *t, struct str *type, const struct str *bytes, const struct part *part)
{
	struct str whole = {0};
	struct span name = parameter(part->disposition, "filename");

	str_printf(&whole, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"", str_c(type));
	for (size_t i = 0; i < name.len && i < NAME_MAX_SHOWN; i++)
		str_add_char(&whole, (unsigned char)name.p[i] < ' ' || name.p[i] == '"' || name.p[i] == '\\' ? '_' : name.p[i]);
	str_add_text(&whole, "\"\r\n\r\n");
	for (size_t at = 0; at < bytes->len; at += 57) {
		base64_add(&whole, bytes->p + at, bytes->len - at < 57 ? bytes->len - at : 57);
		str_add_text(&whole, "\r\n");
	}
	keep(t, str_span(&whole));
	t->changed = true;
	str_free(&whole);
}

/* true: it is smaller now, and small enough */
static bool
shrink(struct thin *t, const struct part *part)
{
	struct str raw = {0}, type = {0}, smaller = {0};
	struct span rest = part->type, word;
	bool done = false;

	if (t->how->picture == NULL || !is_type(part, "image/"))
		return false;
	span_cut(&rest, ';', &word);
	add_shown(&type, span_trim(word));
	decode(part, &raw);
	if (t->how->picture(t->how->ctx, str_span(&raw), &type, &smaller) > 0 && smaller.len > 0 && smaller.len < raw.len &&
	    smaller.len <= t->how->largest) {
		keep_picture(t, &type, &smaller, part);
		done = true;
	}
	str_free(&raw);
	str_free(&type);
	str_free(&smaller);
	return done;
}

/* parts */

static void walk(struct thin *t, struct span whole, int depth);

/* The next part between boundaries; false: no more. */
static bool
next_part(struct span *rest, struct span boundary, struct span *part)
{
	const char *begin = NULL;
	size_t at = 0;

	while (at < rest->len) {
		struct span line = span_from(*rest, at);
		const char *lf = memchr(line.p, '\n', line.len);
		size_t len = lf != NULL ? (size_t)(lf - line.p) + 1 : line.len;
		bool ours = line.len >= boundary.len + 2 && line.p[0] == '-' && line.p[1] == '-' &&
		    memcmp(line.p + 2, boundary.p, boundary.len) == 0 &&
		    (line.len == boundary.len + 2 || memchr("\r\n- \t", line.p[boundary.len + 2], 5) != NULL);
		if (ours && begin != NULL) {
			*part = (struct span){ begin, (size_t)(line.p - begin) };
			*rest = line;
			return true;
		}
		if (ours && len >= boundary.len + 4 && line.p[boundary.len + 2] == '-' && line.p[boundary.len + 3] == '-')
			return false;
		at += len;
		if (ours)
			begin = line.p + len;
	}
	if (begin == NULL)
		return false;
	*part = (struct span){ begin, (size_t)(rest->p + rest->len - begin) };
	*rest = span_from(*rest, rest->len);
	return true;
}

static bool
is_attached(const struct part *part)
{
	return span_begins_case(span_trim(part->disposition), "attachment");
}

/* Does it hold text that can be taken: plain, or HTML? */
static bool
says(struct span whole, const char *type, int depth)
{
	struct part part;
	struct span rest, child;

	part_of(whole, &part);
	if (is_type(&part, type) && !is_attached(&part))
		return true;
	if (!is_type(&part, "multipart/") || depth > DEPTH_MAX)
		return false;
	rest = part.body;
	struct span boundary = parameter(part.type, "boundary");
	while (boundary.len > 0 && next_part(&rest, boundary, &child))
		if (says(child, type, depth + 1))
			return true;
	return false;
}

/* The plain one, else the one with HTML, else the first. */
static void
walk_alternatives(struct thin *t, const struct part *part, struct span boundary, int depth)
{
	static const char *const types[] = { "text/plain", "text/html", NULL };
	struct span child;
	size_t count = 0;

	for (struct span rest = part->body; next_part(&rest, boundary, &child);)
		count++;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		for (struct span rest = part->body; next_part(&rest, boundary, &child);) {
			if (types[i] != NULL && !says(child, types[i], depth))
				continue;
			t->changed = t->changed || count > 1;
			walk(t, child, depth + 1);
			return;
		}
	}
}

static void
walk_parts(struct thin *t, const struct part *part, int depth)
{
	struct span boundary = parameter(part->type, "boundary"), rest = part->body, child;

	if (boundary.len == 0)
		return;
	if (is_type(part, "multipart/encrypted")) {
		t->sealed = true;
	} else if (is_type(part, "multipart/alternative")) {
		walk_alternatives(t, part, boundary, depth);
	} else {
		while (next_part(&rest, boundary, &child))
			walk(t, child, depth + 1);
	}
}

static void
walk(struct thin *t, struct span whole, int depth)
{
	struct part part;

	if (++t->parts > PARTS_MAX || depth > DEPTH_MAX) {
		t->sealed = true;	/* whatever this is, it stays as it is */
		return;
	}
	part_of(whole, &part);
	if (is_type(&part, "multipart/"))
		walk_parts(t, &part, depth);
	else if (is_type(&part, "application/pkcs7-mime") || is_type(&part, "application/x-pkcs7-mime"))
		t->sealed = true;
	else if (is_type(&part, "text/plain") && !is_attached(&part))
		take_text(t, &part, false);
	else if (is_type(&part, "text/html") && !is_attached(&part))
		take_text(t, &part, true);
	else if (is_type(&part, "application/pkcs7-signature") || is_type(&part, "application/pgp-signature"))
		t->changed = true;	/* it fits no more */
	else if (shrink(t, &part))
		;
	else if (size_of(&part) > t->how->largest)
		leave_out(t, &part);
	else
		keep(t, whole);
}

/* the result */

static void
add_quoted(struct str *out, struct span text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool at_end = i + 2 < text.len && text.p[i + 1] == '\r' && text.p[i + 2] == '\n';
		if (c == '\r' && i + 1 < text.len && text.p[i + 1] == '\n') {
			str_add_text(out, "\r\n");
			column = 0;
			i++;
			continue;
		}
		bool plain = (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !at_end);
		if (column + (plain ? 1 : 3) > QUOTED_WIDTH) {
			str_add_text(out, "=\r\n");
			column = 0;
		}
		if (plain)
			str_add_char(out, (char)c);
		else
			str_printf(out, "=%02X", c);
		column += plain ? 1 : 3;
	}
}

static bool
is_plain(struct span text)
{
	struct span line;

	if (!utf8_is_ascii(text))
		return false;
	while (span_cut(&text, '\n', &line))
		if (line.len > 900)
			return false;
	return true;
}

static void
add_text_part(struct str *out, struct span text)
{
	bool plain = is_plain(text);

	str_printf(out, "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    plain ? "us-ascii" : "utf-8", plain ? "7bit" : "quoted-printable");
	if (plain)
		str_add_span(out, text);
	else
		add_quoted(out, text);
}

/* What is about the message as it was. */
static bool
is_of_form(struct span name)
{
	static const char *const names[] = { "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition",
		"Content-Language", "Content-ID", "Content-MD5", "Content-Length", "DKIM-Signature", "X-Google-DKIM-Signature",
		"ARC-Seal", "ARC-Message-Signature" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_case(name, names[i]))
			return true;
	return false;
}

static void
put_together(struct thin *t, struct span message, struct str *out)
{
	struct header_field field;

	if (t->list.len > 0) {
		str_add_text(&t->text, t->text.len > 0 ? "\r\n-- \r\nLeft out:\r\n" : "Left out:\r\n");
		str_add_span(&t->text, str_span(&t->list));
	}
	if (t->how->note.len > 0) {
		str_add_text(&t->text, t->list.len > 0 || t->text.len == 0 ? "" : "\r\n-- \r\n");
		str_add_span(&t->text, t->how->note);
	}
	while (header_next(&message, &field)) {
		if (is_of_form(field.name))
			continue;
		str_add_span(out, field.whole);
		if (field.whole.p[field.whole.len - 1] != '\n')
			str_add_text(out, "\r\n");
	}
	str_add_text(out, "MIME-Version: 1.0\r\n");
	if (t->kept.len == 0) {
		add_text_part(out, str_span(&t->text));
		return;
	}
	str_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", str_c(&t->boundary), str_c(&t->boundary));
	add_text_part(out, str_span(&t->text));
	str_add_span(out, str_span(&t->kept));
	str_printf(out, "--%s--\r\n", str_c(&t->boundary));
}

int
thin_make(struct span message, const struct thin_how *how, struct str *out)
{
	struct thin t = { .how = how };
	unsigned char sum[DIGEST_SIZE];

	digest_of(message.p, message.len, sum);
	str_add_text(&t.boundary, "=_thin_");
	digest_hex(sum, 12, &t.boundary);
	walk(&t, message, 0);
	bool thin = t.changed && !t.sealed;
	if (thin)
		put_together(&t, message, out);
	str_free(&t.text);
	str_free(&t.kept);
	str_free(&t.list);
	str_free(&t.boundary);
	return thin;
}
