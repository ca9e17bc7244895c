/*
 * Protocol i: packets with a number and a CRC, both ways at once, on seven channels.
 *
 *	07  packet << 3 | our channel  ack << 3 | their channel  type << 5 | caller | len >> 8
 *	    len & 0xff  check		and with len > 0: data, CRC-32
 *
 * Data begins behind its command, at a position that SPOS tells.  Positions count all
 * bytes of DATA, those of commands too, so an SPOS precedes each file, and each return
 * to one.
 */
#include "uucico-ssh/proto.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "uucico-ssh/frame.h"
#include "uucico-ssh/sum.h"
#include "uucico-ssh/window.h"

enum {
	MARK = 7,
	CRC_LEN = 4,
	DATA_MAX = 4095,	/* twelve bits */
	NUMBERS = 32, CHANNELS = 8,
	OUR_SIZE = 1024, OUR_WINDOW = 16, OUR_CHANNELS = 7,
	SIZE_MIN = 16,		/* smaller packets are no offer */
	CALLER = 0x10,
};

#define SYNC_EACH (10 * CLOCK_SECOND)
#define SYNC_AGAIN CLOCK_SECOND		/* two ends must not answer each other's for ever */

enum type { DATA, SYNC, ACK, NAK, SPOS, CLOSE };

/* A packet that came. */
struct arrived {
	enum type type;
	unsigned number, ack, local, remote;
	struct span data;
};

struct i_state {
	struct window window;
	size_t size;		/* of the packets that they take */
	bool synced;
	int64_t sync_at;	/* when ours went out */
	uint32_t put_at, got_at;	/* the positions, ours and theirs */
	struct str in;		/* a packet that is not whole yet */
	unsigned expected;	/* the number of their next packet */
	unsigned owed;		/* packets that we have not acknowledged */
	bool asked[NUMBERS];	/* for this one, by NAK */
	bool kept[NUMBERS];	/* it came before its turn */
	struct packet early[NUMBERS];
	struct str asks[CHANNELS], answers[CHANNELS];	/* texts that are not whole yet */
};

/* --- out --- */

static void
put_head(struct uucp *u, unsigned kind, unsigned number, unsigned local, unsigned remote, size_t len)
{
	struct i_state *i = u->state;
	unsigned ack = (i->expected + NUMBERS - 1) % NUMBERS;
	unsigned char head[FRAME_HEAD] = {
		MARK, (unsigned char)(number << 3 | local), (unsigned char)(ack << 3 | remote),
		(unsigned char)(kind << 5 | (u->config.caller ? CALLER : 0) | len >> 8),
		(unsigned char)len,
	};

	head[5] = head[1] ^ head[2] ^ head[3] ^ head[4];
	str_add(&u->out, head, sizeof head);
	i->owed = 0;
}

static void
put_packet(struct uucp *u, unsigned kind, unsigned number, unsigned local, unsigned remote,
    struct span data)
{
	put_head(u, kind, number, local, remote, data.len);
	if (data.len == 0)
		return;
	uint32_t sum = sum_crc(data);
	unsigned char crc[CRC_LEN] = { sum >> 24, sum >> 16 & 0xff, sum >> 8 & 0xff, sum & 0xff };
	str_add_span(&u->out, data);
	str_add(&u->out, crc, sizeof crc);
}

static void
emit(struct uucp *u, unsigned number, const struct packet *packet)
{
	put_packet(u, packet->kind, number, packet->local, packet->remote, str_span(&packet->data));
}

/* What is said once and may be lost: not into a line that is stuck. */
static void
put_control(struct uucp *u, enum type type, unsigned number, struct span data)
{
	if (u->out.len < UUCP_OUT_MAX)
		put_packet(u, type, number, 0, 0, data);
}

static void
put_sync(struct uucp *u)
{
	struct i_state *i = u->state;
	static const char ours[] = { OUR_SIZE >> 8, OUR_SIZE & 0xff, OUR_WINDOW, OUR_CHANNELS };

	put_control(u, SYNC, 0, (struct span){ ours, sizeof ours });
	i->sync_at = u->now;
}

