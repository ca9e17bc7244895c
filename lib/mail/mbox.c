#include "lib/mail/mbox.h"

#include <string.h>

#include "lib/mail/fromline.h"

void
mbox_start(struct mbox *mbox, const struct mbox_hooks *hooks, void *ctx)
{
	*mbox = (struct mbox){ .hooks = hooks, .ctx = ctx, .after_blank = true };
}

static struct span
without_end(struct span line)
{
	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static int
begin_message(struct mbox *mbox, struct span from_line, struct err *err)
{
	str_clear(&mbox->blank);
	mbox->after_blank = false;
	if (mbox->in_message && mbox->hooks->end(mbox->ctx, err) < 0)
		return -1;
	mbox->in_message = true;
	return mbox->hooks->begin(mbox->ctx, from_line, err);
}

static struct span
unquoted(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.p[n] == '>')
		n++;
	return n > 0 && span_begins(span_from(line, n), "From ") ? span_from(line, 1) : line;
}

static int
add_body(struct mbox *mbox, struct span bytes, struct err *err)
{
	struct span blank = str_span(&mbox->blank);

	if (!mbox->in_message)
		return err_set(err, ERR_PERM, "no mbox: it does not begin with a From_ line");
	if (blank.len > 0 && mbox->hooks->body(mbox->ctx, blank.p, blank.len, err) < 0)
		return -1;
	str_clear(&mbox->blank);
	return bytes.len > 0 ? mbox->hooks->body(mbox->ctx, bytes.p, bytes.len, err) : 0;
}

static int
take_line(struct mbox *mbox, struct span line, struct err *err)
{
	struct span text = without_end(line);

	if (mbox->after_blank && fromline_begins_mbox(text))
		return begin_message(mbox, text, err);
	if (text.len > 0 || !mbox->in_message) {
		mbox->after_blank = !mbox->in_message && text.len == 0;
		return mbox->after_blank ? 0 : add_body(mbox, unquoted(line), err);
	}
	/* Empty: the one held so far was the message's, this one may be the file's. */
	if (add_body(mbox, (struct span){ "", 0 }, err) < 0)
		return -1;
	str_set_span(&mbox->blank, line);
	mbox->after_blank = true;
	return 0;
}

static int
take_piece(struct mbox *mbox, struct span piece, bool ends, struct err *err)
{
	if (mbox->in_long_line) {
		mbox->in_long_line = !ends;
		return add_body(mbox, piece, err);
	}
	if (ends && mbox->line.len == 0)	/* mostly */
		return take_line(mbox, piece, err);
	str_add_span(&mbox->line, piece);
	if (!ends && mbox->line.len <= FROMLINE_MAX)
		return 0;
	mbox->in_long_line = !ends;
	int result = take_line(mbox, str_span(&mbox->line), err);
	str_clear(&mbox->line);
	return result;
}

/* Bytes in front that are whole lines of a paragraph: a From_ line has an empty one before it, and
 * what might be quoted begins with ">". */
static size_t
mere_lines(const struct mbox *mbox, struct span rest)
{
	size_t len = 0;

	if (!mbox->in_message || mbox->after_blank || mbox->in_long_line || mbox->line.len > 0)
		return 0;
	while (len < rest.len && rest.p[len] != '\n' && rest.p[len] != '\r' && rest.p[len] != '>') {
		const char *end = memchr(rest.p + len, '\n', rest.len - len);
		if (end == NULL)
			break;
		len = (size_t)(end - rest.p) + 1;
	}
	return len;
}

int
mbox_feed(struct mbox *mbox, const char *bytes, size_t len, struct err *err)
{
	struct span rest = { bytes, len };

	while (rest.len > 0) {
		size_t lines = mere_lines(mbox, rest);
		if (lines > 0 && mbox->hooks->body(mbox->ctx, rest.p, lines, err) < 0)
			return -1;
		rest = span_from(rest, lines);
		if (rest.len == 0)
			break;
		const char *end = memchr(rest.p, '\n', rest.len);
		size_t piece = end != NULL ? (size_t)(end - rest.p) + 1 : rest.len;
		if (take_piece(mbox, span_to(rest, piece), end != NULL, err) < 0)
			return -1;
		rest = span_from(rest, piece);
	}
	return 0;
}

int
mbox_end(struct mbox *mbox, struct err *err)
{
	if (mbox->line.len > 0 && take_line(mbox, str_span(&mbox->line), err) < 0)
		return -1;
	str_clear(&mbox->line);
	if (!mbox->in_message)
		return 0;
	mbox->in_message = false;
	return mbox->hooks->end(mbox->ctx, err);
}

void
mbox_free(struct mbox *mbox)
{
	str_free(&mbox->line);
	str_free(&mbox->blank);
}
