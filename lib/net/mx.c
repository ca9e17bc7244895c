#include "lib/net/mx.h"

#if HAVE_CARES
#include <ares.h>
#endif
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/net/place.h"

static const char no_answer[] = "no answer in time";

struct mx_host {
	struct mx *mx;
	char *name;
	unsigned preference;
	uint16_t chance;	/* the order of those of one preference */
	char **address;
	size_t addresses;
	bool none;		/* the DNS says that there are none */
};

void
mx_places_free(struct mx_places *places)
{
	for (size_t i = 0; i < places->count; i++) {
		free(places->place[i].host);
		free(places->place[i].address);
	}
	free(places->place);
	*places = (struct mx_places){0};
}

/* the answer */

static void
end(struct mx *mx)
{
	timer_set(&mx->end, 0);
}

static int
temporary(struct mx *mx, const char *why)
{
	err_set(&mx->err, ERR_TEMP, "%s: the DNS does not tell now: %s", mx->domain, why);
	return err_as(&mx->err, 0, "4.4.3");
}

static int
permanent(struct mx *mx, const char *code, const char *why)
{
	err_set(&mx->err, ERR_PERM, "%s %s", mx->domain, why);
	return err_as(&mx->err, 0, code);
}

static int
by_preference(const void *a, const void *b)
{
	const struct mx_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return (x->chance > y->chance) - (x->chance < y->chance);
}

static void
add_place(struct mx_places *places, const struct mx_host *host, const char *address)
{
	if (places->count == MX_PLACES)
		return;
	places->place = mem_resize(places->place, places->count + 1, sizeof *places->place);
	places->place[places->count++] = (struct mx_place){ mem_text(host->name), mem_text(address),
	    host->preference };
}

/* The families by turns, so that a host whose IPv6 leads nowhere is met at its second. */
static void
add_host(struct mx_places *places, const struct mx_host *host)
{
	size_t six = 0, four = 0, n = host->addresses;

	for (size_t i = 0; i < n; i++) {
		while (six < n && strchr(host->address[six], ':') == NULL)
			six++;
		while (four < n && strchr(host->address[four], ':') != NULL)
			four++;
		bool take_six = six < n && (i % 2 == 0 || four >= n);
		if (take_six || four < n)
			add_place(places, host, host->address[take_six ? six++ : four++]);
	}
}

static void
collect(struct mx *mx, struct mx_places *places)
{
	bool later = false;

	qsort(mx->host, mx->hosts, sizeof *mx->host, by_preference);
	for (size_t i = 0; i < mx->hosts; i++) {
		add_host(places, &mx->host[i]);
		later |= mx->host[i].addresses == 0 && !mx->host[i].none;
	}
	if (places->count > 0)
		mx->err = (struct err){0};
	else if (later)
		temporary(mx, no_answer);
	else if (mx->implicit)
		permanent(mx, "5.1.2", "has neither MX nor address");
	else
		permanent(mx, "5.4.4", "names hosts for its mail that have no address");
}

static void
on_end(void *ctx)
{
	struct mx *mx = ctx;
	struct mx_places places = {0};

	if (mx->err.kind == ERR_NONE)
		collect(mx, &places);
	struct err err = mx->err;
	mx_cancel(mx);
	mx->done(mx->ctx, &places, &err);
}

static void
on_limit(void *ctx)
{
	struct mx *mx = ctx;

	temporary(mx, no_answer);
	on_end(mx);
}

#if HAVE_CARES
/* addresses */

static void
add_address(struct mx_host *host, const struct sockaddr *address)
{
	struct ip ip;
	struct str text = {0};

	if (host->addresses == MX_PLACES || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return;
	ip_of(address, &ip);
	ip_show(&ip, &text);
	host->address = mem_resize(host->address, host->addresses + 1, sizeof *host->address);
	host->address[host->addresses++] = mem_text(str_c(&text));
	str_free(&text);
}

static void
on_addresses(void *ctx, int status, int timeouts, struct ares_addrinfo *list)
{
	struct mx_host *host = ctx;
	struct mx *mx = host->mx;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	host->none = status == ARES_ENOTFOUND || status == ARES_ENODATA;
	for (const struct ares_addrinfo_node *node = list != NULL ? list->nodes : NULL; node != NULL; node = node->ai_next)
		add_address(host, node->ai_addr);
	if (list != NULL)
		ares_freeaddrinfo(list);
	if (--mx->asked == 0)
		end(mx);
}

static void
ask_addresses(struct mx *mx)
{
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT,
		.ai_socktype = SOCK_STREAM };

	mx->asked = mx->hosts + 1;	/* one for us: an answer may come at once */
	for (size_t i = 0; i < mx->hosts; i++)
		ares_getaddrinfo(mx->dns.channel, mx->host[i].name, NULL, &hints, on_addresses, &mx->host[i]);
	if (--mx->asked == 0)
		end(mx);
}

/* hosts */

