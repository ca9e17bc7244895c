#include "spool/route.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/envelope.h"
#include "spool/table.h"

static bool
is_something(const char *rest)
{
	return rest[0] != '\0';
}

static bool
is_nothing(const char *rest)
{
	return rest[0] == '\0';
}

static bool
is_anything(const char *rest)
{
	(void)rest;
	return true;
}

/* "HOST:PORT"; the host may be a number in brackets. */
static bool
is_place(const char *rest)
{
	const char *colon = strrchr(rest, ':');
	uint64_t port;

	return colon != NULL && colon > rest && strpbrk(rest, " \t/") == NULL &&
	    span_number(span_of(colon + 1), 65535, &port) == 0;
}

/* "", "DOMAIN", ":PORT", "DOMAIN:PORT"; a domain may be "[IPv6:...]". */
static bool
is_mx(const char *rest)
{
	const char *end = rest[0] == '[' ? strchr(rest, ']') : rest;
	const char *colon = end != NULL ? strchr(end, ':') : NULL;
	uint64_t port;

	return end != NULL && strpbrk(rest, " \t/") == NULL &&
	    (colon == NULL || span_number(span_of(colon + 1), 65535, &port) == 0);
}

static bool
is_place_or_path(const char *rest)
{
	return rest[0] == '/' ? rest[1] != '\0' : is_place(rest);
}

static bool
is_program(const char *rest)
{
	return rest[0] == '/' && rest[1] != '\0' && rest[1] != ' ';
}

static const struct kind {
	const char *name;
	enum route_kind kind;
	bool (*is)(const char *rest);
	bool out;		/* it leaves this host, or may */
	const char *form;
} kinds[] = {
	{ "site:", ROUTE_SITE, settings_site_name, true, "site:NAME" },
	{ "smtp:", ROUTE_SMTP, is_place, true, "smtp:HOST:PORT" },
	{ "smtps:", ROUTE_SMTPS, is_place, true, "smtps:HOST:PORT" },
	{ "lmtp:", ROUTE_LMTP, is_place_or_path, true, "lmtp:HOST:PORT or lmtp:/SOCKET" },
	{ "mx:", ROUTE_MX, is_mx, true, "mx:, mx:DOMAIN or mx:DOMAIN:PORT" },
	{ "maildir:", ROUTE_MAILDIR, is_something, false, "maildir:DIR" },
	{ "mbox:", ROUTE_MBOX, is_something, false, "mbox:FILE" },
	{ "command:", ROUTE_COMMAND, is_program, true, "command:/PROGRAM ARGUMENTS" },
	{ "release:", ROUTE_RELEASE, is_nothing, false, "release:" },
	{ "filter:", ROUTE_FILTER, is_something, true, NULL },
	{ "reject:", ROUTE_REJECT, is_anything, false, "reject:TEXT" },
	{0},
};

/* How exactly a pattern meets an address; a higher one wins. */
enum { MEETS_NOT, MEETS_ALL, MEETS_BELOW, MEETS_DOMAIN, MEETS_REGEX, MEETS_ADDRESS };

struct place {		/* an address, taken apart */
	struct span local, domain;
};

/* RFC 1034 3.1: "home.example." is "home.example", said in full. */
static struct span
without_dot(struct span domain)
{
	if (domain.len > 0 && domain.p[domain.len - 1] == '.')
		domain.len--;
	return domain;
}

static bool
same_case(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}

static struct place
take_apart(struct span address)
{
	struct span domain = envelope_domain(address);
	struct place place = { .local = address, .domain = without_dot(domain) };

	if (address.len > domain.len && address.p[address.len - domain.len - 1] == '@')
		place.local.len -= domain.len + 1;
	return place;
}

static bool
is_below(struct span domain, struct span parent)
{
	if (parent.len == 0 || domain.len < parent.len + 2)
		return false;
	size_t dot = domain.len - parent.len - 1;
	return domain.p[dot] == '.' && same_case(span_from(domain, dot + 1), parent);
}

static bool
is_regex(struct span pattern)
{
	return pattern.len > 2 && pattern.p[0] == '/' && pattern.p[pattern.len - 1] == '/';
}

