/*
 * m-form - what an object of ours is made of: its name, and its transfer bytes.
 *
 *	form_of_message(&form, spool, &m, err)	a mail, to those of its recipients who wait
 *	form_of_job(&form, &job, err)		a job of UUCP (outgoing.h): its head and its data
 *	form_of_text(&form, text)		something short
 *	while (!form_whole(&form))
 *		form_step(&form, err)		what is large is read in steps, each of a piece
 *	form_read(&form, at, to, len, err)
 *	form_free(&form)
 *
 * A mail is what format full tells a peer: its id, time and grade, and nothing of who brought it
 * to us.  The same message has the same form, byte by byte, in the next call, unless one of its
 * recipients is done or failed by then.  The name is of the unpacked bytes; packed (lib/mail/plain.h)
 * are the bytes that travel, when that is shorter.
 *
 * What is small is held in memory, and whole at once.  A large body is read once, to name it, which may take
 * minutes where the disk or the processor is slow: so in steps, between which the line is served.  Packed it
 * lies in a file without a name, and if there is no room for that, it travels as it is.
 */
#ifndef UUCICO_SSH_M_FORM_H
#define UUCICO_SSH_M_FORM_H

#include "spool/queue.h"
#include "uucico-ssh/m.h"
#include "uucico-ssh/uucp.h"

struct form {
	unsigned char name[M_NAME];
	bool packed;
	uint64_t length;	/* transfer bytes */
	struct str text;	/* the first of them, or all */
	int scratch;		/* all of them, in a file; -1 */
	int fd;			/* borrowed: those behind text, from body_at on; -1 */
	off_t body_at;
	struct uucp_job *job;	/* borrowed: they are the job's */
	struct forming *forming;	/* how far it is read; NULL: it is whole */
};

int form_of_message(struct form *form, const struct spool *spool, const struct message *m,
    struct err *err);
int form_of_job(struct form *form, struct uucp_job *job, struct err *err);
void form_of_text(struct form *form, struct span text);
bool form_whole(const struct form *form);
int form_step(struct form *form, struct err *err);
int form_read(const struct form *form, uint64_t at, void *to, size_t len, struct err *err);
bool form_dense(const struct form *form);	/* very large, and compressing it would gain nothing */
void form_free(struct form *form);

#endif
