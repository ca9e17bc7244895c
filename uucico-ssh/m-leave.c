/* The end of a call takes a turn of the line, in which whoever got mail has nothing to do but to settle it. */
#include "lib/base/clock.h"
#include "uucico-ssh/m-parts.h"

#define QUIET (CLOCK_SECOND / 500)	/* at least, and an eighth of a turn: else more may be on its way */

int64_t
m_leaves_at(const struct m *m)
{
	const struct m_parts *own = m->own;
	int64_t quiet = m->rtt / 8;

	if (m->over || !own->said || own->readies > 0 || m->out->len > 0 || m->config.half_duplex || !m_idle(m))
		return 0;
	return own->line.heard + (quiet > QUIET ? quiet : QUIET);
}
