/*
 * filter - what may look at a message, change it, or keep it from going on: rows of a table.
 *
 * A chain (chain.h) takes a message from one filter to the next.  A row's run() may take its
 * time: it is called in mochila-filter, a process of its own, with a deadline.  Rows that are
 * quick neither wait nor read files; a chain of nothing else is gone through by the relay
 * itself.
 *
 * run() returns 0: the letter goes on, as run() left it; gone or held, it does not.  -1 with
 * err: ERR_PERM refuses the message, any other kind is the filter's own trouble, and the
 * message waits, or goes on without (on-trouble).
 */
#ifndef RELAY_FILTER_H
#define RELAY_FILTER_H

#include "lib/base/child.h"
#include "relay/letter.h"
#include "spool/settings.h"

enum { FILTER_PARTS_MAX = 1000 };	/* messages that become of one */

enum filter_found { FOUND_REJECT, FOUND_HOLD, FOUND_MARK, FOUND_DROP };

struct filter_spec {		/* a [filter NAME] */
	struct str name;
	const struct filter *filter;
	struct str rest;	/* behind the scheme */
	int64_t timeout;	/* seconds */
	uint64_t max_size;
	struct child_limits limits;
	bool passes_trouble;
	enum filter_found found;
};

struct filter_job {		/* a message on its way through a chain */
	struct filter_spec *spec;
	size_t specs;
	bool arrival;		/* before its 250; else before it goes out */
	struct str root;	/* what paths are relative to */
	struct str host;	/* our own name */
	struct str folder;	/* private to the process; "" in the relay itself */
	struct str user, helo, port;	/* of its sender's session, as far as known */
	struct str destination;	/* on the way out: the folder below out/ */
	struct str locals;	/* recipients whose mail stays here, a line each */
	struct letter **letter;	/* it, or what became of it */
	size_t letters;
	bool rescan;		/* somebody may have put mail into the spool */
	bool rest_after;	/* nothing more goes there in this round */
	struct str notes;	/* for the log, a line each */
	struct str outcomes;	/* of recipients, where each has his own: "N done|failed|later REPLY", or "N wait": nothing yet */
	struct child_limits limits;	/* of the filter that runs, for programs */
	int64_t deadline;	/* clock_mono() of the filter that runs */
};

struct filter {
	const char *scheme;	/* "exec:" */
	bool quick, arrival_only, departure_only;
	int (*check)(const char *rest, struct err *err);	/* NULL: anything is fine */
	int (*run)(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err);
	const char *form;	/* for messages: "exec:/PROGRAM [ARGUMENT ...]" */
};

extern const struct filter filter_clamd, filter_copy, filter_deliver, filter_exec, filter_exit, filter_file,
    filter_lmtp, filter_milter, filter_msgid, filter_mx, filter_net, filter_rspamd, filter_sleep, filter_spam,
    filter_senders, filter_spam_edit, filter_spam_report, filter_split, filter_thin;

extern const struct filter *const filter_rows[];	/* NULL-ended */

const struct filter *filter_of(const char *run, const char **rest);	/* NULL: no such scheme */
int filter_check(const struct filter_settings *settings, bool arrival, struct err *err);

/* For the rows. */
struct letter *filter_add(struct filter_job *job, const struct letter *like);	/* one more, the same */
void filter_new_id(struct str *out);	/* for one more, not for the same */
bool filter_is_local(const struct filter_job *job, struct span address);
/* The message is what the filter looks for: text says what.  As found says it is refused (-1 with
 * err), held, dropped, or marked with a field. */
int filter_found(const struct filter_spec *spec, struct letter *letter, const char *field, const char *text,
    struct err *err);
void filter_settings_for(const struct filter_job *job, struct settings *settings);	/* enough for paths */

#endif
