/*
 * call - one conversation over one link, from greeting to summary.
 *
 *	struct call call = { .spool = &spool, .site = site, ... };
 *	call_run(&call, &err)		0: both ends hung up in good order
 *
 * Drives engine and link with one wait loop, joins the hooks to incoming and
 * outgoing, shows progress on a terminal and logs one line at the end.
 */
#ifndef UUCICO_SSH_CALL_H
#define UUCICO_SSH_CALL_H

#include <time.h>

#include "spool/budget.h"
#include "uucico-ssh/incoming.h"
#include "uucico-ssh/link.h"
#include "uucico-ssh/m-call.h"
#include "uucico-ssh/outgoing.h"
#include "uucico-ssh/stay.h"

struct call {
	const struct spool *spool;
	const struct site_settings *site;
	const char *target;	/* "stdio:" answers, anything else calls */
	const char *busy;	/* answering: turn them away with this word */
	char grade;		/* the worst that is moved, 0: any */
	const char *way;	/* NULL or "", or the name of the site's alternate */
	bool progress;		/* show it on standard error */
	const char *stats;	/* NULL, or a file that gets the numbers of this call */
	uint64_t sequence;	/* its number, where the site's calls have one */
	int64_t began;		/* clock_now() before anything was packed for it */
	struct budget budget;	/* what it may move, last and cost; what is left when it begins */

	const struct spool_lock *lock;	/* of the call, or NULL */
	bool met;		/* the far end was heard */
	bool patient;		/* wait for their banner, whatever is remembered */
	bool redial;		/* that they speak m was remembered in vain: call again, patiently */
	bool spoke_m;
	bool stay;		/* go on when all is sent: in protocol m */
	bool stood;		/* it did */
	bool told;		/* to stop, by a signal */
	bool heard;		/* in a call that stands: its folders have changed since we looked */
	struct stay watch;	/* what comes for the peer meanwhile */
	int64_t looked;
	uint64_t settled;	/* so many of theirs */
	clock_t models;		/* the processor's time for models of mix, in this call */
	bool run_jobs;		/* theirs, while it stays */
	pid_t jobs;		/* who runs them; 0: nobody */
	bool deliver;		/* mail came that a sink of bsmtp waits for: [site] unpack */
	bool teaches;		/* models of the history are worth to be kept for the next one */
	int64_t stopping;	/* we have said that the call ends; 0: not yet */
	struct err ended;	/* and why */
	int64_t asked;		/* for the queue */
	bool closed;		/* the far end closed the line */
	const char *spent;	/* the key of mochila.conf whose budget ended it, or NULL */
	int64_t started, shown;
	struct str words;	/* before each line that is shown */

	struct uucp uucp;
	struct link link;
	struct incoming in;
	struct outgoing out;
	struct m_call m;	/* protocol m */
};

/* -1 with redial: nothing was lost, and another call is due at once. */
int call_run(struct call *call, struct err *err);

extern const struct uucp_hooks call_hooks;	/* arg: a struct call with in, out and uucp set */

#endif