/* The text between the slashes, as extended regular expression without regard to case.
 * What takes more than a time in proportion to the text, or memory, to match is no
 * pattern: back-references, and counts. */
static int
compile(struct span pattern, regex_t *regex, struct err *err)
{
	char text[ROUTE_REGEX_MAX + 1], why[120];

	if (pattern.len - 2 > ROUTE_REGEX_MAX)
		return err_set(err, ERR_CONFIG, "longer than %d letters", ROUTE_REGEX_MAX);
	memcpy(text, pattern.p + 1, pattern.len - 2);
	text[pattern.len - 2] = '\0';
	for (const char *c = text; (c = strchr(c, '\\')) != NULL; c += 2)
		if (c[1] == '\0' || strchr("123456789", c[1]) != NULL)
			return err_set(err, ERR_CONFIG, "back-references are not taken");
	if (strchr(text, '{') != NULL)
		return err_set(err, ERR_CONFIG, "counts ({2,5}) are not taken");
	int code = regcomp(regex, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (code == 0)
		return 0;
	regerror(code, regex, why, sizeof why);
	return err_set(err, ERR_CONFIG, "%s", why);
}

static bool
regex_meets(struct span pattern, const struct place *place)
{
	char subject[ROUTE_SUBJECT_MAX];
	regex_t regex;
	struct err ignored;

	/* A pattern sees "user@domain" as the other rows do, without the dot at the end. */
	if (place->local.len + 1 + place->domain.len >= sizeof subject || compile(pattern, &regex, &ignored) < 0)
		return false;
	size_t len = place->local.len;
	memcpy(subject, place->local.p, len);
	subject[len++] = '@';
	if (place->domain.len > 0)
		memcpy(subject + len, place->domain.p, place->domain.len);
	subject[len + place->domain.len] = '\0';
	bool met = regexec(&regex, subject, 0, NULL, 0) == 0;
	regfree(&regex);
	return met;
}

static int
meets(const char *pattern, const struct place *place, size_t *exactness)
{
	struct span text = span_of(pattern);

	*exactness = text.len;
	if (is_regex(text)) {
		*exactness = 0;		/* of several the first */
		return regex_meets(text, place) ? MEETS_REGEX : MEETS_NOT;
	}
	if (span_is(text, "*"))
		return MEETS_ALL;
	if (span_begins(text, "*."))
		return is_below(place->domain, without_dot(span_from(text, 2))) ? MEETS_BELOW : MEETS_NOT;
	if (memchr(text.p, '@', text.len) == NULL)
		return text.len > 0 && same_case(place->domain, without_dot(text)) ? MEETS_DOMAIN : MEETS_NOT;
	struct place exact = take_apart(text);
	return same_case(exact.local, place->local) && same_case(exact.domain, place->domain) ?
	    MEETS_ADDRESS : MEETS_NOT;
}

bool
route_meets(const char *pattern, struct span address)
{
	struct place place = take_apart(address);
	size_t ignored;

	return meets(pattern, &place, &ignored) != MEETS_NOT;
}

/* "mx:" alone is the recipient's domain, and each domain is a destination of its own. */
static void
complete_mx(struct route_match *match, struct span domain)
{
	struct str rest = {0}, folder = {0};

	if (match->kind != ROUTE_MX || (match->rest[0] != '\0' && match->rest[0] != ':'))
		return;
	for (size_t i = 0; i < domain.len; i++)
		str_add_char(&rest, domain.p[i] >= 'A' && domain.p[i] <= 'Z' ? (char)(domain.p[i] | 0x20) : domain.p[i]);
	str_add_text(&rest, match->rest);
	bool fits = rest.len < sizeof match->rest && domain.len > 0 && is_mx(str_c(&rest));
	if (fits)
		memcpy(match->rest, str_c(&rest), rest.len + 1);
	route_folder(match, &folder);
	if (!fits || folder.len > ROUTE_FOLDER_MAX) {
		match->kind = ROUTE_REJECT;
		snprintf(match->rest, sizeof match->rest, "its domain is longer than any that there is");
	}
	str_free(&rest);
	str_free(&folder);
}

/* "ann@home.example", "home.example", then ".example": 1 with the destination. */
static int
find_in_tables(const struct settings *settings, const struct place *place, struct str *value, struct err *err)
{
	const char *tables = settings->addresses.routes;
	struct span domain = place->domain;
	struct str address = {0};

	str_printf(&address, "%.*s@%.*s", (int)place->local.len, place->local.p, (int)domain.len, domain.p);
	int found = table_find(settings->tables, tables, str_span(&address), value, err);
	str_free(&address);
	if (found == 0)
		found = table_find(settings->tables, tables, domain, value, err);
	for (size_t at = 1; found == 0 && at < domain.len; at++)
		if (domain.p[at] == '.')
			found = table_find(settings->tables, tables, span_from(domain, at), value, err);
	return found;
}

static bool
ask_tables(const struct settings *settings, const struct place *place, struct route_match *match)
{
	struct str value = {0};
	struct err err = {0};

	if (settings->tables == NULL || settings->addresses.routes[0] == '\0' || place->domain.len == 0)
		return false;
	int found = find_in_tables(settings, place, &value, &err);
	if (found > 0) {
		*match = route_destination(str_c(&value));
		if (match->kind == ROUTE_NONE || route_check("table", str_c(&value), &err) < 0)
			found = err_set(&err, ERR_CONFIG, "the table of routes says \"%.200s\" of %.*s, which is no "
			    "destination", str_c(&value), (int)place->domain.len, place->domain.p);
	}
	complete_mx(match, place->domain);
	if (found < 0) {
		match->kind = err.kind == ERR_TEMP ? ROUTE_LATER : ROUTE_NONE;
		snprintf(match->rest, sizeof match->rest, "%.*s", ROUTE_REST_MAX - 1, err.text);
	}
	str_free(&value);
	return found != 0;
}

const char route_probe[] = "answer to a probe of mochila doctor";

static bool
is_probe(const struct settings *settings, const struct place *place)
{
	return span_is_case(place->local, ROUTE_PROBE) && settings->spool.host != NULL &&
	    same_case(place->domain, without_dot(span_of(settings->spool.host)));
}

struct route_match
route_find(const struct settings *settings, struct span address)
{
	struct place place = take_apart(address);
	const struct route *best = NULL;
	int best_kind = MEETS_NOT;
	size_t best_length = 0, length;

	if (address.len == 0)
		return (struct route_match){0};
	/* RFC 5321 4.1.1.3: "postmaster" alone is ours. */
	if (place.domain.len == 0 && place.local.len == address.len && settings->spool.host != NULL)
		place.domain = without_dot(span_of(settings->spool.host));
	for (size_t i = 0; i < settings->routes; i++) {
		int kind = meets(settings->route[i].pattern, &place, &length);
		if (kind < best_kind || kind == MEETS_NOT ||
		    (kind == best_kind && (kind == MEETS_REGEX || length <= best_length)))
			continue;
		best = &settings->route[i];
		best_kind = kind;
		best_length = length;
	}
	struct route_match match = {0};
	if (best_kind < MEETS_ADDRESS && is_probe(settings, &place)) {
		memcpy(match.rest, route_probe, sizeof route_probe);
		return match;
	}
	if (best_kind <= MEETS_ALL && ask_tables(settings, &place, &match))
		return match;
	if (best == NULL)
		return (struct route_match){0};
	match = route_destination(best->destination);
	match.wildcard = best_kind == MEETS_ALL;
	complete_mx(&match, place.domain);
	return match;
}

struct route_match
route_destination(const char *destination)
{
	struct route_match match = {0};

	for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
		size_t len = strlen(kind->name);
		if (strncmp(destination, kind->name, len) != 0 || !kind->is(destination + len) ||
		    strlen(destination + len) >= sizeof match.rest)
			continue;
		match.kind = kind->kind;
		memcpy(match.rest, destination + len, strlen(destination + len) + 1);
	}
	return match;
}