static void
put(struct uucp *u, enum type type, unsigned local, unsigned remote, struct span data)
{
	struct i_state *i = u->state;
	struct packet packet = { .kind = type, .local = local, .remote = remote };

	window_put(u, &i->window, packet, data);
	if (type == DATA)
		i->put_at += (uint32_t)data.len;
}

static void
put_all(struct uucp *u, unsigned local, unsigned remote, struct span bytes)
{
	struct i_state *i = u->state;

	while (bytes.len > 0) {
		struct span part = span_to(bytes, i->size);
		put(u, DATA, local, remote, part);
		bytes = span_from(bytes, part.len);
	}
}

static void
i_command(struct uucp *u, unsigned slot, bool answer, struct span text)
{
	struct str line = {0};
	unsigned channel = span_begins(text, "H") ? 0 : slot + 1;	/* H, HY and HN have none */

	str_add_span(&line, text);
	str_add_char(&line, '\0');
	put_all(u, answer ? 0 : channel, answer ? channel : 0, str_span(&line));
	str_free(&line);
}

/* Goes on at the job's position, wherever the stream was. */
static void
seek(struct uucp *u, unsigned slot)
{
	struct i_state *i = u->state;
	uint32_t at = (uint32_t)u->sending[slot].job.at;
	const char bytes[4] = { (char)(at >> 24), (char)(at >> 16), (char)(at >> 8), (char)at };

	if (at == i->put_at)
		return;
	put(u, SPOS, 0, 0, (struct span){ bytes, sizeof bytes });
	i->put_at = at;
}

/* Our file has our channel; what they asked for has theirs. */
static unsigned
our_channel(unsigned slot)
{
	return slot < UUCP_SLOTS ? slot + 1 : 0;
}

static unsigned
their_channel(unsigned slot)
{
	return slot < UUCP_SLOTS ? 0 : slot - UUCP_SLOTS + 1;
}

static void
i_data(struct uucp *u, unsigned slot, const void *bytes, size_t len)
{
	seek(u, slot);
	put_all(u, our_channel(slot), their_channel(slot), (struct span){ bytes, len });
}

static void
i_sent(struct uucp *u, unsigned slot)
{
	seek(u, slot);
	put(u, DATA, our_channel(slot), their_channel(slot), (struct span){ "", 0 });
}

static bool
i_ready(const struct uucp *u)
{
	const struct i_state *i = u->state;
	return i->synced;
}

static size_t
i_room(const struct uucp *u)
{
	const struct i_state *i = u->state;
	return window_room(&i->window) * i->size;
}

/* --- in --- */

/* Text on our channel answers, text on theirs asks, and what is on no channel is H. */
static int
take_data(struct uucp *u, const struct arrived *packet)
{
	struct i_state *i = u->state;
	unsigned slot = packet->local > 0 ? packet->local - 1 : 0;
	uint32_t at = i->got_at;

	i->got_at += (uint32_t)packet->data.len;
	bool asked_for = packet->remote > 0 && uucp_awaits_file(u, UUCP_SLOTS + packet->remote - 1);
	if (asked_for)
		slot = UUCP_SLOTS + packet->remote - 1;
	if (packet->remote > 0 && !asked_for)
		return uucp_got_text(u, packet->remote - 1, &i->answers[packet->remote], packet->data);
	if (!asked_for && (packet->local == 0 || !uucp_awaits_file(u, slot)))
		return uucp_got_text(u, UUCP_SLOTS + slot, &i->asks[packet->local], packet->data);
	return packet->data.len > 0 ? uucp_got_data_at(u, slot, at, packet->data) :
	    uucp_got_end(u, slot);
}

static int
take_position(struct uucp *u, const struct arrived *packet)
{
	struct i_state *i = u->state;

	if (packet->data.len != 4)
		return uucp_wrong(u, "a position of %zu bytes", packet->data.len);
	i->got_at = (uint32_t)bytes_number(packet->data.p, 4);
	return 0;
}

static int
take_close(struct uucp *u, const struct arrived *packet)
{
	(void)packet;
	return uucp_got_close(u);
}

