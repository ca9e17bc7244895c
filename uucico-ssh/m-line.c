/*
 * The line: how fast it is, how much may be on its way, and whether it is still there.
 *
 * What they have consumed (SEEN, or an ACK, which says it by the way) gives the round trip
 * and the rate, behind whatever pipe or sshd swallows bytes in between.  As much may be on its
 * way as keeps the line full, and little more, so that an urgent mail need not wait for
 * megabytes in queues that are not ours.
 *
 * Silence is told from death by what is owed to us, and by how long that takes here.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/number.h"
#include "uucico-ssh/m-parts.h"

#define FLOOR (8 * CLOCK_SECOND)		/* no line is dead before */
#define QUEUE (CLOCK_SECOND / 5)		/* worth of bytes: what scheduling alone may take */
#define DELAY_MOST (2 * CLOCK_SECOND)		/* what may be none of the queues' making */
#define WHILE (10 * CLOCK_SECOND)
#define SEEN_AGAIN (CLOCK_SECOND / 10)		/* between two, before the round trip is known, and of a frame */
#define SEEN_LATE (2 * CLOCK_SECOND)		/* nothing came behind it */
#define COMMIT_RATE (4 << 20)			/* bytes a second that a slow disk syncs */

enum {
	SEEN_EACH = 1024, SEEN_MOST = 65536,
	SEEN_SOON = 16384,	/* half of their first credit */
	SEEN_FIRST = 4096,	/* often, until the round trip is known: it opens their credit */
	CREDIT_FIRST = 32768, CREDIT_LEAST = 1024,
	UNIT_LEAST = 1024, UNIT_WHOLE = M_FRAME_MAX - M_FRAME_MAX / 8, UNIT_MOST = 65536,
	TRIPS = 2, TRIPS_FASTER = 5,
	FASTER_FOR = 4,		/* round trips */
	ASK_AFTER = 16384,	/* bytes received, and no round trip known: a PING is worth it */
	SLOW = 150,		/* bytes a second; half duplex, until it was measured */
};

static int64_t
at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void
m_line_start(struct m *m)
{
	struct m_line *line = &m->own->line;

	line->heard = line->seen_at = line->told_at = line->got_at = line->while_from = m->own->now;
	m->rtt = m->config.rtt;
	m->rate = m->config.rate;
}

/* --- measuring --- */

/* What was measured counts for a while, and for one more. */
static void
a_while_passes(struct m *m)
{
	struct m_line *line = &m->own->line;

	if (m->own->now - line->while_from <= at_least(WHILE, 8 * line->smooth))
		return;
	line->best[1] = line->best[0];
	line->best[0] = 0;
	line->while_from = m->own->now;
}

static void
measured_rtt(struct m *m, int64_t rtt)
{
	struct m_line *line = &m->own->line;

	if (rtt < 1)
		rtt = 1;
	a_while_passes(m);
	if (line->smooth == 0 || m->rtt == 0 || rtt < m->rtt)
		m->rtt = rtt;
	line->smooth = line->smooth == 0 ? rtt : line->smooth + (rtt - line->smooth) / 8;
}

/* The best of the last while is what the line can do: less may be for lack of mail. */
static void
measured_rate(struct m *m, uint64_t rate)
{
	struct m_line *line = &m->own->line;

	if (rate > line->best[0])
		line->best[0] = rate;
	if (rate > m->rate + m->rate / 4)
		line->faster = m->own->now + FASTER_FOR * m->rtt;
	line->measured = true;
	m->rate = line->best[0] > line->best[1] ? line->best[0] : line->best[1];
}

void
m_line_sent(struct m *m, size_t len)
{
	struct m_line *line = &m->own->line;

	bool alone = line->sent == line->seen;
	if (alone)
		line->since = line->seen_at = m->own->now;
	line->sent += len;
	if (line->marks == M_MARKS)
		return;
	line->mark[(line->first + line->marks++) % M_MARKS] =
	    (struct m_mark_sent){ .data = line->sent, .wire = line->gone + m->out->len, .alone = alone };
}

void
m_line_taken(struct m *m)
{
	struct m_line *line = &m->own->line;

	for (size_t i = line->marks; i-- > 0;) {
		struct m_mark_sent *mark = &line->mark[(line->first + i) % M_MARKS];
		if (mark->at != 0)
			break;
		if (mark->wire > line->gone)
			continue;
		mark->at = m->own->now;
	}
	for (size_t i = 0; i < line->marks; i++) {
		struct m_mark_sent *mark = &line->mark[(line->first + i) % M_MARKS];
		if (mark->at == 0 || mark->seen_at != 0)
			continue;
		if (mark->alone)	/* the line was empty: the clock of the rate begins anew */
			line->seen_at = mark->at;
		mark->seen = line->seen;
		mark->seen_at = line->seen_at;
	}
}

