#include "lib/mail/html-text.h"

#include <stdlib.h>
#include <string.h>

enum { LINK_MAX = 300, WIDTH = 76 };

struct text {
	struct str *out;
	struct str line;	/* the words of the line so far */
	bool blank;		/* one is due before the next word */
	unsigned empty;		/* empty lines at the end of out; enough at the beginning */
	unsigned wanted;	/* line ends that are due: 1 a new line, 2 a paragraph */
	unsigned pre;		/* inside so many <pre> */
	struct str link;	/* where the link leads that we are in */
	size_t link_at;		/* out's and the line's length where it began */
};

/* out */

static void
end_line(struct text *t)
{
	while (t->line.len > 0 && t->line.p[t->line.len - 1] == ' ')
		t->line.len--;
	if (t->line.len == 0 && t->empty >= 1)
		return;
	t->empty = t->line.len == 0 ? t->empty + 1 : 0;
	str_add_span(t->out, str_span(&t->line));
	str_add_text(t->out, "\r\n");
	str_clear(&t->line);
	t->blank = false;
}

static void
break_line(struct text *t, unsigned lines)
{
	if (lines > t->wanted)
		t->wanted = lines;
}

/* What is due before something that is seen. */
static void
settle_breaks(struct text *t)
{
	if (t->wanted > 0 && t->line.len > 0)
		end_line(t);
	if (t->wanted > 1 && t->out->len > 0)
		end_line(t);
	t->wanted = 0;
}

/* Long lines are broken where a blank is. */
static void
fold(struct text *t)
{
	size_t at = t->line.len;

	if (t->pre > 0 || t->line.len <= WIDTH)
		return;
	while (at > 0 && t->line.p[at - 1] != ' ')
		at--;
	if (at == 0)
		return;
	struct str rest = {0};
	str_add_span(&rest, span_from(str_span(&t->line), at));
	t->line.len = at;
	end_line(t);
	str_add_span(&t->line, str_span(&rest));
	str_free(&rest);
}

static void
add_byte(struct text *t, char c)
{
	bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';

	if (t->pre > 0 && c == '\n') {
		settle_breaks(t);
		t->empty = 0;
		end_line(t);
		return;
	}
	if (space) {
		if (t->pre > 0 && c != '\r')
			str_add_char(&t->line, ' ');
		else
			t->blank = t->blank || t->line.len > 0;
		return;
	}
	if ((unsigned char)c < ' ' || c == 0x7f)
		return;
	settle_breaks(t);
	if (t->blank && t->line.len > 0) {
		str_add_char(&t->line, ' ');
		fold(t);
	}
	t->blank = false;
	str_add_char(&t->line, c);
}

static void
add_words(struct text *t, struct span words)
{
	for (size_t i = 0; i < words.len; i++)
		add_byte(t, words.p[i]);
}

/* &amp; and &#1234; */

static void
add_rune(struct text *t, uint64_t rune)
{
	char bytes[4];
	size_t len = 0;

	if (rune == 0xa0) {
		add_byte(t, ' ');
		return;
	}
	if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000) ||
	    rune == 0xad || (rune >= 0x200b && rune <= 0x200f) || rune == 0xfeff || rune == 0x34f)
		return;		/* nothing to be seen */
	if (rune < 0x80) {
		bytes[len++] = (char)rune;
	} else if (rune < 0x800) {
		bytes[len++] = (char)(0xc0 | rune >> 6);
		bytes[len++] = (char)(0x80 | (rune & 0x3f));
	} else {
		if (rune < 0x10000) {
			bytes[len++] = (char)(0xe0 | rune >> 12);
		} else {
			bytes[len++] = (char)(0xf0 | rune >> 18);
			bytes[len++] = (char)(0x80 | (rune >> 12 & 0x3f));
		}
		bytes[len++] = (char)(0x80 | (rune >> 6 & 0x3f));
		bytes[len++] = (char)(0x80 | (rune & 0x3f));
	}
	add_words(t, (struct span){ bytes, len });
}

