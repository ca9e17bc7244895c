/*
 * m-mail - the bytes of an object of theirs, all there, become a message on its way in.
 *
 *	take_start(&take, name, packed, length)
 *	take_feed(&take, &arrival, bytes, len, err)	any number of times
 *	take_end(&take, &arrival, err)			M_STORED: it is its name's, and fit to be taken
 *	take_free(&take)
 *
 * What stands in it is hostile: it must be an entry's head as we would print it ourselves, within
 * the limits of the settings, and then its body to the byte.  A recipient whose address is none
 * comes in as failed, and its sender is told.  With it goes a trace of the pass.
 */
#ifndef UUCICO_SSH_M_MAIL_H
#define UUCICO_SSH_M_MAIL_H

#include "lib/mail/plain.h"
#include "spool/spool.h"
#include "uucico-ssh/m.h"

struct take {
	const struct spool *spool;
	const struct site_settings *site;
	const char *folder;		/* below out/, or "" */
	unsigned char name[M_NAME];
	struct arrival *arrival;	/* NULL: only the text is wanted */
	uint64_t most;			/* bytes that may come of it */
	struct plain plain;
	bool packed, broken;		/* broken: it does not unpack */
	struct digest digest;
	uint64_t out;
	struct str text;		/* the head until it is whole; or all of a note */
	size_t note;			/* most bytes of a note; 0: it is a mail */
	bool in_body;
	uint64_t left;			/* of the body */
	struct str states;		/* of recipients that failed at the door */
	struct err bad;			/* why it cannot be taken, whatever comes */
};

void take_start(struct take *take, const struct m_object *object);
int take_feed(struct take *take, const void *bytes, size_t len, struct err *err);	/* -1: a disk's
			   trouble, or the like */
enum m_status take_end(struct take *take, struct err *err);	/* the status, and err says why */
void take_free(struct take *take);

#endif
