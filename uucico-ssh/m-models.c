/* The models that are kept, as the engine and a call ask for them. */
#include "uucico-ssh/m-call.h"
#include "uucico-ssh/m-early.h"
#include "uucico-ssh/m-taught.h"

static bool
hook_kept(void *arg, const char *class, bool ours, struct m_kept *kept)
{
	struct m_call *c = arg;
	struct taught *taught = ours ? &c->out.taught : &c->in.taught;
	enum ring_way way = ours ? RING_TO : RING_FROM;

	if (!m_early_has(ours ? c->out.early : c->in.early, class, kept))
		return m_taught_find(taught, c->spool, c->site, way, class, kept);
	/* Of acknowledgements that were lost the ring may learn yet: then it is from here that they are gone on to. */
	if (ours && taught->map == NULL)
		m_taught_open(taught, c->spool, c->site, way, class);
	return true;
}

static struct mix *
hook_made(void *arg, bool ours, struct span past, size_t taught)
{
	struct m_call *c = arg;
	return m_early_made(ours ? c->out.early : c->in.early, past, taught);
}

static const struct m_models models = { .kept = hook_kept, .made = hook_made };

const struct m_models *
m_call_models(void)
{
	return &models;
}

/* Who is called hears what the line is like with the first words; who calls and does not know it yet takes it for
 * one that is slow enough.  So it does with one that only disks may have made look so. */
void
m_call_early(struct m_call *c, bool caller)
{
	const struct m_peer_memory *known = &c->memory;
	int64_t far = known->rtt > 0 ? known->rtt : INT64_MAX;

	if (known->slow || m_call_mix(c->site, caller, known->rate, far) == M_MIX_NEVER)
		return;
	c->out.early = m_early_begin(c->spool, c->site, RING_TO, M_MIX_WORTH);
	if (caller)
		c->in.early = m_early_begin(c->spool, c->site, RING_FROM, 0);
}
