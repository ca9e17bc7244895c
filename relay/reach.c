#include "relay/reach.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/net/place.h"
#include "relay/lane.h"
#include "relay/relay.h"
#include "relay/transport.h"

enum { DIAL_SECONDS = 60, PLACE_SECONDS = 20, MX_SECONDS = 30 };

static const char default_port[] = "25";

static void dial_place(struct reach *reach);

static void
name_host(struct reach *reach, const char *host)
{
	free(reach->host);
	reach->host = mem_text(host);
}

static void
answer(struct reach *reach, int fd, const struct err *err)
{
	struct err why = *err;	/* the owner may start anew */

	if (fd < 0)
		reach_forget(reach);
	reach->done(reach->ctx, fd, &why);
}

/* A socket of this host answers at once, or is not there. */
static int
connect_path(const char *path, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof at.sun_path)
		return err_set(err, ERR_TEMP, "a socket's path has at most %zu characters", sizeof at.sun_path - 1);
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	err_sys(err, "%s", path);
	err->kind = ERR_TEMP;	/* it may come back */
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
on_now(void *ctx)
{
	struct reach *reach = ctx;
	struct err err = {0};
	int fd = reach->err.kind != ERR_NONE ? -1 : connect_path(reach->lane->rest, &err);

	if (reach->err.kind != ERR_NONE)
		err = reach->err;
	answer(reach, fd, &err);
}

/* Which of those that were tried side by side it is. */
static size_t
which_place(const struct reach *reach, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	struct ip ip, at;

	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return reach->at;
	ip_of((struct sockaddr *)&peer, &ip);
	for (size_t i = reach->at; i <= reach->last; i++)
		if (ip_parse(span_of(reach->places.place[i].address), &at) == 0 && ip_same(&at, &ip))
			return i;
	return reach->at;
}

/* It goes before those that were slower, which are next should it be no good. */
static void
put_first(struct reach *reach, size_t chosen)
{
	struct mx_place *place = reach->places.place, first = place[chosen];

	memmove(place + reach->at + 1, place + reach->at, (chosen - reach->at) * sizeof *place);
	place[reach->at] = first;
	name_host(reach, first.host);
}

static void
on_dialled(void *ctx, int fd, const struct err *err)
{
	struct reach *reach = ctx;

	if (reach->places.count > 0 && fd < 0)
		reach->at = reach->last;
	else if (reach->places.count > 0)
		put_first(reach, which_place(reach, fd));
	if (fd < 0 && reach_next(reach))
		dial_place(reach);
	else
		answer(reach, fd, err);
}

/* How: through the proxy, if [hop] names one. */
static int
find_how(struct reach *reach)
{
	const struct hop_settings *set = settings_hop(&reach->lane->relay->setup->settings, reach->lane->transport->name,
	    reach->lane->rest);

	socks_proxy_free(&reach->proxy);
	reach->proxy = (struct socks_proxy){0};
	reach->how = (struct dial_how){ .quick = true };
	if (set->proxy[0] == '\0')
		return 0;
	if (socks_proxy_parse(set->proxy, &reach->proxy, &reach->err) < 0)
		return -1;
	reach->how.proxy = &reach->proxy;
	return 0;
}

/* "DOMAIN:PORT", where the domain may be "[IPv6:...]". */
static struct span
split(const struct reach *reach, struct span *port)
{
	struct span domain = span_of(reach->lane->rest);
	const char *end = domain.p[0] == '[' ? strchr(domain.p, ']') : domain.p;
	const char *colon = end != NULL ? strchr(end, ':') : NULL;

	*port = span_of(colon != NULL ? colon + 1 : "");
	return colon != NULL ? span_to(domain, (size_t)(colon - domain.p)) : domain;
}

/* Those that stand behind it; a proxy is asked for one at a time. */
static void
gather_others(struct reach *reach, const char *port)
{
	const struct mx_place *place = reach->places.place;

	str_clear(&reach->others);
	str_clear(&reach->worse);
	for (reach->last = reach->at; reach->how.proxy == NULL && reach->last + 1 < reach->places.count &&
	    reach->last - reach->at < DIAL_OTHERS;) {
		const struct mx_place *next = &place[++reach->last];
		struct str *list = next->preference == place[reach->at].preference ? &reach->others : &reach->worse;
		str_add_char(list, ' ');
		place_join(next->address, port, list);
	}
	reach->how.others = str_c(&reach->others);
	reach->how.worse = str_c(&reach->worse);
}

static void
dial_place(struct reach *reach)
{
	const struct mx_place *place = &reach->places.place[reach->at];
	struct span port;
	struct str where = {0};

	split(reach, &port);
	name_host(reach, place->host);
	gather_others(reach, port.len > 0 ? port.p : default_port);
	place_join(place->address, port.len > 0 ? port.p : default_port, &where);
	dial_start_how(&reach->dial, &reach->lane->relay->loop, str_c(&where), &reach->how, PLACE_SECONDS, on_dialled, reach);
	str_free(&where);
}

static void
on_mx(void *ctx, struct mx_places *places, const struct err *err)
{
	struct reach *reach = ctx;

	mx_places_free(&reach->places);
	reach->places = *places;
	reach->at = 0;
	if (reach->places.count > 0)
		dial_place(reach);
	else
		answer(reach, -1, err);
}

static void
ask_mx(struct reach *reach)
{
	const struct spool_settings *set = &reach->lane->relay->setup->settings.spool;
	struct span port, domain = split(reach, &port);
	char *text = mem_text_n(domain.p, domain.len);
	mx_start(&reach->mx, &reach->lane->relay->loop, text, set->resolver, set->host, MX_SECONDS, on_mx, reach);
	free(text);
}

static void
dial_host(struct reach *reach)
{
	struct str host = {0}, port = {0};
	struct err ignored;

	place_split(reach->lane->rest, &host, &port, &ignored);
	name_host(reach, str_c(&host));
	str_free(&host);
	str_free(&port);
	dial_start_how(&reach->dial, &reach->lane->relay->loop, reach->lane->rest, &reach->how, DIAL_SECONDS, on_dialled,
	    reach);
}

void
reach_start(struct reach *reach, void (*done)(void *ctx, int fd, const struct err *err), void *ctx)
{
	reach->done = done;
	reach->ctx = ctx;
	reach->err = (struct err){0};
	if (reach->lane->rest[0] == '/' || find_how(reach) < 0) {
		name_host(reach, "");
		timer_set(&reach->now, 0);
	} else if (reach->lane->transport->kind != ROUTE_MX) {
		dial_host(reach);
	} else if (reach->places.count > 0) {
		dial_place(reach);
	} else {
		ask_mx(reach);
	}
}

bool
reach_next(struct reach *reach)
{
	if (reach->at + 1 >= reach->places.count)
		return false;
	reach->at++;
	return true;
}

void
reach_forget(struct reach *reach)
{
	mx_places_free(&reach->places);
	reach->at = 0;
}

void
reach_open(struct reach *reach, struct lane *lane)
{
	*reach = (struct reach){ .lane = lane };
	timer_start(&reach->now, &lane->relay->loop, on_now, reach);
}

void
reach_close(struct reach *reach)
{
	dial_cancel(&reach->dial);
	mx_cancel(&reach->mx);
	timer_free(&reach->now);
	socks_proxy_free(&reach->proxy);
	reach_forget(reach);
	str_free(&reach->others);
	str_free(&reach->worse);
	free(reach->host);
	reach->host = NULL;
}