/* What a zone calls a host goes to the log and into a handshake: a host's name, or none. */
static void
add_name(struct mx *mx, const char *name, unsigned preference)
{
	if (mx->hosts == MX_HOSTS || !span_is_host(span_of(name)))
		return;
	struct mx_host *host = &mx->host[mx->hosts++];
	*host = (struct mx_host){ .mx = mx, .name = mem_text(name), .preference = preference, .none = true };
	random_bytes(&host->chance, sizeof host->chance);
}

/* RFC 5321 5.1: to ourselves and whoever is no better it does not go. */
static unsigned
our_preference(const struct mx *mx, const struct ares_mx_reply *list)
{
	unsigned best = UINT_MAX;

	for (; list != NULL; list = list->next)
		if (strcasecmp(list->host, mx->ourselves) == 0 && list->priority < best)
			best = list->priority;
	return best;
}

static void
take_hosts(struct mx *mx, const struct ares_mx_reply *list)
{
	unsigned ours = our_preference(mx, list);

	if (list->next == NULL && (list->host[0] == '\0' || strcmp(list->host, ".") == 0)) {
		permanent(mx, "5.1.10", "takes no mail: its MX says so (RFC 7505)");
		return;
	}
	for (; list != NULL; list = list->next)
		if (list->priority < ours)
			add_name(mx, list->host, list->priority);
	if (mx->hosts == 0 && ours != UINT_MAX)
		permanent(mx, "5.4.6", "has its mail sent to us, who have no other place for it");
	else if (mx->hosts == 0)
		permanent(mx, "5.4.4", "names no proper host for its mail");
}

static void
on_mx(void *ctx, int status, int timeouts, unsigned char *answer, int len)
{
	struct mx *mx = ctx;
	struct ares_mx_reply *list = NULL;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS)
		status = ares_parse_mx_reply(answer, len, &list);
	if (status == ARES_SUCCESS && list != NULL) {
		take_hosts(mx, list);
	} else if (status == ARES_ENODATA || status == ARES_SUCCESS) {
		mx->implicit = true;
		add_name(mx, mx->domain, 0);
	} else if (status == ARES_ENOTFOUND || status == ARES_EBADNAME) {
		permanent(mx, "5.1.2", "is no domain that there is");
	} else {
		temporary(mx, ares_strerror(status));
	}
	if (list != NULL)
		ares_free_data(list);
	if (mx->err.kind == ERR_NONE && mx->hosts > 0)
		ask_addresses(mx);
	else
		end(mx);
}

static void
ask_mx(struct mx *mx)
{
	ares_query(mx->dns.channel, mx->domain, ns_c_in, ns_t_mx, on_mx, mx);
	dns_asked(&mx->dns);
}

#else

static void
ask_mx(struct mx *mx)
{
	(void)mx;	/* it never opens */
}

#endif

/* the beginning */

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static void
take_literal(struct mx *mx)
{
	struct span text = span_of(mx->domain);
	struct ip ip;
	struct str shown = {0};

	text = span_from(text, 1);
	text.len -= text.len > 0 && text.p[text.len - 1] == ']';
	if (span_begins_case(text, "IPv6:"))
		text = span_from(text, 5);
	if (ip_parse(text, &ip) < 0) {
		permanent(mx, "5.1.2", "is no address of a host");
		return;
	}
	ip_show(&ip, &shown);
	struct mx_host *host = &mx->host[mx->hosts++];
	*host = (struct mx_host){ .mx = mx, .name = mem_text(str_c(&shown)) };
	host->address = mem_get(sizeof *host->address);
	host->address[host->addresses++] = mem_text(str_c(&shown));
	str_free(&shown);
}

void
mx_start(struct mx *mx, struct loop *loop, const char *domain, const char *servers,
    const char *ourselves, int64_t seconds,
    void (*done)(void *ctx, struct mx_places *places, const struct err *err), void *ctx)
{
	*mx = (struct mx){ .loop = loop, .domain = mem_text(domain), .ourselves = mem_text(ourselves),
		.host = mem_get(MX_HOSTS * sizeof *mx->host), .done = done, .ctx = ctx };
	size_t len = strlen(mx->domain);
	if (len > 1 && mx->domain[len - 1] == '.')
		mx->domain[len - 1] = '\0';
	timer_start(&mx->end, loop, on_end, mx);
	timer_start(&mx->limit, loop, on_limit, mx);
	timer_set(&mx->limit, seconds * CLOCK_SECOND);
	if (domain[0] == '[') {
		take_literal(mx);
		end(mx);
	} else if (dns_open(&mx->dns, loop, servers, &mx->err) < 0) {
		end(mx);
	} else {
		ask_mx(mx);
	}
}

static void
host_free(struct mx_host *host)
{
	for (size_t i = 0; i < host->addresses; i++)
		free(host->address[i]);
	free(host->address);
	free(host->name);
}

void
mx_cancel(struct mx *mx)
{
	if (mx->loop == NULL)
		return;
	dns_close(&mx->dns);
	timer_free(&mx->end);
	timer_free(&mx->limit);
	for (size_t i = 0; i < mx->hosts; i++)
		host_free(&mx->host[i]);
	free(mx->host);
	free(mx->domain);
	free(mx->ourselves);
	mx->host = NULL;
	mx->domain = mx->ourselves = NULL;
	mx->hosts = 0;
	mx->loop = NULL;
}
