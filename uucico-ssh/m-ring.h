/*
 * m-ring - the history of a site as protocol m uses it: rings (spool/ring.h), by class.
 *
 * An object that was stored takes the next number of its class, at both ends in the same
 * order; its bytes join the ring when it travelled in the stream and is no larger than
 * M_HISTORY_MAX.  Of class "none", and of a site without history, only the names are kept:
 * they say what we had.  A ring that cannot be had is done without: it is a cache.
 */
#ifndef UUCICO_SSH_M_RING_H
#define UUCICO_SSH_M_RING_H

#include "spool/ring.h"
#include "uucico-ssh/m.h"

uint64_t m_ring_key(const unsigned char name[M_NAME]);	/* the 8 bytes that a ring keeps */
bool m_ring_keeps(const struct site_settings *site, const struct m_object *object);	/* its bytes join */
bool m_ring_open(struct ring *ring, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class);
void m_ring_trouble(int result, const struct err *why);

/* The shipped dictionary of that version; before history, which is still young, only what is text in it.  False: it cannot be had, which is in the log. */
bool m_ring_dictionary(uint64_t version, bool before, struct str *bytes);

/* What a HELLO tells: at most `most` classes, "main" first. */
size_t m_ring_classes(const struct spool *spool, const struct site_settings *site,
    struct m_class *classes, size_t most);

/* Commits of one class, gathered until they are written with one sync. */
struct m_commit {
	char class[M_CLASS_MAX + 1];
	uint64_t name;
	struct str bytes;
};
struct m_commits {
	struct m_commit *commit;
	size_t count, room;
};
void m_commits_add(struct m_commits *c, const struct m_object *object, struct span bytes);
void m_commits_write(struct m_commits *c, const struct spool *spool, const struct site_settings *site,
    enum ring_way way);		/* in order; it is empty then */
void m_commits_free(struct m_commits *c);

#endif
