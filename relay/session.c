#include "relay/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

const struct service *const services[] = { &service_smtp, &service_pop3, &service_metrics, &service_admin, NULL };

static void begin(struct session *session);
static const char *not_welcome(struct session *session);

/* A proxy's first words.  What stands behind them is the client's. */
static void
take_proxy(struct session *session, struct span in)
{
	const char *sorry = NULL;
	struct err err = {0};
	int got = proxy_feed(&session->proxy, &in, &err);

	if (got == 0)
		return;
	session->proxied = false;
	if (got > 0 && session->proxy.named)
		got = session_is(session, str_c(&session->proxy.ip), str_c(&session->proxy.port), &err);
	if (got < 0)
		log_warn("-: event=no-proxy relay=%s client=%s why=\"%s\"", session->instance->settings->name,
		    str_c(&session->where), err.text);
	else
		sorry = not_welcome(session);
	if (sorry != NULL && !session->tls)
		stream_send(&session->stream, sorry, strlen(sorry));
	if (got < 0 || sorry != NULL) {
		session_end(session);
		return;
	}
	if (in.len > 0)
		stream_unread(&session->stream, in.p, in.len);
	begin(session);
}

static void
on_input(void *ctx, const void *bytes, size_t len)
{
	struct session *session = ctx;

	if (session->proxied)
		take_proxy(session, (struct span){ bytes, len });
	else
		session->service->input(session, bytes, len);
}

static void
on_sent(void *ctx)
{
	struct session *session = ctx;

	if (session->opened && session->service->sent != NULL)
		session->service->sent(session);
}

static void
on_ended(void *ctx, const struct err *err)
{
	struct session *session = ctx;
	struct str tls = {0};

	stream_tls_about(&session->stream, &tls);
	bool unshaken = session->stream.tls != NULL && tls.len == 0;
	session->relay->meters.tls_failures_total += unshaken;
	if (unshaken)
		log_info("-: event=tls-failed relay=%s client=%s why=\"%s\"", session->instance->settings->name,
		    str_c(&session->where), err->text);
	else
		log_debug("-: event=gone client=%s why=\"%s\"", str_c(&session->where), err->text);
	str_free(&tls);
	if (session->opened)
		session->service->gone(session);
	else
		session_end(session);
}

static void
on_late(void *ctx)
{
	struct session *session = ctx;

	if (session->opened)
		session->service->late(session);
	else
		session_end(session);
}

static void
open_service(struct session *session)
{
	session->opened = true;
	session->service->open(session);
}

static void
on_secured(void *ctx)
{
	struct session *session = ctx;
	const struct relay_settings *settings = session->instance->settings;
	struct str tls = {0};

	session->relay->meters.tls_handshakes_total++;
	session->known = session->known || (!session->spoken_for &&
	    stream_tls_knows(&session->stream, settings->relay_from_certificates));
	stream_tls_about(&session->stream, &tls);
	log_info("-: event=tls relay=%s client=%s tls=\"%s\" known=%s", settings->name, str_c(&session->where),
	    str_c(&tls), session->known ? "yes" : "no");
	str_free(&tls);
	if (session->opened)
		session->service->secured(session);
	else
		open_service(session);
}

static const struct stream_hooks hooks = {
	.input = on_input, .sent = on_sent, .ended = on_ended, .late = on_late,
	.secured = on_secured,
};

/* limits */

enum {
	CLIENTS_MOST = 1 << 30,
	APART = 256,		/* descriptors for all that is no client: files, next hops, helpers */
};

/* As far as the hard limit goes. */
static void
raise_limit(struct rlimit *files, rlim_t want)
{
	const struct rlimit raised = { files->rlim_max < want ? files->rlim_max : want, files->rlim_max };

	if (files->rlim_cur < want && setrlimit(RLIMIT_NOFILE, &raised) == 0)
		*files = raised;
}

/* Clients that took the last one would leave none for their mail. */
void
session_make_room(struct relay *relay)
{
	const struct setup *setup = relay->setup;
	uint64_t clients = 0;
	struct rlimit files;

	for (size_t i = 0; i < setup->instances; i++)
		if (setup->instance[i].settings->max_connections > clients)
			clients = setup->instance[i].settings->max_connections;
	if (clients > CLIENTS_MOST)
		clients = CLIENTS_MOST;
	relay->room = clients;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	raise_limit(&files, (rlim_t)clients + APART);
	if (files.rlim_cur >= clients + APART)
		return;
	relay->room = files.rlim_cur > 2 * APART ? files.rlim_cur - APART : files.rlim_cur / 2;
	log_warn("-: event=few-descriptors max-connections=%llu room=%llu why=\"a process may have %llu here "
	    "(LimitNOFILE=, ulimit -n)\"", (unsigned long long)clients, (unsigned long long)relay->room,
	    (unsigned long long)files.rlim_cur);
}

static bool
is_full(const struct relay *relay, const struct relay_settings *limits, bool present)
{
	uint64_t most = relay->room < limits->max_connections ? relay->room : limits->max_connections;

	return relay->session_count >= most + present;
}

static size_t
sessions_of(const struct relay *relay, const struct ip *ip)
{
	const struct ip as = ip_host(ip);
	size_t count = 0;

	for (const struct session *s = relay->sessions; s != NULL; s = s->next) {
		const struct ip other = ip_host(&s->ip);
		count += ip_same(&other, &as);
	}
	return count;
}

