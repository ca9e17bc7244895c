/*
 * session - one connection that somebody made to us.
 *
 * A connection beyond the limits is told so and closed before any service sees it.
 * All sessions stand in relay->sessions.
 */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "lib/base/shown.h"
#include "lib/net/stream.h"
#include "lib/proto/proxy.h"
#include "relay/relay.h"
#include "relay/service.h"

struct session {
	struct relay *relay;
	struct session *next, **at;	/* in relay->sessions */
	struct setup *setup;
	const struct instance *instance;
	const struct service *service;
	struct stream stream;
	bool tls, lmtp;		/* as its door is */
	bool proxied;		/* a proxy is yet to say who it is */
	struct proxy proxy;
	bool opened;		/* the service has it; not yet in a handshake that comes first */
	bool known;		/* by a certificate that may send anywhere */
	bool spoken_for;	/* by XCLIENT: a certificate is the speaker's, and gives no right */
	struct ip ip;
	struct str client;	/* "192.0.2.7", */
	struct str where;	/* and with its port */
	struct str shown;	/* before each line of it that is shown */
	void *work;		/* the service's */
};

void session_make_room(struct relay *relay);	/* descriptors for as many as the settings let in */

/* A listener's hook: fd is ours, ctx is the struct door. */
void session_taken(void *ctx, int fd, const struct sockaddr *peer);
int session_is(struct session *session, const char *ip, const char *port, struct err *err);	/* somebody
			   whom we believe says for whom he speaks */
struct shown session_shown(struct session *session);	/* for its dialogue: to the log, where that wants it */
void session_secure(struct session *session);	/* what is said from here on, by TLS */
void session_end(struct session *session);	/* what is to be sent still is; frees it */
void session_break(struct session *session);	/* at once; frees it */

#endif
