#include "lib/mail/plain.h"

#include <string.h>

#include "lib/mail/base64.h"

enum {
	DLE = 16, QUOTED = 17, UNQUOTED = 18,
	SOFT_BREAK = 11, BLANK = 12,		/* in quoted-printable */
	WIDTH_BASE = 32,			/* letters of a line = 4 (w - WIDTH_BASE) */
	WIDTH_MIN = 40, WIDTH_MAX = 892,	/* letters; shorter ones may be anything */
	LINE_MAX = WIDTH_MAX + 2,
	RUN_MIN = 90,				/* bytes: two lines of the shortest are too few */
	RUN_MAX = 49152,
	FLUSH = 32768,
};

static int
flush(struct plain *p, struct err *err)
{
	int result = p->out.len > 0 ? p->sink(p->ctx, p->out.p, p->out.len, err) : 0;

	str_clear(&p->out);
	return result;
}

/* packing: text */

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What "=" and the bytes behind it are in short: that byte, or -1; *len of them. */
static int
shortened(struct span text, size_t *len)
{
	*len = 3;
	if (text.len < 3)
		return -1;
	if (text.p[1] == '\r' && text.p[2] == '\n')
		return SOFT_BREAK;
	int high = digit(text.p[1]), low = digit(text.p[2]);
	if (high < 0 || low < 0)
		return -1;
	int byte = high << 4 | low;
	return byte >= 128 ? byte : byte == '=' ? '=' : byte == ' ' ? BLANK : -1;
}

/* Most of it: what has nothing to do with a line end, and is no word here. */
static size_t
as_it_is(struct span text)
{
	size_t len = 0;

	while (len < text.len && (unsigned char)(text.p[len] - ' ') < 128 - ' ' && text.p[len] != '=')
		len++;
	return len;
}

static void
add_quoted(struct plain *p, struct span text)
{
	while (text.len > 0) {
		unsigned char c = (unsigned char)text.p[0];
		size_t len = 1;
		int byte = c == '=' ? shortened(text, &len) : -1;
		if (byte >= 0) {
			str_add_char(&p->out, (char)byte);
			text = span_from(text, len);
			continue;
		}
		if (span_begins(text, "\r\n")) {
			str_add_char(&p->out, '\n');
			text = span_from(text, 2);
			continue;
		}
		len = as_it_is(text);
		if (len > 0) {
			str_add(&p->out, text.p, len);
		} else {
			if (c == '=' || c >= 128 || c == DLE || c == SOFT_BREAK || c == BLANK || c == '\n')
				str_add_char(&p->out, DLE);
			str_add_char(&p->out, (char)c);
			len = 1;
		}
		text = span_from(text, len);
	}
}

/* A line, or a part of one: LF is at its end or nowhere. */
static void
add_escaped(struct plain *p, struct span text)
{
	bool ended = text.len > 0 && text.p[text.len - 1] == '\n';
	bool crlf = ended && text.len > 1 && text.p[text.len - 2] == '\r';
	const char *at;

	text.len -= (size_t)ended + crlf;
	while (text.len > 0 && (at = memchr(text.p, DLE, text.len)) != NULL) {
		size_t before = (size_t)(at - text.p) + 1;
		str_add(&p->out, text.p, before);
		str_add_char(&p->out, DLE);
		text = span_from(text, before);
	}
	str_add_span(&p->out, text);
	if (ended && !crlf)
		str_add_char(&p->out, DLE);
	if (ended)
		str_add_char(&p->out, '\n');
}

static void
add_text(struct plain *p, struct span text)
{
	if (p->quoted)
		add_quoted(p, text);
	else
		add_escaped(p, text);
}

/* packing: runs of base64 */

static void
add_lines(struct str *out, struct span bytes, size_t width, const char *end)
{
	while (bytes.len > 0) {
		struct span line = span_to(bytes, width / 4 * 3);
		base64_add(out, line.p, line.len);
		str_add_text(out, end);
		bytes = span_from(bytes, line.len);
	}
}