static const struct { const char *name; unsigned rune; } entities[] = {
	{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' }, { "nbsp", 0xa0 },
	{ "copy", 0xa9 }, { "reg", 0xae }, { "trade", 0x2122 }, { "euro", 0x20ac }, { "pound", 0xa3 }, { "yen", 0xa5 },
	{ "cent", 0xa2 }, { "sect", 0xa7 }, { "para", 0xb6 }, { "deg", 0xb0 }, { "plusmn", 0xb1 }, { "micro", 0xb5 },
	{ "middot", 0xb7 }, { "bull", 0x2022 }, { "hellip", 0x2026 }, { "ndash", 0x2013 }, { "mdash", 0x2014 },
	{ "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "sbquo", 0x201a }, { "ldquo", 0x201c }, { "rdquo", 0x201d },
	{ "bdquo", 0x201e }, { "laquo", 0xab }, { "raquo", 0xbb }, { "lsaquo", 0x2039 }, { "rsaquo", 0x203a },
	{ "times", 0xd7 }, { "divide", 0xf7 }, { "rarr", 0x2192 }, { "larr", 0x2190 }, { "auml", 0xe4 }, { "ouml", 0xf6 },
	{ "uuml", 0xfc }, { "Auml", 0xc4 }, { "Ouml", 0xd6 }, { "Uuml", 0xdc }, { "szlig", 0xdf }, { "aring", 0xe5 },
	{ "Aring", 0xc5 }, { "aelig", 0xe6 }, { "oslash", 0xf8 }, { "eacute", 0xe9 }, { "egrave", 0xe8 }, { "ecirc", 0xea },
	{ "agrave", 0xe0 }, { "aacute", 0xe1 }, { "acirc", 0xe2 }, { "ccedil", 0xe7 }, { "iacute", 0xed }, { "oacute", 0xf3 },
	{ "uacute", 0xfa }, { "ntilde", 0xf1 }, { "Eacute", 0xc9 }, { "zwnj", 0x200c }, { "zwj", 0x200d }, { "shy", 0xad },
};

static int
number_of(struct span name, uint64_t *rune)
{
	char digits[12];
	char *end;
	bool hex = name.len > 1 && (name.p[1] == 'x' || name.p[1] == 'X');
	size_t skip = hex ? 2 : 1;

	if (name.len <= skip || name.len - skip >= sizeof digits || name.p[skip] < '0')
		return -1;
	memcpy(digits, name.p + skip, name.len - skip);
	digits[name.len - skip] = '\0';
	*rune = strtoul(digits, &end, hex ? 16 : 10);
	return *end == '\0' ? 0 : -1;
}

/* Behind the "&": how many bytes are the name and its ";"; 0: it is none, and stands for itself. */
static size_t
add_entity(struct text *t, struct span rest)
{
	size_t len = 0;
	uint64_t rune;

	while (len < rest.len && len < 12 && rest.p[len] != ';')
		len++;
	if (len == rest.len || rest.p[len] != ';')
		return 0;
	struct span name = span_to(rest, len);
	if (len > 1 && name.p[0] == '#') {
		if (number_of(name, &rune) < 0)
			return 0;
		add_rune(t, rune);
		return len + 1;
	}
	for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
		if (!span_is(name, entities[i].name))
			continue;
		add_rune(t, entities[i].rune);
		return len + 1;
	}
	return 0;
}

static void
add_text(struct text *t, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t used = text.p[i] == '&' ? add_entity(t, span_from(text, i + 1)) : 0;
		if (used == 0)
			add_byte(t, text.p[i]);
		i += used;
	}
}

/* tags */

/* The value of an attribute; empty where there is none. */
static struct span
attribute(struct span tag, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 1; i + len + 1 < tag.len; i++) {
		struct span at = span_from(tag, i);
		if ((tag.p[i - 1] != ' ' && tag.p[i - 1] != '\n' && tag.p[i - 1] != '\t' && tag.p[i - 1] != '\r') ||
		    !span_begins_case(at, name) || at.p[len] != '=')
			continue;
		struct span value = span_from(at, len + 1);
		char quote = value.p[0];
		if (quote != '"' && quote != '\'')
			return span_word(&value);
		value = span_from(value, 1);
		const char *end = memchr(value.p, quote, value.len);
		return end != NULL ? span_to(value, (size_t)(end - value.p)) : (struct span){0};
	}
	return (struct span){0};
}

static void
end_link(struct text *t)
{
	struct span link = str_span(&t->link);

	if (link.len == 0)
		return;
	/* What it is called says enough where that is what it is. */
	struct span said = t->out->len + t->line.len > t->link_at && t->line.len >= link.len ?
	    span_from(str_span(&t->line), t->line.len - link.len) : (struct span){0};
	if (!span_same(said, link)) {
		t->blank = true;
		add_byte(t, '<');
		add_text(t, link);
		add_byte(t, '>');
	}
	str_clear(&t->link);
}

static void
begin_link(struct text *t, struct span tag)
{
	struct span href = attribute(tag, "href");

	end_link(t);
	if (href.len <= LINK_MAX && (span_begins_case(href, "http://") || span_begins_case(href, "https://") ||
	    span_begins_case(href, "mailto:")))
		str_set_span(&t->link, href);
	t->link_at = t->out->len + t->line.len;
}

