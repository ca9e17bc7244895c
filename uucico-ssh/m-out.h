/*
 * m-out - our objects of protocol m: straight from out/SITE, and jobs of UUCP; the hooks next,
 * read, fate, did, settled and refer (m.h).
 *
 * Nothing is packed for it.  The queue's lock is held from the first object to m_out_rest() or
 * m_out_close(): who is under way stays where it waits, and is removed when the peer has
 * it.  The best grade comes first, then the oldest; of what is large only a few are made
 * ready at once.  Mail that comes meanwhile goes in the same call.
 *
 * What is large has to be read before it can be given (m-form.h): one at a time, a piece in each turn, and
 * what is ready goes meanwhile.
 *
 * Batches that an earlier call offered by another protocol, and what uux queued, go as jobs
 * under the names that they had there, so that the peer knows a repeat as one.
 *
 * An object that a call left open is told by m-offered.h: it comes when tried ones may, so
 * that the peer's word of what it has is heard first.  If that is lost, names and ids stop the repeat.
 */
#ifndef UUCICO_SSH_M_OUT_H
#define UUCICO_SSH_M_OUT_H

#include "spool/allowance.h"
#include "spool/taught.h"
#include "uucico-ssh/m-form.h"
#include "uucico-ssh/m-offered.h"
#include "uucico-ssh/m-ring.h"
#include "uucico-ssh/outgoing.h"

struct m_out_part;

struct m_out {
	const struct spool *spool;
	const struct site_settings *site;
	int64_t began;			/* of the call */
	bool open, locked;		/* the queue is ours; another process's */
	struct queue queue;
	struct offered offered;
	struct outgoing jobs;
	struct m_out_part *mail, *job;	/* not given yet; the job may be in the making */
	struct m_out_part *large_mail;	/* the same, of a large one, while others go */
	struct m_out_part *under_way;	/* given, or done and not settled */
	bool walked, jobs_over;		/* nothing more behind mail and job */
	bool more, passed;		/* walk again: something came; a tried or large one was left out */
	bool tried;			/* those may be given */
	bool stopped;			/* nothing more in this call */
	size_t large;
	struct allowance allowance;	/* of users, as far as the queue is open */
	char grade;			/* the worst that goes in this call; 0: any */
	uint64_t largest;		/* body that does, UINT64_MAX: any */
	char **put_off;			/* ids that are not for this call */
	size_t put_offs;
	struct m_commits commits;
	struct str history;		/* what refer() gave last */
	struct taught taught;		/* what kept() did */
	struct m_early *early;		/* that of class main, taken up before it is asked for; NULL: it is not */
	struct m_class classes[M_CLASSES_MAX];	/* as the call began, and as our HELLO tells */
	size_t class_count;
	char **restored;		/* classes in which they went back */
	size_t restoreds;
	/* for people */
	struct str showing;		/* the id of what moves */
	uint64_t shown_at, shown_length;
	uint64_t sent, refused, later, held;
};

void m_out_start(struct m_out *out, const struct spool *spool, const struct site_settings *site);
/* 1: there is one; 2: none yet, ask again soon; 0: nothing more now. */
int m_out_next(struct m_out *out, bool tried, struct m_object *object, struct err *err);
/* A piece of what is in the making.  1: there is more of it; 2: next has something; 0: nothing is; -1. */
int m_out_work(struct m_out *out, struct err *err);
int m_out_read(struct m_out *out, struct m_object *object, void *to, size_t len, struct err *err);
int m_out_fate(struct m_out *out, struct m_object *object, enum m_status status, const char *text,
    struct err *err);
int m_out_did(struct m_out *out, const char *class, const unsigned char (*names)[M_NAME], size_t count,
    struct m_mark last, struct err *err);
int m_out_settled(struct m_out *out, struct err *err);
int m_out_refer(struct m_out *out, const char *class, struct m_mark theirs, size_t most,
    struct m_prefix *prefix, struct span *bytes, struct err *err);
void m_out_more(struct m_out *out);	/* mail may have come */
void m_out_rest(struct m_out *out);	/* nothing is under way: others may have the queue */
void m_out_close(struct m_out *out);

#endif
