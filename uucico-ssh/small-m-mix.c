/* The model in place of zstd: its tables take 15 to 60 MiB each way, so it is not offered, and nothing comes by it.
 * Nor are zstd's own made larger for a backlog. */
#include "uucico-ssh/m-parts.h"

bool
m_mix_offers(const struct m *m)
{
	(void)m;
	return false;
}

bool
m_mix_hears(struct span models)
{
	(void)models;
	return false;
}

bool
m_mix_takes(const struct m *m, const struct m_sending *s)
{
	(void)m;
	(void)s;
	return false;
}

bool
m_mix_pays(const struct m *m, const struct m_sending *s)
{
	return m_mix_takes(m, s);
}

bool
m_much_waits(const struct m *m)
{
	(void)m;
	return false;
}

size_t
m_mix_past(const struct m *m)
{
	(void)m;
	return 0;
}

bool
m_mix_hides(const struct m *m, int64_t took, uint64_t rate)
{
	(void)m;
	(void)took;
	(void)rate;
	return false;
}

unsigned
m_mix_begin(struct m *m, struct span past)
{
	(void)m;
	(void)past;
	return 0;
}

int
m_mix_follow(struct m *m, unsigned log, uint64_t taught, struct span past)
{
	(void)log;
	(void)taught;
	(void)past;
	return m_lost(m);
}

void
m_mix_prepare(struct m *m)
{
	(void)m;
}

bool
m_mix_due(const struct m *m)
{
	(void)m;
	return false;
}

bool
m_mix_holds(const struct m *m)
{
	(void)m;
	return false;
}

void
m_mix_clock(struct m *m, bool taken)
{
	(void)m;
	(void)taken;
}

int
m_mix_pack(struct m *m, struct span bytes, bool all, struct str *to)
{
	(void)m;
	(void)bytes;
	(void)all;
	(void)to;
	return 1;
}

int
m_mix_unpack(struct m *m, struct span bytes, uint64_t left, struct span *plain)
{
	(void)bytes;
	(void)left;
	plain->len = 0;
	return m_lost(m) < 0 ? -1 : 1;
}

void
m_mix_drop(struct m_mixing *mixing)
{
	(void)mixing;
}
