#include "uucico-ssh/m.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/number.h"
#include "uucico-ssh/m-parts.h"

#define LINGER (CLOCK_SECOND / 2)	/* and two round trips: for ACKs behind both BYEs */

enum { TIMEOUT = 60, WINDOW_LEAST = 1 << M_WINDOW_LOG_MIN };

/* --- the end --- */

/* Both said goodbye: what became of the last of ours has time until the line is closed. */
static bool
parts(const struct m *m)
{
	return m->own->said && m->own->heard;
}

static void
finish(struct m *m)
{
	if (m->over)
		return;
	m->over = true;
	m_send_end(m);
	m_take_end(m);
	if (!parts(m))
		m_settle(m);
}

static void
say_bye(struct m *m, enum m_bye why, const char *text)
{
	struct str body = {0};

	if (m->own->said)
		return;
	str_add_char(&body, (char)why);
	str_add_span(&body, span_to(span_of(text), M_TEXT_MAX));
	m_frame(m, M_BYE, str_span(&body));
	str_free(&body);
	m->own->said = true;
	m->said = why;
}

int
m_fail(struct m *m, enum m_bye why, enum err_kind kind, const char *format, ...)
{
	char text[400];
	va_list args;

	if (m->over)
		return -1;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	err_set(&m->err, kind, "%s", text);
	if (m->own->greeted && (!m->config.half_duplex || m->own->floor))
		say_bye(m, why, text);
	finish(m);
	return -1;
}

int
m_wrong(struct m *m, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (m->over)
		return -1;
	m_fail(m, M_BYE_PROTOCOL, ERR_TEMP, "%s", text);
	err_as(&m->err, EX_PROTOCOL, NULL);
	return err_prefix(&m->err, "the far end broke the protocol");
}

/* Our trouble is nothing that the far end need know more of. */
int
m_hook_failed(struct m *m, const struct err *err)
{
	if (m->over) {
		if (m->err.kind == ERR_NONE)
			m->err = *err;
		return -1;
	}
	m->err = *err;
	if (m->own->greeted && (!m->config.half_duplex || m->own->floor))
		say_bye(m, M_BYE_STOP, "");
	finish(m);
	return -1;
}

void
m_stop(struct m *m, const struct err *why)
{
	if (m->over)
		return;
	if (m->err.kind == ERR_NONE)
		m->err = *why;
	finish(m);
}

void
m_end(struct m *m, enum m_bye why)
{
	struct m_parts *own = m->own;

	if (why == M_BYE_DONE)
		own->enough = true;
	else if (!own->ending) {
		own->ending = true;
		own->end = why;
	}
}

/* Both have said BYE, and no word of ours or theirs is missing. */
static void
part(struct m *m)
{
	struct m_parts *own = m->own;

	if (m->over || !parts(m))
		return;
	if (own->linger == 0)
		own->linger = own->now + 2 * m->rtt + LINGER;
	bool waits = m->out->len > 0 || own->readies > 0 || (m_unacked(m) && !m->config.half_duplex);
	int64_t until = own->linger + (m->out->len > 0 ? m->config.timeout * CLOCK_SECOND : 0);
	if (!waits || own->now >= until)
		finish(m);
}

void
m_eof(struct m *m, int64_t now)
{
	struct m_parts *own = m->own;

	if (m->over)
		return;
	own->now = now;
	m_frames_held(m, true);
	m_take_commit(m);	/* so that it need not come again */
	if (m->over)
		return;
	if (own->heard && own->sendings == 0) {
		finish(m);
		return;
	}
	if (!own->said || !own->heard)
		err_set(&m->err, ERR_TEMP, m->met ? "the line dropped in the middle of the call" :
		    "the line dropped before a word of m came");
	finish(m);
}

/* --- what comes --- */

static int
turn_heard(struct m *m, struct m_cursor body)
{
	struct m_parts *own = m->own;

	if (!m->config.half_duplex || own->floor || body.left > 0)
		return m_wrong(m, "a TURN that is none");
	own->floor = true;
	own->floor_from = own->now;
	own->floor_bytes = 0;
	own->spoke = false;
	m->turns++;
	m_seen(m, own->line.sent);
	return 0;
}

static int
bye_heard(struct m *m, struct m_cursor body)
{
	struct m_parts *own = m->own;
	unsigned why = (unsigned)m_get_number(&body, 1);
	struct span text = { (const char *)body.p, body.left };

	if (body.bad || text.len > M_TEXT_MAX || !m_printable(text))
		return m_wrong(m, "a BYE that cannot be");
	own->heard = true;
	m->heard = (enum m_bye)why;
	if (m->config.half_duplex && !own->floor && !own->said) {	/* it gives the floor with it */
		struct m_cursor none = {0};
		turn_heard(m, none);
		m->turns--;
	}
	if (why == M_BYE_DONE)
		return 0;
	m_end(m, why == M_BYE_STOP || why == M_BYE_BUDGET ? (enum m_bye)why : M_BYE_STOP);
	if (why == M_BYE_STOP || why == M_BYE_BUDGET)
		return 0;
	struct str said = {0};
	str_add_span(&said, text);
	err_set(&m->err, why == M_BYE_VERSION ? ERR_CONFIG : ERR_TEMP, "the far end gave up (%u): %s", why,
	    str_c(&said));
	err_as(&m->err, EX_PROTOCOL, NULL);
	str_free(&said);
	m_take_commit(m);
	finish(m);
	return -1;
}