static void
add_run(struct plain *p)
{
	const char word[] = { DLE, (char)(p->width / 4 + WIDTH_BASE), (char)(p->run.len >> 8), (char)p->run.len };

	if (p->run.len >= RUN_MIN || p->sure) {
		str_add(&p->out, word, sizeof word);
		str_add_span(&p->out, str_span(&p->run));
	} else {
		add_lines(&p->out, str_span(&p->run), p->width, "\n");
	}
	str_clear(&p->run);
}

static void
end_run(struct plain *p)
{
	if (p->run.len > 0)
		add_run(p);
	p->width = 0;
	p->sure = false;
}

/* Long words and digests are spelt with the same letters, but hardly with all kinds.  Most
 * lines are told by their first blank. */
static bool
looks_encoded(struct span text)
{
	bool upper = false, lower = false;

	if (memchr(text.p, ' ', text.len) != NULL)
		return false;

	for (size_t i = 0; i < text.len && !(upper && lower); i++) {
		upper |= text.p[i] >= 'A' && text.p[i] <= 'Z';
		lower |= text.p[i] >= 'a' && text.p[i] <= 'z';
	}
	return upper && lower;
}

/* Takes a line, without its CRLF, into the run; false: it does not belong there. */
static bool
join_run(struct plain *p, struct span text)
{
	bool first = p->width == 0;

	if (text.len == 0 || text.len % 4 != 0 || text.len > WIDTH_MAX)
		return false;
	if (first ? text.len < WIDTH_MIN || !looks_encoded(text) : text.len > p->width)
		return false;
	int len = base64_read(text, (unsigned char *)str_room(&p->run, BASE64_BYTES(WIDTH_MAX)));
	if (len < 0)
		return false;
	if (first)
		p->width = text.len;
	p->run.len += (size_t)len;
	if ((size_t)len < p->width / 4 * 3) {	/* only a last line is shorter */
		end_run(p);
	} else if (p->run.len + p->width > RUN_MAX) {
		add_run(p);
		p->sure = true;
	}
	return true;
}

/* packing: lines */

/* Where the text says that quoted-printable begins, and where that ends.  It may say wrong:
 * that costs bytes and nothing else. */
static void
follow(struct plain *p, struct span line)
{
	static const char field[] = "Content-Transfer-Encoding:";
	struct span text;

	if (line.len == 0 || strchr("-NCc", line.p[0]) == NULL)
		return;
	text = span_trim(line);
	if (span_begins(line, "--") || span_begins(line, "NOOP mochila=")) {
		if (p->quoted)
			str_add(&p->out, (const char[]){ DLE, UNQUOTED }, 2);
		p->quoted = p->announced = false;
	} else if (span_begins_case(line, field)) {
		p->announced = span_is_case(span_trim(span_from(text, strlen(field))), "quoted-printable");
	}
}

static void
follow_end(struct plain *p, struct span line)
{
	if (!p->announced || p->quoted || !span_is(line, "\r\n"))
		return;
	str_add(&p->out, (const char[]){ DLE, QUOTED }, 2);
	p->quoted = true;
	p->announced = false;
}

static void
pack_line(struct plain *p, struct span line)
{
	bool whole = !p->in_long && line.len >= 2 && line.p[line.len - 1] == '\n' && line.p[line.len - 2] == '\r';
	struct span text = whole ? span_to(line, line.len - 2) : line;

	if (whole && !p->quoted && join_run(p, text))
		return;
	if (p->width > 0) {
		end_run(p);
		if (whole && join_run(p, text))	/* its first line may end the one before */
			return;
	}
	if (!p->in_long)
		follow(p, text);
	add_text(p, line);
	if (whole)
		follow_end(p, line);
}

