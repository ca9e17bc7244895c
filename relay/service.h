/*
 * service - what is spoken behind a door: rows of a table.
 *
 * A session (session.h) has the socket, the limits and the deadlines; a service has
 * the dialogue, kept in session->work.
 */
#ifndef RELAY_SERVICE_H
#define RELAY_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct relay_settings;
struct session;

struct service {
	const char *name;
	bool private;		/* a socket of this host, for nobody but who runs us */
	const char *(*listen)(const struct relay_settings *settings);	/* HOST:PORT ..., or "" */
	void (*open)(struct session *session);	/* says its greeting */
	void (*secured)(struct session *session);	/* TLS that it began stands (STARTTLS) */
	void (*input)(struct session *session, const void *bytes, size_t len);
	void (*sent)(struct session *session);	/* little waits to be sent; may be NULL */
	void (*gone)(struct session *session);	/* the peer closed, or broke */
	void (*late)(struct session *session);	/* the deadline passed */
	void (*stop)(struct session *session);	/* we are ending: a goodbye, now or as soon as
						 * what is under way has ended */
	void (*close)(struct session *session);	/* gives work back */
	const char *full;		/* said to one too many in all, */
	const char *client_full;	/* or of the same client */
};

extern const struct service service_admin, service_metrics, service_smtp, service_pop3;

extern const struct service *const services[];	/* NULL-ended */

#endif
