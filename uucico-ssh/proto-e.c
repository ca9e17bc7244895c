/*
 * Protocol e, for links that lose nothing: a command is its text and a NUL; a
 * file is 20 bytes, the decimal count of what follows padded with NUL, and then
 * the bytes.  Nothing is said at the start and the end.
 */
#include "uucico-ssh/proto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_LEN = 20 };

struct e_state {
	struct str line;	/* of a command, or the count of a file */
	bool file;		/* a file is to come, or is coming */
	bool counted;		/* its count is known */
	uint64_t left;
};

static void
e_start(struct uucp *u)
{
	u->state = mem_get(sizeof(struct e_state));
}

static void
e_free(struct uucp *u)
{
	struct e_state *e = u->state;

	if (e != NULL)
		str_free(&e->line);
	free(e);
	u->state = NULL;
}

static int
take_command(struct uucp *u, struct e_state *e, struct span *rest)
{
	const char *end = memchr(rest->p, '\0', rest->len);
	struct span text = span_to(*rest, end != NULL ? (size_t)(end - rest->p) + 1 : rest->len);

	*rest = span_from(*rest, text.len);
	return uucp_got_text(u, 0, &e->line, text);
}

static int
file_done(struct uucp *u, struct e_state *e)
{
	e->file = e->counted = false;
	return uucp_got_end(u, 0);
}

static int
take_count(struct uucp *u, struct e_state *e, struct span *rest)
{
	size_t len = COUNT_LEN - e->line.len;

	len = len < rest->len ? len : rest->len;
	str_add(&e->line, rest->p, len);
	*rest = span_from(*rest, len);
	if (e->line.len < COUNT_LEN)
		return 0;
	struct span digits = str_span(&e->line);
	while (digits.len > 0 && digits.p[digits.len - 1] == '\0')
		digits.len--;
	if (span_number(digits, INT64_MAX, &e->left) < 0)
		return uucp_wrong(u, "the count of a file is no number");
	str_clear(&e->line);
	e->counted = true;
	if (uucp_got_size(u, 0, e->left) < 0)
		return -1;
	return e->left == 0 ? file_done(u, e) : 0;
}

static int
take_data(struct uucp *u, struct e_state *e, struct span *rest)
{
	size_t len = e->left < rest->len ? (size_t)e->left : rest->len;

	if (uucp_got_data(u, 0, rest->p, len) < 0)
		return -1;
	*rest = span_from(*rest, len);
	e->left -= len;
	return e->left == 0 ? file_done(u, e) : 0;
}

static int
e_feed(struct uucp *u, struct span *rest)
{
	struct e_state *e = u->state;

	if (!e->file)
		return take_command(u, e, rest);
	return e->counted ? take_data(u, e, rest) : take_count(u, e, rest);
}

static void
e_receive(struct uucp *u, unsigned slot)
{
	struct e_state *e = u->state;

	(void)slot;
	e->file = true;
}

static void
e_command(struct uucp *u, unsigned slot, bool answer, struct span text)
{
	(void)slot;
	(void)answer;
	str_add_span(&u->out, text);
	str_add_char(&u->out, '\0');
}

static void
e_send(struct uucp *u, unsigned slot, uint64_t at, uint64_t left)
{
	char count[COUNT_LEN + 1] = {0};

	(void)slot;
	(void)at;
	snprintf(count, sizeof count, "%llu", (unsigned long long)left);
	str_add(&u->out, count, COUNT_LEN);
}

static void
e_data(struct uucp *u, unsigned slot, const void *bytes, size_t len)
{
	(void)slot;
	str_add(&u->out, bytes, len);
}

const struct uucp_proto uucp_proto_e = {
	.letter = 'e',
	.slots = 1,
	.start = e_start,
	.free = e_free,
	.feed = e_feed,
	.receive = e_receive,
	.command = e_command,
	.send = e_send,
	.data = e_data,
};
