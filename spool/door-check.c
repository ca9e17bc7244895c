/* mochila doctor: the configuration, and what it names (spool/doctor.h). */
#include "spool/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cert.h"
#include "lib/base/clock.h"
#include "spool/relaying.h"
#include "spool/route.h"

enum { KNOWN_MAX = 1 << 20 };

/* A path of the settings, or the preset below the folder of keys. */
static void
key_path(const struct doctor *doctor, const char *said, const char *preset, struct str *path)
{
	const struct settings *settings = &doctor->door->settings;

	settings_path(settings, said[0] != '\0' ? said : settings->spool.keys, path);
	if (said[0] == '\0' && preset[0] != '\0')
		str_printf(path, "/%s", preset);
}

/* Ends of names that mean something at home only (RFC 6762, 8375, and habit). */
static const char *const private_ends[] = {
	".lan", ".local", ".localdomain", ".localhost", ".internal", ".intranet", ".home", ".home.arpa", ".corp", NULL,
};

static bool
is_private(const char *host)
{
	bool private = strchr(host, '.') == NULL;

	for (const char *const *end = private_ends; !private && *end != NULL; end++)
		private = span_ends_case(span_of(host), *end);
	return private;
}

void
check_name(struct doctor *doctor)
{
	const struct spool_settings *spool = &doctor->door->settings.spool;
	const char *at = strrchr(spool->bounce_from, '@');

	if (is_private(at != NULL ? at + 1 : spool->host))
		doctor_found(doctor, spool->host, NULL, "our reports come from %s%s, which nobody else can answer",
		    at != NULL ? "" : "postmaster at ", at != NULL ? spool->bounce_from : spool->host);
}

static bool
is_ssh(const struct site_settings *site)
{
	return strncmp(site->link, "ssh://", 6) == 0;
}

void
check_config_modes(struct doctor *doctor)
{
	struct str keys = {0};
	struct stat st;

	if (stat(doctor->door->settings.file, &st) == 0 && (st.st_mode & 022) != 0)
		doctor_found(doctor, doctor->door->settings.file, NULL, "others may write %s, which names commands "
		    "to run", doctor->door->settings.file);
	key_path(doctor, "", "", &keys);
	if (stat(str_c(&keys), &st) == 0 && (st.st_mode & 077) != 0)
		doctor_found(doctor, str_c(&keys), "chmod 700 @", "%s is open to others", str_c(&keys));
	str_free(&keys);
}

static void
check_key(struct doctor *doctor, const struct site_settings *site, const char *path)
{
	struct str pair = {0};
	struct stat st;

	str_printf(&pair, "%s %s", site->name, site->link);
	if (stat(path, &st) < 0) {
		if (site->key[0] != '\0' || getenv("SSH_AUTH_SOCK") == NULL)
			doctor_found(doctor, str_c(&pair), "mochila pair @", "%s: the private key for %s: %s", path,
			    site->name, strerror(errno));
	} else if ((st.st_mode & 077) != 0) {
		doctor_found(doctor, path, NULL, "%s: others may read the private key for %s", path, site->name);
	} else if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0) {
		doctor_found(doctor, path, "chown \"$(id -u)\" @", "%s: we may not read the private key for %s", path,
		    site->name);
	}
	str_free(&pair);
}

void
check_keys(struct doctor *doctor)
{
	const struct settings *settings = &doctor->door->settings;
	struct str path = {0};

	for (size_t i = 0; i < settings->sites; i++) {
		if (!is_ssh(&settings->site[i]))
			continue;
		str_clear(&path);
		settings_key(settings, settings->site[i].key, &path);
		check_key(doctor, &settings->site[i], str_c(&path));
	}
	str_free(&path);
}

/* "ssh://USER@HOST[:PORT][/COMMAND]" as known_hosts names it: HOST, or [HOST]:PORT. */
static void
pin_name(const char *link, struct str *name)
{
	struct span rest = span_of(link + 6), host, port;

	span_cut(&rest, '/', &host);
	rest = host;
	span_cut(&rest, '@', &host);
	host = rest.p != NULL ? rest : host;
	bool bracket = host.len > 0 && host.p[0] == '[';
	port = host;
	span_cut(&port, bracket ? ']' : ':', &host);
	if (bracket) {
		host = span_from(host, 1);
		port = port.len > 0 && port.p[0] == ':' ? span_from(port, 1) : (struct span){0};
	}
	bool plain = port.len == 0 || span_is(port, "22");
	str_printf(name, plain ? "%.*s" : "[%.*s]:", (int)host.len, host.p);
	if (!plain)
		str_add_span(name, port);
}

