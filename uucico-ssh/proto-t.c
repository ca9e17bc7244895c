/*
 * Protocol t, for links that lose nothing: a command is its text, padded with NUL to
 * whole blocks of 512 bytes, one NUL at least; a file is blocks of a length in four
 * bytes, most significant first, and so many bytes.  Length 0 ends it.
 */
#include "uucico-ssh/proto.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"

enum { COMMAND_LEN = 512, LENGTH_LEN = 4, OUR_BLOCK = 1024, BLOCK_MAX = 65536 };

struct t_state {
	struct str line;	/* of a command */
	size_t taken;		/* of its block */
	struct str length;	/* of a block of a file, not whole */
	bool file;		/* a file is to come, or is coming */
	size_t left;		/* of its block */
};

static void
t_start(struct uucp *u)
{
	u->state = mem_get(sizeof(struct t_state));
}

static void
t_free(struct uucp *u)
{
	struct t_state *t = u->state;

	if (t == NULL)
		return;
	str_free(&t->line);
	str_free(&t->length);
	free(t);
	u->state = NULL;
}

/* Up to the end of a block; the command is heard when its last block is whole. */
static int
take_command(struct uucp *u, struct t_state *t, struct span *rest)
{
	struct span part = span_to(*rest, COMMAND_LEN - t->taken);

	str_add_span(&t->line, part);
	*rest = span_from(*rest, part.len);
	t->taken = (t->taken + part.len) % COMMAND_LEN;
	if (t->line.len > UUCP_LINE_MAX)
		return uucp_wrong(u, "a command of more than %d bytes", UUCP_LINE_MAX);
	if (t->taken > 0 || memchr(t->line.p, '\0', t->line.len) == NULL)
		return 0;
	struct str block = t->line, line = {0};
	t->line = (struct str){0};
	int result = uucp_got_text(u, 0, &line, str_span(&block));
	str_free(&block);
	return result;
}

static int
take_length(struct uucp *u, struct t_state *t, struct span *rest)
{
	struct span part = span_to(*rest, LENGTH_LEN - t->length.len);

	str_add_span(&t->length, part);
	*rest = span_from(*rest, part.len);
	if (t->length.len < LENGTH_LEN)
		return 0;
	t->left = (size_t)bytes_number(t->length.p, LENGTH_LEN);
	str_clear(&t->length);
	if (t->left > BLOCK_MAX)
		return uucp_wrong(u, "a block of %zu bytes", t->left);
	if (t->left > 0)
		return 0;
	t->file = false;
	return uucp_got_end(u, 0);
}

static int
take_data(struct uucp *u, struct t_state *t, struct span *rest)
{
	struct span part = span_to(*rest, t->left);

	*rest = span_from(*rest, part.len);
	t->left -= part.len;
	return uucp_got_data(u, 0, part.p, part.len);
}

static int
t_feed(struct uucp *u, struct span *rest)
{
	struct t_state *t = u->state;

	if (!t->file)
		return take_command(u, t, rest);
	return t->left > 0 ? take_data(u, t, rest) : take_length(u, t, rest);
}

static void
t_receive(struct uucp *u, unsigned slot)
{
	struct t_state *t = u->state;

	(void)slot;
	t->file = true;
}

static void
t_command(struct uucp *u, unsigned slot, bool answer, struct span text)
{
	static const char padding[COMMAND_LEN];

	(void)slot;
	(void)answer;
	str_add_span(&u->out, text);
	str_add(&u->out, padding, COMMAND_LEN - text.len % COMMAND_LEN);
}

static void
put_length(struct uucp *u, size_t len)
{
	const char bytes[LENGTH_LEN] = { 0, 0, (char)(len >> 8), (char)len };
	str_add(&u->out, bytes, sizeof bytes);
}

static void
t_data(struct uucp *u, unsigned slot, const void *bytes, size_t len)
{
	(void)slot;
	for (struct span rest = { bytes, len }; rest.len > 0;) {
		struct span block = span_to(rest, OUR_BLOCK);
		put_length(u, block.len);
		str_add_span(&u->out, block);
		rest = span_from(rest, block.len);
	}
}

static void
t_sent(struct uucp *u, unsigned slot)
{
	(void)slot;
	put_length(u, 0);
}

const struct uucp_proto uucp_proto_t = {
	.letter = 't',
	.slots = 1,
	.start = t_start,
	.free = t_free,
	.feed = t_feed,
	.receive = t_receive,
	.command = t_command,
	.data = t_data,
	.sent = t_sent,
};
