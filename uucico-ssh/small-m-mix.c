/* The model in place of zstd: its tables take 15 to 40 MiB each way, so it is not offered, and nothing comes by it.
 * Nor are zstd's own made larger for a backlog, and what came is settled when the call is over. */
#include "uucico-ssh/m-call.h"
#include "uucico-ssh/m-early.h"
#include "uucico-ssh/m-parts.h"
#include "uucico-ssh/m-taught.h"

bool
m_mix_offers(const struct m *m)
{
	(void)m;
	return false;
}

void
m_mix_say(const struct m *m, struct str *hello)
{
	(void)m;
	(void)hello;
}

bool
m_mix_hears(struct m *m, struct span models)
{
	(void)m;
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
m_mix_enough(const struct m *m)
{
	(void)m;
	return false;
}

bool
m_mix_hides(const struct m *m, int64_t took, uint64_t rate)
{
	(void)m;
	(void)took;
	(void)rate;
	return false;
}

int64_t
m_mix_commit_at(const struct m *m)
{
	(void)m;
	return 0;
}

int64_t
m_leaves_at(const struct m *m, uint64_t unsettled)
{
	(void)m;
	(void)unsettled;
	return 0;
}

size_t
m_holds_back(const struct m *m)
{
	(void)m;
	return 0;
}

bool
m_mix_wants_kept(const struct m *m, const char *class)
{
	(void)m;
	(void)class;
	return false;
}

bool
m_mix_goes_on(struct m *m, struct span past)
{
	(void)m;
	(void)past;
	return false;
}

unsigned
m_mix_begin(struct m *m, struct span past, bool kept)
{
	(void)m;
	(void)past;
	(void)kept;
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
m_tell_mix(const struct m *m, struct str *line)
{
	(void)m;
	(void)line;
}

bool
m_keeps_same(const struct m *m)
{
	(void)m;
	return false;
}

bool
m_teaches(const struct m *m)
{
	(void)m;
	return false;
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

uint32_t
m_taught_number(const struct spool *spool, const struct site_settings *site, const char *class)
{
	(void)spool;
	(void)site;
	(void)class;
	return 0;
}

bool
m_taught_refer(const struct taught *taught, struct ring *ring, struct m_prefix *prefix, struct str *bytes)
{
	(void)taught;
	(void)ring;
	(void)prefix;
	(void)bytes;
	return false;
}

const struct m_models *
m_call_models(void)
{
	return NULL;
}

void
m_call_early(struct m_call *c, bool caller)
{
	(void)c;
	(void)caller;
}

struct span
m_early_refer(struct m_early *early, const char *class, const struct ring *ring, struct m_prefix *prefix)
{
	(void)early;
	(void)class;
	(void)ring;
	(void)prefix;
	return (struct span){0};
}

struct span
m_early_history(struct m_early *early, const char *class, const struct m_prefix *prefix)
{
	(void)early;
	(void)class;
	(void)prefix;
	return (struct span){0};
}

void
m_early_end(struct m_early *early)
{
	(void)early;
}

void
m_taught_note(bool kept, struct str *words)
{
	(void)kept;
	(void)words;
}

bool
m_taught_noted(struct span word)
{
	(void)word;
	return false;
}