bool
route_waits(enum route_kind kind)
{
	return kind != ROUTE_NONE && kind != ROUTE_REJECT && kind != ROUTE_LATER;
}

bool
route_leads_out(enum route_kind kind)
{
	for (const struct kind *row = kinds; row->name != NULL; row++)
		if (row->kind == kind)
			return row->out;
	return false;
}

void
route_forms(struct str *out)
{
	for (const struct kind *kind = kinds; kind->name != NULL; kind++)
		if (kind->form != NULL)
			str_printf(out, "%s%s", kind == kinds ? "" : kind[1].name != NULL ? ", " : " or ", kind->form);
}

static int
check_pattern(const char *pattern, struct err *err)
{
	regex_t regex;

	if (!is_regex(span_of(pattern)))
		return 0;
	if (compile(span_of(pattern), &regex, err) < 0)
		return err_prefix(err, "[routes] %.250s: no pattern", pattern);
	regfree(&regex);
	return 0;
}

/* A destination is a folder's name, and what is written beside it needs room. */
int
route_check(const char *pattern, const char *destination, struct err *err)
{
	struct route_match match = route_destination(destination);
	struct str text = {0};

	if (check_pattern(pattern, err) < 0)
		return -1;
	if (match.kind == ROUTE_NONE || match.kind == ROUTE_FILTER) {
		route_forms(&text);
		err_set(err, ERR_CONFIG, "[routes] %.100s = %.100s: want %s", pattern, destination, str_c(&text));
		str_free(&text);
		return -1;
	}
	route_folder(&match, &text);
	size_t len = text.len;
	str_free(&text);
	if (match.kind == ROUTE_REJECT || len <= ROUTE_FOLDER_MAX)
		return 0;
	return err_set(err, ERR_CONFIG, "[routes] %.100s: a destination of %zu letters is too long for a "
	    "folder's name (%d)", pattern, len, ROUTE_FOLDER_MAX);
}

