/*
 * The UUCP conversation against a peer that says anything.  The first byte is what we do:
 *
 *	1	we are the caller
 *	2	we hear it byte by byte
 *	4	at the end time passes, instead of the line closing
 *	8	the handshake is done; the second byte chooses the protocol
 *	16	with 8: the rest is packets of i, g or y, whose sums are made good
 *	32	with 8: the rest is what happens to the wire between two ends of ours
 *
 * Held: every job of ours is told its fate once, every job that we said yes to is stored
 * or dropped once, no file has more bytes than it may, memory stays small, and the end
 * comes.  Between two ends of ours by i nothing is stored twice, nor told as stored when it is
 * not, and what is stored is what was sent; and a second call, over a whole line, from what is
 * there of each file on, brings all that the first one did not: nothing is lost, nothing comes
 * twice.  That is as long as no head of i may have been damaged so that its one byte of check
 * does not show it, by a byte lost or doubled, or two bits near each other: a packet can then come
 * under another's number, and the protocol has nothing to tell.  The others have no sums, or none
 * to speak of (e, t, y tells and ends).
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "tests/fuzz/fuzz.h"
#include "uucico-ssh/sum.h"
#include "uucico-ssh/uucp.h"

enum { CALLER = 1, BYTES = 2, LATE = 4, GREETED = 8, FRAMED = 16, WIRE = 32 };
enum { OURS = 4, OUR_SIZE = 9000, KEPT_MAX = 1 << 20, HEAD = 6 };

static const char letters[] = "ietygGv";

struct tally {
	struct uucp u;
	unsigned given, told, accepted, ended, delivered, asked;
	bool among_us, clean;
	bool tried;			/* there was a call before */
	/* Between two ends of ours by i, from call to call. */
	bool keeps;
	bool gave[OURS + 1], done[OURS + 1];	/* of ours: in this call; told its fate */
	unsigned stored[OURS];		/* of theirs: how often */
	uint64_t have[OURS];		/* so much of it is there */
};

struct file {
	uint64_t written, limit;
};

static void
hold(bool true_thing)
{
	if (!true_thing)
		abort();
}

static char
byte_at(uint64_t at)
{
	return (char)(at * 31 >> 3);
}

/* Which it is, or OURS: a protocol without sums may have damaged the name. */
static unsigned
number_of(const struct str *name)
{
	return name->len == 3 && name->p[2] >= '0' && name->p[2] < '0' + OURS ? (unsigned)(name->p[2] - '0') : OURS;
}

static int
next(void *arg, struct uucp_job *job, struct err *err)
{
	struct tally *tally = arg;
	unsigned number = 0;

	(void)err;
	while (number < OURS && (tally->gave[number] || tally->done[number]))
		number++;
	if (number == OURS)
		return 0;
	tally->gave[number] = true;
	job->kind = number == 1 ? 'S' : number == 3 ? 'R' : 'E';
	job->grade = 'N';
	str_printf(&job->from, "D.%u", number);
	str_add_span(&job->to, str_span(&job->from));
	str_add_span(&job->temp, str_span(&job->from));
	str_set(&job->user, "uucp");
	str_set(&job->options, "C");
	str_set(&job->command, "rmail x");
	job->size = number == 2 ? OUR_SIZE : number == 3 ? 0 : number;
	job->tried = number == 1 || tally->tried;
	tally->given++;
	return 1;
}

static int
read_job(void *arg, struct uucp_job *job, void *to, size_t len, struct err *err)
{
	(void)arg;
	(void)err;
	hold(len > 0 && job->at + len <= job->size);
	for (size_t i = 0; i < len; i++)
		((char *)to)[i] = byte_at(job->at + i);
	return 0;
}

static int
sent(void *arg, struct uucp_job *job, enum uucp_fate fate, const char *why, struct err *err)
{
	struct tally *tally = arg;

	(void)err;
	hold(why != NULL);
	if (job->kind == 'R' && job->grade == '\0') {
		tally->asked--;
		return 0;
	}
	tally->told++;
	tally->delivered += fate == UUCP_DELIVERED;
	tally->done[number_of(&job->from)] = fate != UUCP_LATER;
	return 0;
}