static const struct {
	int (*heard)(struct m *m, struct m_cursor body);
	bool after;		/* their BYE */
	const char *name;
} types[] = {
	[M_HELLO] = { m_hello_heard, false, "HELLO" },
	[M_STREAM] = { m_stream_heard, false, "STREAM" },
	[M_OPEN] = { m_open_heard, false, "OPEN" },
	[M_DATA] = { m_data_heard, false, "DATA" },
	[M_ACK] = { m_ack_heard, true, "ACK" },
	[M_DID] = { m_did_heard, true, "DID" },	/* it answers our HELLO */
	[M_SEEN] = { m_seen_heard, true, "SEEN" },
	[M_NOREF] = { m_noref_heard, true, "NOREF" },
	[M_PING] = { m_ping_heard, true, "PING" },
	[M_PONG] = { m_pong_heard, true, "PONG" },
	[M_TURN] = { turn_heard, true, "TURN" },
	[M_BYE] = { bye_heard, false, "BYE" },
};

void
m_show(const struct m *m, bool ours, unsigned type, size_t len)
{
	if (type > 0 && type < M_TYPES)
		shown_text(&m->config.shown, ours, "%s (%zu bytes)", types[type].name, len);
	else
		shown_text(&m->config.shown, ours, "a frame of type %u (%zu bytes)", type, len);
}

int
m_heard(struct m *m, unsigned type, struct m_cursor body)
{
	struct m_parts *own = m->own;

	m_show(m, false, type, body.left);
	if (!m->met && type != M_HELLO && type != M_BYE)
		return m_wrong(m, "no HELLO first");
	if (m->config.half_duplex && own->floor)
		return m_wrong(m, "it spoke while the floor was ours");
	if (type == 0 || type >= M_TYPES)
		return (type & M_OPTIONAL) != 0 ? 0 : m_wrong(m, "a frame of type %u", type);
	if (own->heard && !types[type].after)
		return m_wrong(m, "a frame of type %u behind its BYE", type);
	return types[type].heard(m, body);
}

/* Half duplex: how long our burst was on its way says how fast the line is. */
static void
measure_burst(struct m *m)
{
	struct m_parts *own = m->own;
	int64_t took = own->now - own->floor_from;

	if (!m->config.half_duplex || own->floor || own->burst < M_BURST_TOLD || took <= 0)
		return;
	m->rate = number_share(own->burst, CLOCK_SECOND, (uint64_t)took, false);
	own->burst = 0;
}

void
m_feed(struct m *m, const void *bytes, size_t len, int64_t now)
{
	if (m->over || len == 0)
		return;
	m->own->now = now;
	m->own->line.heard = now;
	measure_burst(m);
	m_frames(m, (struct span){ bytes, len });
	if (!m->over && !m_idle(m))	/* else it may be that BYE goes first: they wait for it, and not for our disk */
		m_settle(m);
	part(m);
}

void
m_commit(struct m *m, int64_t now)
{
	if (m->over)
		return;
	m->own->now = now;
	if (now >= m_mix_commit_at(m))
		m_take_commit(m);
}

/* --- what goes --- */

bool
m_sends(const struct m *m)
{
	const struct m_parts *own = m->own;

	return !m->over && !own->ending && !own->said && (!m->config.half_duplex || own->floor);
}

static bool
stays(const struct m *m)
{
	const struct m_parts *own = m->own;

	return (m->config.stay || own->peer.stay) && !own->heard && !own->enough;
}

bool
m_idle(const struct m *m)
{
	const struct m_parts *own = m->own;

	return m->met && own->did_due == 0 && own->dry && own->sendings == 0 && own->takings == 0 &&
	    own->acks.len == 0 && !own->works;
}

bool
m_stands(const struct m *m)
{
	return m->met && !m->over && stays(m);
}

static bool
done(const struct m *m)
{
	const struct m_parts *own = m->own;

	for (size_t i = 0; i < M_CLASSES_MAX; i++)
		if (own->did_owed[i])
			return false;
	return m_idle(m) && own->dry_tried && !own->more_follows && !stays(m);
}

/* A caller who knows that nothing of ours waits does not wait for their HELLO to say so. */
static bool
has_nothing(const struct m *m)
{
	const struct m_parts *own = m->own;

	return m->config.nothing && m->config.caller && !m->met && !m->config.half_duplex && !m->config.stay &&
	    own->greeted && own->dry && own->sendings == 0;
}

static void
say_end(struct m *m)
{
	struct m_parts *own = m->own;

	if (own->said || m->out->len >= M_OUT_MAX)
		return;
	if (own->ending)
		say_bye(m, own->end, "");
	else if (done(m) || has_nothing(m))
		say_bye(m, M_BYE_DONE, "");
}

/* Half duplex: BYE gives the floor by itself; who has nothing to say yet, or in a standing call, keeps
 * it for a while. */
