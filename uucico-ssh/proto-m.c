/*
 * Protocol m inside a UUCP conversation: it takes over behind the U, or, with an optimistic
 * caller, writes behind its own U before the far end has said a word.
 */
#include "uucico-ssh/proto.h"

#include <stdlib.h>

static void
counted(struct uucp *u)
{
	const struct m *m = u->m;

	u->jobs_out = m->objects_out;
	u->jobs_in = m->objects_in;
	u->bytes_out = m->bytes_out;
	u->bytes_in = m->bytes_in;
	if (!m->over || u->phase == UUCP_OVER)
		return;
	u->phase = UUCP_TALK;	/* where it got, also when it was ahead of the handshake */
	uucp_stop(u, &m->err);
}

static void
begin(struct uucp *u)
{
	if (u->m != NULL)
		return;
	u->m = mem_get(sizeof *u->m);
	struct m_config config = *u->config.m;
	if (u->grade != 0 && (config.grade == 0 || u->grade < config.grade))
		config.grade = u->grade;	/* what the caller said in the handshake */
	config.caller = u->config.caller;
	config.shown = u->config.shown;
	if (u->rtt > 0 && (config.rtt == 0 || u->rtt < config.rtt))
		config.rtt = u->rtt;
	m_start(u->m, &config, u->config.m_hooks, u->config.m_arg, &u->out, u->now);
}

static void
feed(struct uucp *u, struct span bytes)
{
	m_feed(u->m, bytes.p, bytes.len, u->now);
	counted(u);
}

static void
eof(struct uucp *u)
{
	m_eof(u->m, u->now);
	counted(u);
}

static void
fill(struct uucp *u)
{
	if (!m_silent(u->m) && u->held.len > 0) {
		str_add_span(&u->out, str_span(&u->held));
		str_clear(&u->held);
	}
	m_commit(u->m, u->now);
	m_fill(u->m, u->now);
	counted(u);
}

static void
taken(struct uucp *u, size_t len)
{
	m_taken(u->m, len, u->now);
	counted(u);
}

static int64_t
deadline(const struct uucp *u)
{
	return m_deadline(u->m);
}

static void
tick(struct uucp *u)
{
	m_tick(u->m, u->now);
	counted(u);
}

static void
stop(struct uucp *u)
{
	if (u->m != NULL)
		m_stop(u->m, &u->err);
	str_add_span(&u->out, str_span(&u->held));	/* a refusal, where the floor was never ours */
	str_clear(&u->held);
}

static void
end(struct uucp *u)
{
	if (u->m == NULL)
		return;
	m_free(u->m);
	free(u->m);
	u->m = NULL;
}

static const struct uucp_talk m_talk = {
	.feed = feed, .eof = eof, .fill = fill, .taken = taken, .deadline = deadline, .tick = tick, .stop = stop,
};

const struct uucp_proto uucp_proto_m = {
	.letter = 'm', .talk = &m_talk, .start = begin, .free = end,
};
