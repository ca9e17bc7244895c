#include "relay/lists.h"

#if HAVE_CARES
#include <ares.h>
#endif
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum { KEPT_LEAST = 60, KEPT_MOST = 3600, KEPT_NONE = 300, ZONE_MAX = 190, WEIGHT_MAX = 100, PLACES = 4 };

struct rule {
	struct span zone;
	struct span addresses;		/* "" any */
	int weight;
};

struct lists_query {
	struct lists *lists;		/* NULL: nobody waits any more */
	struct lists_memory *memory;
	size_t at;
	unsigned char key[16];
	char *zone, *addresses;
	int weight;
};

/* ---- the setting ---- */

static bool
is_zone(struct span zone)
{
	return zone.len > 0 && zone.len <= ZONE_MAX && zone.p[0] != '.' && span_has_only(zone, "-_.");
}

static bool
are_addresses(struct span list)
{
	struct span one;
	struct ip ip;

	while (list.len > 0 && span_cut(&list, ',', &one))
		if (ip_parse(one, &ip) < 0 || !ip_is_v4(&ip))
			return false;
	return true;
}

/* ZONE[/ADDRESS,...][:WEIGHT] */
static int
read_rule(struct span word, struct rule *rule)
{
	struct span weight = word, head;
	uint64_t number = 1;

	span_cut(&weight, ':', &head);
	bool minus = weight.len > 0 && weight.p[0] == '-';
	if (head.len < word.len && span_number(span_from(weight, minus), WEIGHT_MAX, &number) < 0)
		return -1;
	rule->weight = minus ? -(int)number : (int)number;
	rule->addresses = head;
	span_cut(&rule->addresses, '/', &rule->zone);
	if (rule->zone.len < head.len && rule->addresses.len == 0)
		return -1;
	return is_zone(rule->zone) && are_addresses(rule->addresses) ? 0 : -1;
}

int
lists_check(const char *setting, struct err *err)
{
	struct span rest = span_of(setting), word;
	struct rule rule;
	size_t count = 0;

	if (setting[0] != '\0' && !dns_is_asked())
		return err_set(err, ERR_CONFIG, "lists: this mochila was built --without-cares, and cannot ask lists in the DNS");
	while ((word = span_word(&rest)).len > 0)
		if (++count > LISTS_MAX || read_rule(word, &rule) < 0)
			return err_set(err, ERR_CONFIG, "lists: %.*s is no ZONE[/127.0.0.N,...][:WEIGHT], of which there "
			    "may be %d", (int)(word.len < 100 ? word.len : 100), word.p, LISTS_MAX);
	return 0;
}

/* ---- what is known ---- */

static void
key_of(const struct ip *ip, struct span zone, unsigned char key[16])
{
	struct digest digest = {0};
	unsigned char sum[DIGEST_SIZE];

	digest_start(&digest);
	digest_add(&digest, ip->bytes, sizeof ip->bytes);
	digest_add(&digest, zone.p, zone.len);
	digest_end(&digest, sum);
	memcpy(key, sum, 16);
}

/* Where it is, or the place that it may have; only there if its key is the same. */
static struct lists_known *
place_of(struct lists_memory *memory, const unsigned char key[16])
{
	size_t at = ((size_t)key[0] << 8 | key[1]) % LISTS_KEPT;
	struct lists_known *found = NULL;

	if (memory->known == NULL)
		memory->known = mem_get(LISTS_KEPT * sizeof *memory->known);
	for (size_t i = 0; i < PLACES; i++) {
		struct lists_known *one = &memory->known[(at + i) % LISTS_KEPT];
		if (one->until > 0 && memcmp(one->key, key, 16) == 0)
			return one;
		if (found == NULL || one->until < found->until)
			found = one;
	}
	return found;
}

/* ---- answers ---- */

static void
add_score(struct lists *lists, struct span zone, struct span addresses, int weight, const struct lists_known *known)
{
	bool has = false;

	for (unsigned i = 0; i < known->count && !has; i++) {
		char text[INET_ADDRSTRLEN];
		struct span rest = addresses, one;
		has = addresses.len == 0;
		inet_ntop(AF_INET, &known->address[i], text, sizeof text);
		while (!has && rest.len > 0 && span_cut(&rest, ',', &one))
			has = span_is(one, text);
	}
	if (!has)
		return;
	lists->score += weight;
	str_printf(&lists->names, "%s%.*s", lists->names.len > 0 ? " " : "", (int)zone.len, zone.p);
}

static void
tell(struct lists *lists)
{
	lists->waiting = 0;
	timer_set(&lists->end, 0);
}

#if HAVE_CARES
static bool
is_meant(uint32_t address)
{
	uint32_t host = ntohl(address);

	return host >> 24 == 127 && host >> 8 != 0x7fffff;
}

static void
learn(struct lists_known *known, const unsigned char key[16], const unsigned char *answer, int len, int status)
{
	struct ares_addrttl list[LISTS_ADDRESSES];
	int count = LISTS_ADDRESSES, seconds = KEPT_NONE;

	*known = (struct lists_known){0};
	memcpy(known->key, key, 16);
	if (status == ARES_SUCCESS && ares_parse_a_reply(answer, len, NULL, list, &count) == ARES_SUCCESS) {
		for (int i = 0; i < count; i++) {
			seconds = list[i].ttl;
			if (is_meant(list[i].ipaddr.s_addr))
				known->address[known->count++] = list[i].ipaddr.s_addr;
		}
	}
	seconds = seconds < KEPT_LEAST ? KEPT_LEAST : seconds > KEPT_MOST ? KEPT_MOST : seconds;
	known->until = clock_mono() + seconds * CLOCK_SECOND;
}