static bool
is_plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("._:@+-", c) != NULL);
}

static void
add_plain(const char *text, struct str *out)
{
	for (const char *c = text; c != NULL && *c != '\0'; c++) {
		if (is_plain((unsigned char)*c))
			str_add_char(out, *c);
		else
			str_printf(out, "%%%02X", (unsigned char)*c);
	}
}

void
route_folder(const struct route_match *match, struct str *out)
{
	if (match->kind == ROUTE_SITE) {
		str_add_text(out, match->rest);
		return;
	}
	/* "kind:" comes first, so that a folder is never "..", nor a site's. */
	for (const struct kind *kind = kinds; kind->name != NULL; kind++)
		if (kind->kind == match->kind)
			str_add_text(out, kind->name);
	add_plain(match->rest, out);
}

void
route_folder_of(const char *kind, const char *rest, struct str *out)
{
	str_printf(out, "%s:", kind);
	add_plain(rest, out);
}

static const char BY_FILTERS[] = "filter:";

void
route_by_filters(const struct settings *settings, struct str *folder)
{
	struct str whole = {0};

	if (settings_filters_of(settings, str_c(folder))[0] == '\0')
		return;
	str_printf(&whole, "%s%.*s", BY_FILTERS, (int)folder->len, folder->p);
	str_free(folder);
	*folder = whole;
}

void
route_behind_filters(const char *rest, struct str *folder)
{
	struct route_match match = route_destination(rest);

	if (match.kind == ROUTE_NONE)
		str_add_text(folder, rest);	/* a site */
	else
		route_folder(&match, folder);
}

bool
route_folder_ok(struct span folder)
{
	bool colon = false;

	for (size_t i = 0; i < folder.len; i++) {
		colon |= folder.p[i] == ':';
		if (!is_plain((unsigned char)folder.p[i]) && folder.p[i] != '%')
			return false;
	}
	return colon && folder.p[0] != '.' && folder.p[0] != ':' && folder.len <= ROUTE_FOLDER_MAX;
}

static int
hex_value(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

void
route_of_folder(const char *folder, struct str *destination)
{
	if (strchr(folder, ':') == NULL)
		str_add_text(destination, "site:");
	for (const char *c = folder; *c != '\0'; c++) {
		int high = *c == '%' ? hex_value(c[1]) : -1;
		int low = high >= 0 ? hex_value(c[2]) : -1;
		if (low < 0 || high + low == 0) {
			str_add_char(destination, *c);
			continue;
		}
		str_add_char(destination, (char)(high << 4 | low));
		c += 2;
	}
}
