/*
 * relay - the daemon: one process, one loop, several instances.
 *
 *	session-NAME	one connection; what it speaks is a row of services (service.h)
 *	acceptor	one sync for what several of them accept at once
 *	settler		turns what was accepted into files per destination, soon
 *	runner, road	carry those files on: a road is a destination, with some lanes
 *			(lane.h); how it is reached a row of transports (transport.h)
 *
 * Settings are held as a struct setup.  A session keeps the one it began with until
 * it ends, so that SIGHUP changes nothing under its feet; whoever comes later has the
 * new one.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "lib/net/listen.h"
#include "relay/acceptor.h"
#include "relay/access.h"
#include "relay/asked.h"
#include "relay/filters.h"
#include "relay/gate.h"
#include "relay/grey.h"
#include "relay/meters.h"
#include "relay/rate.h"
#include "relay/runner.h"
#include "relay/secrets.h"
#include "relay/settler.h"
#include "relay/token.h"
#include "relay/verify.h"
#include "spool/enclose.h"
#include "spool/spool.h"

struct service;
struct session;

struct instance {		/* a [relay NAME] */
	const struct relay_settings *settings;
	struct access access;
	struct access proxies, spokesmen;	/* proxy-from, xclient-from */
	struct access denied, welcome;	/* deny-from, welcome-from */
	struct tls *tls;	/* NULL: plain text only */
	struct str relay_from;	/* with the networks that its logins name */
};

struct setup {
	struct settings settings;
	struct instance *instance;
	size_t instances;
	unsigned holders;
};

struct door {			/* a listening socket, and whose it is */
	struct relay *relay;
	struct listener listener;
	char *said;		/* as in the settings: 127.0.0.1:0 stays so */
	bool tls;		/* from the first byte on */
	bool lmtp;
	char *instance;		/* by name: the setup may change */
	const struct service *service;
};

struct relay {
	struct loop loop;
	struct spool spool;
	struct setup *setup;	/* the newest */
	const struct settings_args *args;
	struct enclosing enclosing;	/* what we do not give away */
	const char *only;	/* --instance, or NULL */
	struct door **door;
	size_t doors;
	struct session *sessions;
	size_t session_count;
	uint64_t room;		/* clients for whom there are descriptors */
	size_t busy, writers;	/* those within an SMTP transaction; and those that may soon post a message */
	struct acceptor acceptor;
	struct settler settler;
	struct runner runner;
	struct verify verify;
	struct tokens tokens;	/* for next hops */
	struct filters filters;
	struct timer expiry;	/* of what is kept for a time (spool/whole.h) */
	struct pool checks;	/* relay/check.h */
	struct asked asked;
	struct asked_question reading;	/* of the settings that are to be next */
	struct lists_memory lists;
	struct gate_memory gate_memory;
	struct grey grey;
	struct meters meters;
	struct rate rate;	/* of clients */
	struct rate user_rate;
	struct timer told;	/* the events of this turn are to be written to the history */
	bool gathers;
	struct timer watchdog;	/* of whoever started us */
	struct timer patience;	/* with sessions and roads, once we are ending */
	bool ending;
};

/* Takes the settings, reads the networks. */
struct setup *setup_new(struct settings *settings, const char *only, struct err *err);
int setup_check(const struct setup *setup, struct err *err);	/* is it no open relay?  Programs of tables may be asked */
struct setup *setup_hold(struct setup *setup);
void setup_drop(struct setup *setup);
const struct instance *setup_instance(const struct setup *setup, const char *name);

int relay_open(struct relay *relay, struct setup *setup, struct err *err);	/* binds */
int relay_start(struct relay *relay, struct err *err);	/* checks the setup, repairs the spool, then all begins */
void relay_reload(struct relay *relay);
void relay_stop(struct relay *relay);	/* no new work; what is under way may end */
void relay_gather(struct relay *relay);	/* events from here to the end of this turn are written together, */
void relay_tell(struct relay *relay);	/* or here */
void relay_left(struct relay *relay);	/* a session or a lane ended: was it the last? */
void relay_close(struct relay *relay);

#endif
