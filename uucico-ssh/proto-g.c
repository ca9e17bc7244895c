/*
 * Protocols g, G and v, for lines that change and lose bytes: packets of one size with a
 * number and a checksum, up to seven under way.
 *
 *	10  k  checksum, low byte first  c = tt << 6 | xxx << 3 | yyy  check	and a field
 *
 * k 1 to 8: a field of 2^(k+4) bytes; 9: a control packet, which has none.  tt 2 is data,
 * 3 a field that begins with the number of its bytes that are none.  xxx is the packet's
 * number or what a control packet is, yyy the last packet that came in order.
 *
 * Each end tells what it takes, and obeys what the other told: g is what every UUCP
 * speaks, with 64 bytes; G has larger packets, and v makes them no larger than it must.
 */
#include "uucico-ssh/proto.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "uucico-ssh/frame.h"
#include "uucico-ssh/sum.h"
#include "uucico-ssh/window.h"

enum {
	MARK = 0x10,
	CONTROL_K = 9, SIZE_MIN = 32,
	NUMBERS = 8, OUR_WINDOW = 7,
	SUM_OF_ALL = 0xaaaa,	/* what a packet and its checksum come to */
};

#define INIT_EACH (10 * CLOCK_SECOND)
#define INIT_AGAIN CLOCK_SECOND		/* two ends must not answer each other's for ever */

enum kind { CONTROL, ALTERNATE, DATA, SHORT };
enum control { CLOSE = 1, RJ, SRJ, RR, INITC, INITB, INITA };	/* xxx of control packets */

static const struct flavour {
	char letter;
	unsigned code;		/* we take fields of SIZE_MIN << code */
	bool exact;		/* ours have the size that they take, and no smaller one */
} flavours[] = {
	{ 'g', 1, true },
	{ 'G', 5, true },
	{ 'v', 5, false },
};

struct g_state {
	const struct flavour *flavour;
	struct window window;
	unsigned stage;		/* INITA, INITB, INITC: theirs is due; 0: all are there */
	int64_t init_at;	/* when ours of this stage went out */
	int64_t again_at;	/* when an earlier one was said again, because they did */
	unsigned window_size;	/* what they take */
	size_t size;
	struct str in;		/* a packet that is not whole yet */
	struct str line;
	unsigned expected;	/* the number of their next packet */
	bool owed;		/* something came that is not acknowledged */
	bool asked;		/* for what is missing, by RJ */
	bool file;		/* a file is to come, or is coming */
};

/* --- out --- */

static void
put_head(struct uucp *u, unsigned k, unsigned sum, unsigned c)
{
	unsigned char head[FRAME_HEAD] = {
		MARK, (unsigned char)k, sum & 0xff, sum >> 8 & 0xff, (unsigned char)c,
	};

	head[5] = head[1] ^ head[2] ^ head[3] ^ head[4];
	str_add(&u->out, head, sizeof head);
}

/* May be lost: not into a line that is stuck. */
static void
put_control(struct uucp *u, enum control what, unsigned yyy)
{
	unsigned c = (unsigned)CONTROL << 6 | (unsigned)what << 3 | yyy;

	if (u->out.len < UUCP_OUT_MAX)
		put_head(u, CONTROL_K, SUM_OF_ALL - c, c);
}

static unsigned
last_good(const struct g_state *g)
{
	return (g->expected + NUMBERS - 1) % NUMBERS;
}

static unsigned
k_of(size_t size)
{
	unsigned k = 1;

	while (((size_t)SIZE_MIN << (k - 1)) < size)
		k++;
	return k;
}

static void
emit(struct uucp *u, unsigned number, const struct packet *packet)
{
	struct g_state *g = u->state;
	struct span field = str_span(&packet->data);
	unsigned c = packet->kind << 6 | number << 3 | last_good(g);

	put_head(u, k_of(field.len), SUM_OF_ALL - (sum_field(field) ^ c), c);
	str_add_span(&u->out, field);
	g->owed = false;
}

static unsigned
init_value(const struct g_state *g, unsigned which)
{
	return which == INITB ? g->flavour->code : OUR_WINDOW;
}

static void
put_init(struct uucp *u, unsigned which)
{
	struct g_state *g = u->state;

	put_control(u, which, init_value(g, which));
	g->init_at = u->now;
}

/* The field for so many bytes: the size they take, or the least that holds them. */
static size_t
field_size(const struct g_state *g, size_t len)
{
	size_t size = SIZE_MIN;

	if (g->flavour->exact)
		return g->size;
	while (size < len && size < g->size)
		size *= 2;
	return size;
}