/* Of what they ask for, each file is told its fate once, too. */
static enum uucp_answer
requested(void *arg, struct uucp_job *job)
{
	struct tally *tally = arg;

	hold(job->kind == 'R');
	if (tally->among_us || job->size < OUR_SIZE)
		return UUCP_NO_ROOM;
	job->size = OUR_SIZE;
	tally->asked++;
	return UUCP_YES;
}

static enum uucp_answer
offered(void *arg, struct uucp_job *job)
{
	struct tally *tally = arg;
	struct file *file;

	hold(strchr("SER", job->kind) != NULL && job->temp.len > 0);
	if (job->mode == 0400)
		return UUCP_HAD;
	if (job->mode == 0200)
		return UUCP_NO_ROOM;
	unsigned number = number_of(&job->temp);
	if (tally->keeps && number < OURS && tally->stored[number] > 0)
		return UUCP_HAD;
	tally->accepted++;
	file = mem_get(sizeof *file);
	if (!tally->among_us && job->kind != 'R' && job->size != UUCP_SIZE_UNKNOWN && job->size > 3)
		job->at = 3;
	if (tally->keeps && number < OURS && tally->have[number] <= job->size)
		job->at = tally->have[number];
	file->written = job->at;
	file->limit = job->size;
	job->mine = file;
	return UUCP_YES;
}

static int
write_job(void *arg, struct uucp_job *job, const void *bytes, size_t len, struct err *err)
{
	struct tally *tally = arg;
	struct file *file = job->mine;

	for (size_t i = 0; i < len && tally->clean && uucp_letter(&tally->u) == 'i'; i++)
		hold(((const char *)bytes)[i] == byte_at(job->at + i));
	file->written += len;
	if (number_of(&job->temp) < OURS)
		tally->have[number_of(&job->temp)] = file->written;
	hold(file->written <= file->limit && job->at + len == file->written);
	return len == 13 && !tally->among_us ? err_set(err, ERR_TEMP, "a disk that is full") : 0;
}

static int
stored(void *arg, struct uucp_job *job, struct err *err)
{
	struct tally *tally = arg;
	struct file *file = job->mine;

	tally->ended++;
	hold(job->size == UUCP_SIZE_UNKNOWN || (job->at == job->size && file->written == job->size));
	free(file);
	if (tally->among_us && number_of(&job->temp) < OURS)
		tally->stored[number_of(&job->temp)]++;
	if (!tally->among_us && job->size % 7 == 6)
		return err_set(err, ERR_PERM, "a job that cannot be");
	return 0;
}

static void
dropped(void *arg, struct uucp_job *job)
{
	struct tally *tally = arg;

	free(job->mine);
	tally->ended++;
}

static const struct uucp_hooks hooks = {
	.next = next,
	.read = read_job,
	.sent = sent,
	.requested = requested,
	.offered = offered,
	.write = write_job,
	.stored = stored,
	.dropped = dropped,
};

static void
start(struct tally *tally, bool caller, const char *protocols)
{
	struct uucp_config config = { .caller = caller, .name = caller ? "home" : "hub",
		.peer = caller ? "hub" : "home", .letters = protocols, .timeout = 60 };

	uucp_start(&tally->u, &config, &hooks, tally, 0);
}

static void
hear(struct uucp *u, const uint8_t *data, size_t size, size_t step)
{
	while (size > 0 && u->phase != UUCP_OVER) {
		size_t len = size < step ? size : step;
		uucp_fill(u);
		hold(u->out.len < KEPT_MAX);
		uucp_taken(u, u->out.len, 1);
		uucp_feed(u, data, len, 1);
		hold(u->line.len <= UUCP_HELLO_MAX && u->noise.len < KEPT_MAX);
		data += len;
		size -= len;
	}
}

/* Time passes, with every clock of the protocol in between, or the line closes. */
static void
end(struct tally *tally, bool late)
{
	struct uucp *u = &tally->u;

	for (int ticks = 0; late && u->phase != UUCP_OVER; ticks++) {
		uucp_fill(u);
		uucp_taken(u, u->out.len, u->now);
		uucp_tick(u, uucp_deadline(u));
		hold(ticks < 1000);
	}
	uucp_eof(u, u->now);
	hold(u->phase == UUCP_OVER);
	hold(tally->given == tally->told && tally->accepted == tally->ended && tally->asked == 0);
	uucp_free(u);
}

