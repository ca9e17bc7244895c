#include "lib/mail/recode.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/base64.h"
#include "lib/mail/header.h"
#include "lib/mail/utf8.h"

enum { LINE_HELD = 512, QUOTED_LINE = 75 };	/* no boundary is longer; 76 with the soft "=" */

static int
cannot(struct err *err, const char *why)
{
	err_set(err, ERR_PERM, "it cannot be encoded anew: %s", why);
	return err_as(err, 0, "5.6.3");
}

static void
put(struct recode *r, const char *bytes, size_t len)
{
	if (r->writing)
		str_add(&r->out, bytes, len);
}

/* quoted-printable (RFC 2045 6.7) */

static void
quoted_word(struct recode *r, const char *word, size_t len)
{
	if (r->column + len > QUOTED_LINE) {
		put(r, "=\r\n", 3);
		r->column = 0;
	}
	put(r, word, len);
	r->column += len;
}

static void
quoted_escape(struct recode *r, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char word[3] = { '=', digits[c >> 4], digits[c & 15] };

	quoted_word(r, word, 3);
}

/* A blank or CR was held back: is a line's end behind it? */
static void
quoted_release(struct recode *r, bool line_ends)
{
	char held = r->held;

	r->held = '\0';
	if (held == '\0')
		return;
	if (held == '\r' || line_ends)
		quoted_escape(r, (unsigned char)held);
	else
		quoted_word(r, &held, 1);
}

static void
quoted_byte(struct recode *r, char c)
{
	quoted_release(r, false);
	if (c == ' ' || c == '\t' || c == '\r')
		r->held = c;
	else if (c > ' ' && c < 0x7f && c != '=')
		quoted_word(r, &c, 1);
	else
		quoted_escape(r, (unsigned char)c);
}

static void
quoted_end_line(struct recode *r)
{
	quoted_release(r, true);
	put(r, "\r\n", 2);
	r->column = 0;
}

/* base64 */

static void
base64_row(struct recode *r)
{
	if (r->writing && r->row_len > 0) {
		base64_add(&r->out, r->row, r->row_len);
		put(r, "\r\n", 2);
	}
	r->row_len = 0;
}

static void
base64_byte(struct recode *r, char c)
{
	r->row[r->row_len++] = (unsigned char)c;
	if (r->row_len == sizeof r->row)
		base64_row(r);
}

/* what a part holds */

static void
content(struct recode *r, struct span bytes)
{
	if (r->way == RECODE_NOT)
		put(r, bytes.p, bytes.len);
	for (size_t i = 0; r->way == RECODE_QUOTED && i < bytes.len; i++)
		quoted_byte(r, bytes.p[i]);
	for (size_t i = 0; r->way == RECODE_BASE64 && i < bytes.len; i++)
		base64_byte(r, bytes.p[i]);
}

static void
content_end_line(struct recode *r)
{
	if (r->way == RECODE_QUOTED)
		quoted_end_line(r);
	else
		content(r, SPAN("\r\n"));
}

/* The last line's end is the part's own, or the boundary's that follows (RFC 2046 5.1.1). */
static void
content_end(struct recode *r, bool boundary)
{
	if (r->way == RECODE_QUOTED)
		quoted_release(r, true);
	if (r->end_held && (!boundary || r->way == RECODE_NOT))
		content_end_line(r);
	else if (r->end_held && r->way == RECODE_QUOTED)
		put(r, "\r\n", 2);
	base64_row(r);
	r->end_held = false;
	r->way = RECODE_NOT;
	r->column = 0;
}

/* looking */

static void
look_at(struct recode_part *part, struct span text, size_t before)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		part->eight |= c > 0x7f;
		part->binary |= c == '\0' || c == '\r' || c == '\n';
	}
	if (before + text.len > part->longest)
		part->longest = before + text.len;
}

static const char *
why_not(const struct recode *r, const struct recode_part *part)
{
	if (!r->leaf)
		return "what stands between its parts is no 7-bit text";
	if (!r->mime)
		return "it is not MIME";
	if (r->sealed)
		return "it is signed or encrypted";
	if (r->encoding == 'm')
		return "a part of type message has to stay as it is";
	if (r->encoding == 'e')
		return "a part is not what its encoding says";
	if (r->encoding == '7' && (part->eight || part->binary))
		return "a part that says 7bit is not";
	return NULL;
}

static int
check_part(struct recode *r, struct err *err)
{
	struct recode_part *part = r->now;

	part->needs = (part->eight && !r->eight_bit) || part->binary ||
	    (r->line_max > 0 && part->longest > r->line_max);
	r->changes |= part->needs;
	const char *why = part->needs ? why_not(r, part) : NULL;
	return why != NULL ? cannot(err, why) : 0;
}

/* parts */

