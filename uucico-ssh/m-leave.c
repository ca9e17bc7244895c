/*
 * The end of a call takes a turn of the line, in which whoever got mail has nothing to do but to settle it.  The line
 * is not served meanwhile, so what would take long waits until it is closed.
 */
#include "lib/base/clock.h"
#include "uucico-ssh/m-parts.h"

enum { AT_ONCE = 64 };			/* mails that are settled while they wait for us */
#define QUIET (CLOCK_SECOND / 500)	/* at least, and an eighth of a turn: else more may be on its way */

int64_t
m_leaves_at(const struct m *m, uint64_t unsettled)
{
	const struct m_parts *own = m->own;
	int64_t quiet = m->rtt / 8;

	if (unsettled == 0 || unsettled > AT_ONCE || m->over || m->config.half_duplex || !own->said || own->readies > 0 ||
	    m->out->len > 0 || !m_idle(m))
		return 0;
	return own->line.heard + (quiet > QUIET ? quiet : QUIET);
}