/* NULL: come in.  present: he counts as one of them already. */
static const char *
too_many(struct relay *relay, const struct relay_settings *limits, const struct service *service,
    const struct ip *ip, bool present)
{
	if (is_full(relay, limits, present))
		return service->full;
	if (sessions_of(relay, ip) >= limits->max_client_connections + present)
		return service->client_full;
	if (limits->max_client_rate > 0 && rate_count(&relay->rate, ip, clock_mono()) > limits->max_client_rate)
		return service->client_full;
	return NULL;
}

/* Whom a proxy brings is counted as himself. */
static const char *
not_welcome(struct session *session)
{
	const char *sorry = too_many(session->relay, session->instance->settings, session->service, &session->ip, true);

	if (sorry == NULL)
		return NULL;
	session->relay->meters.turned_away_total++;
	log_warn("-: event=turned-away relay=%s client=%s reply=\"%.30s\"", session->instance->settings->name,
	    str_c(&session->where), sorry);
	return sorry;
}

/* One write into an empty socket: it fits, or he need not know. */
static void
turn_away(int fd, const char *reply)
{
	ssize_t told = write(fd, reply, strlen(reply));

	(void)told;
	close(fd);
}

/* coming and going */

static void
join(struct session *session, struct relay *relay)
{
	session->relay = relay;
	session->next = relay->sessions;
	session->at = &relay->sessions;
	if (session->next != NULL)
		session->next->at = &session->next;
	relay->sessions = session;
	relay->session_count++;
}

static void
leave(struct session *session)
{
	struct relay *relay = session->relay;

	*session->at = session->next;
	if (session->next != NULL)
		session->next->at = session->at;
	relay->session_count--;
	if (session->opened)
		session->service->close(session);
	setup_drop(session->setup);
	proxy_free(&session->proxy);
	str_free(&session->client);
	str_free(&session->where);
	str_free(&session->shown);
	free(session);
	relay_left(relay);
}

/* A client by a socket of this host has no address; who may open its file is one of ours. */
static void
meet(struct session *session, const struct sockaddr *peer)
{
	session->known = peer->sa_family == AF_UNIX;
	ip_of(peer, &session->ip);
	if (session->known) {
		str_add_text(&session->client, "unix");
		str_add_text(&session->where, "unix");
		return;
	}
	ip_show(&session->ip, &session->client);
	place_show(peer, &session->where);
}

int
session_is(struct session *session, const char *ip, const char *port, struct err *err)
{
	struct ip said;

	if (ip_parse(span_of(ip), &said) < 0) {
		err_set(err, ERR_PERM, "that is no address");
		return err_as_reply(err, 501, "5.5.4");
	}
	log_info("-: event=speaks-for relay=%s client=%s for=%s", session->instance->settings->name,
	    str_c(&session->where), ip);
	session->known = false;		/* whoever he is, not who spoke for him */
	session->ip = said;
	str_clear(&session->client);
	str_clear(&session->where);
	ip_show(&said, &session->client);
	place_join(str_c(&session->client), port, &session->where);
	return 0;
}

static void
begin(struct session *session)
{
	if (session->tls)
		session_secure(session);
	else
		open_service(session);
}

void
session_taken(void *ctx, int fd, const struct sockaddr *peer)
{
	const struct door *door = ctx;
	const struct instance *instance = setup_instance(door->relay->setup, door->instance);
	struct session *session = mem_get(sizeof *session);
	const char *sorry = NULL;

	session->service = door->service;
	session->instance = instance;
	session->tls = door->tls;
	session->lmtp = door->lmtp;
	meet(session, peer);
	session->proxied = access_trusts(&instance->proxies, &session->ip) && !session->known;
	if (session->proxied || session->known)
		sorry = is_full(door->relay, instance->settings, false) ? door->service->full : NULL;
	else
		sorry = too_many(door->relay, instance->settings, door->service, &session->ip, false);
	door->relay->meters.connections_total += sorry == NULL;
	door->relay->meters.turned_away_total += sorry != NULL;
	if (sorry != NULL) {
		log_warn("-: event=turned-away relay=%s client=%s reply=\"%.30s\"", door->instance,
		    str_c(&session->where), sorry);
		turn_away(fd, door->tls ? "" : sorry);
		str_free(&session->client);
		str_free(&session->where);
		free(session);
		return;
	}
	session->setup = setup_hold(door->relay->setup);
	join(session, door->relay);
	stream_start(&session->stream, &door->relay->loop, fd, &hooks, session);
	stream_deadline(&session->stream, instance->settings->timeout);
	if (!session->proxied)
		begin(session);
}

struct shown
session_shown(struct session *session)
{
	if (!shown_is_wanted())
		return (struct shown){0};
	str_clear(&session->shown);
	str_printf(&session->shown, "service=%s relay=%s client=%s", session->service->name,
	    session->instance->settings->name, str_c(&session->where));
	return (struct shown){ shown_in_log, session->shown.p };
}

void
session_secure(struct session *session)
{
	stream_accept_tls(&session->stream, session->instance->tls);
}

void
session_end(struct session *session)
{
	stream_finish(&session->stream);
	leave(session);
}

void
session_break(struct session *session)
{
	stream_free(&session->stream);
	leave(session);
}
