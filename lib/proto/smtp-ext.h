/*
 * smtp-ext - the extensions of SMTP, a row each, for both ends of a dialogue.
 *
 * A row says how the extension is announced, which parameters it brings to MAIL
 * and RCPT and how each is checked, and which verbs are its own.  The server walks
 * the rows to answer EHLO and to check parameters; the client to learn what it was
 * offered and which parameters may go.  So to add one: a file ext-NAME.c with a
 * row ext_NAME, EXT(NAME) below, and the file's name in local.mk.
 *
 * Parameters are checked at the door and carried verbatim from there on.
 */
#ifndef LIB_PROTO_SMTP_EXT_H
#define LIB_PROTO_SMTP_EXT_H

#include "lib/base/err.h"

struct smtp_server;
struct smtp_client;
struct smtp_verb;
struct smtp_ext;

/* In the order in which EHLO tells them: those of a message, and those of a connection, the last of
 * which every server has. */
#define SMTP_EXTS(EXT)		\
	SMTP_EXTS_OF_MAIL(EXT)	\
	EXT(xclient)		\
	EXT(starttls)		\
	EXT(auth)		\
	EXT(enhancedstatuscodes)
#define SMTP_EXTS_OF_MAIL(EXT)	\
	EXT(pipelining)		\
	EXT(size)		\
	EXT(8bitmime)		\
	EXT(smtputf8)		\
	EXT(chunking)		\
	EXT(binarymime)		\
	EXT(dsn)		\
	EXT(deliverby)		\
	EXT(mtpriority)		\
	EXT(futurerelease)	\
	EXT(limits)		\
	EXT(requiretls)

enum smtp_offer {
	OFFER_PIPELINING = 1, OFFER_SIZE = 2, OFFER_8BITMIME = 4, OFFER_CHUNKING = 8,
	OFFER_DSN = 16, OFFER_ENHANCED = 32, OFFER_SMTPUTF8 = 64, OFFER_BINARYMIME = 128,
	OFFER_STARTTLS = 256, OFFER_DELIVERBY = 512, OFFER_PRIORITY = 1024, OFFER_FUTURERELEASE = 2048,
	OFFER_LIMITS = 4096, OFFER_REQUIRETLS = 8192,
	OFFER_XCLIENT = 16384, OFFER_AUTH = 32768,
};

/* What the next one on the way knows, for those who hand a message on. */
struct smtp_way {
	unsigned offers;
	bool verified;		/* nobody listens, and it is who it should be */
};

/* 1: the parameter goes on; 0: it is left out; -1: the message cannot go there, and err says
 * so with its reply. */
typedef int smtp_hand_on(const struct smtp_ext *ext, const struct smtp_way *way, struct span value,
    struct err *err);

struct smtp_param {
	const char *key;
	int (*check)(const struct smtp_server *server, struct span value, struct err *err);
			/* value.p is NULL where there was no '=' */
	smtp_hand_on *hand_on;
};

int smtp_if_offered(const struct smtp_ext *ext, const struct smtp_way *way, struct span value,
    struct err *err);		/* the usual: without it, it goes all the same */
int smtp_must_be_offered(const struct smtp_ext *ext, const struct smtp_way *way, struct span value,
    struct err *err);		/* 554 5.6.7 where it is not */
int smtp_never_on(const struct smtp_ext *ext, const struct smtp_way *way, struct span value,
    struct err *err);		/* it was for us */

struct smtp_ext {
	const char *keyword;
	enum smtp_offer offer;
	bool (*here)(const struct smtp_server *server);
			/* is it offered now?  NULL: always, unless it is withheld */
	void (*announce)(const struct smtp_server *server, struct str *out);
			/* " words" behind the keyword; NULL: none */
	const struct smtp_param *mail, *rcpt;	/* ended by {0}; NULL: none */
	const struct smtp_verb *verbs;		/* the same */
	void (*offered)(struct smtp_client *client, struct span words);
			/* the client read it in an EHLO reply; NULL: nothing but the offer */
};

extern const struct smtp_ext *const smtp_exts[];	/* ended by NULL */
#define SMTP_EXT_DECLARE(name) extern const struct smtp_ext ext_##name;
#define SMTP_EXT_ROW(name) &ext_##name,

/* The offer bits of what a server offers its client now. */
unsigned smtp_offered(const struct smtp_server *server);

/* Finds the row of a MAIL (or RCPT) parameter, and its extension, among the rows
 * that are not withheld (offer bits); NULL: unknown. */
const struct smtp_param *smtp_param_find(bool rcpt, struct span key, unsigned withhold,
    const struct smtp_ext **ext);

/* Checks the words behind a path, one by one: 555 for unknown ones, 501 for double
 * or wrong ones.  What is good is appended to out, single blanks between. */
int smtp_params_check(const struct smtp_server *server, bool rcpt, struct span words,
    struct str *out, struct err *err);

#endif