/* One field: the count of what is missing in front, where something is. */
static void
put_field(struct uucp *u, struct span bytes, bool text)
{
	static const char padding[SIZE_MIN << 7];
	struct g_state *g = u->state;
	struct str field = {0};
	size_t size = field_size(g, bytes.len + (text ? 0 : 1)), missing = size - bytes.len;
	bool is_short = !text && missing > 0;

	if (is_short && missing >= 128) {
		str_add_char(&field, (char)(missing & 0x7f) | (char)0x80);
		str_add_char(&field, (char)(missing >> 7));
	} else if (is_short) {
		str_add_char(&field, (char)missing);
	}
	str_add_span(&field, bytes);
	str_add(&field, padding, size - field.len);
	window_put(u, &g->window, (struct packet){ .kind = is_short ? SHORT : DATA }, str_span(&field));
	str_free(&field);
}

static void
put_all(struct uucp *u, struct span bytes, bool text)
{
	struct g_state *g = u->state;

	while (bytes.len > 0) {
		struct span part = span_to(bytes, g->size);
		put_field(u, part, text);
		bytes = span_from(bytes, part.len);
	}
}

static void
g_command(struct uucp *u, unsigned slot, bool answer, struct span text)
{
	struct str line = {0};

	(void)slot;
	(void)answer;
	str_add_span(&line, text);
	str_add_char(&line, '\0');
	put_all(u, str_span(&line), true);
	str_free(&line);
}

static void
g_data(struct uucp *u, unsigned slot, const void *bytes, size_t len)
{
	(void)slot;
	put_all(u, (struct span){ bytes, len }, false);
}

static void
g_sent(struct uucp *u, unsigned slot)
{
	(void)slot;
	put_field(u, (struct span){ "", 0 }, false);
}

static bool
g_ready(const struct uucp *u)
{
	const struct g_state *g = u->state;
	return g->stage == 0;
}

static size_t
g_room(const struct uucp *u)
{
	const struct g_state *g = u->state;
	return window_room(&g->window) * g->size;
}

/* --- the start: INITA, INITB, INITC, each answered before the next --- */

static int
take_init(struct uucp *u, unsigned which, unsigned yyy)
{
	struct g_state *g = u->state;

	if (which != g->stage) {	/* it goes on without ours, which was lost, or is too early */
		if ((g->stage == 0 || which > g->stage) && u->now - g->again_at >= INIT_AGAIN) {
			put_control(u, which, init_value(g, which));
			g->again_at = u->now;
		}
		return 0;
	}
	if (which == INITB)
		g->size = (size_t)SIZE_MIN << yyy;
	else if (yyy == 0)
		return uucp_wrong(u, "a window of no packets");
	else
		g->window_size = yyy;
	u->progress = u->now;
	g->stage = which == INITC ? 0 : which - 1;
	if (g->stage != 0)
		put_init(u, g->stage);
	else
		window_open(u, &g->window, g->window_size);
	return 0;
}

/* --- in --- */

static int
take_control(struct uucp *u, unsigned what, unsigned yyy)
{
	struct g_state *g = u->state;

	switch (what) {
	case INITA:
	case INITB:
	case INITC:
		return take_init(u, what, yyy);
	case CLOSE:
		return uucp_got_close(u);
	case RJ:
		window_acked(u, &g->window, yyy);
		window_all(u, &g->window);
		return 0;
	case SRJ:
		window_again(u, &g->window, yyy);
		return 0;
	default:
		window_acked(u, &g->window, yyy);
		return 0;
	}
}

/* The bytes of a short field that are data. */
static int
data_of(struct uucp *u, struct span *field)
{
	const unsigned char *p = (const unsigned char *)field->p;
	size_t head = p[0] < 128 ? 1 : 2;
	size_t missing = (p[0] & 0x7f) + (head == 2 ? (size_t)p[1] << 7 : 0);

	if (missing < head || missing > field->len)
		return uucp_wrong(u, "a short packet that lacks %zu of %zu bytes", missing, field->len);
	*field = span_to(span_from(*field, head), field->len - missing);
	return 0;
}

static int
take_field(struct uucp *u, bool is_short, struct span field)
{
	struct g_state *g = u->state;

	if (is_short && data_of(u, &field) < 0)
		return -1;
	if (window_flooded(&g->window))
		return uucp_wrong(u, "it asks and asks, and acknowledges nothing");
	if (!g->file)
		return uucp_got_text(u, 0, &g->line, field);
	if (field.len > 0)
		return uucp_got_data(u, 0, field.p, field.len);
	g->file = false;
	return uucp_got_end(u, 0);
}

