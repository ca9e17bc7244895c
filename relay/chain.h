/*
 * chain - filters one behind the other, and the way there and back between the relay and
 * mochila-filter.
 *
 * What is asked is a text: the filters, what is known of the sender, the message's head as
 * the spool writes it, and its text, unless that comes as a file.  What is answered is a
 * struct filtered as text; where anything of the message changed, with a file of whole
 * entries: the messages that are to go on in its place.
 */
#ifndef RELAY_CHAIN_H
#define RELAY_CHAIN_H

#include "relay/filter.h"

enum { CHAIN_MAX = 64, FILTERED_TEXT_MAX = 120 << 10 };

enum filter_verdict {
	FILTERED_SAME,		/* it goes on as it is */
	FILTERED_CHANGED,	/* the entries of the file go on instead */
	FILTERED_GONE,		/* nothing goes on */
	FILTERED_EACH,		/* nothing goes on; outcomes says what became of each recipient */
	FILTERED_HELD,		/* as it is, to hold/, with err.text */
	FILTERED_REFUSED,	/* err */
	FILTERED_LATER,		/* err; it is kept and tried again */
};

struct filtered {
	enum filter_verdict verdict;
	struct err err;
	bool rescan, rest_after;
	struct str notes, outcomes;
	int fd;			/* of FILTERED_CHANGED; else -1 */
};

/* The filters that names name, in order; on the way out those that mean all of env's recipients: settle
 * has put the others into a message of their own. */
int chain_take(struct filter_job *job, const struct settings *settings, const char *names,
    const struct envelope *env, struct err *err);	/* env NULL: it arrives */
bool chain_is_quick(const struct filter_job *job);
int64_t chain_seconds(const struct filter_job *job);	/* that it takes at most */
void chain_free(struct filter_job *job);

/* Runs them.  content is taken. */
void chain_run(struct filter_job *job, const struct entry_info *info, const struct envelope *env,
    struct content *content, struct filtered *filtered);
void filtered_free(struct filtered *filtered);

/* entry: head only. */
void chain_write(const struct filter_job *job, const struct entry_info *info, const struct envelope *env,
    uint64_t len, struct str *out);
int chain_read(struct span text, struct filter_job *job, struct entry *entry, size_t *used, struct err *err);
void filtered_write(const struct filtered *filtered, struct str *out);
int filtered_read(struct span text, struct filtered *filtered, struct err *err);	/* all but fd */

#endif
