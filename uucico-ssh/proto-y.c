/*
 * Protocol y, for links that seldom change a byte: packets with a number and a checksum,
 * and a line that is dropped when one is wrong.
 *
 *	number  length, or a control word above LENGTH_MAX  checksum	each 2 bytes, low first
 *
 * Packet 0 of each end is its SYNC: version 1, packet size / 256, two flags.  A file ends
 * with a packet of length 0, and its receiver says FILE_ACK before CY.
 */
#include "uucico-ssh/proto.h"

#include <stdlib.h>
#include <string.h>

#include "uucico-ssh/sum.h"

enum {
	HEAD_LEN = 6,
	SYNC_LEN = 4, VERSION_1 = 1,
	LENGTH_MAX = 0x7fff,
	OUR_SIZE = 1024,
	FILE_ACK = 0xfffe, BAD_SUM = 0xfffd, BAD_ORDER = 0xfffc,
	EMPTY_SUM = 0xffff,	/* of the packet that ends a file; control words have 0 */
};

struct y_state {
	struct str in;		/* a packet that is not whole yet */
	struct str line;
	size_t size;		/* of our packets; 0: their SYNC is still due */
	uint16_t put_number, got_number;
	bool file;		/* a file is to come, or is coming */
	unsigned unacked;	/* ends of files of ours without their FILE_ACK */
};

/* --- out --- */

static void
put_head(struct uucp *u, unsigned word, uint16_t sum)
{
	struct y_state *y = u->state;
	const unsigned char head[HEAD_LEN] = {
		y->put_number & 0xff, (unsigned char)(y->put_number >> 8),
		word & 0xff, (unsigned char)(word >> 8), sum & 0xff, (unsigned char)(sum >> 8),
	};

	str_add(&u->out, head, sizeof head);
	y->put_number++;
}

static void
put_all(struct uucp *u, struct span bytes, size_t size)
{
	while (bytes.len > 0) {
		struct span part = span_to(bytes, size);
		put_head(u, (unsigned)part.len, sum_turning(part));
		str_add_span(&u->out, part);
		bytes = span_from(bytes, part.len);
	}
}

static void
y_start(struct uucp *u)
{
	static const char sync[SYNC_LEN] = { VERSION_1, OUR_SIZE / 256, 0, 0 };

	u->state = mem_get(sizeof(struct y_state));
	put_all(u, (struct span){ sync, sizeof sync }, sizeof sync);
}

static bool
y_ready(const struct uucp *u)
{
	const struct y_state *y = u->state;
	return y->size > 0;
}

static void
y_command(struct uucp *u, unsigned slot, bool answer, struct span text)
{
	struct y_state *y = u->state;
	struct str line = {0};

	(void)slot;
	(void)answer;
	str_add_span(&line, text);
	str_add_char(&line, '\0');
	put_all(u, str_span(&line), y->size);
	str_free(&line);
}

static void
y_data(struct uucp *u, unsigned slot, const void *bytes, size_t len)
{
	struct y_state *y = u->state;

	(void)slot;
	put_all(u, (struct span){ bytes, len }, y->size);
}

static void
y_sent(struct uucp *u, unsigned slot)
{
	struct y_state *y = u->state;

	(void)slot;
	put_head(u, 0, EMPTY_SUM);
	y->unacked++;
}

/* --- in --- */

static int
take_sync(struct uucp *u, struct span data)
{
	struct y_state *y = u->state;
	size_t size = data.len < SYNC_LEN ? 0 : (size_t)(unsigned char)data.p[1] * 256;

	if (size == 0 || data.p[0] != VERSION_1)
		return uucp_wrong(u, "a SYNC of another version of protocol y");
	y->size = size < OUR_SIZE ? size : OUR_SIZE;
	return 0;
}

static int
take_end(struct uucp *u)
{
	struct y_state *y = u->state;

	if (!y->file)
		return uucp_wrong(u, "the end of no file");
	y->file = false;
	put_head(u, FILE_ACK, 0);
	return uucp_got_end(u, 0);
}

static int
take_data(struct uucp *u, struct span data)
{
	struct y_state *y = u->state;

	if (y->size == 0)
		return take_sync(u, data);
	if (data.len == 0)
		return take_end(u);
	if (y->file)
		return uucp_got_data(u, 0, data.p, data.len);
	return uucp_got_text(u, 0, &y->line, data);
}

/* What is wrong is told, and the line dropped: nothing is sent twice. */
static int
complain(struct uucp *u, unsigned word, const char *what)
{
	put_head(u, word, 0);
	return uucp_fail(u, ERR_TEMP, "%s", what);
}

static int
take_control(struct uucp *u, unsigned word)
{
	struct y_state *y = u->state;

	if (word != FILE_ACK)
		return uucp_fail(u, ERR_TEMP, "the far end got a packet that was damaged on the way");
	if (y->unacked == 0)
		return uucp_wrong(u, "the end of no file acknowledged");
	y->unacked--;
	return 0;
}

static unsigned
word_at(const struct str *in, size_t at)
{
	return (unsigned char)in->p[at] | (unsigned)(unsigned char)in->p[at + 1] << 8;
}

static int
whole_packet(struct uucp *u, const struct str *in)
{
	struct y_state *y = u->state;
	struct span data = span_from(str_span(in), HEAD_LEN);
	unsigned word = word_at(in, 2);

	if (word_at(in, 0) != y->got_number++)
		return complain(u, BAD_ORDER, "a packet out of order");
	if (word > LENGTH_MAX)
		return take_control(u, word);
	/* The packet that ends a file has 0 in uucp.texi, and ffff on the wire. */
	if (word_at(in, 4) != sum_turning(data) && (word > 0 || word_at(in, 4) != 0))
		return complain(u, BAD_SUM, "a packet was damaged on the way: its checksum is wrong");
	return take_data(u, data);
}

/* The bytes that the packet at hand needs. */
static size_t
wanted(const struct y_state *y)
{
	if (y->in.len < HEAD_LEN)
		return HEAD_LEN;
	unsigned word = word_at(&y->in, 2);
	return HEAD_LEN + (word <= LENGTH_MAX ? word : 0);
}

static int
y_feed(struct uucp *u, struct span *rest)
{
	struct y_state *y = u->state;
	struct span part = span_to(*rest, wanted(y) - y->in.len);

	str_add_span(&y->in, part);
	*rest = span_from(*rest, part.len);
	if (wanted(y) > HEAD_LEN + OUR_SIZE)
		return complain(u, BAD_ORDER, "a packet larger than we take");
	if (y->in.len < wanted(y))
		return 0;
	struct str packet = y->in;
	y->in = (struct str){0};
	int result = whole_packet(u, &packet);
	str_free(&packet);
	return result;
}

static void
y_receive(struct uucp *u, unsigned slot)
{
	struct y_state *y = u->state;

	(void)slot;
	y->file = true;
}

static void
y_free(struct uucp *u)
{
	struct y_state *y = u->state;

	if (y == NULL)
		return;
	str_free(&y->in);
	str_free(&y->line);
	free(y);
	u->state = NULL;
}

const struct uucp_proto uucp_proto_y = {
	.letter = 'y',
	.slots = 1,
	.start = y_start,
	.free = y_free,
	.feed = y_feed,
	.receive = y_receive,
	.ready = y_ready,
	.command = y_command,
	.data = y_data,
	.sent = y_sent,
};