static int (*const numbered[])(struct uucp *u, const struct arrived *packet) = {
	[DATA] = take_data,
	[SPOS] = take_position,
	[CLOSE] = take_close,
};

static int
in_turn(struct uucp *u, const struct arrived *packet)
{
	struct i_state *i = u->state;

	i->asked[packet->number] = false;
	i->expected = (i->expected + 1) % NUMBERS;
	i->owed++;
	if (window_flooded(&i->window))
		return uucp_wrong(u, "it asks and asks, and acknowledges nothing");
	return numbered[packet->type](u, packet);
}

/* What came early and is due now. */
static int
take_kept(struct uucp *u)
{
	struct i_state *i = u->state;
	int result = 0;

	while (result == 0 && u->phase == UUCP_TALK && i->kept[i->expected]) {
		unsigned number = i->expected;
		struct packet *early = &i->early[number];
		struct str data = early->data;
		struct arrived packet = { (enum type)early->kind, number, 0, early->local, early->remote,
			str_span(&data) };
		early->data = (struct str){0};
		i->kept[number] = false;
		result = in_turn(u, &packet);
		str_free(&data);
	}
	return result;
}

/* Keeps it, and asks for those that are missing before it, each once.  Only data have a sum worth
 * the name: what came without, perhaps out of a damaged head, gives way to it. */
static void
too_early(struct uucp *u, const struct arrived *packet)
{
	struct i_state *i = u->state;
	struct packet *early = &i->early[packet->number];

	if (!i->kept[packet->number] || (early->data.len == 0 && packet->data.len > 0)) {
		str_free(&early->data);
		*early = (struct packet){ .kind = packet->type, .local = packet->local,
			.remote = packet->remote };
		str_add_span(&early->data, packet->data);
		i->kept[packet->number] = true;
	}
	for (unsigned n = i->expected; n != packet->number; n = (n + 1) % NUMBERS) {
		if (i->kept[n] || i->asked[n])
			continue;
		i->asked[n] = true;
		put_control(u, NAK, n, (struct span){ "", 0 });
	}
}

static int
take_numbered(struct uucp *u, const struct arrived *packet)
{
	struct i_state *i = u->state;
	unsigned ahead = (packet->number + NUMBERS - i->expected) % NUMBERS;

	if (ahead == 0) {
		if (in_turn(u, packet) < 0 || take_kept(u) < 0)
			return -1;
	} else if (ahead < OUR_WINDOW) {
		too_early(u, packet);
	} else {
		i->owed = OUR_WINDOW;	/* a repeat: our acknowledgement was lost */
	}
	if (u->phase == UUCP_TALK && i->owed >= OUR_WINDOW / 2)
		put_control(u, ACK, 0, (struct span){ "", 0 });
	return 0;
}

/* Size, window, channels; older ends say less. */
static int
take_sync(struct uucp *u, struct span data)
{
	struct i_state *i = u->state;
	const unsigned char *p = (const unsigned char *)data.p;

	if (i->synced) {	/* it has not heard ours */
		if (u->now - i->sync_at >= SYNC_AGAIN)
			put_sync(u);
		return 0;
	}
	size_t size = data.len >= 2 ? (size_t)p[0] << 8 | p[1] : 0;
	if (data.len < 3 || size < SIZE_MIN || p[2] == 0 || p[2] > OUR_WINDOW)
		return uucp_wrong(u, "a SYNC with packets of %zu bytes and a window of %u", size,
		    data.len < 3 ? 0U : p[2]);
	i->size = size < DATA_MAX ? size : DATA_MAX;
	unsigned channels = data.len > 3 && p[3] > 0 ? p[3] : 1;
	u->slots = channels < OUR_CHANNELS ? channels : OUR_CHANNELS;
	i->synced = true;
	u->progress = u->now;
	window_open(u, &i->window, p[2]);
	return 0;
}