static void
on_answer(void *ctx, int status, int timeouts, unsigned char *answer, int len)
{
	struct lists_query *q = ctx;
	struct lists *lists = q->lists;

	(void)timeouts;
	if (status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA) {
		struct lists_known *known = place_of(q->memory, q->key);
		learn(known, q->key, answer, len, status);
		if (lists != NULL)
			add_score(lists, span_of(q->zone), span_of(q->addresses), q->weight, known);
	}
	if (lists != NULL) {
		lists->query[q->at] = NULL;
		if (lists->waiting > 0 && --lists->waiting == 0)
			tell(lists);
	}
	free(q->zone);
	free(q->addresses);
	free(q);
}

static void
ask_dns(struct lists_query *q, const char *name)
{
	ares_query(q->memory->dns.channel, name, ns_c_in, ns_t_a, on_answer, q);
}
#else
static void
ask_dns(struct lists_query *q, const char *name)
{
	(void)q, (void)name;	/* lists_check() has said no */
}
#endif

/* ---- questions ---- */

/* RFC 5782 2.1, 2.4: its bytes, or its half bytes, last first. */
static void
question_of(const struct ip *ip, struct span zone, struct str *name)
{
	static const char digits[] = "0123456789abcdef";

	if (ip_is_v4(ip))
		str_printf(name, "%u.%u.%u.%u.", ip->bytes[15], ip->bytes[14], ip->bytes[13], ip->bytes[12]);
	for (size_t i = 16; i-- > 0 && !ip_is_v4(ip);)
		str_printf(name, "%c.%c.", digits[ip->bytes[i] & 15], digits[ip->bytes[i] >> 4]);
	str_add_span(name, zone);
}

/* Others than before are asked by a channel of their own. */
static int
open_channel(struct lists_memory *memory, struct loop *loop, const char *servers, struct err *err)
{
	if (memory->servers != NULL && strcmp(memory->servers, servers) == 0)
		return 0;
	dns_close(&memory->dns);
	free(memory->servers);
	memory->servers = NULL;
	if (dns_open(&memory->dns, loop, servers, err) < 0)
		return -1;
	memory->servers = mem_text(servers);
	return 0;
}

static void
ask_one(struct lists *lists, const struct ip *ip, const struct rule *rule, size_t at)
{
	struct lists_memory *memory = &lists->relay->lists;
	struct lists_query *q = mem_get(sizeof *q);
	struct str name = {0};

	*q = (struct lists_query){ .lists = lists, .memory = memory, .at = at, .weight = rule->weight,
		.zone = mem_text_n(rule->zone.p, rule->zone.len),
		.addresses = mem_text_n(rule->addresses.len > 0 ? rule->addresses.p : "", rule->addresses.len) };
	key_of(ip, rule->zone, q->key);
	question_of(ip, rule->zone, &name);
	lists->query[at] = q;
	lists->waiting++;
	ask_dns(q, str_c(&name));
	str_free(&name);
}

static void
on_end(void *ctx)
{
	struct lists *lists = ctx;

	for (size_t i = 0; i < LISTS_MAX; i++) {
		if (lists->query[i] != NULL)
			lists->query[i]->lists = NULL;
		lists->query[i] = NULL;
	}
	lists->waiting = 0;
	timer_free(&lists->end);
	lists->told(lists->ctx);
}

void
lists_ask(struct lists *lists, struct relay *relay, const struct ip *ip, const char *setting,
    const char *servers, int64_t seconds, void (*told)(void *ctx), void *ctx)
{
	struct span rest = span_of(setting), word;
	struct err err = {0};
	struct rule rule;
	size_t at = 0;

	*lists = (struct lists){ .relay = relay, .told = told, .ctx = ctx, .waiting = 1 };
	timer_start(&lists->end, &relay->loop, on_end, lists);
	timer_set(&lists->end, seconds * CLOCK_SECOND);
	if (open_channel(&relay->lists, &relay->loop, servers, &err) < 0)
		log_warn("-: event=lists-trouble why=\"%s\"", err.text);
	while (relay->lists.servers != NULL && at < LISTS_MAX && (word = span_word(&rest)).len > 0 &&
	    read_rule(word, &rule) == 0) {
		unsigned char key[16];
		key_of(ip, rule.zone, key);
		const struct lists_known *known = place_of(&relay->lists, key);
		if (memcmp(known->key, key, 16) == 0 && known->until > clock_mono())
			add_score(lists, rule.zone, rule.addresses, rule.weight, known);
		else
			ask_one(lists, ip, &rule, at++);
	}
	if (at > 0)
		dns_asked(&relay->lists.dns);
	if (--lists->waiting == 0)
		tell(lists);
}

void
lists_leave(struct lists *lists)
{
	for (size_t i = 0; i < LISTS_MAX; i++)
		if (lists->query[i] != NULL)
			lists->query[i]->lists = NULL;
	timer_free(&lists->end);
	str_free(&lists->names);
	*lists = (struct lists){0};
}

void
lists_forget(struct lists_memory *memory)
{
	dns_close(&memory->dns);
	free(memory->servers);
	free(memory->known);
	*memory = (struct lists_memory){0};
}
