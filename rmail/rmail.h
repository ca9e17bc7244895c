/*
 * rmail - mail from UUCP, and under the name sendmail from programs.
 *
 *	rmail.c		one message of a UUCP peer; recipients on the command line
 *	sendmail.c	the options of sendmail(8), and what follows from them; mode is that of -b
 *	talk.c		sendmail -bs, a dialogue
 *	compose.c	headers of a submission: recipients in it, fields added
 *	submit.c	where it goes
 *	drop.c		mochila-drop, the setgid helper: a program of its own
 */
#ifndef RMAIL_RMAIL_H
#define RMAIL_RMAIL_H

#include "rmail/submit.h"

int rmail_main(int argc, char **argv, struct err *err);
int sendmail_main(char mode, int argc, char **argv, struct err *err);
int talk(struct submission *s, struct err *err);

#endif
