/*
 * maildir - one message into a Maildir: tmp/ID, fsync, new/ID, fsync.
 *
 *	maildir_folder(settings, "mail/%u", rcpt, &folder, err)
 *	maildir_open(&box, folder, id, err)	1: has it already, nothing to do
 *	  maildir_field(&box, "Delivered-To", rcpt, err)	on top, any number
 *	  maildir_body(&box, bytes, len, err)	any number of times; CRLF becomes LF
 *	maildir_commit(&box, err)		in new/, data and name
 *	maildir_close(&box)			always; without a commit nothing remains
 *
 * The file is called by the message's id, so delivering again after a crash finds
 * that new/ or cur/ has it.  Mailboxes are virtual: a folder below the root, or where
 * an absolute DIR says, made when its first mail comes.  %u in DIR is the recipient's
 * local part and %d his domain, both in lower case; one that is not fit to be a
 * folder's name is no mailbox (ERR_PERM, 5.1.1).
 */
#ifndef SPOOL_MAILDIR_H
#define SPOOL_MAILDIR_H

#include "spool/settings.h"

struct maildir {
	int tmp, new, cur;	/* folders */
	int fd;
	struct str id, buffer;
	bool cr;		/* the last byte was a CR not yet written */
};

int maildir_folder(const struct settings *settings, const char *dir, struct span rcpt,
    struct str *folder, struct err *err);	/* absolute, appended */
int maildir_open(struct maildir *box, const char *folder, const char *id, struct err *err);
int maildir_room(struct maildir *box, uint64_t quota, uint64_t size, struct err *err);	/* TEMP: so much
			   more would be over the quota; 0: there is none */
int maildir_field(struct maildir *box, const char *name, struct span address, struct err *err);
int maildir_body(struct maildir *box, const void *bytes, size_t len, struct err *err);
int maildir_commit(struct maildir *box, struct err *err);
void maildir_close(struct maildir *box);

#endif
