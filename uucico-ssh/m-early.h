/*
 * m-early - a model that is kept, taken up while nobody waits for it.
 *
 * That takes a tenth of a second, which a call has while it dials and logs in.  So a thread begins with it at
 * once: it opens the model and the ring of class main, copies the history, and goes on from the model.  When the
 * engine asks for these, they are there, or nearly; whatever became of them, it can do without, as if there
 * had been no thread.  Its memory is what the model takes in any case, but it takes it also in a call that moves
 * no mail.
 *
 * What it gives stays until m_early_end().  All of this may be asked of NULL, which has none.
 */
#ifndef UUCICO_SSH_M_EARLY_H
#define UUCICO_SSH_M_EARLY_H

#include "spool/ring.h"
#include "uucico-ssh/m.h"

struct mix;
struct m_early;

/* For what the site is sent, only if so many bytes of mail wait for it.  NULL: there is no thread to be had, or the
 * spool is shared: its locks are for one thread. */
struct m_early *m_early_begin(const struct spool *spool, const struct site_settings *site, enum ring_way way,
    uint64_t least);
void m_early_end(struct m_early *early);	/* waits until the thread is through with what it has in hand */

bool m_early_has(struct m_early *early, const char *class, struct m_kept *kept);
/* Dictionary and history, if it has them up to the last commit of that ring, or as the prefix says; none: it has not.
 * For the first m_early_has() was asked before: it does not wait.  They are read when m_early_made() has answered. */
struct span m_early_refer(struct m_early *early, const char *class, const struct ring *ring, struct m_prefix *prefix);
struct span m_early_history(struct m_early *early, const char *class, const struct m_prefix *prefix);
/* Made of these, which one of the former gave; the caller's from then on.  NULL: not so. */
struct mix *m_early_made(struct m_early *early, struct span past, size_t taught);

#endif