void
m_seen(struct m *m, uint64_t seen)
{
	struct m_line *line = &m->own->line;
	struct m_mark_sent last = {0};

	if (seen <= line->seen)
		return;
	line->seen = seen;
	while (line->marks > 0 && line->mark[line->first].data <= seen) {
		last = line->mark[line->first];
		line->first = (line->first + 1) % M_MARKS;
		line->marks--;
	}
	if (last.at != 0 && !m->config.half_duplex) {
		int64_t took = m->own->now - last.seen_at;
		measured_rtt(m, m->own->now - last.at);
		uint64_t rate = number_share(seen - last.seen, CLOCK_SECOND, (uint64_t)at_least(took, 1000), false);
		if (!m_mix_hides(m, took, rate))
			measured_rate(m, rate);
	}
	line->since = line->seen_at;
	line->seen_at = m->own->now;
}

int
m_seen_heard(struct m *m, struct m_cursor body)
{
	uint64_t seen = m_get_v(&body);

	if (body.bad || body.left > 0 || seen > m->own->line.sent)
		return m_wrong(m, "a SEEN of what was not sent");
	m_seen(m, seen);
	return 0;
}

/* --- how much --- */

static uint64_t
burst(const struct m *m)
{
	uint64_t rate = m->rate > 0 ? m->rate : SLOW;

	return rate * (uint64_t)(m->config.burst > 0 ? m->config.burst : 1);
}

/* Two round trips of it, in one of which TCP mends what it lost.  While no word of theirs comes, or where they are that
 * slow in coming, as much as the line has had room for since the one before the last: it is to be full when that is
 * over, and a busy machine that sent less than what comes in a turn would get less in each.  A line that became faster
 * may do so again: TCP doubles what it sends in each round trip, and a word that is lost is late. */
static uint64_t
window(const struct m *m)
{
	const struct m_line *line = &m->own->line;
	uint64_t most = m->own->peer.credit, want = CREDIT_FIRST;
	int64_t time = at_most(m->own->now - line->since, DELAY_MOST);

	if (m->own->now < line->faster)
		time = at_least(TRIPS_FASTER * m->rtt, DELAY_MOST);
	if (m->rate > 0 && m->rtt > 0)
		want = CREDIT_LEAST + number_share(m->rate, (uint64_t)at_least(at_least(time, TRIPS * m->rtt), QUEUE), CLOCK_SECOND, false);
	return want < most ? want : most;
}

/* Bytes that may go now; a few are none, or frames would become small and many. */
uint64_t
m_credit(const struct m *m)
{
	const struct m_parts *own = m->own;
	uint64_t out = own->line.sent - own->line.seen, may = m->config.half_duplex ? burst(m) : window(m);
	uint64_t used = m->config.half_duplex ? own->floor_bytes : out;

	if (used >= may)
		return 0;
	uint64_t left = may - used, unit = m_unit(m);
	return out > 0 && left < unit && left < may / 4 ? 0 : left;
}

/* A quarter of a second, but enough of it that compression is not for nothing; more than a frame only as frames
 * of a sixteenth: a piece gives nothing before all of it is there, and what is there of one when the line is cut
 * comes again. */
size_t
m_unit(const struct m *m)
{
	uint64_t unit = m->rate / 4;

	if (unit > UNIT_WHOLE)
		unit = m->rate / 16 < 2 * UNIT_WHOLE ? UNIT_WHOLE : m->rate / 16;
	return unit < UNIT_LEAST ? UNIT_LEAST : unit > UNIT_MOST ? UNIT_MOST : (size_t)unit;
}

/* --- what we owe --- */

/* Between two SEEN: half a round trip. */
static int64_t
seen_pause(const struct m *m, bool frame)
{
	return m->rtt > 0 ? at_most(at_least(m->rtt / 2, CLOCK_SECOND / 50), frame ? SEEN_AGAIN : CLOCK_SECOND) : SEEN_AGAIN;
}

static int64_t
seen_at(const struct m *m)
{
	const struct m_line *line = &m->own->line;
	uint64_t owed = line->got - line->told, most = m->rtt > 0 ? SEEN_MOST : SEEN_FIRST;

	bool soon = m_mix_commit_at(m) > m->own->now;	/* then an ACK says it */
	if (owed == 0 || m->config.half_duplex || (soon && owed < SEEN_SOON))
		return INT64_MAX;
	if (owed < SEEN_EACH)
		return line->got_at + SEEN_LATE;
	return owed >= most || owed >= m->config.credit / 4 ? 0 : line->told_at + seen_pause(m, owed >= UNIT_WHOLE);
}

static void
say_seen(struct m *m)
{
	struct m_line *line = &m->own->line;
	struct str body = {0};

	m_put_v(&body, line->got);
	m_frame(m, M_SEEN, str_span(&body));
	str_free(&body);
	line->told = line->got;
	line->told_at = m->own->now;
}