static void
picture(struct text *t, struct span tag)
{
	struct span alt = span_trim(attribute(tag, "alt"));

	if (alt.len == 0 || alt.len > LINK_MAX)
		return;
	add_byte(t, '[');
	add_text(t, alt);
	add_byte(t, ']');
}

static bool
is_block(struct span name)
{
	static const char *const names[] = { "div", "tr", "table", "section", "article", "header", "footer", "form",
		"dt", "dd", "center", "address", "tbody", "thead", "title" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_case(name, names[i]))
			return true;
	return false;
}

static bool
is_paragraph(struct span name)
{
	static const char *const names[] = { "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "dl", "pre" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_case(name, names[i]))
			return true;
	return false;
}

static void
take_tag(struct text *t, struct span tag)
{
	bool ends = tag.len > 0 && tag.p[0] == '/';
	struct span rest = ends ? span_from(tag, 1) : tag, name = { rest.p, 0 };

	while (name.len < rest.len && strchr(" \t\r\n/", rest.p[name.len]) == NULL)
		name.len++;
	if (span_is_case(name, "br")) {
		settle_breaks(t);
		end_line(t);
	} else if (span_is_case(name, "a")) {
		if (ends)
			end_link(t);
		else
			begin_link(t, tag);
	} else if (span_is_case(name, "img")) {
		picture(t, tag);
	} else if (span_is_case(name, "hr")) {
		break_line(t, 1);
		add_words(t, SPAN("----"));
		break_line(t, 1);
	} else if (span_is_case(name, "li")) {
		break_line(t, 1);
		if (!ends)
			add_words(t, SPAN("* "));
	} else if (span_is_case(name, "td") || span_is_case(name, "th")) {
		t->blank = t->blank || t->line.len > 0;
	} else if (is_paragraph(name)) {
		break_line(t, 2);
		if (span_is_case(name, "pre"))
			t->pre = ends ? (t->pre > 0 ? t->pre - 1 : 0) : t->pre + 1;
	} else if (is_block(name)) {
		break_line(t, 1);
	}
}

/* What stands between <script> and </script> is nothing to be read. */
static const char *
hidden(struct span tag)
{
	static const char *const names[] = { "script", "style", "head", "noscript", "template" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t len = strlen(names[i]);
		if (span_begins_case(tag, names[i]) && (tag.len == len || strchr(" \t\r\n/", tag.p[len]) != NULL))
			return names[i];
	}
	return NULL;
}

/* Behind "</NAME>", or at the end. */
static struct span
skip_to_end(struct span rest, const char *name)
{
	size_t len = strlen(name);

	while (rest.len > 0) {
		const char *at = memchr(rest.p, '<', rest.len);
		if (at == NULL)
			break;
		rest = span_from(rest, (size_t)(at - rest.p) + 1);
		if (rest.len <= len || rest.p[0] != '/' || !span_begins_case(span_from(rest, 1), name))
			continue;
		const char *end = memchr(rest.p, '>', rest.len);
		return end != NULL ? span_from(rest, (size_t)(end - rest.p) + 1) : span_from(rest, rest.len);
	}
	return span_from(rest, rest.len);
}

static struct span
skip_comment(struct span rest)
{
	for (size_t i = 0; i + 3 <= rest.len; i++)
		if (memcmp(rest.p + i, "-->", 3) == 0)
			return span_from(rest, i + 3);
	return span_from(rest, rest.len);
}

void
html_text(struct span page, struct str *out)
{
	struct text t = { .out = out, .empty = 1 };
	bool closes = true;	/* there is a ">" ahead, as far as we know: it is looked for in vain once */

	while (page.len > 0) {
		const char *open = memchr(page.p, '<', page.len);
		size_t len = open != NULL ? (size_t)(open - page.p) : page.len;
		add_text(&t, span_to(page, len));
		page = span_from(page, open != NULL ? len + 1 : len);
		if (open == NULL)
			break;
		if (span_begins(page, "!--")) {
			page = skip_comment(page);
			continue;
		}
		bool tagged = page.len > 0 && closes &&
		    strchr("/!?abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", page.p[0]) != NULL;
		const char *close = tagged ? memchr(page.p, '>', page.len) : NULL;
		closes = closes && (!tagged || close != NULL);
		if (close == NULL) {
			add_byte(&t, '<');	/* it begins no tag */
			continue;
		}
		struct span tag = span_to(page, (size_t)(close - page.p));
		page = span_from(page, tag.len + 1);
		const char *name = hidden(tag);
		if (name != NULL)
			page = skip_to_end(page, name);
		else
			take_tag(&t, tag);
	}
	end_link(&t);
	if (t.line.len > 0)
		end_line(&t);
	str_free(&t.line);
	str_free(&t.link);
}
