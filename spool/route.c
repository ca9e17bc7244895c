#include "spool/route.h"

#include <string.h>
#include <strings.h>

#include "lib/mail/envelope.h"

static const struct kind {
	const char *name;
	enum route_kind kind;
} kinds[] = {
	{ "site:", ROUTE_SITE },
	{ "smtp:", ROUTE_SMTP },
	{ "maildir:", ROUTE_MAILDIR },
	{ "reject:", ROUTE_REJECT },
	{0},
};

/* How exactly a pattern meets an address; a higher one wins. */
enum { MEETS_NOT, MEETS_ALL, MEETS_BELOW, MEETS_DOMAIN, MEETS_ADDRESS };

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

static int
meets(const char *pattern, const struct place *place, size_t *exactness)
{
	struct span text = span_of(pattern);

	*exactness = text.len;
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
		if (kind < best_kind || kind == MEETS_NOT || (kind == best_kind && length <= best_length))
			continue;
		best = &settings->route[i];
		best_kind = kind;
		best_length = length;
	}
	if (best == NULL)
		return (struct route_match){0};
	struct route_match match = route_destination(best->destination);
	match.wildcard = best_kind == MEETS_ALL;
	return match;
}

struct route_match
route_destination(const char *destination)
{
	struct route_match match = {0};

	for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
		if (strncmp(destination, kind->name, strlen(kind->name)) == 0) {
			match.kind = kind->kind;
			match.rest = destination + strlen(kind->name);
		}
	}
	if ((match.kind == ROUTE_SITE && !settings_site_name(match.rest)) ||
	    (match.kind != ROUTE_NONE && match.kind != ROUTE_REJECT && match.rest[0] == '\0'))
		return (struct route_match){0};
	return match;
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

bool
route_folder_ok(struct span folder)
{
	bool colon = false;

	for (size_t i = 0; i < folder.len; i++) {
		colon |= folder.p[i] == ':';
		if (!is_plain((unsigned char)folder.p[i]) && folder.p[i] != '%')
			return false;
	}
	return colon && folder.p[0] != '.' && folder.p[0] != ':' && folder.len <= 180;
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