static void
greet(struct uucp *u, bool caller, char letter)
{
	static const char called[] = "\020Shere=hub\0\020ROKN047\0\020P";
	static const char calling[] = "\020Shome -R -N047\0\020U";
	struct str hello = {0};

	str_add(&hello, caller ? called : calling, (caller ? sizeof called : sizeof calling) - 1);
	str_add_char(&hello, letter);
	str_add_char(&hello, '\0');
	uucp_feed(u, hello.p, hello.len, 0);
	hold(u->phase == UUCP_TALK);
	str_free(&hello);
}

/* --- packets with good sums: a byte or two of what stands in the head, a length, data --- */

static void
frame_i(bool caller, unsigned *number, uint8_t a, uint8_t b, struct span data, struct str *out)
{
	unsigned type = a & 7, now = type == 0 || type > 3 ? *number : b & 31;
	uint32_t sum = sum_crc(data);
	uint8_t head[6] = { 7, (uint8_t)(now << 3 | (b & 7)), (uint8_t)(a & 0xf8) | (b >> 5),
		(uint8_t)((type < 6 ? type : 0) << 5 | (caller ? 0 : 0x10)), (uint8_t)data.len, 0 };
	uint8_t crc[4] = { (uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8), (uint8_t)sum };

	head[5] = head[1] ^ head[2] ^ head[3] ^ head[4];
	str_add(out, head, sizeof head);
	str_add_span(out, data);
	str_add(out, crc, data.len > 0 ? sizeof crc : 0);
	if (type == 0 || type > 3)
		*number = (*number + 1) % 32;
}

static void
frame_g(bool caller, unsigned *number, uint8_t a, uint8_t b, struct span data, struct str *out)
{
	uint8_t field[64] = {0};
	bool control = (a & 0x80) != 0;
	unsigned c = control ? a & 0x3f : (a & 0x40 ? 3U : 2U) << 6 | *number << 3 | (b & 7);

	(void)caller;
	memcpy(field, data.p, data.len < sizeof field ? data.len : sizeof field);
	unsigned sum = 0xaaaa - (control ? c : sum_field((struct span){ (char *)field, sizeof field }) ^ c);
	uint8_t head[6] = { 16, control ? 9 : 2, (uint8_t)sum, (uint8_t)(sum >> 8), (uint8_t)c, 0 };

	head[5] = head[1] ^ head[2] ^ head[3] ^ head[4];
	str_add(out, head, sizeof head);
	str_add(out, field, control ? 0 : sizeof field);
	if (!control)
		*number = (*number + 1) % 8;
}

static void
frame_y(bool caller, unsigned *number, uint8_t a, uint8_t b, struct span data, struct str *out)
{
	uint16_t word = (a & 0x80) != 0 ? (uint16_t)(0xff00 | b) : (uint16_t)data.len;
	uint16_t sum = (a & 0x80) != 0 ? 0 : sum_turning(data);
	uint8_t head[6] = { (uint8_t)*number, (uint8_t)(*number >> 8), (uint8_t)word, (uint8_t)(word >> 8),
		(uint8_t)sum, (uint8_t)(sum >> 8) };

	(void)caller;
	str_add(out, head, sizeof head);
	if ((a & 0x80) == 0)
		str_add_span(out, data);
	(*number)++;
}

static void
frame_all(bool caller, char letter, struct span rest, struct str *out)
{
	unsigned number = letter == 'y' ? 0 : 1;

	while (rest.len >= 3) {
		uint8_t a = (uint8_t)rest.p[0], b = (uint8_t)rest.p[1];
		struct span data = span_to(span_from(rest, 3), (uint8_t)rest.p[2]);
		(letter == 'i' ? frame_i : letter == 'y' ? frame_y : frame_g)(caller, &number, a, b, data, out);
		rest = span_from(rest, 3 + data.len);
	}
}

/* --- two ends of ours, and what the input does to the wire between them --- */

struct wire {
	struct span faults;		/* a length, and what befalls its last byte */
	int64_t now;
	size_t sent[2], last[2];	/* bytes, and where the last bit was turned; each way */
	bool clean, cut;
};

static void
note_fault(struct wire *wire, bool there, bool turned)
{
	size_t at = wire->sent[there];

	if (!turned || (wire->last[there] > 0 && at - wire->last[there] < HEAD))
		wire->clean = false;
	wire->last[there] = at;
}

