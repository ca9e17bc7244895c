#include "lib/proto/clamd.h"

#include <string.h>

enum { ANSWER_MAX = 4096 };

static void
add_length(struct str *out, size_t len)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		str_add_char(out, (char)(len >> shift & 0xff));
}

static void
clamd_more(struct dialogue *d)
{
	struct clamd *c = (struct clamd *)d;
	size_t left = c->message.len - c->sent, piece = left < DIALOGUE_PIECE ? left : DIALOGUE_PIECE;

	if (c->ended)
		return;
	add_length(&d->out, piece);	/* the last piece is one of no bytes */
	str_add(&d->out, c->message.p + c->sent, piece);
	c->sent += piece;
	c->ended = piece == 0;
}

/* "stream: OK", "stream: NAME FOUND", "stream: ... ERROR", "INSTREAM size limit exceeded. ERROR" */
static int
take_answer(struct clamd *c, struct err *err)
{
	struct span line = str_span(&c->in);

	if (span_begins(line, "stream: "))
		line = span_from(line, strlen("stream: "));
	c->found = span_ends_case(line, " FOUND");
	if (c->found)
		str_set_span(&c->name, span_to(line, line.len - strlen(" FOUND")));
	else if (!span_is(line, "OK"))
		return err_set(err, ERR_TEMP, "clamd says %.*s", line.len > 200 ? 200 : (int)line.len, line.p);
	c->d.done = true;
	return 0;
}

static int
clamd_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	struct clamd *c = (struct clamd *)d;
	const char *end = memchr(bytes.p, '\0', bytes.len);

	str_add_span(&c->in, end != NULL ? span_to(bytes, (size_t)(end - bytes.p)) : bytes);
	if (c->in.len > ANSWER_MAX)
		return err_set(err, ERR_TEMP, "clamd talks too much");
	return end != NULL ? take_answer(c, err) : 0;
}

static const struct dialogue_row row = { .more = clamd_more, .feed = clamd_feed };

void
clamd_start(struct clamd *clamd, struct span message)
{
	*clamd = (struct clamd){ .d.row = &row, .message = message };
	str_add(&clamd->d.out, "zINSTREAM", sizeof "zINSTREAM");
}

void
clamd_free(struct clamd *clamd)
{
	str_free(&clamd->d.out);
	str_free(&clamd->name);
	str_free(&clamd->in);
}
