#include "lib/proto/spamd.h"

#include <string.h>

enum { HEAD_MAX = 16 << 10, SYMBOLS_MAX = 64 << 10, ADDED_MAX = 1 << 20 };

static void
spamd_more(struct dialogue *d)
{
	struct spamd *s = (struct spamd *)d;
	size_t left = s->message.len - s->sent, piece = left < DIALOGUE_PIECE ? left : DIALOGUE_PIECE;

	str_add(&d->out, s->message.p + s->sent, piece);
	s->sent += piece;
}

/* "SPAMD/1.1 0 EX_OK" */
static int
status_line(struct span line, struct err *err)
{
	struct span rest = line, version = span_word(&rest), code = span_word(&rest);
	uint64_t number;

	if (!span_begins(version, "SPAMD/") || span_number(code, 999, &number) < 0)
		return err_set(err, ERR_TEMP, "what answers is no spamd");
	rest = span_trim(rest);
	return number == 0 ? 0 : err_set(err, ERR_TEMP, "spamd says %llu %.*s", (unsigned long long)number,
	    rest.len > 100 ? 100 : (int)rest.len, rest.p);
}

static bool
is_figure(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if ((word.p[i] < '0' || word.p[i] > '9') && word.p[i] != '.' && word.p[i] != '-')
			return false;
	return word.len > 0 && word.len < 20;
}

/* "True ; 15.2 / 5.0" */
static int
verdict(struct spamd *s, struct span value, struct err *err)
{
	struct span word = span_word(&value);
	struct span semicolon = span_word(&value), score = span_word(&value);
	struct span slash = span_word(&value), threshold = span_word(&value);

	if (!span_is(semicolon, ";") || !span_is(slash, "/") || !is_figure(score) || !is_figure(threshold))
		return err_set(err, ERR_TEMP, "spamd's verdict cannot be read");
	s->spam = span_is_case(word, "True") || span_is_case(word, "Yes");
	str_set_span(&s->score, score);
	str_set_span(&s->threshold, threshold);
	return 0;
}

static int
head_line(struct spamd *s, struct span line, bool first, struct err *err)
{
	struct span name;

	if (first)
		return status_line(line, err);
	span_cut(&line, ':', &name);
	if (span_is_case(name, "Spam"))
		return verdict(s, span_trim(line), err);
	if (!span_is_case(name, "Content-length"))
		return 0;
	s->sized = span_number(span_trim(line), INT64_MAX, &s->size) == 0;
	return s->sized && s->size <= s->most ? 0 : err_set(err, ERR_TEMP, "spamd answers with more than was asked for");
}

static int
take_head(struct spamd *s, struct err *err)
{
	struct span rest = str_span(&s->head), line;
	bool first = true;
	int result = 0;

	while (result == 0 && span_cut(&rest, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len > 0)
			result = head_line(s, line, first, err);
		first = false;
	}
	if (result == 0 && s->threshold.len == 0)
		result = err_set(err, ERR_TEMP, "spamd said nothing of spam");
	return result;
}

static int
take_text(struct spamd *s, struct span bytes, struct err *err)
{
	if (s->text.len + bytes.len > s->most)
		return err_set(err, ERR_TEMP, "spamd answers with more than was asked for");
	str_add_span(&s->text, bytes);
	if (s->sized && s->text.len >= s->size) {
		s->text.len = (size_t)s->size;
		s->d.done = true;
	}
	return 0;
}

/* The empty line; what it is behind. */
static bool
head_ends(struct str *head, size_t from, size_t *end)
{
	for (size_t i = from; i < head->len; i++) {
		if (head->p[i] != '\n' || i + 1 >= head->len)
			continue;
		size_t next = head->p[i + 1] == '\r' ? i + 2 : i + 1;
		if (next < head->len && head->p[next] == '\n') {
			*end = next + 1;
			return true;
		}
	}
	return false;
}

static int
spamd_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	struct spamd *s = (struct spamd *)d;
	size_t from = s->head.len > 3 ? s->head.len - 3 : 0, end;

	if (s->in_text)
		return take_text(s, bytes, err);
	str_add_span(&s->head, bytes);
	if (!head_ends(&s->head, from, &end))
		return s->head.len <= HEAD_MAX ? 0 : err_set(err, ERR_TEMP, "what answers is no spamd");
	struct str rest = {0};
	str_add_span(&rest, span_from(str_span(&s->head), end));
	s->head.len = end;
	s->in_text = true;
	int result = take_head(s, err);
	if (result == 0)
		result = take_text(s, str_span(&rest), err);
	str_free(&rest);
	return result;
}

static int
spamd_eof(struct dialogue *d, struct err *err)
{
	struct spamd *s = (struct spamd *)d;

	if (!s->in_text || s->sized)
		return err_set(err, ERR_TEMP, "spamd closed in the middle of its answer");
	d->done = true;
	return 0;
}

static const struct dialogue_row row = { .more = spamd_more, .feed = spamd_feed, .eof = spamd_eof };

void
spamd_start(struct spamd *spamd, enum spamd_how how, struct span message)
{
	*spamd = (struct spamd){ .d.row = &row, .how = how, .message = message };
	spamd->most = how == SPAMD_SYMBOLS ? SYMBOLS_MAX : message.len + ADDED_MAX;
	str_printf(&spamd->d.out, "%s SPAMC/1.5\r\nContent-length: %zu\r\n\r\n",
	    how == SPAMD_SYMBOLS ? "SYMBOLS" : "PROCESS", message.len);
}

void
spamd_free(struct spamd *spamd)
{
	str_free(&spamd->d.out);
	str_free(&spamd->score);
	str_free(&spamd->threshold);
	str_free(&spamd->text);
	str_free(&spamd->head);
}
