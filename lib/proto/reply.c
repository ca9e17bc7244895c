#include "lib/proto/reply.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "250-words" or "250 words" or "250". */
static int
parse_line(struct span line, int *code, bool *last)
{
	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) ||
	    !is_digit(line.p[2]))
		return -1;
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return -1;
	*code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
	*last = line.len == 3 || line.p[3] == ' ';
	return 0;
}

static int
line_came(struct reply *reply, struct err *err)
{
	struct span line = str_span(&reply->line);
	int code;

	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (parse_line(line, &code, &reply->whole) < 0)
		return err_set(err, ERR_TEMP, "the server's answer is no reply");
	if (reply->count > 0 && code != reply->code)
		return err_set(err, ERR_TEMP, "the server's reply has two codes");
	if (++reply->count > REPLY_LINES_MAX)
		return err_set(err, ERR_TEMP, "the server's reply has no end");
	reply->code = code;
	if (reply->lines.len + line.len < REPLY_KEPT_MAX) {
		str_add_span(&reply->lines, span_from(line, 4));
		str_add_char(&reply->lines, '\n');
	}
	str_clear(&reply->line);
	return reply->whole;
}

static void
begin(struct reply *reply)
{
	reply->whole = false;
	reply->count = 0;
	str_clear(&reply->lines);
	str_clear(&reply->line);
}

int
reply_feed(struct reply *reply, struct span *in, struct err *err)
{
	if (reply->whole && in->len > 0)
		begin(reply);
	while (in->len > 0) {
		const char *lf = memchr(in->p, '\n', in->len);
		struct span piece = lf == NULL ? *in : span_to(*in, (size_t)(lf - in->p));
		if (reply->line.len + piece.len > REPLY_LINE_MAX)
			return err_set(err, ERR_TEMP, "the server's line has no end");
		str_add_span(&reply->line, piece);
		*in = span_from(*in, piece.len + (lf != NULL));
		int got = lf != NULL ? line_came(reply, err) : 0;
		if (got != 0)
			return got;
	}
	return 0;
}

/* The enhanced code at the front of words, when it fits the reply: its length. */
static size_t
enhanced(int code, struct span words)
{
	uint64_t number;
	struct span rest = span_word(&words), part;
	size_t len = rest.len;

	if (len == 0 || len >= sizeof ((struct err *)0)->code || rest.p[0] != '0' + code / 100)
		return 0;
	for (int i = 0; i < 3; i++) {
		if (!span_cut(&rest, '.', &part) || span_number(part, 999, &number) < 0)
			return 0;
	}
	return rest.p == NULL ? len : 0;
}

/* All lines as one, the enhanced code only once. */
static void
join(const struct reply *reply, struct str *out)
{
	struct span rest = str_span(&reply->lines), line;
	size_t code_len = 0;

	while (span_cut(&rest, '\n', &line) && rest.p != NULL) {
		size_t here = enhanced(reply->code, line);
		if (code_len == 0)
			code_len = here;
		else if (here > 0)
			line = span_trim(span_from(line, here));
		if (out->len > 0 && line.len > 0)
			str_add_char(out, ' ');
		str_add_span(out, line);
	}
}

void
reply_text(const struct reply *reply, struct str *out)
{
	struct str words = {0};

	join(reply, &words);
	str_printf(out, "%03d", reply->code);
	if (words.len > 0)
		str_add_char(out, ' ');
	log_escape(out, str_span(&words), REPLY_TEXT_MAX);
	str_free(&words);
}

void
reply_err(const struct reply *reply, struct err *err)
{
	bool perm = reply->code >= 500 && reply->code <= 599;
	struct str text = {0};

	reply_text(reply, &text);
	struct span words = span_trim(span_from(str_span(&text), 3));
	size_t len = enhanced(reply->code, words);
	struct span code = len > 0 ? span_to(words, len) : perm ? SPAN("5.0.0") : SPAN("4.0.0");
	words = span_trim(span_from(words, len));
	err_set(err, perm ? ERR_PERM : ERR_TEMP, "%.*s", (int)words.len, words.p);
	snprintf(err->code, sizeof err->code, "%.*s", (int)code.len, code.p);
	err->reply = reply->code;
	str_free(&text);
}

void
reply_free(struct reply *reply)
{
	str_free(&reply->lines);
	str_free(&reply->line);
}
