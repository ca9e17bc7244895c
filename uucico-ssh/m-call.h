/*
 * m-call - protocol m in a call: both halves joined to its hooks, what it is told to begin with,
 * and what is remembered of the peer for the next call.
 *
 *	m_call_start(&c, spool, site, link, err)
 *	m_call_config(&c, ...)			before uucp_start; c.config, m_call_hooks, &c
 *	m_call_remember(&c, m)			behind the call
 *	m_call_settle(&c)			what came goes on to where it shall be
 *	m_call_free(&c)
 *
 * The memory is out/SITE/.peer: a line "m=1 rtt=52000 rate=180000 mix=6 kept", and one with the link.  It
 * is a hint: with it a call waits for no banner and packs nothing, and knows from its first frame
 * on how much the line takes.  Losing it costs a round trip.
 */
#ifndef UUCICO_SSH_M_CALL_H
#define UUCICO_SSH_M_CALL_H

#include "spool/budget.h"
#include "uucico-ssh/m-in.h"
#include "uucico-ssh/m-out.h"

struct m_peer_memory {
	bool speaks;		/* m, the last time */
	bool same_link;		/* and over this link */
	bool mix;		/* and followed our model of mix, */
	bool kept;		/* of which it kept the same as we, */
	bool slow;		/* for which this machine takes too long */
	int64_t rtt;
	uint64_t rate;
};
void m_peer_load(const struct spool *spool, const char *site, const char *link, struct m_peer_memory *memory);
void m_peer_save(const struct spool *spool, const char *site, const char *link,
    const struct m_peer_memory *memory);
void m_peer_forget(const struct spool *spool, const char *site);

struct m_call {
	const struct spool *spool;
	const struct site_settings *site;
	const char *link;
	struct m_peer_memory memory;
	bool slow;			/* now, too */
	struct m **engine;		/* where it is, when m is spoken; NULL until the call begins */
	struct m_config config;
	struct m_out out;
	struct m_in in;
};

int m_call_start(struct m_call *c, const struct spool *spool, const struct site_settings *site,
    const char *link, struct err *err);
int m_call_level(const char *said, uint64_t rate);	/* of zstd, for a line so fast; 0: not known */
/* The far end of a line that was so fast, or far; the caller knows more of it than the called. */
enum m_mixes m_call_mix(const struct site_settings *site, bool caller, uint64_t rate, int64_t rtt);
/* rtt: of the line below, just measured; 0: unknown */
void m_call_config(struct m_call *c, bool caller, int64_t rtt, char grade, const struct budget *budget);
void m_call_remember(struct m_call *c, const struct m *m);	/* m NULL: another protocol was spoken */
void m_call_settle(struct m_call *c);
void m_call_free(struct m_call *c);

extern const struct m_hooks m_call_hooks;	/* arg: a struct m_call */
const struct m_models *m_call_models(void);	/* the same; NULL: none is kept here */
/* Before the line is dialled: what it is likely to need of them is made meanwhile. */
void m_call_early(struct m_call *c, bool caller);

#endif