/* A line that cannot be of a run, and says nothing of what follows. */
static bool
is_mere_text(const struct plain *p, struct span text)
{
	if (text.len == 0)
		return !p->announced;
	return strchr("-NCc", text.p[0]) == NULL && memchr(text.p, DLE, text.len) == NULL &&
	    (text.len < WIDTH_MIN || text.len % 4 != 0 || text.len > WIDTH_MAX || memchr(text.p, ' ', text.len) != NULL);
}

/* Most of what there is: lines of text.  Returns how many bytes in front are such lines; they are taken. */
static size_t
pack_text(struct plain *p, struct span bytes)
{
	struct span rest = span_to(bytes, FLUSH);
	const char *end;

	if (p->quoted || p->in_long || p->width > 0 || p->line.len > 0)
		return 0;
	char *to = str_room(&p->out, rest.len), *start = to;
	while (rest.len > 0 && (end = memchr(rest.p, '\n', rest.len)) != NULL) {
		struct span text = span_to(rest, (size_t)(end - rest.p));
		if (text.len == 0 || text.p[--text.len] != '\r' || text.len > LINE_MAX - 2 || !is_mere_text(p, text))
			break;
		memcpy(to, text.p, text.len);
		to += text.len;
		*to++ = '\n';
		rest = span_from(rest, text.len + 2);
	}
	p->out.len += (size_t)(to - start);
	return (size_t)(rest.p - bytes.p);
}

static int
pack(struct plain *p, struct span bytes, struct err *err)
{
	while (bytes.len > 0) {
		bytes = span_from(bytes, pack_text(p, bytes));
		if (p->out.len >= FLUSH && flush(p, err) < 0)
			return -1;
		if (bytes.len == 0)
			break;
		const char *end = memchr(bytes.p, '\n', bytes.len);
		struct span piece = span_to(bytes, end != NULL ? (size_t)(end - bytes.p) + 1 : bytes.len);
		piece = span_to(piece, LINE_MAX - p->line.len);
		bool ended = piece.p[piece.len - 1] == '\n';
		bytes = span_from(bytes, piece.len);
		if (!ended || p->line.len > 0) {
			str_add_span(&p->line, piece);
			piece = str_span(&p->line);
		}
		if (!ended && piece.len < LINE_MAX)
			break;
		pack_line(p, piece);
		str_clear(&p->line);
		p->in_long = !ended;
	}
	return 0;
}

/* unpacking */

enum { TEXT, WORD, LENGTH_HIGH, LENGTH_LOW, RUN };

static int
damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_PERM, "damaged: %s", what);
}

static void
add_digits(struct plain *p, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	str_add(&p->out, (const char[]){ '=', digits[c >> 4], digits[c & 15] }, 3);
}

static void
unpack_quoted(struct plain *p, unsigned char c)
{
	if (c == SOFT_BREAK)
		str_add_text(&p->out, "=\r\n");
	else if (c == '\n')
		str_add_text(&p->out, "\r\n");
	else if (c == BLANK)
		str_add_text(&p->out, "=20");
	else if (c == '=' || c >= 128)
		add_digits(p, c);
	else
		str_add_char(&p->out, (char)c);
}

static int
unpack_word(struct plain *p, unsigned char c, struct err *err)
{
	p->state = TEXT;
	if (p->quoted && c == UNQUOTED)
		p->quoted = false;
	else if (p->quoted || c == DLE || c == '\n')
		str_add_char(&p->out, (char)c);
	else if (c == QUOTED)
		p->quoted = true;
	else if (c < WIDTH_BASE + WIDTH_MIN / 4)
		return damaged("a word that there is not", err);
	else
		p->state = LENGTH_HIGH;
	p->in_line = c > WIDTH_BASE ? (size_t)(c - WIDTH_BASE) * 3 : 0;
	return 0;
}

