/*
 * check spf - may that host send for that domain (RFC 7208)?  libspf2 thinks, c-ares asks: the
 * same name servers as everywhere in the house.
 */
#include "relay/check.h"

#ifdef HAVE_LIBSPF2

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include <spf2/spf.h>

#include "lib/base/clock.h"
#include "lib/net/dns.h"

enum { QUERY_MS = 4000, ALL_SECONDS = 20, RECORDS_MAX = 100 };

struct looking {
	SPF_dns_rr_t *rr;
	SPF_dns_server_t *server;
	const char *domain;
	ns_type type;
	bool done;
};

static ares_channel channel;
static int64_t until;

static void
add_record(SPF_dns_rr_t *rr, const void *data, size_t len)
{
	if (rr->num_rr >= RECORDS_MAX || SPF_dns_rr_buf_realloc(rr, rr->num_rr, len + 1) != SPF_E_SUCCESS)
		return;
	memcpy(rr->rr[rr->num_rr], data, len);
	((char *)rr->rr[rr->num_rr])[len] = '\0';
	rr->num_rr++;
}

static int
add_texts(SPF_dns_rr_t *rr, const unsigned char *answer, int len)
{
	struct ares_txt_ext *list = NULL;
	struct str text = {0};
	int status = ares_parse_txt_reply_ext(answer, len, &list);

	for (const struct ares_txt_ext *each = list; each != NULL; each = each->next) {
		str_add(&text, each->txt, each->length);
		if (each->next != NULL && !each->next->record_start)
			continue;	/* RFC 7208 3.3: the strings of a record are one */
		add_record(rr, str_c(&text), text.len);
		str_clear(&text);
	}
	if (list != NULL)
		ares_free_data(list);
	str_free(&text);
	return status;
}

static int
add_hosts(SPF_dns_rr_t *rr, const unsigned char *answer, int len)
{
	struct ares_mx_reply *list = NULL;
	int status = ares_parse_mx_reply(answer, len, &list);

	for (const struct ares_mx_reply *each = list; each != NULL; each = each->next)
		add_record(rr, each->host, strlen(each->host));
	if (list != NULL)
		ares_free_data(list);
	return status;
}

static int
add_addresses(SPF_dns_rr_t *rr, const unsigned char *answer, int len, bool six)
{
	struct hostent *host = NULL;
	int status = six ? ares_parse_aaaa_reply(answer, len, &host, NULL, NULL) :
	    ares_parse_a_reply(answer, len, &host, NULL, NULL);

	for (size_t i = 0; host != NULL && host->h_addr_list[i] != NULL; i++)
		add_record(rr, host->h_addr_list[i], (size_t)host->h_length);
	if (host != NULL)
		ares_free_hostent(host);
	return status;
}

static int
add_names(SPF_dns_rr_t *rr, const unsigned char *answer, int len)
{
	struct hostent *host = NULL;
	struct in_addr nobody = {0};
	int status = ares_parse_ptr_reply(answer, len, &nobody, sizeof nobody, AF_INET, &host);

	for (size_t i = 0; host != NULL && host->h_aliases[i] != NULL; i++)
		add_record(rr, host->h_aliases[i], strlen(host->h_aliases[i]));
	if (host != NULL)
		ares_free_hostent(host);
	return status;
}

static int
add_answer(SPF_dns_rr_t *rr, ns_type type, const unsigned char *answer, int len)
{
	switch ((int)type) {
	case ns_t_txt: return add_texts(rr, answer, len);
	case ns_t_mx: return add_hosts(rr, answer, len);
	case ns_t_a: return add_addresses(rr, answer, len, false);
	case ns_t_aaaa: return add_addresses(rr, answer, len, true);
	case ns_t_ptr: return add_names(rr, answer, len);
	default: return ARES_ENODATA;
	}
}

static SPF_dns_stat_t
stat_of(int status)
{
	if (status == ARES_SUCCESS)
		return NETDB_SUCCESS;
	if (status == ARES_ENOTFOUND || status == ARES_EBADNAME)
		return HOST_NOT_FOUND;
	return status == ARES_ENODATA ? NO_DATA : TRY_AGAIN;
}

static void
on_answer(void *ctx, int status, int timeouts, unsigned char *answer, int len)
{
	struct looking *l = ctx;

	(void)timeouts;
	l->rr = SPF_dns_rr_new_init(l->server, l->domain, l->type, 0, NETDB_SUCCESS);
	l->done = true;
	if (l->rr == NULL)
		return;
	if (status == ARES_SUCCESS)
		status = add_answer(l->rr, l->type, answer, len);
	l->rr->herrno = stat_of(status);
}