static int
begin_part(struct recode *r, bool leaf, struct err *err)
{
	r->leaf = leaf;
	r->in_body = true;
	if (r->writing) {
		r->now = &r->part[r->next++];
		return 0;
	}
	if (r->parts == RECODE_PARTS)
		return cannot(err, "it has too many parts");
	if ((r->parts & (r->parts - 1)) == 0)
		r->part = mem_resize(r->part, r->parts > 0 ? 2 * r->parts : 1, sizeof *r->part);
	r->now = &r->part[r->parts++];
	*r->now = (struct recode_part){0};
	return 0;
}

static int
end_part(struct recode *r, bool boundary, struct err *err)
{
	int result = r->now == NULL || r->writing ? 0 : check_part(r, err);

	content_end(r, boundary);
	r->now = NULL;
	return result;
}

/* headers */

static bool
find_param(struct span value, const char *name, struct str *out)
{
	struct span rest = value, word, key;

	span_cut(&rest, ';', &word);
	while (span_cut(&rest, ';', &word)) {
		while (word.len > 0 && strchr("\r\n\t ", word.p[0]) != NULL)
			word = span_from(word, 1);
		if (!span_cut(&word, '=', &key) || !span_is_case(span_trim(key), name))
			continue;
		word = span_trim(word);
		while (word.len > 0 && strchr("\r\n\t ", word.p[word.len - 1]) != NULL)
			word.len--;
		if (word.len > 1 && word.p[0] == '"' && word.p[word.len - 1] == '"')
			word = (struct span){ word.p + 1, word.len - 2 };
		str_set_span(out, word);
		return true;
	}
	return false;
}

static struct span
field_value(const struct recode *r, const char *name)
{
	struct header_field field;

	return header_find(str_span(&r->header), name, &field) ? field.value : (struct span){ "", 0 };
}

static char
encoding_of(struct span value)
{
	static const struct { const char *name; char is; } names[] = {
		{ "", '7' }, { "7bit", '7' }, { "8bit", '8' }, { "binary", 'b' },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_case(value, names[i].name))
			return names[i].is;
	return 'e';
}

/* The header goes out, with the encoding that its part has now; NULL: as it is. */
static void
put_header(struct recode *r, const char *encoding)
{
	struct span rest = str_span(&r->header);
	struct header_field field;

	while (header_next(&rest, &field))
		if (encoding == NULL || !span_is_case(field.name, "Content-Transfer-Encoding"))
			put(r, field.whole.p, field.whole.len);
	if (encoding != NULL) {
		put(r, "Content-Transfer-Encoding: ", 27);
		put(r, encoding, strlen(encoding));
		put(r, "\r\n", 2);
	}
	put(r, rest.p, rest.len);
}

/* What holds parts says 7bit when they are. */
static const char *
around(const struct recode *r, char encoding)
{
	return !r->changes || r->eight_bit || (encoding != '8' && encoding != 'b') ? NULL : "7bit";
}

static int
begin_multipart(struct recode *r, struct span type, char encoding, struct err *err)
{
	struct str boundary = {0};

	if (r->depth == RECODE_DEPTH)
		return cannot(err, "its parts are nested too deep");
	if (!find_param(type, "boundary", &boundary) || boundary.len == 0 || boundary.len > LINE_HELD / 2) {
		str_free(&boundary);
		return cannot(err, "a multipart has no proper boundary");
	}
	r->level[r->depth++] = (struct recode_level){ .boundary = boundary, .sealed = r->sealed };
	r->sealed |= span_begins_case(type, "multipart/signed") || span_begins_case(type, "multipart/encrypted");
	put_header(r, around(r, encoding));
	return begin_part(r, false, err);	/* the text before the first boundary */
}

static int
begin_leaf(struct recode *r, struct span type, char encoding, struct err *err)
{
	static const char *const names[] = {
		[RECODE_QUOTED] = "quoted-printable", [RECODE_BASE64] = "base64",
	};
	bool text = type.len == 0 || span_begins_case(type, "text/");

	if (begin_part(r, true, err) < 0)
		return -1;
	r->encoding = span_begins_case(type, "message/") ? 'm' : encoding;
	if (r->writing && r->now->needs)
		r->way = text ? RECODE_QUOTED : RECODE_BASE64;
	put_header(r, names[r->way]);
	return 0;
}

static int
begin_entity(struct recode *r, struct err *err)
{
	struct span type = field_value(r, "Content-Type");
	char encoding = encoding_of(field_value(r, "Content-Transfer-Encoding"));

	if (r->mime && span_begins_case(type, "multipart/"))
		return begin_multipart(r, type, encoding, err);
	if (!r->mime || !span_begins_case(type, "message/rfc822") || encoding == 'e')
		return begin_leaf(r, type, encoding, err);
	put_header(r, around(r, encoding));	/* and a message's header follows */
	return 0;
}

static int
check_header(const struct recode *r, struct err *err)
{
	struct recode_part header = {0};
	struct span rest = str_span(&r->header), line;

	while (span_cut(&rest, '\n', &line)) {
		bool ended = rest.p != NULL;
		/* A LF alone: what ends a field to one reader does not to another. */
		if (ended && (line.len == 0 || line.p[line.len - 1] != '\r'))
			return cannot(err, "its header is no proper text");
		line.len -= ended;
		look_at(&header, line, 0);
	}
	if ((header.eight && !r->eight_bit) || header.binary)
		return cannot(err, "its header is no 7-bit text");
	if (r->line_max > 0 && header.longest > r->line_max)
		return cannot(err, "a line of its header is too long");
	return 0;
}