static int
unpack_length(struct plain *p, unsigned char c, struct err *err)
{
	if (p->state == LENGTH_HIGH) {
		p->left = (size_t)c << 8;
		p->state = LENGTH_LOW;
		return 0;
	}
	p->left |= c;
	p->state = RUN;
	return p->left > 0 ? 0 : damaged("base64 of no bytes", err);
}

/* Takes bytes of a run, a line at a time; returns how many. */
static size_t
unpack_run(struct plain *p, struct span bytes)
{
	size_t wanted = p->left < p->in_line ? p->left : p->in_line;
	struct span piece = span_to(bytes, wanted - p->run.len);

	str_add_span(&p->run, piece);
	if (p->run.len == wanted) {
		add_lines(&p->out, str_span(&p->run), p->in_line / 3 * 4, "\r\n");
		str_clear(&p->run);
		p->left -= wanted;
	}
	if (p->left == 0)
		p->state = TEXT;
	return piece.len;
}

/* Lines of text, the last perhaps without its end, up to the next word; returns how many bytes. */
static size_t
unpack_lines(struct plain *p, struct span bytes)
{
	const char *word = memchr(bytes.p, DLE, bytes.len), *end;
	struct span rest = span_to(bytes, word != NULL ? (size_t)(word - bytes.p) : bytes.len);
	size_t taken = rest.len;
	char *to = str_room(&p->out, 2 * rest.len), *start = to;

	while (rest.len > 0) {
		end = memchr(rest.p, '\n', rest.len);
		size_t len = end != NULL ? (size_t)(end - rest.p) : rest.len;
		memcpy(to, rest.p, len);
		to += len;
		rest = span_from(rest, len);
		if (end == NULL)
			break;
		*to++ = '\r';
		*to++ = '\n';
		rest = span_from(rest, 1);
	}
	p->out.len += (size_t)(to - start);
	return taken;
}

/* Text up to the next word; returns how many. */
static size_t
unpack_text(struct plain *p, struct span bytes)
{
	if (bytes.p[0] == DLE) {
		p->state = WORD;
		return 1;
	}
	if (p->quoted) {
		size_t plain = as_it_is(span_to(bytes, FLUSH));
		str_add(&p->out, bytes.p, plain);
		if (plain == 0)
			unpack_quoted(p, (unsigned char)bytes.p[0]);
		return plain > 0 ? plain : 1;
	}
	return unpack_lines(p, span_to(bytes, FLUSH));
}

static int
unpack(struct plain *p, struct span bytes, struct err *err)
{
	while (bytes.len > 0) {
		unsigned char c = (unsigned char)bytes.p[0];
		size_t taken = 1;
		int result = 0;
		if (p->state == TEXT)
			taken = unpack_text(p, bytes);
		else if (p->state == RUN)
			taken = unpack_run(p, bytes);
		else
			result = p->state == WORD ? unpack_word(p, c, err) : unpack_length(p, c, err);
		if (result < 0 || (p->out.len >= FLUSH && flush(p, err) < 0))
			return -1;
		bytes = span_from(bytes, taken);
	}
	return 0;
}

/* both */

void
plain_start(struct plain *plain, enum plain_way way, plain_sink *sink, void *ctx)
{
	*plain = (struct plain){ .sink = sink, .ctx = ctx, .way = way };
}

int
plain_feed(struct plain *plain, const void *bytes, size_t len, struct err *err)
{
	struct span span = { bytes, len };

	return plain->way == PLAIN_PACK ? pack(plain, span, err) : unpack(plain, span, err);
}

int
plain_end(struct plain *plain, struct err *err)
{
	if (plain->way == PLAIN_UNPACK && plain->state != TEXT)
		return damaged("it ends inside a word", err);
	if (plain->line.len > 0)
		pack_line(plain, str_span(&plain->line));
	str_clear(&plain->line);
	end_run(plain);
	return flush(plain, err);
}

void
plain_free(struct plain *plain)
{
	str_free(&plain->out);
	str_free(&plain->line);
	str_free(&plain->run);
	*plain = (struct plain){0};
}