static void
give_floor(struct m *m)
{
	struct m_parts *own = m->own;
	int64_t until = own->floor_from + m->config.burst * CLOCK_SECOND;
	bool rests = (own->works || (stays(m) && m_idle(m))) && !own->spoke && own->now < until;

	if (!m->config.half_duplex || rests || m->out->len >= M_OUT_MAX || (own->heard && own->said && !own->spoke))
		return;
	if (!own->said || own->said_before)
		m_frame(m, M_TURN, (struct span){0});
	m->turns += !own->said || own->said_before;
	own->said_before = own->said;
	own->burst = own->floor_bytes;
	own->floor = false;
}

/* What takes long is done a step in each turn, so that the line is served in between. */
static void
work(struct m *m)
{
	struct m_parts *own = m->own;
	struct err err = {0};

	own->works = false;
	if (m->over || own->ending || own->said)
		return;
	own->works = m_send_checks(m);
	int got = m->over ? 0 : m->hooks->work(m->arg, &err);
	own->works = own->works || got > 0;
	if (got < 0)
		m_hook_failed(m, &err);
}

static void
speak(struct m *m)
{
	size_t before = m->out->len;

	if (!m->own->greeted)
		m_hello_say(m);
	if (m->out->len < M_OUT_MAX) {
		m_did_say(m);
		m_take_say(m);
		m_line_control(m, m->out->len > before);
	}
	m_send(m);
}

void
m_fill(struct m *m, int64_t now)
{
	struct m_parts *own = m->own;

	if (m->over)
		return;
	own->now = now;
	m_mix_clock(m, false);
	m_mix_prepare(m);
	if (m_frames_held(m, false) < 0 || m->over)
		return;
	bool speaks = !m->config.half_duplex || own->floor;	/* they may have given it */
	if (speaks)
		speak(m);
	work(m);
	if (!m->over && speaks)
		say_end(m);
	if (!m->over && speaks)
		give_floor(m);
	if (!m->over && !parts(m))
		m_settle(m);
	m_line_owed(m);
	part(m);
}

void
m_taken(struct m *m, size_t len, int64_t now)
{
	str_cut(m->out, len);
	m->own->now = now;
	m_mix_clock(m, true);
	m->own->line.gone += len;
	m_line_taken(m);
	part(m);
}

/* --- time --- */

static int64_t
own_deadline(const struct m *m)
{
	const struct m_parts *own = m->own;
	int64_t until = INT64_MAX;

	if (own->linger != 0)
		until = own->linger + (m->out->len > 0 ? m->config.timeout * CLOCK_SECOND : 0);

	if (m->config.secs > 0 && !own->ending && own->began + m->config.secs * CLOCK_SECOND < until)
		until = own->began + m->config.secs * CLOCK_SECOND;
	int64_t burst = own->floor_from + m->config.burst * CLOCK_SECOND;
	if (m->config.half_duplex && own->floor && burst < until && burst > own->now)
		until = burst;
	return until;
}

int64_t
m_deadline(const struct m *m)
{
	int64_t own = own_deadline(m), line = m_line_deadline(m), commit = m_mix_commit_at(m);

	if (m->own->works || m_mix_due(m) || m_holds_back(m) > 0)
		return m->own->now;
	if (commit > 0 && commit < own)
		own = commit;
	return own < line ? own : line;
}

void
m_tick(struct m *m, int64_t now)
{
	struct m_parts *own = m->own;

	if (m->over)
		return;
	own->now = now;
	if (m->config.secs > 0 && now >= own->began + m->config.secs * CLOCK_SECOND)
		m_end(m, M_BYE_BUDGET);
	m_line_tick(m);
	part(m);
}

bool
m_silent(const struct m *m)
{
	return m->config.half_duplex && !m->own->floor;
}

void
m_more(struct m *m)
{
	m->own->dry = m->own->dry_tried = m->own->more_follows = false;
}

/* --- the beginning --- */

void
m_start(struct m *m, const struct m_config *config, const struct m_hooks *hooks, void *arg,
    struct str *out, int64_t now)
{
	*m = (struct m){ .config = *config, .hooks = hooks, .arg = arg, .out = out };
	struct m_parts *own = m->own = mem_get(sizeof *own);

	if (m->config.timeout <= 0)
		m->config.timeout = TIMEOUT;
	if (m->config.credit == 0)
		m->config.credit = M_CREDIT;
	if (m->config.window < WINDOW_LEAST)
		m->config.window = WINDOW_LEAST;
	own->now = own->began = own->floor_from = now;
	own->peer = (struct m_peer){ .credit = M_CREDIT, .window_log = M_WINDOW_LOG, .until = INT64_MAX };
	own->floor = m->config.caller;
	m->mix_theirs = m->config.mix_theirs;
	m_line_start(m);
}

void
m_free(struct m *m)
{
	if (m->own == NULL)
		return;
	finish(m);
	m_settle(m);
	m_stream_free(m);
	str_free(&m->own->in);
	str_free(&m->own->held);
	str_free(&m->own->acks);
	free(m->own);
	m->own = NULL;
}