void
m_line_control(struct m *m, bool anything)
{
	struct m_line *line = &m->own->line;
	unsigned char token[4];

	if (line->pong)
		m_frame(m, M_PONG, (struct span){ (const char *)line->pong_token, sizeof line->pong_token });
	line->pong = false;
	if (line->ping && !line->pinged) {
		random_bytes(token, sizeof token);
		memcpy(&line->token, token, sizeof token);
		m_frame(m, M_PING, (struct span){ (const char *)token, sizeof token });
		line->pinged = true;
		line->pinged_at = m->own->now;
	}
	line->ping = false;
	bool rides = anything && line->got - line->told >= SEEN_EACH && !m->config.half_duplex;
	if (rides || m->own->now >= seen_at(m))
		say_seen(m);
}

int
m_ping_heard(struct m *m, struct m_cursor body)
{
	const unsigned char *token = m_get_bytes(&body, sizeof m->own->line.pong_token);

	if (token == NULL || body.left > 0)
		return m_wrong(m, "a token that cannot be");
	memcpy(m->own->line.pong_token, token, sizeof m->own->line.pong_token);
	m->own->line.pong = true;
	return 0;
}

int
m_pong_heard(struct m *m, struct m_cursor body)
{
	struct m_line *line = &m->own->line;
	const unsigned char *token = m_get_bytes(&body, sizeof line->token);

	if (token == NULL || body.left > 0)
		return m_wrong(m, "a token that cannot be");
	if (line->pinged && memcmp(token, &line->token, sizeof line->token) == 0) {
		line->pinged = false;
		measured_rtt(m, m->own->now - line->pinged_at);
	}
	return 0;
}

/* --- signs of life --- */

static bool
owes(const struct m *m)
{
	const struct m_parts *own = m->own;

	return !m->met || own->line.sent > own->line.seen || own->line.pinged || own->did_due > 0 ||
	    m_unacked(m) || (own->said && !own->heard && own->end != M_BYE_DONE) ||
	    (m->config.half_duplex && !own->floor);
}

/* How long a silence may last that somebody owes us a word in. */
static int64_t
patience(const struct m *m)
{
	const struct m_line *line = &m->own->line;
	uint64_t out = line->sent - line->seen;
	int64_t most = m->config.timeout * CLOCK_SECOND, wait;

	if (m->config.half_duplex)
		return most + m->config.burst * CLOCK_SECOND;
	if (line->smooth == 0 && m->config.rtt == 0)
		return most;
	wait = line->smooth > 0 ? 3 * m->rtt + line->smooth : 10 * m->config.rtt;
	if (m->rate > 0)
		wait += (int64_t)number_share(2 * out, CLOCK_SECOND, m->rate, false);
	/* They have it all, or nearly, and say nothing while they write it to a disk. */
	for (size_t i = 0; i < m->own->sendings; i++)
		if (m->own->sending[i]->sent)
			wait += (int64_t)(m->own->sending[i]->object.length / COMMIT_RATE) * CLOCK_SECOND;
	return at_most(at_least(wait, FLOOR), most);
}

/* When a word of theirs would be a comfort. */
static int64_t
ping_due(const struct m *m)
{
	const struct m_parts *own = m->own;
	const struct m_line *line = &own->line;

	if (m->config.half_duplex || line->pinged || !own->greeted || (own->said && own->heard))
		return INT64_MAX;
	if (m_awaits(m) || own->said)
		return line->heard + (m->rtt > 0 ? at_least(2 * m->rtt, 2 * CLOCK_SECOND) : 10 * CLOCK_SECOND);
	return m->config.keepalive > 0 ? line->heard + m->config.keepalive * CLOCK_SECOND : INT64_MAX;
}

static int64_t
dead_at(const struct m *m)
{
	const struct m_line *line = &m->own->line;
	int64_t until = INT64_MAX;

	if (line->owed != 0)
		until = at_least(line->heard, line->owed) + patience(m);
	if (line->frame != 0)
		until = at_most(until, line->frame + m->config.timeout * CLOCK_SECOND);
	return until;
}

int64_t
m_line_deadline(const struct m *m)
{
	int64_t until = at_most(dead_at(m), at_most(ping_due(m), seen_at(m)));

	/* window() grows while something is on its way */
	return m->own->line.marks == 0 || m->config.half_duplex ? until : at_most(until, m->own->now + QUEUE / 4);
}

void
m_line_owed(struct m *m)
{
	struct m_line *line = &m->own->line;

	if (!owes(m))
		line->owed = 0;
	else if (line->owed == 0)
		line->owed = m->own->now;
}

void
m_line_tick(struct m *m)
{
	struct m_line *line = &m->own->line;
	int64_t now = m->own->now;

	m_line_owed(m);
	if (now >= dead_at(m)) {
		/* What an earlier call measured was all that said so, and the line may have changed since:
		 * the next call waits for as long as is set. */
		if (line->smooth == 0)
			m->rtt = 0, m->rate = 0;
		m_fail(m, M_BYE_STOP, ERR_TEMP, "the line is dead: nothing came for %lld s",
		    (long long)((now - line->heard) / CLOCK_SECOND));
		return;
	}
	bool ask = m->rtt == 0 && line->got >= ASK_AFTER && !line->pinged && !m->config.half_duplex;
	if (ask || now >= ping_due(m))
		line->ping = true;
}