/* A hashed name (|1|...) may be anybody's: it is given the benefit of the doubt. */
static bool
is_pinned(struct span known, struct span name)
{
	struct span line, names, one;

	while (span_cut(&known, '\n', &line)) {
		names = span_word(&line);
		if (span_begins(names, "@"))
			names = span_word(&line);
		if (span_begins(names, "|"))
			return true;
		while (span_cut(&names, ',', &one))
			if (span_same(one, name))
				return true;
	}
	return false;
}

void
check_pins(struct doctor *doctor)
{
	const struct settings *settings = &doctor->door->settings;

	for (size_t i = 0; i < settings->sites; i++) {
		const struct site_settings *site = &settings->site[i];
		struct str path = {0}, known = {0}, name = {0}, pair = {0};
		struct err ignored;
		if (!is_ssh(site))
			continue;
		key_path(doctor, site->known_hosts, "known_hosts", &path);
		pin_name(site->link, &name);
		fs_load(AT_FDCWD, str_c(&path), KNOWN_MAX, &known, &ignored);
		if (!is_pinned(str_span(&known), str_span(&name))) {
			str_printf(&pair, "%s %s", site->name, site->link);
			doctor_found(doctor, str_c(&pair), NULL, "%s has no host key of %s: it will not be called",
			    str_c(&path), str_c(&name));
		}
		str_free(&path);
		str_free(&known);
		str_free(&name);
		str_free(&pair);
	}
}

void
check_routes(struct doctor *doctor)
{
	const struct settings *settings = &doctor->door->settings;

	for (size_t i = 0; i < settings->routes; i++) {
		struct route_match match = route_destination(settings->route[i].destination);
		if (match.kind == ROUTE_SITE && settings_site(settings, match.rest) == NULL)
			doctor_found(doctor, match.rest, NULL, "%s = %s: no such site", settings->route[i].pattern,
			    settings->route[i].destination);
	}
}

static bool
has_route(const struct settings *settings, const char *site)
{
	for (size_t i = 0; i < settings->routes; i++) {
		struct route_match match = route_destination(settings->route[i].destination);
		if (match.kind == ROUTE_SITE && strcmp(match.rest, site) == 0)
			return true;
	}
	return false;
}

void
check_unrouted(struct doctor *doctor)
{
	const struct settings *settings = &doctor->door->settings;

	for (size_t i = 0; i < settings->sites; i++)
		if (!has_route(settings, settings->site[i].name))
			doctor_found(doctor, settings->site[i].name, NULL, "no mail is for %s: no route leads there",
			    settings->site[i].name);
}

void
check_relay(struct doctor *doctor)
{
	const struct settings *settings = &doctor->door->settings;
	struct route_match anywhere;
	struct err err;

	if (settings->relays > 0 && relaying_ask(settings, &anywhere, &err) < 0) {
		doctor_found(doctor, "", "ask it by hand: \"get anywhere.invalid\" on its standard input", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < settings->relays; i++)
		if (relaying_check(&anywhere, settings->relay[i].relay_from, &err) < 0)
			doctor_found(doctor, "", NULL, "[relay %s] %s", settings->relay[i].name, err.text);
}

enum { SOON_DAYS = 14 };

static void
check_certificate(struct doctor *doctor, const char *relay, const char *path)
{
	int64_t now = clock_now();
	struct cert_facts facts;
	struct str day = {0};
	struct err err;

	if (cert_facts(path, &facts, &err) < 0) {
		doctor_found(doctor, path, NULL, "[relay %s] %s", relay, err.text);
		return;
	}
	clock_utc(facts.until, &day);
	day.len = day.len > 10 ? 10 : day.len;
	if (facts.until < now)
		doctor_found(doctor, path, NULL, "[relay %s] %s expired on %s", relay, path, str_c(&day));
	else if (facts.until < now + SOON_DAYS * 86400 * CLOCK_SECOND)
		doctor_found(doctor, path, NULL, "[relay %s] %s expires on %s", relay, path, str_c(&day));
	else if (facts.since > now)
		doctor_found(doctor, path, NULL, "[relay %s] %s is not valid yet", relay, path);
	str_free(&day);
	cert_facts_free(&facts);
}

void
check_certificates(struct doctor *doctor)
{
	const struct settings *settings = &doctor->door->settings;

	for (size_t i = 0; i < settings->relays; i++) {
		struct span rest = span_of(settings->relay[i].tls_cert), word;
		while (strcmp(settings->relay[i].tls, "off") != 0 && (word = span_word(&rest)).len > 0) {
			char *said = mem_text_n(word.p, word.len);
			struct str path = {0};
			settings_path(settings, said, &path);
			check_certificate(doctor, settings->relay[i].name, str_c(&path));
			str_free(&path);
			free(said);
		}
	}
}