static void
ask_again(struct uucp *u)
{
	struct g_state *g = u->state;

	if (!g->asked)
		put_control(u, RJ, last_good(g));
	g->asked = true;	/* once: each RJ brings a whole window again */
}

static int
take_data(struct uucp *u, unsigned kind, unsigned number, struct span field)
{
	struct g_state *g = u->state;

	if (g->stage != 0)
		return 0;	/* the start was not agreed on: they send it again */
	if (number != g->expected) {
		ask_again(u);
		return 0;
	}
	g->expected = (g->expected + 1) % NUMBERS;
	g->asked = false;
	g->owed = true;
	return take_field(u, kind == SHORT, field);
}

static int
whole_packet(struct uucp *u, struct span bytes)
{
	struct g_state *g = u->state;
	const unsigned char *p = (const unsigned char *)bytes.p;
	struct span field = span_from(bytes, FRAME_HEAD);
	unsigned c = p[4], sum = p[2] | (unsigned)p[3] << 8;
	unsigned due = field.len > 0 ? (SUM_OF_ALL - (sum_field(field) ^ c)) & 0xffff : SUM_OF_ALL - c;

	if (sum != due) {
		if (g->stage == 0 && field.len > 0)
			ask_again(u);
		return 0;
	}
	window_heard(&g->window, u->now);
	if (field.len == 0)
		return take_control(u, c >> 3 & 7, c & 7);
	window_acked(u, &g->window, c & 7);
	return take_data(u, c >> 6, c >> 3 & 7, field);
}

static size_t
packet_len(const unsigned char head[FRAME_HEAD])
{
	bool control = head[4] >> 6 == CONTROL;

	if (head[0] != MARK || head[1] < 1 || head[1] > CONTROL_K || head[4] >> 6 == ALTERNATE ||
	    (head[1] ^ head[2] ^ head[3] ^ head[4]) != head[5] || control != (head[1] == CONTROL_K))
		return 0;
	return FRAME_HEAD + (control ? 0 : (size_t)SIZE_MIN << (head[1] - 1));
}

static int
g_feed(struct uucp *u, struct span *rest)
{
	struct g_state *g = u->state;

	if (frame_take(&g->in, MARK, packet_len, rest)) {
		int result = whole_packet(u, str_span(&g->in));
		str_clear(&g->in);
		if (result < 0)
			return -1;
	}
	/* Nothing more is there to be taken, and no answer took it along. */
	if (rest->len == 0 && g->owed && u->phase == UUCP_TALK) {
		put_control(u, RR, last_good(g));
		g->owed = false;
	}
	return 0;
}

static void
g_receive(struct uucp *u, unsigned slot)
{
	struct g_state *g = u->state;

	(void)slot;
	g->file = true;
}

/* --- begin and end --- */

static void
g_start(struct uucp *u)
{
	struct g_state *g = mem_get(sizeof *g);

	u->state = g;
	g->flavour = flavours;
	while (g->flavour->letter != u->proto->letter)
		g->flavour++;
	window_start(&g->window, NUMBERS, emit);
	window_heard(&g->window, u->now);
	g->size = SIZE_MIN;
	g->expected = 1;
	g->again_at = u->now - INIT_AGAIN;
	g->stage = INITA;
	put_init(u, INITA);
}

static void
g_stop(struct uucp *u)
{
	put_control(u, CLOSE, 0);
}

static int64_t
g_due(const struct uucp *u)
{
	const struct g_state *g = u->state;
	return g->stage == 0 ? window_due(u, &g->window) : g->init_at + INIT_EACH;
}

static void
g_tick(struct uucp *u)
{
	struct g_state *g = u->state;

	if (g->stage != 0) {
		put_init(u, g->stage);
		return;
	}
	put_control(u, RJ, last_good(g));
	g->asked = false;
	window_late(u, &g->window);
}

static void
g_free(struct uucp *u)
{
	struct g_state *g = u->state;

	if (g == NULL)
		return;
	window_free(&g->window);
	str_free(&g->in);
	str_free(&g->line);
	free(g);
	u->state = NULL;
}

#define FLAVOUR(name, its_letter)	\
	const struct uucp_proto name = { \
		.letter = its_letter, \
		.slots = 1, \
		.windowed = true, \
		.start = g_start, \
		.free = g_free, \
		.feed = g_feed, \
		.receive = g_receive, \
		.ready = g_ready, \
		.command = g_command, \
		.data = g_data, \
		.sent = g_sent, \
		.room = g_room, \
		.stop = g_stop, \
		.due = g_due, \
		.tick = g_tick, \
	}

FLAVOUR(uucp_proto_g, 'g');
FLAVOUR(uucp_proto_large_g, 'G');
FLAVOUR(uucp_proto_v, 'v');
