/*
 * Protocol m against a peer that says anything.  The first byte is what we do:
 *
 *	1	we are the caller
 *	2	we hear it byte by byte
 *	4	at the end time passes, instead of the line closing
 *	8	the rest is frames (type, length in two bytes, body), whose checks are made good
 *	16	half duplex
 *	32	the rest is what happens to the wire between two ends of ours: how many bytes pass,
 *		and what the next one is turned over by; 0 cuts it
 *	64	there is history
 *	128	and the model of mix
 *
 * Held: every object of ours has its fate once, every one of theirs is committed, refused or
 * dropped once (the store of the unit test looks after that), what is committed has its
 * name, memory stays small, and the end comes.  Between two ends of ours nothing comes twice
 * or wrong, nothing is told as stored that is not, and the next call brings all.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/m-ends.h"

enum { CALLER = 1, BYTES = 2, LATE = 4, FRAMED = 8, HALF = 16, WIRE = 32, WARM = 64, MIXED = 128 };
enum { OUT_MAX = 1 << 20, TURNS = 100000 };

static struct end us, they;

static void
hold(bool true_thing)
{
	if (!true_thing)
		abort();
}

static void
set_up(struct end *end, const char *name, unsigned flags)
{
	end_make(end, name);
	end->config.level = 1;
	end->config.window = 1 << 17;
	end->config.half_duplex = (flags & HALF) != 0;
	end->config.burst = 10;
	end->config.mix = (flags & MIXED) != 0 ? M_MIX_ALWAYS : M_MIX_NEVER;
	end->config.max_object = 100000;
	end_mail(end, 400, 'N', 1);
	end_mail(end, 3000, 'A', 2);
	end_mail(end, 0, 'N', 3);
	end->thing[0].object.stream = false;
}

static void
ended(const struct end *end)
{
	for (size_t i = 0; i < end->things; i++)
		hold(end->thing[i].fates == end->thing[i].given);
	for (size_t i = 0; i < PARTS; i++)
		hold(!end->part[i].open);
	for (size_t i = 0; i < end->gots; i++) {
		unsigned char sum[DIGEST_SIZE];
		digest_of(end->got[i].bytes.p, end->got[i].bytes.len, sum);
		hold(memcmp(sum, end->got[i].name, M_NAME) == 0);
	}
}

/* --- a stranger --- */

static void
fill(int64_t now)
{
	m_commit(&us.m, now);
	m_fill(&us.m, now);
	hold(us.out.len < OUT_MAX);
	if (!us.m.over)
		m_taken(&us.m, us.out.len, now);
}

static void
hear(const void *bytes, size_t len, size_t step, int64_t *now)
{
	for (size_t at = 0; at < len && !us.m.over; at += step) {
		m_feed(&us.m, (const char *)bytes + at, len - at < step ? len - at : step, *now);
		fill(*now += 1000);
	}
}

static void
frames(const uint8_t *data, size_t size, size_t step, int64_t *now)
{
	uint32_t check = 0;

	while (size >= 3 && !us.m.over) {
		size_t len = (size_t)data[1] << 8 | data[2];
		struct str frame = {0};
		len = 3 + len < size ? 3 + len : size;
		str_add(&frame, data, len);
		frame.p[1] = (char)((len - 3) >> 8);
		frame.p[2] = (char)(len - 3);
		check = (uint32_t)crc32(check, (const unsigned char *)frame.p, (unsigned)len);
		for (int shift = 24; shift >= 0; shift -= 8)
			str_add_char(&frame, (char)(check >> shift));
		hear(frame.p, frame.len, step, now);
		str_free(&frame);
		data += len;
		size -= len;
	}
}

static void
to_the_end(unsigned flags, int64_t *now)
{
	for (unsigned turns = 0; (flags & LATE) != 0 && !us.m.over; turns++) {
		int64_t due = m_deadline(&us.m);
		hold(turns < TURNS && due < INT64_MAX);
		*now = due > *now ? due : *now;
		m_tick(&us.m, *now);
		fill(*now);
	}
	m_eof(&us.m, *now);
	hold(us.m.over);
}

static void
stranger(unsigned flags, const uint8_t *data, size_t size)
{
	int64_t now = CLOCK_SECOND;
	size_t step = (flags & BYTES) != 0 ? 1 : 100000;

	end_begin(&us, (flags & CALLER) != 0, now);
	fill(now);
	if ((flags & FRAMED) != 0)
		frames(data, size, step, &now);
	else
		hear(data, size, step, &now);
	to_the_end(flags, &now);
	end_stop(&us);
	ended(&us);
}

/* --- among us --- */

struct wire {
	const uint8_t *faults;
	size_t left, until;
	bool cut;
};

static void
next_fault(struct wire *wire)
{
	wire->until = SIZE_MAX;
	if (wire->left < 2)
		return;
	wire->until = wire->faults[0];
}

static bool
carry(struct wire *wire, struct end *from, struct end *to, int64_t now)
{
	m_commit(&from->m, now);
	m_fill(&from->m, now);
	hold(from->out.len < OUT_MAX);
	struct str bytes = {0};
	str_add_span(&bytes, str_span(&from->out));
	m_taken(&from->m, from->out.len, now);
	str_clear(&from->out);
	for (size_t i = 0; i < bytes.len && !wire->cut; i++) {
		if (wire->until-- > 0)
			continue;
		wire->cut = wire->faults[1] == 0;
		bytes.p[i] ^= (char)wire->faults[1];
		if (wire->cut)
			bytes.len = i;
		wire->faults += 2;
		wire->left -= 2;
		next_fault(wire);
	}
	m_feed(&to->m, bytes.p, bytes.len, now);
	bool moved = bytes.len > 0;
	str_free(&bytes);
	return moved;
}

static void
told_right(const struct end *from, const struct end *to)
{
	hold(end_arrived(from, to) >= 0);
	for (size_t i = 0; i < from->things; i++) {
		bool there = false;
		for (size_t n = 0; n < to->gots; n++)
			there |= memcmp(to->got[n].name, from->thing[i].object.name, M_NAME) == 0;
		hold(there || !from->thing[i].done);
	}
}

static void
among_us(unsigned flags, const uint8_t *data, size_t size)
{
	struct wire wire = { .faults = data, .left = size };
	int64_t now = CLOCK_SECOND;

	set_up(&they, "they", flags);
	if ((flags & WARM) != 0) {
		hold(line_until_done(&us, &they, 1));
		end_mail(&us, 700, 'N', 1);
		end_mail(&they, 700, 'N', 1);
	}
	next_fault(&wire);
	end_begin(&us, true, now);
	end_begin(&they, false, now);
	for (bool moved = true; moved && !wire.cut;) {
		moved = carry(&wire, &us, &they, now);
		moved |= carry(&wire, &they, &us, now);
		now += 1000;
	}
	m_eof(&us.m, now);
	m_eof(&they.m, now);
	hold(us.m.over && they.m.over);
	if ((flags & LATE) != 0)
		end_crash(&us);
	end_stop(&us);
	end_stop(&they);
	ended(&us);
	ended(&they);
	told_right(&us, &they);
	told_right(&they, &us);
	hold(line_until_done(&us, &they, 3));
	hold(end_arrived(&us, &they) == (int)us.things && end_arrived(&they, &us) == (int)they.things);
	end_free(&they);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	unsigned flags = data[0];
	set_up(&us, "us", flags);
	if ((flags & WIRE) != 0)
		among_us(flags, data + 1, size - 1);
	else
		stranger(flags, data + 1, size - 1);
	end_free(&us);
	return 0;
}