/* Until the question is answered, or the time for all of them is over. */
static void
wait_for(const struct looking *l)
{
	while (!l->done && clock_mono() < until) {
		ares_socket_t fd[ARES_GETSOCK_MAXNUM];
		struct pollfd polls[ARES_GETSOCK_MAXNUM];
		struct timeval most = { .tv_sec = 1 }, left;
		/* Its own macros shift a bit into the sign. */
		unsigned bits = (unsigned)ares_getsock(channel, fd, ARES_GETSOCK_MAXNUM);
		int count = 0;

		for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
			bool writes = (bits >> (i + ARES_GETSOCK_MAXNUM) & 1) != 0;
			if (writes || (bits >> i & 1) != 0)
				polls[count++] = (struct pollfd){ .fd = fd[i], .events = (short)(writes ? POLLIN | POLLOUT : POLLIN) };
		}
		const struct timeval *wait = ares_timeout(channel, &most, &left);
		poll(polls, (nfds_t)count, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) + 1);
		for (int i = 0; i < count; i++)
			ares_process_fd(channel, (polls[i].revents & ~POLLOUT) != 0 ? polls[i].fd : ARES_SOCKET_BAD,
			    (polls[i].revents & POLLOUT) != 0 ? polls[i].fd : ARES_SOCKET_BAD);
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	}
}

static SPF_dns_rr_t *
look_up(SPF_dns_server_t *server, const char *domain, ns_type type, int should_cache)
{
	struct looking l = { .server = server, .domain = domain, .type = type };

	(void)should_cache;
	ares_query(channel, domain, ns_c_in, (int)type, on_answer, &l);
	wait_for(&l);
	if (!l.done)
		ares_cancel(channel);	/* l is answered, too */
	return l.rr;
}

static void
explain(SPF_response_t *response, struct str *words)
{
	const char *text = SPF_response_result(response) == SPF_RESULT_FAIL ?
	    SPF_response_get_smtp_comment(response) : NULL;

	for (size_t i = 0; text != NULL && text[i] != '\0' && i < 200; i++)
		str_add_char(words, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

static void
ask(SPF_server_t *server, const char *client, const char *helo, const char *from, struct str *words)
{
	SPF_request_t *request = SPF_request_new(server);
	SPF_response_t *response = NULL;
	bool six = strchr(client, ':') != NULL;

	if (request == NULL || (six ? SPF_request_set_ipv6_str(request, client) :
	    SPF_request_set_ipv4_str(request, client)) != SPF_E_SUCCESS) {
		str_add_text(words, "none");
	} else {
		SPF_request_set_helo_dom(request, helo);
		if (from[0] != '\0')
			SPF_request_set_env_from(request, from);
		SPF_request_query_mailfrom(request, &response);
		if (response != NULL) {
			const char *result = SPF_strresult(SPF_response_result(response));
			str_printf(words, "%s ", result != NULL && result[0] != '(' ? result : "none");
			explain(response, words);
		} else {
			str_add_text(words, "temperror");
		}
	}
	if (response != NULL)
		SPF_response_free(response);
	if (request != NULL)
		SPF_request_free(request);
}

void
check_spf(const char *resolver, const char *host, const char *client, const char *helo, const char *from,
    struct str *words)
{
	SPF_dns_server_t dns = { .lookup = look_up, .name = "c-ares" };
	struct ares_options options = { .timeout = QUERY_MS, .tries = 2 };
	struct err err;

	until = clock_mono() + ALL_SECONDS * CLOCK_SECOND;
	if (dns_channel(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES, resolver, &err) < 0) {
		str_add_text(words, "temperror");
		return;
	}
	SPF_server_t *server = SPF_server_new_dns(&dns, 0);
	if (server != NULL) {
		SPF_server_set_rec_dom(server, host);
		ask(server, client, helo, from, words);
		server->destroy_resolver = 0;
		SPF_server_free(server);
	}
	ares_destroy(channel);
}

#else

void
check_spf(const char *resolver, const char *host, const char *client, const char *helo, const char *from,
    struct str *words)
{
	(void)resolver, (void)host, (void)client, (void)helo, (void)from;
	str_add_text(words, "none");
}

#endif
