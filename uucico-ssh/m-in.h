/*
 * m-in - their objects of protocol m: the hooks offered, write, complete, commit, dropped, history
 * and untold (m.h).
 *
 * A mail arrives whole, is checked against its name and enters the spool by the journal
 * (spool/journal.h), a large one by a file of its own; a job of UUCP becomes one of xqt/PEER.
 * commit() makes all durable that is ready, then their names join the history, in that order:
 * a number never stands for what was lost.  Who is killed in between gets the same again, and
 * settle drops it by (peer, id).
 *
 * What is small is held in memory, and all but its last bytes in part/PEER too, as what is large
 * is: the next call goes on there.
 */
#ifndef UUCICO_SSH_M_IN_H
#define UUCICO_SSH_M_IN_H

#include "spool/journal.h"
#include "spool/taught.h"
#include "uucico-ssh/m-part.h"
#include "uucico-ssh/m-ring.h"

struct m_in_part;

struct m_in {
	const struct spool *spool;
	const struct site_settings *site;
	struct journal journal;
	struct str folder;		/* below out/, where [site] unpack leads; empty: routed */
	int dir;			/* part/PEER; -1: there is none */
	struct m_partial partials[M_HAVE_MAX];
	size_t partial_count;
	uint64_t *known;		/* names that we had, by their first 8 bytes: a table of hashes */
	size_t known_size, known_count;
	uint64_t largest;		/* message that comes in this call, UINT64_MAX: any */
	uint64_t promised;		/* bytes still to come of what was taken */
	struct m_in_part *parts;
	struct m_commits commits;
	struct str history;
	struct taught taught;		/* what kept() gave last */
	struct m_early *early;		/* as in m_out */
	/* for people */
	struct str showing;
	uint64_t shown_at, shown_length;
	uint64_t got, refused;
	bool asked;			/* a request came: something may go now */
	struct arrival own;		/* the largest mail that came in a file of its own: it has proved */
	uint64_t own_length;		/* its bytes, and need not be read again to settle; 0: none */
};

int m_in_start(struct m_in *in, const struct spool *spool, const struct site_settings *site, struct err *err);
enum m_status m_in_offered(struct m_in *in, struct m_object *object, struct str *text);
int m_in_write(struct m_in *in, struct m_object *object, const void *bytes, size_t len, struct err *err);
enum m_status m_in_complete(struct m_in *in, struct m_object *object, struct str *text);
int m_in_commit(struct m_in *in, struct m_object *const *objects, enum m_status *status, size_t count,
    struct err *err);
void m_in_dropped(struct m_in *in, struct m_object *object);
int m_in_history(struct m_in *in, const char *class, const struct m_prefix *prefix, struct span *bytes,
    struct err *err);
size_t m_in_untold(struct m_in *in, const char *class, struct m_mark known, unsigned char (*names)[M_NAME],
    size_t most);
void m_in_settle(struct m_in *in);	/* what came goes on to where it shall be */
void m_in_close(struct m_in *in);

#endif
