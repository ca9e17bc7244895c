/*
 * m-taught - the models that are kept for the history of a site (spool/taught.h), as protocol m uses them.
 */
#ifndef UUCICO_SSH_M_TAUGHT_H
#define UUCICO_SSH_M_TAUGHT_H

#include "spool/taught.h"
#include "uucico-ssh/m.h"

/* What a HELLO tells of the one for their mail of that class; 0: there is none. */
uint32_t m_taught_number(const struct spool *spool, const struct site_settings *site, const char *class);

/* The one for ours, or theirs, is in *taught until the next call; false: there is none, or it is of no use. */
bool m_taught_find(struct taught *taught, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class, struct m_kept *kept);
/* The same in steps, for who has the ring; dictionary: the text before the history, which may be none. */
bool m_taught_open(struct taught *taught, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class);
bool m_taught_kept(const struct taught *taught, const struct ring *ring, struct m_kept *kept, struct str *dictionary);
/* The history that it was made from and what came since, up to the ring's last commit, until the ring's next call. */
bool m_taught_history(const struct taught *taught, struct ring *ring, struct m_prefix *prefix, struct span *history);

/* Dictionary and history are in bytes; false: that cannot be had. */
bool m_taught_refer(const struct taught *taught, struct ring *ring, struct m_prefix *prefix, struct str *bytes);

/* What is remembered of a peer: that it kept the same as we. */
void m_taught_note(bool kept, struct str *words);
bool m_taught_noted(struct span word);

#endif
