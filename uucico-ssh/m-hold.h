/*
 * m-hold - mail that does not come unasked: summaries of it, and what is asked then.
 *
 * Whoever receives says what he wants to be asked about: what is larger than [site] hold-over, or
 * whose sender is not among [site] welcome.  Such a message goes to hold/ at its sender, with the reason
 * "held back for SITE", and a summary of it goes to the site: an entry whose "from" is summary, with
 * no sender, and a few lines of what it is about.  There it lies in hold/, for a person to see:
 * released, it goes to out/ and from there as a request, "send"; removed, as "drop".  The
 * request releases or removes the message, and what was asked for comes.
 *
 *	here	hold/ID, "held back for home"	out/home: summary	hold/SID, "2.1 MB from ..."
 *	    out/home: ID <- "send" ---------------------------------- out/hub: SID
 *
 * Where the sender has a robot ([site] robot), an answer to the mail that announces it does the same: that
 * answer goes to the sender's site as mail, and its relay releases the message.
 *
 * Each step is one rename behind a sync, and can be done twice: a summary has an id made of that
 * of its message, and a request for what is not held (any more) asks for nothing.
 */
#ifndef UUCICO_SSH_M_HOLD_H
#define UUCICO_SSH_M_HOLD_H

#include "spool/journal.h"
#include "spool/queue.h"
#include "uucico-ssh/m.h"

bool hold_is_note(const struct entry *entry);	/* a summary, or one that became a request */
bool hold_is_request(const struct entry *entry, const char *site);

/* Our message goes to hold/, and a summary of it to out/SITE. */
int hold_back(struct message *m, const struct site_settings *site, const unsigned char name[M_NAME],
    uint64_t length, const char *why, struct err *err);
/* What is asked with it; that it was is noted. */
void hold_request(struct message *m, const struct site_settings *site, struct str *text);

/* A mail of ours that answers a summary of theirs, to their robot: what it asks for is to come,
 * and the summary is done. */
void hold_asked_by(const struct message *m, const struct site_settings *site);

/* Theirs, whole: its text.  -1: ERR_PERM where it is none. */
int hold_take_summary(const struct spool *spool, const struct site_settings *site, struct span text,
    struct journal *journal, struct err *err);
int hold_take_request(const struct spool *spool, const struct site_settings *site, struct span text,
    struct err *err);

/* Are they to ask first about this sender?  The first transfer bytes tell: 1 yes, 0 no, -1 not yet. */
int hold_unwelcome(const struct site_settings *site, const struct settings *settings, struct span first);

/* What was asked for: a file beside the parts (m-part.h), NAME.asked. */
bool hold_asked(int dir, const char *file);
void hold_came(int dir, const char *file);

#endif