static bool
carry(struct wire *wire, bool there, struct tally *by, struct tally *at)
{
	struct uucp *from = &by->u, *to = &at->u;
	char bytes[1100];
	bool noisy = from->phase == UUCP_TALK && to->phase == UUCP_TALK && wire->faults.len >= 2;
	size_t most = noisy ? (uint8_t)wire->faults.p[0] * 4 + 1 : 1000, len;
	uint8_t fault = noisy ? (uint8_t)wire->faults.p[1] : 0;

	uucp_fill(from);
	hold(from->out.len < KEPT_MAX);
	len = from->out.len < most ? from->out.len : most;
	if (len == 0)
		return false;
	memcpy(bytes, from->out.p, len);
	uucp_taken(from, len, wire->now);
	wire->faults = span_from(wire->faults, noisy ? 2 : 0);
	wire->sent[there] += len;
	wire->cut = noisy && fault == 0;
	if (noisy && !wire->cut)
		note_fault(wire, there, fault >= 128);
	at->clean = wire->clean;
	if (noisy && fault < 64) {
		len--;
	} else if (noisy && fault < 128) {
		bytes[len] = bytes[len - 1];
		len++;
	} else if (noisy) {
		bytes[len - 1] ^= (char)(1 << (fault & 7));
	}
	uucp_feed(to, bytes, len, wire->now);
	return true;
}

static void
call(struct tally *a, struct tally *b, char letter, struct wire *wire)
{
	char protocols[] = { letter, '\0' };
	int idle = 0;

	start(a, true, protocols);
	start(b, false, protocols);
	while (a->u.phase != UUCP_OVER && b->u.phase != UUCP_OVER && !wire->cut) {
		bool there = carry(wire, true, a, b), back = !wire->cut && carry(wire, false, b, a);
		if (there || back)
			continue;
		int64_t one = uucp_deadline(&a->u), other = uucp_deadline(&b->u);
		wire->now = one < other ? one : other;
		uucp_tick(&a->u, wire->now);
		uucp_tick(&b->u, wire->now);
		hold(++idle < 100000);
	}
	end(a, false);
	end(b, false);
}

/* What is told as delivered is there, and once. */
static void
told_right(const struct tally *by, const struct tally *at)
{
	for (unsigned i = 0; i < 3; i++)
		hold(at->stored[i] <= 1);
	hold(by->delivered <= at->stored[0] + at->stored[1] + at->stored[2]);
}

static void
begin_again(struct tally *tally)
{
	tally->given = tally->told = tally->accepted = tally->ended = tally->asked = 0;
	memset(tally->gave, 0, sizeof tally->gave);
	tally->tried = true;
}

static void
all_there(const struct tally *by, const struct tally *at)
{
	for (unsigned i = 0; i < 3; i++)
		hold(by->done[i] && at->stored[i] == 1);
	hold(by->delivered == 3);
}

static void
between_us(char letter, struct span faults)
{
	struct tally a = { .among_us = true, .keeps = letter == 'i' }, b = a;
	struct wire wire = { .faults = faults, .clean = true }, whole = { .clean = true };

	call(&a, &b, letter, &wire);
	if (letter != 'i' || !wire.clean)
		return;
	told_right(&a, &b);
	told_right(&b, &a);
	begin_again(&a);
	begin_again(&b);
	call(&a, &b, letter, &whole);
	all_there(&a, &b);
	all_there(&b, &a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally tally = {0};
	struct str framed = {0};

	if (size < 2)
		return 0;
	unsigned how = data[0];
	bool caller = (how & CALLER) != 0;
	char letter = letters[data[1] % (sizeof letters - 1)], one[] = { letter, '\0' };
	if ((how & WIRE) != 0 && (how & GREETED) != 0) {
		between_us(letter, (struct span){ (const char *)data + 2, size - 2 });
		return 0;
	}
	start(&tally, caller, (how & GREETED) != 0 ? one : letters);
	data++, size--;
	if ((how & GREETED) != 0) {
		greet(&tally.u, caller, letter);
		data++, size--;
	}
	if ((how & GREETED) != 0 && (how & FRAMED) != 0) {
		frame_all(caller, letter, (struct span){ (const char *)data, size }, &framed);
		data = (const uint8_t *)framed.p;
		size = framed.len;
	}
	hear(&tally.u, data, size, (how & BYTES) != 0 ? 1 : size);
	end(&tally, (how & LATE) != 0);
	str_free(&framed);
	return 0;
}