static int
take_packet(struct uucp *u, const struct arrived *packet)
{
	struct i_state *i = u->state;

	window_heard(&i->window, u->now);
	if (packet->type != SYNC && !i->synced)
		return 0;	/* what they take is not known; they send it again */
	if (packet->type != SYNC)
		window_acked(u, &i->window, packet->ack);
	switch (packet->type) {
	case DATA:
	case SPOS:
	case CLOSE:
		return take_numbered(u, packet);
	case SYNC:
		return take_sync(u, packet->data);
	case NAK:
		window_again(u, &i->window, packet->number);
		return 0;
	case ACK:
		break;
	}
	return 0;
}

/* --- packets out of the stream --- */

static size_t
data_len(const unsigned char *head)
{
	return (size_t)(head[3] & 0xf) << 8 | head[4];
}

static size_t
packet_len(const unsigned char head[FRAME_HEAD])
{
	if (head[0] != MARK || (head[1] ^ head[2] ^ head[3] ^ head[4]) != head[5] || head[3] >> 5 > CLOSE)
		return 0;
	return FRAME_HEAD + (data_len(head) > 0 ? data_len(head) + CRC_LEN : 0);
}

static bool
data_is_good(struct span data)
{
	return data.len == 0 || sum_crc(data) == bytes_number(data.p + data.len, 4);
}

static int
whole_packet(struct uucp *u, struct span bytes)
{
	struct i_state *i = u->state;
	const unsigned char *p = (const unsigned char *)bytes.p;
	struct arrived packet = {
		.type = (enum type)(p[3] >> 5), .number = p[1] >> 3, .local = p[1] & 7,
		.ack = p[2] >> 3, .remote = p[2] & 7,
		.data = span_to(span_from(bytes, FRAME_HEAD), data_len(p)),
	};

	if (((p[3] & CALLER) != 0) == u->config.caller)
		return 0;	/* an echo */
	if (data_is_good(packet.data))
		return take_packet(u, &packet);
	if (packet.type != SYNC)
		put_control(u, NAK, packet.number, (struct span){ "", 0 });
	i->asked[packet.number] = true;
	return 0;
}

static int
i_feed(struct uucp *u, struct span *rest)
{
	struct i_state *i = u->state;

	if (!frame_take(&i->in, MARK, packet_len, rest))
		return 0;
	int result = whole_packet(u, str_span(&i->in));
	str_clear(&i->in);
	return result;
}

/* --- begin and end --- */

static void
i_start(struct uucp *u)
{
	struct i_state *i = mem_get(sizeof *i);

	u->state = i;
	window_start(&i->window, NUMBERS, emit);
	window_heard(&i->window, u->now);
	i->size = OUR_SIZE;
	i->expected = 1;
	put_sync(u);
}

static void
i_stop(struct uucp *u)
{
	put(u, CLOSE, 0, 0, (struct span){ "", 0 });
}

static int64_t
i_due(const struct uucp *u)
{
	const struct i_state *i = u->state;
	return i->synced ? window_due(u, &i->window) : i->sync_at + SYNC_EACH;
}

static void
i_tick(struct uucp *u)
{
	struct i_state *i = u->state;

	if (!i->synced) {
		put_sync(u);
		return;
	}
	memset(i->asked, 0, sizeof i->asked);
	put_control(u, NAK, i->expected, (struct span){ "", 0 });
	window_late(u, &i->window);
}

static void
i_free(struct uucp *u)
{
	struct i_state *i = u->state;

	if (i == NULL)
		return;
	window_free(&i->window);
	str_free(&i->in);
	for (size_t n = 0; n < NUMBERS; n++)
		str_free(&i->early[n].data);
	for (size_t n = 0; n < CHANNELS; n++) {
		str_free(&i->asks[n]);
		str_free(&i->answers[n]);
	}
	free(i);
	u->state = NULL;
}

const struct uucp_proto uucp_proto_i = {
	.letter = 'i',
	.slots = OUR_CHANNELS,
	.duplex = true,
	.early = true,
	.windowed = true,
	.start = i_start,
	.free = i_free,
	.feed = i_feed,
	.ready = i_ready,
	.command = i_command,
	.data = i_data,
	.sent = i_sent,
	.room = i_room,
	.stop = i_stop,
	.due = i_due,
	.tick = i_tick,
};