static int
end_header(struct recode *r, struct err *err)
{
	if (check_header(r, err) < 0)
		return -1;
	if (!r->begun)
		r->mime = field_value(r, "MIME-Version").len > 0;
	r->begun = true;
	int result = begin_entity(r, err);
	str_clear(&r->header);
	return result;
}

static int
header_line(struct recode *r, struct span text, bool ends, struct err *err)
{
	if (r->header.len + text.len > RECODE_HEADER_MAX)
		return cannot(err, "a header without end");
	str_add_span(&r->header, text);
	if (!ends)
		return 0;
	str_add_text(&r->header, "\r\n");
	return text.len == 0 && r->before == 0 ? end_header(r, err) : 0;
}

/* lines */

/* The level whose boundary this is, from 1; 0: none's.  *last: it closes. */
static size_t
boundary_of(const struct recode *r, struct span text, bool *last)
{
	for (size_t i = span_begins(text, "--") ? r->depth : 0; i > 0; i--) {
		struct span rest = span_from(text, 2), boundary = str_span(&r->level[i - 1].boundary);
		if (rest.len < boundary.len || memcmp(rest.p, boundary.p, boundary.len) != 0)
			continue;
		rest = span_from(rest, boundary.len);
		*last = span_begins(rest, "--");
		if (span_trim(span_from(rest, *last ? 2 : 0)).len == 0)
			return i;
	}
	return 0;
}

static void
pop_levels(struct recode *r, size_t depth)
{
	while (r->depth > depth) {
		struct recode_level *level = &r->level[--r->depth];
		r->sealed = level->sealed;
		str_free(&level->boundary);
	}
}

static int
boundary_line(struct recode *r, struct span text, size_t level, bool last, struct err *err)
{
	if (check_header(r, err) < 0 || end_part(r, true, err) < 0)
		return -1;
	put(r, r->header.p, r->header.len);	/* of a part that is nothing but that */
	str_clear(&r->header);
	put(r, text.p, text.len);
	put(r, "\r\n", 2);
	pop_levels(r, last ? level - 1 : level);
	r->in_body = false;
	return last ? begin_part(r, false, err) : 0;
}

static void
body_line(struct recode *r, struct span text, bool ends)
{
	if (!r->writing)
		look_at(r->now, text, r->before);
	if (r->end_held)
		content_end_line(r);
	content(r, text);
	r->end_held = ends;
}

/* A line, or a piece of a long one. */
static int
take(struct recode *r, struct span text, bool ends, struct err *err)
{
	bool last = false;
	size_t level = ends && r->before == 0 ? boundary_of(r, text, &last) : 0;
	int result = 0;

	if (level > 0)
		result = boundary_line(r, text, level, last, err);
	else if (r->in_body)
		body_line(r, text, ends);
	else
		result = header_line(r, text, ends, err);
	r->before = ends ? 0 : r->before + text.len;
	return result;
}

/* All of the line that is there goes, but for a CR that may be its end. */
static int
take_piece(struct recode *r, struct err *err)
{
	bool cr = r->line.len > 0 && r->line.p[r->line.len - 1] == '\r';

	if (take(r, span_to(str_span(&r->line), r->line.len - cr), false, err) < 0)
		return -1;
	str_cut(&r->line, r->line.len - cr);
	return 0;
}

int
recode_feed(struct recode *r, struct span bytes, struct err *err)
{
	for (size_t i = 0; i < bytes.len; i++) {
		size_t len = r->line.len;
		if (bytes.p[i] == '\n' && len > 0 && r->line.p[len - 1] == '\r') {
			if (take(r, span_to(str_span(&r->line), len - 1), true, err) < 0)
				return -1;
			str_clear(&r->line);
			continue;
		}
		str_add_char(&r->line, bytes.p[i]);
		if (len + 1 >= LINE_HELD && take_piece(r, err) < 0)
			return -1;
	}
	return 0;
}

int
recode_end(struct recode *r, struct err *err)
{
	if (r->line.len > 0 && take(r, str_span(&r->line), false, err) < 0)
		return -1;
	if (check_header(r, err) < 0 || end_part(r, false, err) < 0)
		return -1;
	put(r, r->header.p, r->header.len);
	return 0;
}

static void
drop_state(struct recode *r)
{
	pop_levels(r, 0);
	str_free(&r->line);
	str_free(&r->header);
}

void
recode_again(struct recode *r)
{
	drop_state(r);
	*r = (struct recode){ .eight_bit = r->eight_bit, .line_max = r->line_max, .changes = r->changes,
		.writing = true, .part = r->part, .parts = r->parts, .out = r->out };
}

void
recode_free(struct recode *r)
{
	drop_state(r);
	free(r->part);
	str_free(&r->out);
}
